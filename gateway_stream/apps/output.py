"""Where the command line writes, and what happens when that does not work.

Standard output is what was asked for. When its reader has gone, nobody wants the rest, and the
command is done; when it cannot be written for another reason (a full disk), the user must hear of
it. Both are raised as `OutputLost`, which no library on the way takes for something of its own, as
typer and rich take a broken pipe.

Standard error only tells about the work, so what cannot be written there is dropped.

No character makes either fail: what the terminal's encoding lacks is written as an escape. Lines
for programs are UTF-8 whatever the terminal's encoding is, because JSON is.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OutputLost", "flush", "open_streams", "printable", "write_line"]

_OUTPUT: Final = 1
_SIDE: Final = 2


class OutputLost(Exception):
    """Standard output takes no more.

    Attributes:
        reader_left: whether that is because nobody reads it any more.
        reason: the system's word for it.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.reader_left = isinstance(error, BrokenPipeError)
        self.reason = error.strerror or str(error)


class _Output(io.TextIOWrapper):
    """Standard output; it raises `OutputLost`."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _lost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _lost(error) from error


class _Side(io.TextIOWrapper):
    """Standard error; it raises nothing."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            _discard(_SIDE)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            _discard(_SIDE)


def open_streams() -> None:
    """Make standard output and standard error what this module says. One that is closed is null."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  for the process's life
    sys.stdout = _opened(sys.stdout, _Output)
    sys.stderr = _opened(sys.stderr, _Side)


def _opened(stream: object, kind: type[io.TextIOWrapper]) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  the same
    encoding, by_line, at_once = stream.encoding, stream.line_buffering, stream.write_through
    return kind(
        stream.detach(),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line,
        write_through=at_once,
    )


def write_line(line: bytes) -> None:
    """Write a line for programs to standard output.

    Raises:
        OutputLost: it takes no more.
    """
    rest = memoryview(line + b"\n")
    try:
        while rest:  # unbuffered output takes what the pipe has room for
            rest = rest[sys.stdout.buffer.write(rest) :]
    except OSError as error:
        raise _lost(error) from error


def flush() -> None:
    """Hand all that was written to whoever reads it.

    Raises:
        OutputLost: standard output takes no more.
    """
    sys.stdout.flush()


def printable(path: Path) -> str:
    """A file's name as text that can be written; bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _lost(error: OSError) -> OutputLost:
    _discard(_OUTPUT)
    return OutputLost(error)


def _discard(descriptor: int) -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not trip over it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
