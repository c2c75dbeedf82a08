"""Whether a client made the right thing of a scenario: from what its callers saw, and what its host saw.

Nothing of the client is looked at. Its callers tell what each call came to (`Told`), the fake host which
tries came, when, and how long they were. Three things hold in every scenario: a call ends in time; what is
told as an answer is the whole answer, once; and the client answers the next call. The rest are checks of the
scenario's own.

There are three grades. ``pass``: all of it holds, and the caller got what the scenario knows to be best.
``safe``: all of it holds, and the caller got an error where an answer could have been had. ``fail``:
something does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = [
    "FILTERED",
    "PREFILL_REFUSED",
    "Check",
    "Grade",
    "Outcome",
    "Played",
    "Told",
    "Try",
    "at_most",
    "counts_tokens",
    "grade",
    "hides_no_failure",
    "is_back",
    "names_the_filter",
    "names_who_answered",
    "shorter_each_time",
    "waits",
]

FILTERED: Final = "content_policy_violation"
PREFILL_REFUSED: Final = "This model does not support a prefilled answer."

_EARLY: Final = 0.9
"""How much of a wait must be waited, for two clocks are never quite alike."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a call came to, as its caller was told.

    Attributes:
        text: the text of the answer, as far as it came.
        error: what the caller was told instead of an answer, in words; ``None`` where it is whole.
        model: the model that the answer says it is of.
        output: the tokens that the answer says it has.
    """

    text: str = ""
    error: str | None = None
    model: str | None = None
    output: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A call: what it came to, ``None`` where it hung, and after how many seconds."""

    told: Told | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Try:
    """A request for the troubled model: when it came, on the clock of `time.monotonic`, and its bytes."""

    at: float
    size: int


@dataclass(frozen=True, kw_only=True)
class Played:
    """A scenario as it went.

    Attributes:
        outcomes: the calls, in order.
        tries: what the troubled model was asked, in order.
        answer: what a whole answer says.
        alive: whether the client answered a call to the healthy model afterwards.
        tempo: what the scenario's seconds were multiplied by.
    """

    outcomes: tuple[Outcome, ...]
    tries: tuple[Try, ...]
    answer: str
    alive: bool
    tempo: float

    @property
    def told(self) -> list[Told]:
        """What the calls that ended came to."""
        return [outcome.told for outcome in self.outcomes if outcome.told is not None]


Check: TypeAlias = Callable[[Played], str | None]
"""Looks at how a scenario went; gives what is wrong with it, in words, or ``None``."""

Grade: TypeAlias = Literal["pass", "safe", "fail"]


def grade(
    played: Played, ideal: Literal["answer", "error", "either"], checks: tuple[Check, ...]
) -> tuple[Grade, tuple[str, ...]]:
    """The grade, and what is wrong."""
    wrong = tuple(
        problem for check in (*_ALWAYS, *checks) if (problem := check(played)) is not None
    )
    if wrong:
        return "fail", wrong
    wanted = {"answer": (False,), "error": (True,), "either": (False, True)}[ideal]
    best = all((told.error is not None) in wanted for told in played.told)
    return ("pass" if best else "safe"), ()


def _ends(played: Played) -> str | None:
    hung = [outcome.seconds for outcome in played.outcomes if outcome.told is None]
    return f"{len(hung)} of {len(played.outcomes)} calls hung, {hung[0]:.1f} s" if hung else None


def _is_whole_or_an_error(played: Played) -> str | None:
    for told in played.told:
        if told.error is None and " ".join(told.text.split()) != played.answer:
            words = len(told.text.split())
            return f"{words} words were told as the whole answer, which has {len(played.answer.split())}"
    return None


def _lives(played: Played) -> str | None:
    return None if played.alive else "a call to the healthy model failed afterwards"


_ALWAYS: Final[tuple[Check, ...]] = (_ends, _is_whole_or_an_error, _lives)


def at_most(tries: int, *, within: float | None = None) -> Check:
    """Not more tries than that; ``within`` counts those in so many seconds from the first."""

    def check(played: Played) -> str | None:
        counted = [
            it.at
            for it in played.tries
            if within is None or it.at - played.tries[0].at < within * played.tempo
        ]
        time = "" if within is None else f" within {within:g} s"
        return (
            f"{len(counted)} tries{time}, and {tries} are enough" if len(counted) > tries else None
        )

    return check


def waits(seconds: float) -> Check:
    """The second try of the same model, if there is one, comes so long after the first."""

    def check(played: Played) -> str | None:
        if len(played.tries) < 2:  # noqa: PLR2004  a first and a second
            return None
        waited = (played.tries[1].at - played.tries[0].at) / played.tempo
        early = waited < seconds * _EARLY
        return f"the second try came after {waited:.2f} s, not {seconds:g}" if early else None

    return check


def shorter_each_time(played: Played) -> str | None:
    """What was too long is sent again at most once, and shorter."""
    sizes = [it.size for it in played.tries]
    if len(sizes) == 1 or (len(sizes) == 2 and sizes[1] < sizes[0]):  # noqa: PLR2004  once more
        return None
    return f"what was too long was tried {len(sizes)} times, in bytes {sizes}"


def names_the_filter(played: Played) -> str | None:
    """An error that the filter caused says so."""
    silent = [told.error for told in played.told if told.error and FILTERED not in told.error]
    return f"the error does not say why: {silent[0]}" if silent else None


def hides_no_failure(played: Played) -> str | None:
    """No caller is told the refusal of a continuation that it did not ask for."""
    masked = [told.error for told in played.told if told.error and PREFILL_REFUSED in told.error]
    return f"the error is not that of the cut: {masked[0]}" if masked else None


def counts_tokens(played: Played) -> str | None:
    """An answer has its counts."""
    without = [told for told in played.told if told.error is None and not told.output]
    return f"{len(without)} answers without their counts" if without else None


def names_who_answered(model: str) -> Check:
    """An answer says that it is that model's."""

    def check(played: Played) -> str | None:
        others = [told.model for told in played.told if told.error is None and told.model != model]
        return f"an answer of {model!r} says it is of {others[0]!r}" if others else None

    return check


def is_back(recovery: float, *, within: float) -> Check:
    """A model that recovers so many seconds after the first try is asked again within that time."""

    def check(played: Played) -> str | None:
        if not played.tries:
            return "it was never tried"
        first = played.tries[0].at
        tried = [(it.at - first) / played.tempo for it in played.tries]
        if any(recovery <= at <= recovery + within for at in tried):
            return None
        return f"the last try came after {tried[-1]:.1f} s; it was well again after {recovery:g} s"

    return check
