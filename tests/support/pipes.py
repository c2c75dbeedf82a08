"""Pipes by which a test and a program or a thread wait for each other, and neither for ever."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_pipe", "write_pipe"]


async def read_pipe(pipe: Path) -> str:
    """What somebody writes there, once somebody does."""
    handle = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await anyio.wait_readable(handle)
        return os.read(handle, 4096).decode()
    finally:
        os.close(handle)


async def write_pipe(pipe: Path, text: str) -> None:
    """Write once somebody reads; who opens it to read waits until then."""
    while True:
        try:
            handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            await anyio.sleep(0.01)
        else:
            break
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
