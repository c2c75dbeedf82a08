"""Clocks for tests: time that passes when a test says so, and time that passes by being waited for."""

from __future__ import annotations

import heapq
from itertools import count

import anyio
import anyio.lowlevel

START = 1_700_000_000.0
_TURNS = 12
"""Turns of the loop after which work that waits for nothing but other tasks has come to rest."""


async def settle() -> None:
    """Let everything run that can, without waiting for time or sockets."""
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()


class HandClock:
    """A clock that is moved on by hand. Its sleepers wake in the order of their times."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._numbers = count()

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass; who wakes has done what it can before the next one wakes."""
        end = self.now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now = max(self.now, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.now:
                heapq.heappop(self._sleepers)[2].set()
            await settle()
        self.now = end


class HastyClock:
    """A clock on which whoever sleeps has slept at once. ``slept`` tells how long each time."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()
