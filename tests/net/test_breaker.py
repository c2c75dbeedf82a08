"""An endpoint that only fails is left alone, probed by one, and taken back at its first answer."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import GatewayUnavailable
from gateway_stream.events import FailureKind
from gateway_stream.net.breaker import FAULTS, FIRST_PAUSE, LOAD, LONGEST_PAUSE, Breakers, Passage
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = ("https://gateway.test", "model")
ELSEWHERE = ("https://gateway.test", "another model")
COUNTS = {
    "connect",
    "connection_lost",
    "gateway_unavailable",
    "stream_failed",
    "stream_truncated",
    "timed_out",
}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def breakers(clock: HandClock) -> Breakers:
    return Breakers(clock)


def fail(passage: Passage) -> None:
    passage.failed("gateway_unavailable", "headers")


def open_it(breakers: Breakers) -> None:
    for _ in range(FAULTS):
        fail(breakers.enter(PLACE))


def refusal(breakers: Breakers) -> GatewayUnavailable:
    with pytest.raises(GatewayUnavailable) as caught:
        breakers.enter(PLACE)
    return caught.value


def test_the_numbers_are_what_the_docs_say() -> None:
    assert (FAULTS, FIRST_PAUSE, LONGEST_PAUSE) == (10, 5, 15)


def test_it_opens_after_so_many_faults_in_a_row_and_not_before(breakers: Breakers) -> None:
    for _ in range(FAULTS - 1):
        fail(breakers.enter(PLACE))
    assert breakers.open == 0
    fail(breakers.enter(PLACE))
    assert breakers.open == 1
    error = refusal(breakers)
    assert (error.code, error.phase, error.retryable) == ("circuit_open", "queue", True)
    assert error.retry_after == FIRST_PAUSE
    breakers.enter(ELSEWHERE)


def test_a_success_in_between_begins_the_count_anew(breakers: Breakers) -> None:
    for _ in range(10):
        for _ in range(FAULTS - 1):
            fail(breakers.enter(PLACE))
        breakers.enter(PLACE).succeeded()
    assert breakers.open == 0


@pytest.mark.parametrize("kind", get_args(FailureKind))
def test_only_faults_of_what_stands_upstream_count(breakers: Breakers, kind: FailureKind) -> None:
    for _ in range(FAULTS):
        breakers.enter(PLACE).failed(kind, "stream")
    assert breakers.open == (kind in COUNTS)


@pytest.mark.parametrize("status", LOAD)
@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_a_limit_does_not_count_whatever_kind_it_is_told_as(
    breakers: Breakers, kind: FailureKind, status: int
) -> None:
    for _ in range(FAULTS):
        breakers.enter(PLACE).failed(kind, None, status)
    assert breakers.open == 0


@pytest.mark.parametrize(
    ("phase", "counts"),
    [
        ("queue", False),
        ("deadline", False),
        ("connect", True),
        ("first_content", True),
        ("silence", True),
        ("progress", True),
    ],
)
def test_clocks_of_the_callers_own_do_not_count(
    breakers: Breakers, phase: str, *, counts: bool
) -> None:
    for _ in range(FAULTS):
        breakers.enter(PLACE).failed("timed_out", phase)
    assert breakers.open == counts


def test_a_thousand_callers_who_leave_say_nothing_about_the_endpoint(breakers: Breakers) -> None:
    for _ in range(FAULTS - 1):
        fail(breakers.enter(PLACE))
    for passage in [breakers.enter(PLACE) for _ in range(1000)]:
        passage.left()
    assert breakers.open == 0
    fail(breakers.enter(PLACE))  # nor do they begin the count anew
    assert breakers.open == 1


async def test_one_probes_however_many_wait(breakers: Breakers, clock: HandClock) -> None:
    open_it(breakers)
    await clock.advance(FIRST_PAUSE)
    probe = breakers.enter(PLACE)
    for _ in range(500):
        assert refusal(breakers).retry_after == 1  # not 0: nobody knows when the probe ends
    probe.succeeded()
    assert breakers.open == 0
    for _ in range(500):
        breakers.enter(PLACE)


@pytest.mark.parametrize(
    "end",
    [
        Passage.left,
        lambda probe: probe.failed("rate_limited", None, 429),
        lambda probe: probe.failed("bad_request", None, 400),
        lambda probe: probe.failed("timed_out", "deadline"),
    ],
    ids=["left", "a limit", "a bad request", "a deadline"],
)
async def test_a_probe_that_says_nothing_passes_the_probing_on(
    breakers: Breakers, clock: HandClock, end: Callable[[Passage], None]
) -> None:
    open_it(breakers)
    await clock.advance(FIRST_PAUSE)
    end(breakers.enter(PLACE))
    assert breakers.open == 1
    probe = breakers.enter(PLACE)
    refusal(breakers)
    probe.succeeded()
    assert breakers.open == 0


async def test_the_pause_doubles_with_each_probe_that_fails_up_to_the_longest(
    breakers: Breakers, clock: HandClock
) -> None:
    open_it(breakers)
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE):
        await clock.advance(pause - 1)
        assert refusal(breakers).retry_after == 1
        await clock.advance(1)
        fail(breakers.enter(PLACE))
    await clock.advance(LONGEST_PAUSE)
    breakers.enter(PLACE).succeeded()
    open_it(breakers)
    assert refusal(breakers).retry_after == FIRST_PAUSE  # a success has it all forgotten


async def test_who_was_let_through_before_neither_prolongs_the_pause_nor_probes(
    breakers: Breakers, clock: HandClock
) -> None:
    late = [breakers.enter(PLACE) for _ in range(5)]
    open_it(breakers)
    await clock.advance(FIRST_PAUSE - 1)
    for passage in late[:4]:
        fail(passage)
    await clock.advance(1)
    probe = breakers.enter(PLACE)
    late[4].left()
    refusal(breakers)  # the probe is still on its way
    probe.succeeded()
    assert breakers.open == 0


def test_a_late_answer_closes_it(breakers: Breakers) -> None:
    late = breakers.enter(PLACE)
    open_it(breakers)
    late.succeeded()
    assert breakers.open == 0


@pytest.mark.parametrize("last", [fail, Passage.succeeded, Passage.left])
def test_what_is_told_of_a_request_later_does_not_count(
    breakers: Breakers, last: Callable[[Passage], None]
) -> None:
    for _ in range(FAULTS - 1):
        fail(breakers.enter(PLACE))
    passage = breakers.enter(PLACE)
    passage.left()
    last(passage)
    assert breakers.open == 0
    fail(breakers.enter(PLACE))
    assert breakers.open == 1


@given(st.lists(st.sampled_from(["enter", "succeed", "fail", "leave", "wait"]), max_size=80))
def test_at_any_time_at_most_one_goes_through_an_open_breaker(steps: list[str]) -> None:
    clock = HandClock()
    breakers = Breakers(clock)
    open_it(breakers)
    inside: list[Passage] = []
    for step in steps:
        if step == "wait":
            clock.now += FIRST_PAUSE
        elif step == "enter":
            with contextlib.suppress(GatewayUnavailable):
                inside.append(breakers.enter(PLACE))
        elif inside:
            ends = {"succeed": Passage.succeeded, "fail": fail, "leave": Passage.left}
            ends[step](inside.pop(0))
        if breakers.open:
            assert len(inside) <= 1
        else:
            return  # closed, any number may go


def test_another_thread_may_count_while_endpoints_come_and_go() -> None:
    breakers = Breakers(HandClock())
    wrong: list[RuntimeError] = []
    enough = threading.Event()

    def poll() -> None:
        while not enough.is_set():
            try:
                assert breakers.open == 0
            except RuntimeError as error:
                wrong.append(error)
                return

    polling = threading.Thread(target=poll)
    polling.start()
    try:
        for number in range(20_000):
            place = number % 500
            breakers.enter(place).failed("connect", "connect")
            if number % 3:
                breakers.enter(place).succeeded()
            if wrong:
                break
    finally:
        enough.set()
        polling.join()
    assert not wrong
