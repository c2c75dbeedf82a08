"""One watchdog for all answers: it looks seldom, and is never late."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_stream import GatewayError, TimedOut, Timeouts
from gateway_stream.net.watchdog import Watch, Watchdog
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from collections.abc import Callable

NO_TIMEOUTS = Timeouts(connect=None, first_content=None, progress=None, silence=None)
HOUR = 3600


class CountingClock(HandClock):
    """A clock that counts who is called by it, and whose time passes without a loop."""

    def __init__(self) -> None:
        super().__init__(now=0.0)
        self.set = 0
        self.looks = 0

    def call_later(self, seconds: float, work: Callable[[], object]) -> Any:
        def look() -> None:
            self.looks += 1
            work()

        self.set += 1
        return super().call_later(seconds, look)

    def let_pass(self, seconds: float) -> None:
        end = self.now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            self.now = max(self.now, self._alarms[0][0])
            heapq.heappop(self._alarms)[2].ring()
        self.now = end


class Ending:
    """What ends when a clock runs out: a request's scope, or an answer's exchange."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.at: float | None = None
        self.error: GatewayError | None = None

    def cancel(self) -> None:
        self.at = self.clock.now

    def expire(self, error: GatewayError) -> None:
        assert self.at is None, "nothing ends twice"
        self.at, self.error = self.clock.now, error


class Answer:
    """An answer whose reader does what a test says."""

    def __init__(self, clock: CountingClock, timeouts: Timeouts, dog: Watchdog) -> None:
        self.clock = clock
        self.watch: Any = Watch(timeouts, dog, clock.now)
        self.ending: Any = Ending(clock)
        self.watch.scope = self.ending

    def send(self, seconds: float) -> None:
        self.watch.enter("queued")
        self.watch.enter("sent")
        self.clock.let_pass(seconds)
        if self.ending.at is None:
            self.begin()

    def begin(self) -> None:
        self.watch.scope = None
        self.watch.exchange = self.ending
        self.watch.enter("reading")

    def wait(self) -> None:
        self.watch.waiting = True
        self.watch.waited_from = self.clock.now

    def get(self, *, content: bool) -> None:
        self.watch.waiting = False
        self.watch.read()
        self.watch.came(content=content)

    def read(self, seconds: float, *, content: bool) -> None:
        self.wait()
        self.clock.let_pass(seconds)
        if self.ending.at is None:
            self.get(content=content)


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock()


@pytest.fixture
def dog(clock: CountingClock) -> Watchdog:
    return Watchdog(clock)


def test_many_watches_have_one_alarm(clock: CountingClock, dog: Watchdog) -> None:
    answers = [Answer(clock, Timeouts(), dog) for _ in range(5000)]
    for answer in answers:
        answer.send(0)
        answer.wait()
    assert clock.set <= 2  # the first response's clock ends sooner than the first request's
    assert sum(alarm._work is not None for _, _, alarm in clock._alarms) == 1


def test_it_looks_seldom_however_much_comes(clock: CountingClock, dog: Watchdog) -> None:
    answers = [Answer(clock, Timeouts(), dog) for _ in range(5000)]
    for answer in answers:
        answer.send(0)
        answer.wait()
    for _ in range(60):
        clock.let_pass(10)
        for answer in answers:
            answer.get(content=True)
            answer.wait()
    assert clock.now == 600
    assert clock.looks <= 600 / 110 + 1
    assert not any(answer.ending.error for answer in answers)


def test_what_is_left_is_watched_no_more(clock: CountingClock, dog: Watchdog) -> None:
    answers = [Answer(clock, Timeouts(deadline=50), dog) for _ in range(10)]
    for answer in answers:
        answer.send(0)
        answer.watch.leave()
        answer.watch.leave()
    assert not dog._watched
    clock.let_pass(HOUR)
    assert clock.looks == 1  # the alarm that was set rings once, and no other is set
    assert not any(answer.ending.error for answer in answers)


def test_without_clocks_nothing_is_ever_looked_at(clock: CountingClock, dog: Watchdog) -> None:
    answer = Answer(clock, NO_TIMEOUTS, dog)
    answer.send(HOUR)
    answer.read(HOUR, content=True)
    answer.read(HOUR, content=False)
    assert clock.set == 0
    assert answer.watch.error is None


def test_what_ran_out_is_ended_once_though_its_owner_does_not_look(
    clock: CountingClock, dog: Watchdog
) -> None:
    answer, other = (Answer(clock, Timeouts(deadline=seconds), dog) for seconds in (30, 60))
    answer.send(0)
    clock.let_pass(HOUR)
    assert (answer.ending.at, other.ending.at) == (30, 60)
    assert isinstance(answer.watch.error, TimedOut)
    assert answer.watch.error.phase == "deadline"


