"""The command line as its users run it: a process with arguments, streams and an exit status."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from subprocess import CompletedProcess

COMMAND = Path(sysconfig.get_path("scripts")) / "gateway-stream"
SSE = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def surroundings(**more: str) -> dict[str, str]:
    """An environment without settings of the machine's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": "/nonexistent", "NO_COLOR": "1", "COLUMNS": "100", **more}


async def run(*arguments: str, stdin: str | bytes = "", **environ: str) -> CompletedProcess[bytes]:
    """Run the command to its end."""
    with anyio.fail_after(30):
        return await anyio.run_process(
            [str(COMMAND), *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            check=False,
            env=surroundings(**environ),
        )


async def shell(script: str, **environ: str) -> CompletedProcess[bytes]:
    """Run a script of bash, in which ``$COMMAND`` is the command."""
    with anyio.fail_after(30):
        return await anyio.run_process(
            ["bash", "-c", script], check=False, env=surroundings(COMMAND=str(COMMAND), **environ)
        )


def told(done: CompletedProcess[bytes]) -> list[str]:
    """The lines in which the command said what went wrong; there is no traceback."""
    assert b"Traceback" not in done.stderr
    lines = done.stderr.decode().splitlines()
    return [line for line in lines if line.startswith("gateway-stream:")]
