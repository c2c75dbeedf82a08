"""One measurement of one peer: a process of its own, started fresh, that prints one line of JSON.

CPU is what the kernel charged to this whole process, its threads too, in user and system mode. It is
read before and after what is measured, so that starting, importing and warming up are not in it.

The process is fresh for each measurement because processes remember: glibc, for one, once it has
freed a large block, makes all later reads of asyncio cheaper. A paced measurement after a burst in
the same process would be another measurement.

- ``request``: short answers of `SHORT` tokens, one after the other on a kept connection.
- ``burst``: one answer, as fast as it can be read.
- ``paced``: streams that each get a token every `INTERVAL_MS`, in a segment of its own. The window
  begins once all of them have had their first, and costs of opening them have settled.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

from benchmarks.places import pin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["INTERVAL_MS", "SHORT", "Tally", "measure"]

SHORT: Final = 10
BATCH: Final = 32
INTERVAL_MS: Final = 50
_ENDLESS: Final = 1_000_000
_WARM_UP: Final = 100
_OPENING_SECONDS: Final = 30
_SETTLING_SECONDS: Final = 0.5


class Tally:
    """What one stream has brought so far. What only drains counts parts of a token by its bytes."""

    def __init__(self) -> None:
        self.tokens: float = 0


if TYPE_CHECKING:
    Ask = Callable[[str, Tally], Awaitable[None]]

    class Peer(Protocol):
        """A module of ``benchmarks.peers``."""

        async def connect(
            self, address: str, family: str, variant: str, closing: AsyncExitStack
        ) -> Ask:
            """Give what asks the server to play, reads the answer to its end and counts tokens.

            What is to be closed afterwards goes on ``closing``.
            """


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _played(ask: Ask, tokens: int, each: int) -> None:
    tally = Tally()
    await ask(f"play-{tokens}-{each}-0", tally)
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


async def paced(ask: Ask, *, streams: int, window: float) -> dict[str, float]:
    """Seconds of CPU for each token of many streams, and how many tokens a second came."""
    tallies = [Tally() for _ in range(streams)]
    play = f"play-{_ENDLESS}-1-{INTERVAL_MS}"
    tasks = [asyncio.ensure_future(ask(play, tally)) for tally in tallies]
    until = time.perf_counter() + _OPENING_SECONDS
    while not all(tally.tokens for tally in tallies):
        ended = next((task for task in tasks if task.done()), None)
        if ended is not None:
            await ended
        if time.perf_counter() > until:
            opened = sum(1 for tally in tallies if tally.tokens)
            message = f"{opened} of {streams} streams were open after {_OPENING_SECONDS} s"
            raise RuntimeError(message)
        await asyncio.sleep(0.05)
    gc.collect()
    await asyncio.sleep(_SETTLING_SECONDS)
    began, used, had = time.perf_counter(), cpu(), sum(tally.tokens for tally in tallies)
    await asyncio.sleep(window)
    took, spent = time.perf_counter() - began, cpu() - used
    came = sum(tally.tokens for tally in tallies) - had
    due = streams * took * 1000 / INTERVAL_MS
    return {"cpu": spent / came, "core": spent / took, "kept_up": came / due, "seconds": took}


async def measure(peer: Peer, task: dict[str, Any]) -> dict[str, Any]:
    """Measure what ``task`` names, after a warm-up on the same way."""
    closing = AsyncExitStack()
    ask = await peer.connect(task["address"], task["family"], task["variant"], closing)
    for _ in range(3):
        await _played(ask, _WARM_UP, BATCH)
    measures = {"burst": burst, "request": request, "paced": paced}
    return {mode: await measures[mode](ask, **how) for mode, how in task["modes"].items()}  # type: ignore[operator]


def main() -> None:
    task = json.loads(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some peers print
    pin(0)
    peer: Any = importlib.import_module(f"benchmarks.peers.{task['peer']}")
    loop_factory = None
    if task["loop"] == "uvloop":
        loop_factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        print(json.dumps(runner.run(measure(peer, task))), file=answer, flush=True)
        os._exit(0)  # at once: how a peer closes what is open is not measured, and may take long


if __name__ == "__main__":
    main()
