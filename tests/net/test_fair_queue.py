"""Who is served next, and what the queue remembers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ConfigError
from gateway_stream.net.fair_queue import FairQueue, Flow
from tests.support.growth import growth


def crowd(queue: FairQueue[str], flow: Flow, number: int) -> None:
    for count in range(number):
        queue.put(f"{flow.name} {count}", flow)


def drain(queue: FairQueue[str], number: int | None = None) -> list[str]:
    return [queue.take() for _ in range(len(queue) if number is None else number)]


def test_a_flow_is_served_in_the_order_in_which_it_came() -> None:
    queue: FairQueue[str] = FairQueue()
    flow = Flow()
    for name in "abcde":
        queue.put(name, flow)
    assert drain(queue) == list("abcde")


def test_flows_take_turns_however_much_one_has_in_line() -> None:
    queue: FairQueue[str] = FairQueue()
    greedy, small = Flow("greedy"), Flow("small")
    for number in range(5):
        queue.put(f"g{number}", greedy)
    queue.put("s0", small)
    queue.put("s1", small)
    assert drain(queue) == ["g0", "s0", "g1", "s1", "g2", "g3", "g4"]


def test_who_comes_back_after_its_answer_still_gets_its_turn() -> None:
    """Round robin over whoever waits just then would give the greedy one every second turn."""
    queue: FairQueue[str] = FairQueue()
    greedy = Flow("greedy")
    small = [Flow(f"small {number}") for number in range(10)]
    turns: Counter[str] = Counter()
    crowd(queue, greedy, 1000)
    for flow in small:
        queue.put(str(flow.name), flow)
    in_flight: list[Flow] = []
    for _ in range(500):
        name = queue.take()
        turns["greedy" if name.startswith("greedy") else name] += 1
        in_flight.extend(flow for flow in small if flow.name == name)
        if len(in_flight) > 6:  # an answer takes six turns, and only then it asks again
            flow = in_flight.pop(0)
            queue.put(str(flow.name), flow)
    assert max(turns.values()) <= 1.1 * min(turns.values())


@pytest.mark.parametrize("weight", [0.5, 2.0, 3.0])
def test_turns_go_by_weight(weight: float) -> None:
    queue: FairQueue[str] = FairQueue()
    one, other = Flow("one"), Flow("other", weight)
    for number in range(400):
        queue.put(f"one {number}", one)
        queue.put(f"other {number}", other)
    served = Counter(name.split()[0] for name in drain(queue, 200))
    assert served["other"] / served["one"] == pytest.approx(weight, rel=0.03)


def test_what_is_sent_again_goes_before_what_was_asked_later_and_after_what_came_back_earlier() -> (
    None
):
    queue: FairQueue[str] = FairQueue()
    flow = Flow()
    queue.put("later", flow)
    queue.put("again 1", flow, first=True)
    queue.put("again 2", flow, first=True)
    assert drain(queue) == ["again 1", "again 2", "later"]


def test_who_found_everything_free_does_not_keep_it() -> None:
    queue: FairQueue[str] = FairQueue()
    first, late = Flow("first"), Flow("late")
    for _ in range(3):
        queue.begun(first)
    crowd(queue, first, 8)
    crowd(queue, late, 8)
    assert drain(queue, 5) == ["late 0", "late 1", "late 2", "first 0", "late 3"]


def test_what_was_in_flight_counts_as_fifty_turns_at_most() -> None:
    queue: FairQueue[str] = FairQueue()
    first, late = Flow("first"), Flow("late")
    for _ in range(800):
        queue.begun(first)
    crowd(queue, first, 10)
    crowd(queue, late, 200)
    assert drain(queue, 60).index("first 0") == 50


def test_what_was_not_wanted_is_saved_up_for_four_turns_at_most() -> None:
    queue: FairQueue[str] = FairQueue()
    away, busy = Flow("away"), Flow("busy")
    queue.put("away", away)
    crowd(queue, busy, 200)
    drain(queue, 101)
    crowd(queue, away, 50)
    served = Counter(name.split()[0] for name in drain(queue, 24))
    assert served["away"] == pytest.approx(14, abs=1)


def test_who_left_is_not_served_and_costs_its_flow_no_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    one, other = Flow(), Flow()
    queue.put("gone", one)
    queue.put("other", other)
    queue.put("stays", one)
    queue.discard("gone", one)
    queue.discard("gone", one)
    queue.discard("never there", Flow())
    assert drain(queue) == ["stays", "other"]
    assert queue.peek() is None
    with pytest.raises(IndexError):
        queue.take()


def test_flows_that_come_and_leave_are_forgotten() -> None:
    queue: FairQueue[int] = FairQueue()
    stays = Flow()
    queue.put(-1, stays)
    for number in range(5000):
        flow = Flow()
        queue.put(number, flow)
        queue.discard(number, flow)
    assert queue.remembered < 3000
    assert len(queue._heap) < 100
    assert queue.take() == -1
    assert queue.remembered == 0


def test_flows_that_were_served_are_forgotten_although_somebody_always_waits() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(20_000):
        queue.put(number, Flow())
        if number > 10:
            queue.take()
    assert queue.remembered < 3000


@pytest.mark.parametrize("weight", [0.0, 5e-324, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Flow(weight=weight)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "again", "take", "discard"]), st.integers(0, 3)), max_size=60
)


@given(STEPS)
def test_nothing_is_lost_served_twice_or_out_of_its_flows_order(
    steps: list[tuple[str, int]],
) -> None:
    queue: FairQueue[int] = FairQueue()
    flows = [Flow(str(number), number + 0.5) for number in range(4)]
    model: list[tuple[list[int], list[int]]] = [([], []) for _ in flows]
    for item, (step, which) in enumerate(steps):
        again, waiting = model[which]
        if step == "put":
            queue.put(item, flows[which])
            waiting.append(item)
        elif step == "again":
            queue.put(item, flows[which], first=True)
            again.append(item)
        elif step == "discard" and again + waiting:
            gone = (again + waiting)[-1]
            queue.discard(gone, flows[which])
            (waiting if gone in waiting else again).remove(gone)
        elif step == "take" and len(queue):
            taken = queue.take()
            heads = [(again or waiting) for again, waiting in model]
            (line,) = [line for line in heads if line and line[0] == taken]
            line.pop(0)
        assert len(queue) == sum(len(again) + len(waiting) for again, waiting in model)
        assert queue._stale == sum(not line for *_, line in queue._heap)
        assert (queue.peek() is None) == (len(queue) == 0)


def test_a_turn_costs_as_much_with_many_flows_as_with_few() -> None:
    def run(size: int) -> None:
        queue: FairQueue[int] = FairQueue()
        flows = [Flow() for _ in range(size)]
        for number in range(2 * size):
            queue.put(number, flows[number % size])
        for number in range(0, size, 2):
            queue.discard(number, flows[number])
        while queue:
            queue.take()

    assert growth(run, 500, 10_000, enough=4.0) <= 4.0
