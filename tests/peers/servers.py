"""Servers that nobody of this project wrote, run as processes of a test run.

A server chooses its own port and says it in its log; until it has, it is waited for, and no longer
than allowed. It is started without what the machine's own settings would change in it, and stopped
by its process, never by its name.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["running"]

_LISTENING: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_OWN_SETTINGS: Final = re.compile(r"(?i)_?(aimock|databricks|mlflow|node|python).*|.*_proxy")
_LOOK_EVERY: Final = 0.02
_STOP_SECONDS: Final = 5.0


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, *, seconds: float, environ: Mapping[str, str]
) -> Iterator[str]:
    """The origin of a server that listens on a port of its own choice, for the time of the block.

    Args:
        command: what to run; ``folder`` is where, and where its log goes.
        seconds: how long it may take until it listens.
        environ: its settings, beside the surroundings.

    Raises:
        RuntimeError: it ended, or did not listen in time; tells the end of its log.
    """
    log = folder / "server.log"
    surroundings = {
        name: value for name, value in os.environ.items() if not _OWN_SETTINGS.fullmatch(name)
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  the caller's own command
            command,
            cwd=folder,
            env=surroundings | dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _origin(process, log, time.monotonic() + seconds)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _origin(process: subprocess.Popen[bytes], log: Path, deadline: float) -> str:
    while True:
        ended = process.poll()
        said = log.read_text(errors="replace")
        found = _LISTENING.search(said)
        if ended is not None or (found is None and time.monotonic() > deadline):
            what = "does not listen" if ended is None else f"ended with {ended}"
            message = f"{process.args!r} {what}; the end of its log: {said[-2000:]}"
            raise RuntimeError(message)
        if found:
            return found[0]
        time.sleep(_LOOK_EVERY)
