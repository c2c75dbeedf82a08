"""Leaving an endpoint alone that only fails.

After `FAULTS` faults in a row, without one success between, a breaker *opens*: for a while requests fail at
once, with `GatewayUnavailable` (``circuit_open``) and the seconds that are left. Then it lets one request
through to probe, and only one, however many wait. Its success closes the breaker; its failure opens it
again for twice as long, up to `LONGEST_PAUSE`.

Only faults of what stands upstream count: servers that fail, connections that do not come about or break,
answers that are cut or hang before any content. Not what a request did wrong, not limits (the admission's affair, which slows
down instead of stopping), and not what the client did itself: a caller who leaves says nothing about the
endpoint. A probe that its caller abandons passes the probing on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.errors import GatewayUnavailable

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.events import FailureKind
    from gateway_stream.net.clocks import Timer

__all__ = ["FAULTS", "FIRST_PAUSE", "LOAD", "LONGEST_PAUSE", "Breakers", "Passage"]

FAULTS: Final = 10
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 15.0

_FAULTS: Final = frozenset[str](
    {
        "connect",
        "connection_lost",
        "gateway_unavailable",
        "stream_failed",
        "stream_truncated",
        "timed_out",
    }
)
LOAD: Final = (429, 499, 503, 529)
"""Statuses that say that there is too much to do; 499 is how Databricks tells that it gave up a request."""

_OWN_CLOCKS: Final = ("queue", "deadline")


class _Breaker:
    """The faults of one endpoint."""

    def __init__(self) -> None:
        self.faults = 0
        self.pause = FIRST_PAUSE
        self.open_until: float | None = None
        self.probing = False


class Passage:
    """One request's way through. Told once how it ended: later words do not count."""

    __slots__ = ("_breakers", "_place", "_probe")

    def __init__(self, breakers: Breakers, place: Hashable, *, probe: bool) -> None:
        self._breakers: Breakers | None = breakers
        self._place = place
        self._probe = probe

    def succeeded(self) -> None:
        """The endpoint answered."""
        self._end(fault=False, success=True)

    def failed(self, kind: FailureKind, phase: str | None, status: int | None = None) -> None:
        """It came to a failure, which may be the endpoint's fault or not."""
        own = kind == "timed_out" and phase in _OWN_CLOCKS
        fault = kind in _FAULTS and status not in LOAD and not own
        self._end(fault=fault, success=False)

    def left(self) -> None:
        """Nobody waits for the answer any more."""
        self._end(fault=False, success=False)

    def _end(self, *, fault: bool, success: bool) -> None:
        breakers, self._breakers = self._breakers, None
        if breakers is not None:
            breakers.ended(self._place, fault=fault, success=success, probe=self._probe)


class Breakers:
    """The breakers of a pool, one for each endpoint that failed last."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._troubled: dict[Hashable, _Breaker] = {}

    def enter(self, place: Hashable) -> Passage:
        """Let a request through.

        Raises:
            GatewayUnavailable: the breaker is open.
        """
        breaker = self._troubled.get(place)
        if breaker is None or breaker.open_until is None:
            return Passage(self, place, probe=False)
        left = breaker.open_until - self._timer.monotonic()
        if left <= 0 and not breaker.probing:
            breaker.probing = True
            return Passage(self, place, probe=True)
        message = "the endpoint failed again and again, so it is left alone for a while"
        raise GatewayUnavailable(
            message,
            code="circuit_open",
            phase="queue",
            retryable=True,
            retry_after=max(left, 1.0),
            hint="Try again later, or another model.",
        )

    @property
    def open(self) -> int:
        """How many endpoints are left alone just now."""
        troubled = self._troubled.copy().values()  # in one step: another thread may ask
        return sum(breaker.open_until is not None for breaker in troubled)

    def ended(self, place: Hashable, *, fault: bool, success: bool, probe: bool) -> None:
        """A request that was let through has ended."""
        if success:
            self._troubled.pop(place, None)
            return
        breaker = self._troubled.get(place)
        if probe and breaker is not None:
            breaker.probing = False
        if not fault:
            return
        breaker = breaker or self._troubled.setdefault(place, _Breaker())
        breaker.faults += 1
        now = self._timer.monotonic()
        if breaker.open_until is None:
            if breaker.faults >= FAULTS:
                breaker.open_until = now + breaker.pause
        elif probe:
            breaker.pause = min(breaker.pause * 2, LONGEST_PAUSE)
            breaker.open_until = now + breaker.pause
