"""Many streams open at once: what a token costs, how long it is under way, and what a stream holds.

Streams are opened some at a time, each told at once that it is open by its first token. A window begins
once all of them are, and what opening cost has settled.

- `paced`: CPU for each token.
- `memory`: how much larger the process is for each open stream that has had one token.
- `delay`: how long tokens are under way, from the server's stamp to the reader's code.
- `saturation`: the highest rate at which all but one token in a hundred are under way for less than
  `LATE_SECONDS`. Past it the tokens queue up: the core is full.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.stamps import since

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Ask = Callable[[str, "Tally"], Awaitable[None]]

__all__ = [
    "LATE_SECONDS",
    "Step",
    "Tally",
    "cpu",
    "delay",
    "highest",
    "memory",
    "paced",
    "resident",
    "saturation",
]

LATE_SECONDS: Final = 0.005
_ENDLESS: Final = 1_000_000
_HOUR_MS: Final = 3_600_000
_TOGETHER: Final = 100  # streams that are opened at once
_OPENING_SECONDS: Final = 50
_SETTLING_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.005
_COARSE: Final = 20_000  # tokens a second, by which the pace is raised first
_FINE: Final = 5_000  # and last
_MOST: Final = 100_000
_KEPT_UP: Final = 0.97


class Tally:
    """What one stream has brought so far. What only drains counts parts of a token by its bytes."""

    __slots__ = ("delays", "tokens")

    def __init__(self) -> None:
        self.tokens: float = 0
        self.delays = array("d")

    def came(self, stamp: str | bytes) -> None:
        """Note a token and how long it was under way, in seconds."""
        self.tokens += 1
        self.delays.append(since(stamp))


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> int:
    """Bytes of memory that this process holds; where the system does not say, the most it ever held."""
    told = Path("/proc/self/statm")
    if told.is_file():
        return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


async def _opened(
    ask: Ask, streams: int, play: str
) -> tuple[list[Tally], list[asyncio.Future[None]]]:
    """Open streams that play, and give them once each has had a token."""
    tallies = [Tally() for _ in range(streams)]
    tasks: list[asyncio.Future[None]] = []
    until = time.perf_counter() + _OPENING_SECONDS
    for first in range(0, streams, _TOGETHER):
        opening = tallies[first : first + _TOGETHER]
        tasks += [asyncio.ensure_future(ask(play, tally)) for tally in opening]
        while not all(tally.tokens for tally in opening):
            failed = next((task for task in tasks[first:] if task.done()), None)
            if failed is not None:
                await failed
            if time.perf_counter() > until:
                opened = sum(1 for tally in tallies if tally.tokens)
                message = f"{opened} of {streams} streams were open after {_OPENING_SECONDS} s"
                raise RuntimeError(message)
            await asyncio.sleep(_LOOK_SECONDS)
    return tallies, tasks


class _Window(NamedTuple):
    """What happened in a window: tokens, and seconds of the clock and of CPU."""

    tokens: float
    seconds: float
    spent: float


async def _window(tallies: Sequence[Tally], seconds: float) -> _Window:
    gc.collect()
    await asyncio.sleep(_SETTLING_SECONDS)
    for tally in tallies:
        del tally.delays[:]
    began, used, had = time.perf_counter(), cpu(), sum(tally.tokens for tally in tallies)
    await asyncio.sleep(seconds)
    took, spent = time.perf_counter() - began, cpu() - used
    return _Window(sum(tally.tokens for tally in tallies) - had, took, spent)


async def paced(ask: Ask, *, streams: int, interval: float, window: float) -> dict[str, float]:
    """Seconds of CPU for each token of many streams, and how many tokens a second came.

    ``interval`` is milliseconds between a stream's tokens.
    """
    tallies, _ = await _opened(ask, streams, f"play-{_ENDLESS}-1-{interval:g}")
    came = await _window(tallies, window)
    due = streams * came.seconds * 1000 / interval
    return {
        "cpu": came.spent / came.tokens,
        "core": came.spent / came.seconds,
        "kept_up": came.tokens / due,
    }


async def memory(ask: Ask, *, streams: int) -> dict[str, float]:
    """Bytes for each open stream that had one token and waits for the next."""
    gc.collect()
    before = resident()
    await _opened(ask, streams, f"play-{_ENDLESS}-1-{_HOUR_MS}")
    gc.collect()
    await asyncio.sleep(_SETTLING_SECONDS)
    return {"bytes": (resident() - before) / streams}


def _share(delays: Sequence[float], share: float) -> float:
    """What this share of the delays, which are sorted, does not exceed."""
    return delays[min(int(len(delays) * share), len(delays) - 1)]


def _sorted(tallies: Sequence[Tally]) -> list[float]:
    delays = sorted([delay for tally in tallies for delay in tally.delays])
    if not delays:
        message = "no token came in the window"
        raise RuntimeError(message)
    return delays


async def delay(ask: Ask, *, streams: int, interval: float, window: float) -> dict[str, float]:
    """Seconds that tokens were under way: half of them, and 99 of 100, no longer than that."""
    tallies, _ = await _opened(ask, streams, f"stamp-{_ENDLESS}-1-{interval:g}")
    came = await _window(tallies, window)
    delays = _sorted(tallies)
    return {
        "p50": _share(delays, 0.5),
        "p99": _share(delays, 0.99),
        "core": came.spent / came.seconds,
    }


class Step(NamedTuple):
    """What came at one pace.

    Attributes:
        rate: tokens a second.
        p99: seconds that 99 of 100 tokens were under way at most.
        core: how much of a core it took.
        kept_up: the rate, over the one that was asked of the server.
    """

    rate: float
    p99: float
    core: float
    kept_up: float


async def saturation(ask: Ask, *, streams: int, window: float) -> dict[str, float]:
    """The highest rate before tokens begin to be late. ``server_full`` is 1 where it is the server's."""

    async def step(rate: float) -> Step:
        interval = streams * 1000 / rate
        # On for a little after the window; then the streams end, and their connections are kept.
        tokens = int((window + 2 * _SETTLING_SECONDS) * 1000 / interval)
        tallies, tasks = await _opened(ask, streams, f"stamp-{tokens}-1-{interval:g}")
        came = await _window(tallies, window)
        p99 = _share(_sorted(tallies), 0.99)
        await asyncio.gather(*tasks)
        arrived = came.tokens / came.seconds
        return Step(arrived, p99, came.spent / came.seconds, arrived / rate)

    best, server_full = await highest(step)
    return {**best._asdict(), "server_full": float(server_full)}


async def highest(step: Callable[[float], Awaitable[Step]]) -> tuple[Step, bool]:
    """The best step before tokens are late, and whether the server's own core was full before that.

    The pace is raised far first and finely then. A step that fails is tried again before it counts,
    since a machine has other things to do.

    Raises:
        RuntimeError: tokens are late at every pace.
    """
    best: Step | None = None
    rate, by, climbing, server_full = 0.0, float(_COARSE), True, False
    while by >= _FINE and rate < _MOST:
        for _ in range(2):
            found = await step(rate + by)
            in_time, kept_up = found.p99 < LATE_SECONDS, found.kept_up >= _KEPT_UP
            if in_time and kept_up:
                best, rate = found, rate + by
                break
        else:
            climbing, server_full = False, in_time
        if not climbing:
            by /= 2
    if best is None:
        message = "tokens are late at every pace"
        raise RuntimeError(message)
    return best, server_full or rate >= _MOST