@pytest.mark.parametrize("stage", ["idle", "queued", "sent", "reading"])
def test_a_watchdog_that_is_closed_ends_what_it_watches(
    clock: CountingClock, dog: Watchdog, stage: Any
) -> None:
    answer = Answer(clock, Timeouts(), dog)
    answer.watch.enter(stage)
    if stage == "reading":
        answer.begin()
    dog.close()
    assert answer.ending.at == 0
    error = answer.watch.error
    assert error is not None
    assert (error.code, error.retryable) == ("closed", False)
    clock.let_pass(HOUR)
    assert clock.looks == 0


def test_a_queue_has_its_clock_in_each_try_anew(clock: CountingClock, dog: Watchdog) -> None:
    answer = Answer(clock, Timeouts(queue=10), dog)
    for _ in range(3):
        answer.watch.begin()
        answer.watch.enter("queued")
        clock.let_pass(9)
        answer.watch.enter("idle")
        clock.let_pass(100)
    assert answer.watch.error is None
    assert answer.watch.queued == 27
    answer.watch.enter("queued")
    clock.let_pass(HOUR)
    assert answer.ending.at == 337
    assert isinstance(answer.watch.error, TimedOut)
    assert answer.watch.error.phase == "queue"


def test_what_came_while_the_loop_was_held_up_counts(clock: CountingClock, dog: Watchdog) -> None:
    answer = Answer(clock, Timeouts(silence=10), dog)
    answer.send(0)
    answer.wait()
    clock.now += 60  # another task computes
    clock.let_pass(0)
    assert answer.watch.error is None
    answer.get(content=True)  # the loop runs again, and reads
    answer.wait()
    clock.let_pass(9)
    assert answer.watch.error is None
    clock.let_pass(1)
    assert answer.ending.at == 70


def test_a_loop_that_is_always_late_ends_what_hangs_all_the_same(
    clock: CountingClock, dog: Watchdog
) -> None:
    answer = Answer(clock, Timeouts(silence=10), dog)
    answer.send(0)
    answer.wait()
    for _ in range(2):
        assert answer.watch.error is None
        clock.now += 11
        clock.let_pass(0)
    assert isinstance(answer.watch.error, TimedOut)


# Never late, and never early.

a_limit = st.none() | st.integers(1, 100)
a_gap = st.integers(1, 60)
a_step = st.tuples(a_gap, st.sampled_from(["content", "signs of life", "away"]))


def expected_end(
    timeouts: Timeouts, head: int, steps: list[tuple[int, str]]
) -> tuple[float, str] | None:
    """When an answer that stalls after ``steps`` is ended, and by which clock: what the module says, in plain steps."""
    first, progress, silence, deadline = (
        math.inf if limit is None else limit
        for limit in (
            timeouts.first_content,
            timeouts.progress,
            timeouts.silence,
            timeouts.deadline,
        )
    )
    if min(first, deadline) <= head:
        return (deadline, "deadline") if deadline <= first else (first, "first_content")
    now, idle, began, reads = float(head), float(head), False, 0
    for gap, kind in [*steps, (10**6, "nothing")]:
        limit = progress if began else min(first, progress) if reads else first
        clock = "progress" if began or (reads and progress <= first) else "first_content"
        if kind == "away" and idle < limit:
            if deadline <= now + gap:
                return deadline, "deadline"
            now += gap
            continue
        end, why = now + max(0.0, limit - idle), clock
        if now + silence <= end:
            end, why = now + silence, "silence"
        if deadline <= end:
            end, why = deadline, "deadline"
        if end <= now + gap:
            return end, why
        now += gap
        idle = 0.0 if kind == "content" else idle + gap
        began, reads = began or kind == "content", reads + 1
    return None


@given(
    timeouts=st.builds(
        Timeouts,
        first_content=a_limit,
        progress=a_limit,
        silence=a_limit,
        deadline=st.none() | st.integers(1, 1000),
    ),
    head=a_gap,
    steps=st.lists(a_step, max_size=12),
)
@example(Timeouts(progress=30), 0, [(35, "content")])
@example(Timeouts(progress=100, silence=None), 40, [(10, "signs of life")])
@example(Timeouts(progress=10, silence=None), 40, [(10, "signs of life"), (5, "away")])
def test_whatever_comes_a_stall_is_ended_at_its_moment(
    timeouts: Timeouts, head: int, steps: list[tuple[int, str]]
) -> None:
    clock = CountingClock()
    answer = Answer(clock, timeouts, Watchdog(clock))
    answer.send(head)
    for gap, kind in steps:
        if answer.watch.error is not None:
            break
        if kind == "away":
            clock.let_pass(gap)
        else:
            answer.read(gap, content=kind == "content")
    if answer.watch.error is None:
        answer.read(HOUR, content=False)
    error = answer.watch.error
    ended = None
    if error is not None:
        assert isinstance(error, TimedOut)
        ended = (answer.ending.at, error.phase)
    expected = expected_end(timeouts, head, steps)
    assert ended == expected
