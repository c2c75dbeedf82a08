"""Tokens at their times: what is due is written in slots of a millisecond, for all streams together.

A timer for each stream costs a heap of timers, and the server would be the first to fill its core.
Selectors wait no finer than a millisecond anyway, so the times of all streams fall into slots of
one, and there is one timer, for the next slot that has something in it.

A stream that is late keeps its times and catches up, so that the rate of all of them is the one that was
asked for as long as the core allows it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["Pacer", "Speaker"]


class Speaker(Protocol):
    """What says something at its times."""

    due: float
    """When it speaks next, in milliseconds of the loop's clock."""

    def speak(self) -> bool:
        """Say what is due and set the next time; whether there is one."""


class Pacer:
    """Lets speakers speak when they are due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Speaker]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Milliseconds of the loop's clock."""
        return self._loop.time() * 1000

    def add(self, speaker: Speaker) -> None:
        """Let it speak once it is due."""
        self._put(speaker)
        self._wait()

    def remove(self, speaker: Speaker) -> None:
        """Forget it, if it is known."""
        self._slots.get(int(speaker.due), set()).discard(speaker)

    def _put(self, speaker: Speaker) -> None:
        slot = int(speaker.due)
        speakers = self._slots.get(slot)
        if speakers is None:
            speakers = self._slots[slot] = set()
            heappush(self._order, slot)
        speakers.add(speaker)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._order[0] / 1000, self._tick) if self._order else None

    def _tick(self) -> None:
        # What falls due while this runs has its turn after the sockets had theirs.
        now = int(self.now())
        while self._order and self._order[0] <= now:
            for speaker in self._slots.pop(heappop(self._order)):
                if speaker.speak():
                    self._put(speaker)
        self._wait()
