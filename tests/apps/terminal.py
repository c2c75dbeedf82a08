"""A person at a terminal: what they see of a command, and what they type."""

from __future__ import annotations

import os
import pty
import signal
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio

from tests.apps.commands import COMMAND, surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process


class Terminal:
    """One end of a terminal; the command's standard input and error are at the other."""

    def __init__(self, descriptor: int, process: Process) -> None:
        self._descriptor = descriptor
        self.process = process
        self.seen = ""
        self.output = b""
        self.status: int | None = None

    async def until(self, text: str) -> str:
        """Wait until something is seen, and give all that was."""
        with anyio.fail_after(30):
            while text not in self.seen:
                if not await self._more():
                    message = f"{text!r} never came: {self.seen}"
                    raise AssertionError(message)
        return self.seen

    def type(self, text: str) -> None:
        """Type a line. What is no UTF-8 is given as surrogates."""
        os.write(self._descriptor, text.encode(errors="surrogateescape") + b"\n")

    def interrupt(self) -> None:
        """What Ctrl-C does: it reaches the command and all that it started."""
        os.killpg(self.process.pid, signal.SIGINT)

    async def end(self) -> int:
        """Wait for the command's end, and give its status."""
        with anyio.fail_after(30):
            while await self._more():
                pass
            assert self.process.stdout is not None
            self.output = b"".join([piece async for piece in self.process.stdout])
            return await self.process.wait()

    async def _more(self) -> bool:
        await anyio.wait_readable(self._descriptor)
        try:
            piece = os.read(self._descriptor, 4096)
        except OSError:  # everybody has left the other end
            piece = b""
        self.seen += piece.decode()
        return bool(piece)


@asynccontextmanager
async def at_terminal(*arguments: str, **environ: str) -> AsyncIterator[Terminal]:
    """Run the command with somebody at the terminal."""
    mine, its = pty.openpty()
    try:
        process = await anyio.open_process(
            [str(COMMAND), *arguments],
            stdin=its, stdout=PIPE, stderr=its, env=surroundings(**environ), start_new_session=True,
        )  # fmt: skip
        os.close(its)
        async with process:
            try:
                yield Terminal(mine, process)
            finally:
                if process.returncode is None:
                    process.kill()
    finally:
        os.close(mine)
