"""A clock for tests: time passes when the test says so, and at once.

Give it to a client (``Client(clock=clock)``), ask, and `HandClock.advance` through hours of waiting: timeouts,
retries, pauses and tokens that expire happen in the order of their times, while bytes travel over real
sockets. What waits for a socket needs real time and is not waited for: wait for what the other side saw
(`FakeGateway.wait_for`) before time is moved on.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["START", "HandClock", "settle"]

START: Final = 1_700_000_000.0
_TURNS: Final = 12
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
        """Seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """The same."""
        return self.now

    def call_later(self, seconds: float, work: Callable[[], object]) -> _Alarm:
        """Have ``work`` called once so much time has passed."""
        alarm = _Alarm(work)
        heapq.heappush(self._alarms, (self.now + seconds, next(self._numbers), alarm))
        return alarm

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed."""
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
