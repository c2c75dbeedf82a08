"""How long to wait, where an answer says so: seconds from now.

Sources, the first that states a usable wait counts:

1. ``retry-after-ms``, then ``retry-after``: seconds, also with a fraction or a unit, or an HTTP date
   (RFC 9110, section 10.2.3). The caller may add what the body says after it.
2. A sentence of the message: "try again in 1m2.5s", "retry after 17 seconds".
3. The limit headers, only for a limit that is used up (its ``remaining`` is 0): when it resets, as a
   duration, a date, or seconds or milliseconds since 1970. Of several, the longest wait.

A point in time needs a "now". The response's own ``Date`` counts before the caller's clock, because
it is the clock that the other date was written by; without either a date states nothing.

A usable wait is more than 0 and at most 30 days. Zero, a negative number, a date that has passed,
what cannot be read and what is absurd all state nothing: they ask for no wait that a back-off would
not give, or for one that nobody can mean. A long wait that can be meant is passed on as it is;
whether to give up rather than wait is the caller's decision, who knows the deadline.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["clock", "delay", "header_wait", "reset_wait", "text_wait"]

_LONGEST: Final = 30 * 86_400.0
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_UNIT: Final = (
    r"(?:ms|millis(?:econds?)?|milliseconds?|us|µs|ns|s|secs?|seconds?|m|mins?|minutes?"
    r"|h|hrs?|hours?|d|days?)(?![a-z])"
)
_PART: Final = rf"[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?\s?{_UNIT}"
_COMPACT: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|us|µs|ns|s|m|h|d)"
_DURATION: Final = rf"(?:(?:{_COMPACT}){{2,6}}|{_PART}(?:(?:,|\sand)?\s{_PART}){{0,3}})"
_PIECE: Final = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(ms|milli|us|µs|ns|s|m|h|d)", re.IGNORECASE
)
# Not compiled here, because that is dear for an import: `re` does it at the first use.
_SENTENCE: Final = (
    r"\b(?:(?:try|retry|retrying|available)(?:\s(?:again|your\srequest|the\srequest|this\srequest))?"
    rf"\s(?:in|after)|wait(?:ing)?(?:\sfor)?)\s(?:about\s|at\sleast\s|another\s)?({_DURATION})"
)
_RESET: Final = re.compile(r"((?:x-|anthropic-)?ratelimit-)(?:(?:(.+)-)?reset|reset-(.+))")
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e11


def header_wait(headers: Mapping[str, str], now: float | None) -> float | None:
    """The wait that ``retry-after-ms`` or ``retry-after`` states. Names are in lower case."""
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        wait = _usable(float(milliseconds) / 1000)
        if wait is not None:
            return wait
    stated = headers.get("retry-after", "")
    wait = delay(stated)
    return wait if wait is not None else _until(_date(stated), now)


def text_wait(text: str) -> float | None:
    """The wait that a sentence states, with its unit."""
    found = re.search(_SENTENCE, " ".join(text.split()), re.IGNORECASE)
    return _usable(_total(found.group(1))) if found else None


def reset_wait(headers: Mapping[str, str], now: float | None) -> float | None:
    """The longest wait until a limit that is used up resets. Names are in lower case."""
    waits = []
    for name, value in headers.items():
        found = _RESET.fullmatch(name)
        if found and _used_up(headers, found):
            waits.append(_reset(value, now))
    return max((wait for wait in waits if wait is not None), default=None)


def delay(value: Any) -> float | None:
    """The seconds that a value of JSON or a header states.

    A number, text such as ``"1.5"``, ``"42s"`` or ``"1m30s"``, or a duration object of protobuf's
    JSON, ``{"seconds": 42, "nanos": 1}``.
    """
    if isinstance(value, dict):
        parts = (value.get("seconds", 0), value.get("nanos", 0))
        seconds, nanos = (_number(part) for part in parts)
        return None if seconds is None or nanos is None else _usable(seconds + nanos * 1e-9)
    number = _number(value)
    if number is not None:
        return _usable(number)
    if isinstance(value, str) and re.fullmatch(_DURATION, value.strip(), re.IGNORECASE):
        return _usable(_total(value))
    return None


def clock(headers: Mapping[str, str], now: float | None) -> float | None:
    """What time it is for dates in ``headers``: by their own ``date``, else ``now``."""
    dated = _date(headers.get("date", ""))
    return now if dated is None else dated


def _used_up(headers: Mapping[str, str], reset: re.Match[str]) -> bool:
    family, before, after = reset.groups()
    for name in (f"{family}{before}-remaining", f"{family}remaining-{after}", f"{family}remaining"):
        left = headers.get(name)
        if left is not None:
            return _number(left) == 0
    return False


def _reset(value: str, now: float | None) -> float | None:
    number = _number(value)
    if number is None:
        wait = delay(value)
        return wait if wait is not None else _until(_date(value), now)
    if number < _EPOCH_SECONDS:
        return _usable(number)
    return _until(number / 1000 if number >= _EPOCH_MILLISECONDS else number, now)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value := value.strip()) else None
    return float(value) if -_LONGEST <= value <= _EPOCH_MILLISECONDS * 1000 else None


def _total(duration: str) -> float:
    pieces = _PIECE.findall(duration)
    return sum(float(number) * _SECONDS[_unit(unit.lower())] for number, unit in pieces)


def _unit(written: str) -> str:
    return {"milli": "ms", "µs": "us"}.get(written, written)


def _date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date in any of its three forms, or of an ISO 8601 date."""
    text = text.strip()
    if not text or len(text) > 64:  # noqa: PLR2004  no date is longer
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  few answers hold a date

    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _until(moment: float | None, now: float | None) -> float | None:
    return None if moment is None or now is None else _usable(moment - now)


def _usable(seconds: float) -> float | None:
    return seconds if 0 < seconds <= _LONGEST else None
