"""What time it is, and waiting for another.

Code that depends on time takes a `Clock`, so that three hours can pass in a test at once. There are two
times. ``time`` is seconds since 1970: what expires says when in those, and a machine that slept in
between knows. A `Timer` tells another beside it: ``monotonic`` counts seconds from anywhere and never
jumps. What is waited for is measured in those, and they are cheap enough to be taken at every read of a
socket.
"""

from __future__ import annotations

from time import perf_counter
from time import time as since_1970
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SYSTEM", "Alarm", "Clock", "Timer"]


class Alarm(Protocol):
    """Something that is to happen later."""

    def cancel(self) -> None:
        """Let it not happen. Does nothing once it has."""


class Clock(Protocol):
    """Tells the time and waits."""

    def time(self) -> float:
        """Seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait for at least so long."""


class Timer(Clock, Protocol):
    """A clock that also counts, and calls."""

    def monotonic(self) -> float:
        """Seconds since some moment, never fewer than before."""

    def call_later(self, seconds: float, work: Callable[[], object]) -> Alarm:
        """Have the running loop call ``work`` after so long."""


class _System:
    """The machine's own."""

    time = staticmethod(since_1970)
    monotonic = staticmethod(perf_counter)

    @staticmethod
    async def sleep(seconds: float) -> None:
        import anyio  # noqa: PLC0415  whoever waits has loaded it, an import need not

        await anyio.sleep(seconds)

    @staticmethod
    def call_later(seconds: float, work: Callable[[], object]) -> Alarm:
        import asyncio  # noqa: PLC0415

        return asyncio.get_running_loop().call_later(seconds, work)


SYSTEM: Final[Timer] = _System()
