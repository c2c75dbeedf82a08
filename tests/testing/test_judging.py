"""The judge by itself: what it lets pass and what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import judging
from gateway_stream.testing.judging import Outcome, Played, Told, Try, grade

if TYPE_CHECKING:
    from gateway_stream.testing.judging import Check

ANSWER = "all is well"
WHOLE = Told(text="all  is well\n", model="healthy", output=3)
REFUSED = Told(text="all", error="It is down.", model=None)


def played(
    *told: Told | None, tries: tuple[float, ...] = (0.0,), alive: bool = True, tempo: float = 1.0
) -> Played:
    return Played(
        outcomes=tuple(Outcome(told=one, seconds=1.0) for one in told),
        tries=tuple(Try(at=100 + at * tempo, size=10) for at in tries),
        answer=ANSWER,
        alive=alive,
        tempo=tempo,
    )


@pytest.mark.parametrize(
    ("told", "ideal", "expected"),
    [
        ((WHOLE,), "answer", "pass"),
        ((REFUSED,), "answer", "safe"),
        ((WHOLE, REFUSED), "answer", "safe"),
        ((REFUSED,), "error", "pass"),
        ((WHOLE,), "error", "safe"),
        ((WHOLE,), "either", "pass"),
        ((REFUSED,), "either", "pass"),
        ((None,), "either", "fail"),
        ((WHOLE, None), "answer", "fail"),
        ((Told(text="all is"),), "answer", "fail"),
        ((Told(text="all is well all is well"),), "answer", "fail"),
        ((Told(),), "error", "fail"),
    ],
)
def test_what_callers_were_told_makes_the_grade(
    told: tuple[Told | None, ...], ideal: str, expected: str
) -> None:
    graded, wrong = grade(played(*told), ideal, ())  # type: ignore[arg-type]
    assert graded == expected
    assert bool(wrong) == (expected == "fail")


def test_a_client_that_does_not_answer_afterwards_fails() -> None:
    assert grade(played(WHOLE, alive=False), "answer", ())[0] == "fail"


@pytest.mark.parametrize("tempo", [1.0, 0.05])
@pytest.mark.parametrize(
    ("check", "tries", "holds"),
    [
        (judging.at_most(2), (0, 5), True),
        (judging.at_most(2), (0, 5, 9), False),
        (judging.at_most(0), (), True),
        (judging.at_most(2, within=3), (0, 2, 3, 4), True),
        (judging.at_most(2, within=3), (0, 2, 2.9), False),
        (judging.waits(2), (0,), True),
        (judging.waits(2), (0, 1.9), True),
        (judging.waits(2), (0, 1.7, 9), False),
        (judging.shorter_each_time, (0,), True),
        (judging.shorter_each_time, (0, 1), False),
        (judging.is_back(60, within=30), (0, 61), True),
        (judging.is_back(60, within=30), (0, 59), False),
        (judging.is_back(60, within=30), (0, 91), False),
        (judging.is_back(60, within=30), (), False),
        (judging.waits(2), (), True),
        (judging.at_most(2, within=3), (), True),
    ],
)
def test_what_the_host_saw_is_held_to_the_scenarios_seconds(
    check: Check, tries: tuple[float, ...], holds: bool, tempo: float
) -> None:
    assert (check(played(WHOLE, tries=tries, tempo=tempo)) is None) == holds


def test_a_shorter_prompt_may_be_tried_once() -> None:
    def sizes(*sizes: int) -> Played:
        tries = tuple(Try(at=float(at), size=size) for at, size in enumerate(sizes))
        return Played(outcomes=(), tries=tries, answer=ANSWER, alive=True, tempo=1.0)

    assert judging.shorter_each_time(sizes(10, 9)) is None
    assert judging.shorter_each_time(sizes(10, 10)) is not None
    assert judging.shorter_each_time(sizes(10, 9, 8)) is not None


@pytest.mark.parametrize(
    ("check", "told", "holds"),
    [
        (judging.counts_tokens, WHOLE, True),
        (judging.counts_tokens, REFUSED, True),
        (judging.counts_tokens, Told(text=ANSWER), False),
        (judging.names_who_answered("healthy"), WHOLE, True),
        (judging.names_who_answered("healthy"), REFUSED, True),
        (judging.names_who_answered("troubled"), WHOLE, False),
        (judging.names_the_filter, Told(error=f"no: {judging.FILTERED}"), True),
        (judging.names_the_filter, REFUSED, False),
        (judging.hides_no_failure, REFUSED, True),
        (judging.hides_no_failure, Told(error=f"400: {judging.PREFILL_REFUSED}"), False),
    ],
)
def test_what_an_answer_or_an_error_says_is_looked_at(
    check: Check, told: Told, holds: bool
) -> None:
    assert (check(played(told)) is None) == holds
