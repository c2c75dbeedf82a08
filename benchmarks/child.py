"""One measurement of one peer: a process of its own, started fresh, that prints one line of JSON.

CPU is what the kernel charged to this whole process, its threads too, in user and system mode. It is
read before and after what is measured, so that starting, importing and warming up are not in it.

The process is fresh for each measurement because processes remember: glibc, for one, once it has
freed a large block, makes all later reads of asyncio cheaper. A paced measurement after a burst in
the same process would be another measurement.

- ``request``: short answers of `SHORT` tokens, one after the other on a kept connection.
- ``burst``: one answer, as fast as it can be read.
- ``paced``, ``memory``, ``delay`` and ``saturation``: many open streams; see `benchmarks.crowd`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

from benchmarks import crowd
from benchmarks.crowd import Tally, cpu
from benchmarks.places import open_many_files, pin

if TYPE_CHECKING:
    from benchmarks.crowd import Ask

    class Peer(Protocol):
        """A module of ``benchmarks.peers``."""

        async def connect(
            self, address: str, family: str, variant: str, closing: AsyncExitStack
        ) -> Ask:
            """Give what asks the server to play, reads the answer to its end and counts tokens.

            What is to be closed afterwards goes on ``closing``.
            """


__all__ = ["SHORT", "Tally", "measure"]

SHORT: Final = 10
BATCH: Final = 32
_WARM_UP: Final = 100


async def _played(ask: Ask, tokens: int, each: int, kind: str = "play") -> None:
    tally = Tally()
    await ask(f"{kind}-{tokens}-{each}-0", tally)
    if int(tally.tokens) < tokens:
        message = f"{tally.tokens:g} of {tokens} tokens were read"
        raise RuntimeError(message)


async def burst(ask: Ask, *, tokens: int) -> dict[str, float]:
    """Seconds of CPU for each token of one long answer."""
    gc.collect()
    began, used = time.perf_counter(), cpu()
    await _played(ask, tokens, BATCH)
    return {"cpu": (cpu() - used) / tokens, "seconds": time.perf_counter() - began}


async def request(ask: Ask, *, requests: int) -> dict[str, float]:
    """Seconds of CPU for each short answer."""
    gc.collect()
    began, used = time.perf_counter(), cpu()
    for _ in range(requests):
        await _played(ask, SHORT, SHORT)
    return {"cpu": (cpu() - used) / requests, "seconds": time.perf_counter() - began}


_MEASURES: Final[dict[str, Any]] = {
    "burst": burst,
    "request": request,
    "paced": crowd.paced,
    "memory": crowd.memory,
    "delay": crowd.delay,
    "saturation": crowd.saturation,
}


async def measure(peer: Peer, task: dict[str, Any]) -> list[dict[str, float]]:
    """Measure what ``task`` names, in its order, after a warm-up on the same way."""
    closing = AsyncExitStack()
    ask = await peer.connect(task["address"], task["family"], task["variant"], closing)
    for _ in range(3):
        kind = "stamp" if task["variant"] == "stamped" else "play"
        await _played(ask, _WARM_UP, BATCH, kind)
    return [await _MEASURES[name](ask, **how) for name, how in task["measures"]]


def main() -> None:
    task = json.loads(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some peers print
    pin(0)
    open_many_files()
    peer: Any = importlib.import_module(f"benchmarks.peers.{task['peer']}")
    loop_factory = None
    if task["loop"] == "uvloop":
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        print(json.dumps(runner.run(measure(peer, task))), file=answer, flush=True)
        os._exit(0)  # at once: how a peer closes what is open is not measured, and may take long


if __name__ == "__main__":
    main()
