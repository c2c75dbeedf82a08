"""Clocks for tests: the kit's, and one on which whoever sleeps has slept at once."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import anyio.lowlevel

from gateway_stream.testing.clock import START, HandClock, settle

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["START", "HandClock", "HastyClock", "settle"]


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
