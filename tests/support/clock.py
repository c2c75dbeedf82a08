"""Clocks for tests: time that passes when a test says so, and time that passes by being waited for."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1_700_000_000.0
_TURNS = 12
"""Turns of the loop after which work that waits for nothing but other tasks has come to rest."""


async def settle() -> None:
    """Let everything run that can, without waiting for time or sockets."""
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()


class _Alarm:
    """What happens at a moment, unless it is cancelled."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work: Callable[[], object] | None = work

    def cancel(self) -> None:
        self._work = None

    def ring(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


class HandClock:
    """A clock that is moved on by hand. What waits for it happens in the order of its times."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._numbers = count()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, work: Callable[[], object]) -> _Alarm:
        alarm = _Alarm(work)
        heapq.heappush(self._alarms, (self.now + seconds, next(self._numbers), alarm))
        return alarm

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        alarm = self.call_later(seconds, woken.set)
        try:
            await woken.wait()
        finally:
            alarm.cancel()

    async def advance(self, seconds: float) -> None:
        """Let time pass; who wakes has done what it can before the next one wakes."""
        end = self.now + seconds
        await settle()
        while self._alarms and self._alarms[0][0] <= end:
            self.now = max(self.now, self._alarms[0][0])
            while self._alarms and self._alarms[0][0] <= self.now:
                heapq.heappop(self._alarms)[2].ring()
            await settle()
        self.now = end


class HastyClock:
    """A clock on which whoever sleeps has slept at once. ``slept`` tells how long each time.

    Beside that, time passes and alarms ring as on the wall.
    """

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return perf_counter() + sum(self.slept)

    def call_later(self, seconds: float, work: Callable[[], object]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, work)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()
