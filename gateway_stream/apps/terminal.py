"""Whoever sits at the terminal: what they are told, asked, and asked without its being seen.

All of it goes over standard error and standard input, so that standard output is what was asked for.

A line is read by a thread of its own that nobody waits for, from the descriptor and not through Python's
reader: Ctrl-C then ends the command while the thread still waits, and the interpreter does not wait for
a reader that is in use.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import threading
import warnings
from concurrent.futures import Future
from typing import Final

import typer
from rich.console import Console
from rich.text import Text

from gateway_stream.apps.render import without_controls
from gateway_stream.net.hidden import Hidden

__all__ = ["agree", "ask", "at_terminal", "read_secret", "show"]

_INPUT: Final = 0
_PIECE: Final = 4096


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def show(line: str) -> None:
    """Tell a line."""
    Console(stderr=True, highlight=False).print(Text(without_controls(line)), soft_wrap=True)


async def ask(question: str) -> str:
    """Ask for a line; empty where nobody answers."""
    return (await _line(question) or "").strip()


async def agree(question: str) -> bool:
    """Ask whether to go on; Enter says yes."""
    answer = await _line(f"{question} [Y/n] ")
    return answer is not None and answer.strip().lower() in ("", "y", "yes")


async def _line(question: str) -> str | None:
    """The answer; ``None`` where nobody gives one."""
    sys.stderr.write(question)
    sys.stderr.flush()
    answer: Future[str | None] = Future()
    answer.set_running_or_notify_cancel()  # so that the thread may answer whoever still waits
    threading.Thread(target=_read, args=(answer,), daemon=True).start()
    told = await asyncio.wrap_future(answer)
    if told is None or not sys.stdin.isatty():  # nobody typed the end of the line
        sys.stderr.write("\n")
    return told


def _read(answer: Future[str | None]) -> None:
    line = b""
    try:
        while b"\n" not in line and (piece := os.read(_INPUT, _PIECE)):
            line += piece
    except OSError:  # there is nobody any more
        line = b""
    answer.set_result(line.partition(b"\n")[0].decode(errors="replace") if line else None)


def read_secret(question: str) -> Hidden:
    """A secret: typed and not seen at a terminal, else all of standard input. Blocks.

    Raises:
        typer.Abort: nobody answers.
        typer.BadParameter: there is none, or the terminal would show it.
    """
    if sys.stdin.isatty():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", getpass.GetPassWarning)
                text = Hidden(getpass.getpass(question))
        except EOFError:
            raise typer.Abort from None
        except getpass.GetPassWarning:
            message = "this terminal would show the token; pipe it in instead"
            raise typer.BadParameter(message, param_hint="--token") from None
        except UnicodeDecodeError:  # which holds what was typed
            message = "what was typed is not UTF-8 text"
            raise typer.BadParameter(message, param_hint="--token") from None
    else:
        text = Hidden(sys.stdin.buffer.read().decode(errors="replace"))
    if not text.strip():
        message = "no token came"
        raise typer.BadParameter(message, param_hint="--token")
    return Hidden(text.strip())
