"""What the requests of one session have used, together and as far as it is known.

**What was told holds.** Usage that the wire tells is what is billed, so it takes the place of every
estimate as soon as it comes: the input mostly with the first frame, the output only with the end.
Before that an output count is a snapshot that lags behind, or a placeholder (Anthropic's
``message_start`` says 1), so until the end the larger of it and the estimate holds. An estimate that
nothing replaces, because the wire never told or the answer was cut, stays.

**When it ends.** A request is refused before it is sent where nothing is left of the budget, or less
than the request itself takes. From then on it is counted, though it may wait for its turn, so that
of five hundred at once no more are sent than the budget holds. A running answer is ended when content comes that the budget does not
hold, its neighbours' content counted in. Counts alone end no answer that has said something: they
come last, and what they tell is spent. An answer that is whole is never taken back.

**What is billed though it is of no use** is counted: an answer that was cut or closed, and one that
was begun anew (`Reset`, or another `Start`). A request that brought no answer counts for nothing.

The counting is sums of numbers: a read costs the same with five hundred answers in flight as with one.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from gateway_stream.budget import BYTES_OF_A_TOKEN, LIMITS, Spent, size_of
from gateway_stream.errors import GatewayError
from gateway_stream.events import (
    Failure,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway_stream.budget import Budget, Price
    from gateway_stream.events import Event

__all__ = ["Ledger", "Tally", "together"]

_HINT: Final = "Give the session a larger budget, or let it end here."
_NOTHING: Final = Spent()
_UNTOLD: Final = Usage()
_TELLING: Final = frozenset((Start, Usage, Stop, Reset))


class Ledger:
    """What the requests of one session use, together."""

    def __init__(self, budget: Budget | None) -> None:
        self.budget = budget
        self.requests = 0
        self._input = self._output = 0
        self._cost = 0.0
        self._ended = _UNTOLD
        self._running: set[Tally] = set()
        given = (getattr(budget, name, None) for name in LIMITS)
        self._limits = tuple(inf if limit is None else limit for limit in given)

    @property
    def usage(self) -> Usage:
        """What was told so far, of all answers; ``None`` for what none told."""
        usage = self._ended
        for tally in self._running:
            usage = together(usage, tally.told)
        return usage

    @property
    def spent(self) -> Spent:
        """What the budget is held against."""
        return Spent(self._input, self._output, self._cost)

    def restore(self, requests: int, usage: Usage, spent: Spent) -> None:
        """Go on from what was counted elsewhere."""
        self.requests, self._ended = requests, usage
        self.move(_NOTHING, spent)

    def begin(self, tally: Tally) -> None:
        """A request is to go out."""
        self.requests += 1
        self._running.add(tally)

    def move(self, before: Spent, after: Spent) -> None:
        """What one request has used is another sum than it was."""
        self._input += after.input - before.input
        self._output += after.output - before.output
        self._cost += after.cost - before.cost

    def end(self, tally: Tally) -> None:
        """A request has ended, however it did."""
        self._running.discard(tally)
        self._ended = together(self._ended, tally.told)

    def refusal(self, asked: Spent) -> Failure | None:
        """Why a request that takes so much itself is not sent."""
        if self.budget is None:
            return None
        spent = self.spent
        used = (spent.tokens, spent.input, spent.output, spent.cost)
        taken = (asked.tokens, asked.input, asked.output, asked.cost)
        for name, limit, now, more in zip(LIMITS, self._limits, used, taken, strict=True):
            if now >= limit:
                message = f"the session's budget is used up: {_so_many(name, now, limit)}"
                return _exceeded(message, "queue")
            if now + more > limit:
                left = f"{_so_many(name, now, limit)} used, and it takes about {_amount(more)}"
                message = f"the request does not fit into the session's budget: {left}"
                return _exceeded(message, "queue")
        return None

    def excess(self) -> Failure | None:
        """Why the answers of the session have to end, if they have."""
        tokens, read, written, cost = self._limits
        if (
            self._input + self._output <= tokens
            and self._input <= read
            and self._output <= written
            and self._cost <= cost
        ):
            return None
        spent = self.spent
        used = (spent.tokens, spent.input, spent.output, spent.cost)
        name, limit, now = next(
            found for found in zip(LIMITS, self._limits, used, strict=True) if found[2] > found[1]
        )
        message = f"the answer was ended at the session's budget: {_so_many(name, now, limit)} used"
        return _exceeded(message, "stream")


class Tally:
    """Counts one request and its answer.

    Args:
        ledger: the session's.
        asked: tokens that the request is thought to take; 0 without a budget.
        price: what its model costs.
    """

    __slots__ = (
        "_asked", "_begun", "_bytes", "_content", "_ledger", "_now", "_open", "_past_told", "_price", "_told",
        "_whole",
    )  # fmt: skip

    def __init__(self, ledger: Ledger, asked: int, price: Price | None) -> None:
        self._ledger = ledger
        self._asked = asked
        self._price = price
        self._open = self._begun = self._content = self._whole = False
        self._bytes = 0
        self._told = self._past_told = _UNTOLD
        self._now = _NOTHING  # what the ledger has of the current attempt

    @property
    def told(self) -> Usage:
        """What was told of the answer, and of those that it began anew."""
        return together(self._past_told, self._told)

    def begin(self) -> None:
        """Count the request itself.

        Raises:
            BudgetExceeded: the budget does not hold it.
        """
        self._open = True
        refused = self._ledger.refusal(self._count())
        if refused is not None:
            self._open = False
            raise GatewayError.from_failure(refused)
        self._ledger.begin(self)
        self._move()

    def saw(self, events: Sequence[Event]) -> Failure | None:
        """Count what came; give the reason why the answer has to end, if it has."""
        if self._ledger.budget is None:
            self._listen(events)
            return None
        size, content, changed = 0, False, False
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta or kind is RefusalDelta:
                size += size_of(event.text)  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                size += size_of(event.arguments)  # type: ignore[union-attr]
            elif kind in _TELLING:
                self._bytes += size
                size, content, changed = 0, content or size > 0, True
                self._add_rare(event)
        content = content or size > 0
        if not (content or changed):
            return None
        self._bytes += size
        self._move()
        if self._whole or (self._content and not content):
            return None
        self._content = self._content or content
        return self._ledger.excess()

    def _listen(self, events: Sequence[Event]) -> None:
        """Without a budget nothing is estimated, so only what is told matters."""
        for event in events:
            if type(event) in _TELLING:
                self._add_rare(event)
                self._move()

    def _add_rare(self, event: Event) -> None:
        if isinstance(event, Usage):
            self._told = event
        elif isinstance(event, Stop):
            self._whole = True
        else:  # the answer begins, for the first time or anew
            if self._begun or isinstance(event, Reset):
                self._move()
                self._past_told, self._told = self.told, _UNTOLD
                self._now, self._bytes, self._content = _NOTHING, 0, False
            self._begun = isinstance(event, Start)

    def end(self) -> None:
        """The request has ended, however it did. What it used is settled, once."""
        if self._open:
            self._open = False
            self._move()
            self._ledger.end(self)

    def _move(self) -> None:
        before, self._now = self._now, self._count()
        self._ledger.move(before, self._now)

    def _count(self) -> Spent:
        """What the current attempt has used, as far as it is known."""
        if not (self._open or self._begun):
            return _NOTHING
        told = self._told
        read, written = told.input, told.output
        if read is None:
            read = self._asked
        if self._ledger.budget is not None and (not self._whole or written is None):
            written = max(written or 0, -(-self._bytes // BYTES_OF_A_TOKEN))
        price = self._price
        if price is None:
            return Spent(read, written or 0)
        usage = Usage(read, written, told.cache_read, told.cache_write)
        return Spent(read, written or 0, price.of(usage))


def together(one: Usage, other: Usage) -> Usage:
    """The sum of what two answers were told to use; ``None`` where neither was told."""
    return Usage(
        _sum(one.input, other.input),
        _sum(one.output, other.output),
        _sum(one.cache_read, other.cache_read),
        _sum(one.cache_write, other.cache_write),
        _sum(one.reasoning, other.reasoning),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


def _exceeded(message: str, phase: str) -> Failure:
    return Failure(kind="budget_exceeded", message=message, phase=phase, hint=_HINT)


def _so_many(name: str, used: float, limit: float) -> str:
    return f"{name.replace('_', ' ')} {_amount(used)} of {_amount(limit)}"


def _amount(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
