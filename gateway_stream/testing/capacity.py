"""A gateway that takes only so much: so many requests at a time, a minute, or more than a second ago.

A `Capacity` stands before another reply as the ``default`` of a gateway. What is over a limit is refused
and takes no part in any limit. A request counts as in flight from when it was taken until its last byte
was handed to its socket or its client had left, so a client that sends the next one when it has read the
last is never over a limit by the server's own delay.

The limits are those that gateways have and do not tell: a number of requests at once, a number in any
sixty seconds, and a slope, for some refuse what grows too fast although it is little (Anthropic's
documentation of its limits calls them acceleration limits).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing.replies import Reply

if TYPE_CHECKING:
    from gateway_stream.net.clocks import Timer
    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.server import Handler

__all__ = ["Capacity"]

_MINUTE: Final = 60.0
_SECOND: Final = 1.0


class Capacity:
    """Refuses what is over a limit, and leaves the rest to ``default``.

    Args:
        default: what answers within the limits; a path of no family is answered by it in any case.
        concurrency: requests at a time.
        per_minute: requests in any sixty seconds.
        slope: how many more requests may be taken in one second than in the second before.
        status: the status of a refusal.
        retry_after: what a refusal says to wait; ``None`` leaves it unsaid.
        clock: what tells the time.

    Attributes:
        in_flight: requests that were taken and are being answered.
        most_in_flight: the most that ever were.
        accepted: requests that were taken.
        refused: requests that were not.
    """

    def __init__(
        self,
        default: Reply | Handler,
        *,
        concurrency: int | None = None,
        per_minute: int | None = None,
        slope: int | None = None,
        status: int = 429,
        retry_after: float | str | None = None,
        clock: Timer = SYSTEM,
    ) -> None:
        self.in_flight: int = 0
        self.most_in_flight: int = 0
        self.accepted: int = 0
        self.refused: int = 0
        self._default = default
        self._concurrency = concurrency
        self._per_minute = per_minute
        self._slope = slope
        self._refusal = Reply.refused(status, retry_after=retry_after)
        self._clock = clock
        self._taken: deque[float] = deque()  # when, as far back as a limit looks
        self._looks_back = _MINUTE if per_minute is not None else 2 * _SECOND

    async def __call__(self, received: Received) -> Reply | None:
        """The answer to a request, or its refusal."""
        if received.family is not None:
            now = self._clock.monotonic()
            if self._full(now):
                self.refused += 1
                return self._refusal
            self._take(received, now)
        if isinstance(self._default, Reply):
            return self._default if received.family else None
        return await self._default(received)

    def _take(self, received: Received, now: float) -> None:
        self.accepted += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self._per_minute is not None or self._slope is not None:
            self._taken.append(now)
        received.when_answered(self._release)

    def _release(self) -> None:
        self.in_flight -= 1

    def _full(self, now: float) -> bool:
        if self._concurrency is not None and self.in_flight >= self._concurrency:
            return True
        while self._taken and self._taken[0] <= now - self._looks_back:
            self._taken.popleft()
        if self._per_minute is not None and len(self._taken) >= self._per_minute:
            return True
        if self._slope is None:
            return False
        last = sum(1 for at in self._taken if at > now - _SECOND)
        before = sum(1 for at in self._taken if now - 2 * _SECOND < at <= now - _SECOND)
        return last - before >= self._slope
