"""What time it is, and waiting for another.

Code that depends on time takes a `Clock`, so that three hours can pass in a test at once. Times are
seconds since 1970: what expires says when in those, and a machine that slept in between knows.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

__all__ = ["SYSTEM", "Clock"]


class Clock(Protocol):
    """Tells the time and waits."""

    def time(self) -> float:
        """Seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait for at least so long."""


class _System:
    """The machine's own."""

    time = staticmethod(time.time)

    @staticmethod
    async def sleep(seconds: float) -> None:
        import anyio  # noqa: PLC0415  whoever waits has loaded it, an import need not

        await anyio.sleep(seconds)


SYSTEM: Final[Clock] = _System()
