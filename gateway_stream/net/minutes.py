"""Budgets for a minute: requests, input tokens, output tokens.

A gateway with such limits refuses what exceeds them, and counts a refused request against the next. So whoever knows
his limits keeps them here, and waits instead.

**A sliding minute.** In any 60 seconds, no more is spent than the budget: what was spent comes back 60 seconds later, piece by
piece. (A bucket that starts full and refills at the same rate lets twice the budget through in its first
minute.) What exceeds the whole budget goes alone, when nothing else was spent for a minute, rather than never.

**What is charged.** Databricks' foundation-model endpoints check before they answer: the prompt's tokens as they are, and
for the answer all of ``max_tokens``; when it is written, the rest of those is credited back at once
(https://docs.databricks.com/aws/machine-learning/foundation-model-apis/limits, "Token accounting and pre-admission checks").
The same is done here: `Lease.used` corrects what admission charged.

**What the server tells.** A limit header with nothing remaining and the time of its reset holds everybody back until then, for a
minute at most: budgets for longer than that are not kept here. Names and forms are those that
`gateway_stream.wire.retry_after` reads.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.wire.retry_after import clock as clock_of
from gateway_stream.wire.retry_after import reset_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.events import Usage

__all__ = ["NOTHING", "Charge", "Cost", "Limits", "Minute", "Minutes", "told_wait"]

MINUTE: Final = 60.0
_SLICE: Final = 1.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep to at every place (host, endpoint and identity); ``None`` is no limit.

    ``concurrency`` is requests at a time, the others are for any 60 seconds. Output tokens are charged
    by ``max_tokens`` and credited back when the answer is whole; a request without it is charged what its
    answer tells, once it does.

    Raises:
        ConfigError: a limit below 1.
    """

    concurrency: int | None = None
    requests_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            limit = getattr(self, name)
            if limit is not None and not (isinstance(limit, int | float) and limit >= 1):
                message = f"{name} is {limit!r}"
                raise ConfigError(message, hint="Give 1 or more, or leave it out for no limit.")


class Cost(NamedTuple):
    """The tokens that a request is charged: its prompt's, estimated, and its ``max_tokens``."""

    input: int = 0
    output: int = 0


NOTHING: Final = Cost()


class _Slice:
    """What was spent in about a second."""

    __slots__ = ("amount", "at")

    def __init__(self, at: float) -> None:
        self.at = at
        self.amount = 0


class Minute:
    """One budget: ``limit`` in any 60 seconds."""

    __slots__ = ("_first", "_slices", "_spent", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._slices: deque[_Slice] = deque()
        self._spent = 0
        self._first = 0.0  # when the youngest slice began

    def wait(self, now: float, amount: int) -> float:
        """Seconds until so much may be spent; 0 where it may be now."""
        slices = self._slices
        while slices and slices[0].at + MINUTE <= now:
            self._spent -= slices.popleft().amount
        over = self._spent + min(amount, self.limit) - self.limit
        if over <= 0:
            return 0.0
        for old in slices:
            over -= old.amount
            if over <= 0:
                return old.at + MINUTE - now
        return MINUTE

    def spend(self, now: float, amount: int) -> _Slice:
        """Spend so much, and give what a correction goes to."""
        if not self._slices or now - self._first > _SLICE:
            self._slices.append(_Slice(now))
            self._first = now
        young = self._slices[-1]
        young.at = now
        young.amount += amount
        self._spent += amount
        return young

    def correct(self, slice_: _Slice, more: int, now: float) -> None:
        """So much more was spent then; less, if it is negative."""
        if slice_.at + MINUTE > now:  # else it has left, or does so before anybody looks
            slice_.amount += more
            self._spent += more


class Charge(NamedTuple):
    """What a request was charged, and where."""

    cost: Cost
    requests: _Slice | None
    input: _Slice | None
    output: _Slice | None


class Minutes:
    """The budgets of one place."""

    __slots__ = ("_input", "_output", "_requests", "dry_until")

    def __init__(self, limits: Limits) -> None:
        self._requests = _minute(limits.requests_per_minute)
        self._input = _minute(limits.input_tokens_per_minute)
        self._output = _minute(limits.output_tokens_per_minute)
        self.dry_until = 0.0

    @property
    def kept(self) -> bool:
        """Whether there is any budget."""
        return not (self._requests is None and self._input is None and self._output is None)

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until a request of this cost may go; 0 or less where it may go now."""
        wait = self.dry_until - now
        if self._requests is not None:
            wait = max(wait, self._requests.wait(now, 1))
        if self._input is not None:
            wait = max(wait, self._input.wait(now, cost.input))
        if self._output is not None:
            wait = max(wait, self._output.wait(now, cost.output))
        return wait

    def spend(self, now: float, cost: Cost) -> Charge:
        """Charge a request."""
        return Charge(
            cost,
            _spend(self._requests, now, 1),
            _spend(self._input, now, cost.input),
            _spend(self._output, now, cost.output),
        )

    def used(self, charge: Charge, usage: Usage, now: float) -> Charge:
        """Correct a charge by what was really used, where that is known; gives the corrected one."""
        spent = Cost(
            charge.cost.input if usage.input is None else usage.input,
            charge.cost.output if usage.output is None else usage.output,
        )
        if self._input is not None and charge.input is not None:
            self._input.correct(charge.input, spent.input - charge.cost.input, now)
        if self._output is not None and charge.output is not None:
            self._output.correct(charge.output, spent.output - charge.cost.output, now)
        return charge._replace(cost=spent)

    def unused(self, charge: Charge, now: float) -> None:
        """Take a charge back: the request was never sent."""
        if self._requests is not None and charge.requests is not None:
            self._requests.correct(charge.requests, -1, now)
        if self._input is not None and charge.input is not None:
            self._input.correct(charge.input, -charge.cost.input, now)
        if self._output is not None and charge.output is not None:
            self._output.correct(charge.output, -charge.cost.output, now)


def told_wait(headers: Mapping[str, str], now: float) -> float:
    """Seconds, 60 at most, until a limit resets of which ``headers`` say that nothing remains; else 0.

    ``now`` is in seconds since 1970.
    """
    if not any("ratelimit" in name.lower() for name in headers):
        return 0.0
    told = {name.lower(): value for name, value in headers.items()}
    return min(reset_wait(told, clock_of(told, now)) or 0.0, MINUTE)


def _minute(limit: int | None) -> Minute | None:
    return None if limit is None else Minute(limit)


def _spend(minute: Minute | None, now: float, amount: int) -> _Slice | None:
    return None if minute is None else minute.spend(now, amount)
