"""What a session has used, counted while its answers come, and when that ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import BudgetExceeded
from gateway_stream.budget import Budget, Price, Spent
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.ledger import Ledger, Tally, together

if TYPE_CHECKING:
    from collections.abc import Sequence

PRICE = Price(input=1_000_000.0, output=10_000_000.0)  # 1 for a token in, 10 for one out
START = Start(id="a")
STOP = Stop("end_turn")
MUCH = 1_000_000


def text(tokens: int) -> TextDelta:
    return TextDelta(0, "word" * tokens)


def begun(ledger: Ledger, asked: int = 0, price: Price | None = None) -> Tally:
    tally = Tally(ledger, asked, price)
    tally.begin()
    return tally


def told(ledger: Ledger, asked: int, *batches: Sequence[Event]) -> Spent:
    """What the ledger says of one answer that came so and ended."""
    tally = begun(ledger, asked)
    for batch in batches:
        assert tally.saw(batch) is None
    tally.end()
    return ledger.spent


@pytest.mark.parametrize(
    ("batches", "spent"),
    [
        ([[START, text(5)], [text(2), STOP]], Spent(100, 7)),
        ([[START, text(5)], [Usage(80, 9), STOP]], Spent(80, 9)),
        ([[START, text(5)], [Usage(80, 3), STOP]], Spent(80, 3)),
        ([[START, Usage(80, 1), text(5)], [STOP]], Spent(80, 1)),
        ([[START, Usage(80, 1), text(5)]], Spent(80, 5)),
        ([[START, Usage(80, 9), text(5)]], Spent(80, 9)),
        ([[START, text(5)], [Usage(output=9), STOP]], Spent(100, 9)),
        ([[START, text(5)], [Usage(input=0, output=0), STOP]], Spent(0, 0)),
        ([[START, text(5)], [Failure(kind="stream_failed", message="x")]], Spent(100, 5)),
        ([[START]], Spent(100, 0)),
        ([[Failure(kind="overloaded", message="x")]], Spent(0, 0)),
        ([[Notice("retry")]], Spent(0, 0)),
        ([], Spent(0, 0)),
    ],
)
def test_what_was_told_holds_and_the_rest_is_estimated(
    batches: list[list[Event]], spent: Spent
) -> None:
    assert told(Ledger(Budget(tokens=MUCH)), 100, *batches) == spent


@pytest.mark.parametrize(
    "delta",
    [
        TextDelta(0, "x" * 40),
        ReasoningDelta(0, "x" * 40),
        RefusalDelta(0, "x" * 40),
        ToolCallDelta(0, "x" * 40),
        TextDelta(0, "天" * 13),
    ],
    ids=lambda delta: type(delta).__name__,
)
def test_all_that_a_model_writes_counts(delta: Event) -> None:
    assert told(Ledger(Budget(tokens=MUCH)), 0, [START, delta]).output == 10


def test_an_answer_that_was_begun_anew_is_billed_twice() -> None:
    ledger = Ledger(Budget(tokens=MUCH))
    tally = begun(ledger, 100)
    tally.saw([START, Usage(80, 1), text(5)])
    tally.saw([Reset("lost", 2)])
    assert ledger.spent == Spent(80 + 100, 5)
    tally.saw([START, Usage(81, 1), text(7)])
    tally.saw([Usage(81, 6), STOP])
    tally.end()
    assert ledger.spent == Spent(80 + 81, 5 + 6)
    assert ledger.usage == Usage(80 + 81, 1 + 6)


def test_an_attempt_of_which_only_the_start_came_is_billed_too() -> None:
    ledger = Ledger(Budget(tokens=MUCH))
    assert told(ledger, 100, [START, Usage(80)], [START, Usage(80, 9), text(5), STOP]) == Spent(
        160, 9
    )
    assert ledger.usage == Usage(160, 9)


def test_attempts_in_one_read_are_billed_each() -> None:
    ledger = Ledger(Budget(tokens=MUCH))
    anew: list[Event] = [START, text(5), Reset("lost", 2), START, Usage(80), text(7), STOP]
    assert told(ledger, 100, anew) == Spent(180, 12)


def test_an_attempt_that_was_refused_after_a_reset_adds_nothing() -> None:
    ledger = Ledger(Budget(tokens=MUCH))
    assert told(ledger, 100, [START, text(5)], [Reset("lost", 2)]) == Spent(100, 5)


def test_a_session_without_a_budget_knows_what_was_told() -> None:
    ledger = Ledger(None)
    assert told(ledger, 0, [START, text(500)], [Usage(80, 9), STOP]) == Spent(80, 9)
    assert told(ledger, 0, [START, text(500)]) == Spent(80, 9)
    assert ledger.requests == 2


def test_a_count_that_nobody_told_is_not_zero() -> None:
    ledger = Ledger(None)
    assert ledger.usage == Usage()
    told(ledger, 0, [START, text(5), Usage(output=3), STOP])
    assert ledger.usage == Usage(output=3)
    told(ledger, 0, [START, Usage(0, 2, reasoning=1), STOP])
    assert ledger.usage == Usage(0, 5, reasoning=1)


def test_running_answers_are_in_the_usage_once() -> None:
    ledger = Ledger(None)
    tally = begun(ledger)
    tally.saw([START, Usage(80, 1)])
    assert ledger.usage == Usage(80, 1)
    tally.saw([Usage(80, 9), STOP])
    assert ledger.usage == Usage(80, 9)
    tally.end()
    tally.end()
    assert ledger.usage == Usage(80, 9)
    assert ledger.spent == Spent(80, 9)
    assert ledger._running == set()


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(tokens=110), "tokens 111 of 110"),
        (Budget(output_tokens=10), "output tokens 11 of 10"),
        (Budget(cost=200.0, price=PRICE), "cost 210 of 200"),
    ],
)
def test_an_answer_ends_when_content_comes_that_the_budget_does_not_hold(
    budget: Budget, words: str
) -> None:
    tally = begun(Ledger(budget), 100, budget.price)  # type: ignore[arg-type]
    assert tally.saw([START, BlockStart(0, "text"), text(10)]) is None
    failure = tally.saw([text(1)])
    assert failure is not None
    assert (failure.kind, failure.phase, failure.retryable) == ("budget_exceeded", "stream", False)
    assert words in failure.message
    assert failure.hint


def test_input_that_turns_out_larger_than_thought_ends_the_answer_at_its_beginning() -> None:
    tally = begun(Ledger(Budget(input_tokens=100)), 90)
    failure = tally.saw([START, Usage(input=101)])
    assert failure is not None
    assert "input tokens 101 of 100" in failure.message


def test_counts_alone_end_no_answer_that_has_said_something() -> None:
    tally = begun(Ledger(Budget(tokens=100)), 50)
    assert tally.saw([START, text(5), BlockEnd(0)]) is None
    assert tally.saw([Usage(50, 4000)]) is None
    assert tally.saw([STOP]) is None


def test_content_beside_counts_is_content() -> None:
    tally = begun(Ledger(Budget(tokens=100)), 50)
    assert tally.saw([START, text(5)]) is None
    assert tally.saw([text(50), Usage(50, 1)]) is not None


def test_an_answer_that_is_whole_is_not_taken_back() -> None:
    ledger = Ledger(Budget(tokens=100))
    tally = begun(ledger, 50)
    assert tally.saw([START, text(5000), STOP]) is None
    tally.end()
    assert ledger.spent == Spent(50, 5000)


def test_answers_that_run_side_by_side_share_the_budget() -> None:
    ledger = Ledger(Budget(output_tokens=10))
    one, other = begun(ledger), begun(ledger)
    assert one.saw([START, text(6)]) is None
    assert other.saw([START, text(4)]) is None
    assert other.saw([text(1)]) is not None
    other.end()
    assert one.saw([text(1)]) is not None


def test_what_is_told_to_be_less_than_thought_can_be_used() -> None:
    ledger = Ledger(Budget(tokens=100))
    told(ledger, 90, [START, Usage(30, 5), text(5), STOP])
    begun(ledger, 60).end()


@pytest.mark.parametrize(
    ("budget", "spent", "asked", "words"),
    [
        (Budget(tokens=100), Spent(60, 40), 0, "is used up: tokens 100 of 100"),
        (Budget(input_tokens=100), Spent(200, 0), 0, "is used up: input tokens 200 of 100"),
        (Budget(output_tokens=100), Spent(0, 100), 0, "is used up: output tokens 100 of 100"),
        (Budget(cost=1.5, price=PRICE), Spent(cost=1.5), 0, "is used up: cost 1.5 of 1.5"),
        (Budget(tokens=0), Spent(), 0, "is used up: tokens 0 of 0"),
        (Budget(tokens=5000), Spent(2000, 40), 3000, "tokens 2,040 of 5,000 used, .* about 3,000"),
        (Budget(input_tokens=100), Spent(90), 11, "input tokens 90 of 100 used, .* about 11"),
        (Budget(cost=100.0, price=PRICE), Spent(cost=90), 11, "cost 90 of 100 used, .* about 11"),
    ],
)
def test_a_request_that_the_budget_does_not_hold_is_refused(
    budget: Budget, spent: Spent, asked: int, words: str
) -> None:
    ledger = Ledger(budget)
    ledger.restore(3, Usage(), spent)
    tally = Tally(ledger, asked, budget.price)  # type: ignore[arg-type]
    with pytest.raises(BudgetExceeded, match=words) as refused:
        tally.begin()
    assert refused.value.hint
    tally.end()
    assert (ledger.requests, ledger.spent) == (3, spent)


def test_a_request_that_just_fits_is_sent() -> None:
    ledger = Ledger(Budget(tokens=100))
    ledger.restore(1, Usage(), Spent(60, 30))
    begun(ledger, 10)
    assert ledger.spent.tokens == 100


def test_requests_that_wait_for_their_turn_are_counted_already() -> None:
    ledger = Ledger(Budget(tokens=100))
    waiting = begun(ledger, 60)
    with pytest.raises(BudgetExceeded):
        begun(ledger, 60)
    waiting.end()
    begun(ledger, 60)


def test_a_sum_is_none_only_where_neither_was_told() -> None:
    assert together(Usage(1, None, 3, 0), Usage(5, 6, None, 0)) == Usage(6, 6, 3, 0, None)


COUNT = st.none() | st.integers(0, 50)
EVENT = st.one_of(
    st.builds(text, st.integers(0, 20)),
    st.builds(Usage, COUNT, COUNT, COUNT),
    st.just(START),
    st.just(STOP),
    st.just(Reset("lost", 2)),
    st.just(Notice("heartbeat")),
)
STEPS = st.lists(st.tuples(st.integers(0, 3), st.none() | st.lists(EVENT, min_size=1, max_size=4)))


@given(STEPS)
def test_answers_side_by_side_add_up_to_what_they_are_alone(
    steps: list[tuple[int, list[Event] | None]],
) -> None:
    budget = Budget(tokens=10**9, price=PRICE)
    together_, alone = Ledger(budget), [Ledger(budget) for _ in range(4)]
    shared = [begun(together_, 10 * number, PRICE) for number in range(4)]
    own = [begun(ledger, 10 * number, PRICE) for number, ledger in enumerate(alone)]
    for number, batch in steps:
        for tally in (shared[number], own[number]):
            tally.end() if batch is None else tally.saw(batch)
        assert together_.spent.input == sum(ledger.spent.input for ledger in alone)
        assert together_.spent.output == sum(ledger.spent.output for ledger in alone)
        assert together_.spent.cost == pytest.approx(sum(ledger.spent.cost for ledger in alone))
    usage = Usage()
    for ledger in alone:
        usage = together(usage, ledger.usage)
    assert together_.usage == usage


@given(st.lists(st.integers(1, 30), min_size=1), st.integers(1, 300))
def test_no_more_than_one_read_goes_beyond_the_budget(sizes: list[int], limit: int) -> None:
    ledger = Ledger(Budget(output_tokens=limit))
    tally = begun(ledger)
    tally.saw([START])
    for size in sizes:
        if tally.saw([text(size)]) is not None:
            assert limit < ledger.spent.output <= limit + size
            return
    assert ledger.spent.output == sum(sizes) <= limit
