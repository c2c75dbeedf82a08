"""A pause that all share, and the ramp after it.

A server that says `Retry-After` says it to one request and means everybody. So it pauses its whole place: nobody is
admitted there until the pause is over. A longer one extends it and a shorter one does not shorten it.

**The ramp.** If all who waited went at once, the server would refuse them again. So the rate of admissions begins at a
quarter of what it was before the pause (1 a second at least), grows by 20 % a second, and lets the next request go
when its time has come. The ramp is over when it has held up nobody for a second: then the server, or the
demand, is what limits. It never lasts longer than 30 s.

**Refused alone.** A server that refuses a request while it holds no other says that it takes none at all just now. Without a
`Retry-After` nothing else would keep those who wait from asking in turn, as fast as it can refuse. So the place
is left alone for a tenth of a second, and twice as long each further time, 10 s at most. No ramp follows:
the limit is 1 by then.

The rate before the pause is an average over five seconds and more, so one burst counts as what it is over time.
"""

from __future__ import annotations

from math import inf
from typing import Final

__all__ = ["Pace"]

_WINDOW: Final = 5.0
_SHARE: Final = 4.0
_SLOWEST: Final = 1.0
_GROWTH: Final = 1.2
_CATCH_UP: Final = 0.05
"""Seconds of admissions that may be caught up on, because alarms ring late."""
_UNHINDERED: Final = 1.0
_LONGEST: Final = 30.0
_FIRST_REST: Final = 0.1
_LONGEST_REST: Final = 10.0


class Pace:
    """The pause and the ramp of one place, pure: it is told the time.

    Attributes:
        until: when the pause is over.
        active: whether there is a pause or a ramp, so that `wait` is worth asking.
        since: when the present window of measuring began, which is about when the place was last used.
    """

    __slots__ = (
        "_admitted",
        "_hindered",
        "_next",
        "_rate",
        "_rests",
        "_start",
        "active",
        "since",
        "until",
    )

    def __init__(self, now: float) -> None:
        self.until = now
        self.active = False
        self.since = now
        self._admitted = 0
        self._rate = 0.0  # measured in the window before
        self._start = 0.0  # of the ramp, admissions a second
        self._next = 0.0
        self._hindered = 0.0
        self._rests = 0

    def rest(self, now: float) -> None:
        """The server refused a request while it held no other."""
        seconds = min(_FIRST_REST * 2 ** min(self._rests, 10), _LONGEST_REST)
        self._rests += 1
        if not self.active:
            self._start = inf
            self.active = True
        self.until = self._hindered = max(self.until, now + seconds)

    def accepted(self) -> None:
        """The server takes requests."""
        self._rests = 0

    def pause(self, now: float, seconds: float) -> None:
        """Admit nobody for so long, and slowly at first then."""
        if now >= self.until or self._start == inf:
            before = self._measured(now)
            rate = min(before, self._ramp(now)) if self.active else before
            self._start = max(_SLOWEST, rate / _SHARE)
        self.until = self._next = self._hindered = max(self.until, now + seconds)
        self.active = True

    def wait(self, now: float) -> float:
        """Seconds until the next may go; 0 or less where it may go now."""
        if now < self.until:
            return self.until - now
        if not self.active:
            return 0.0
        wait = self._next - now
        if wait > 0:
            self._hindered = now
        elif now - self._hindered > _UNHINDERED or now - self.until > _LONGEST:
            self.active = False
        return wait if self.active else 0.0

    def admitted(self, now: float) -> None:
        """One has gone."""
        if now - self.since > _WINDOW:
            self._rate = self._measured(now)
            self.since = now
            self._admitted = 0
        self._admitted += 1
        if self.active:
            self._next = max(self._next, now - _CATCH_UP) + 1 / self._ramp(now)

    def _measured(self, now: float) -> float:
        """Admissions a second, lately."""
        elapsed = now - self.since
        current = self._admitted / max(elapsed, _WINDOW)
        return max(self._rate, current) if elapsed < _WINDOW else current

    def _ramp(self, now: float) -> float:
        return float(self._start * _GROWTH ** min(max(0.0, now - self.until), _LONGEST))
