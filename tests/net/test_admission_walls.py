"""Servers that hold so many requests at a time, and clients that do not know how many."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream.net.admission import Admissions, Flow
from tests.support.clock import HandClock
from tests.support.servers import PLACE, Server, keep_asking, run

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS: list[Flow | None] = [None] * 200
CHANCE = random.Random(1)


def varying() -> float:
    return CHANCE.uniform(0.05, 0.35)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"late": True},
        {"refusal": 0.05},
        {"refusal": 0.05, "late": True},
        {"answer": varying, "refusal": 0.02},
        {"answer": varying, "late": True},
    ],
    ids=str,
)
async def test_a_wall_is_found_and_kept_to(kind: dict[str, Any]) -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(1000, clock=clock), Server(clock, **kind)
    await run(admissions, server, CLIENTS, 30)
    assert len(server.log) >= 3000
    assert server.share_refused(since=10) < 0.01
    assert server.throughput(10, 30) >= 0.95 * 37 / 0.2
    assert all(33 <= server.most[second] <= 37 for second in range(10, 30))
    (stats,) = admissions.stats()
    assert stats.limit in {36, 37, 38}
    assert (admissions.in_use, admissions.queued) == (0, 0)


async def test_a_capacity_that_changes_is_followed() -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(1000, clock=clock), Server(clock, refusal=0.02)
    limits: list[int | None] = []

    def limit() -> None:
        limits.append(admissions.stats()[0].limit)

    async with anyio.create_task_group() as tasks:
        for seed in range(200):
            tasks.start_soon(keep_asking, admissions, server, None, seed)
        for capacity in (37, 20, 60):
            server.capacity = capacity
            await clock.advance(15)
            limit()
        tasks.cancel_scope.cancel()
    assert limits == [pytest.approx(level, abs=1) for level in (37, 20, 60)]
    assert server.share_refused(since=1) < 0.02


async def test_a_server_that_refuses_all_is_asked_seldom_and_found_again() -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(1000, clock=clock), Server(clock)
    async with anyio.create_task_group() as tasks:
        for seed in range(200):
            tasks.start_soon(keep_asking, admissions, server, None, seed)
        await clock.advance(10)
        server.capacity = 0
        await clock.advance(30)
        asked = Counter(int(at - 1000) for at, _ in server.log)
        assert sum(asked[second] for second in range(20, 40)) < 10
        server.capacity = 37
        await clock.advance(40)
        tasks.cancel_scope.cancel()
    assert server.throughput(60, 80) >= 0.95 * 37 / 0.2


async def test_refusals_by_accident_cost_little() -> None:
    clock = HandClock(1000.0)
    chance = random.Random(5)
    admissions = Admissions(1000, clock=clock)
    server = Server(
        clock, capacity=10_000, answer=lambda: 0.5, accidents=lambda: chance.random() < 0.01
    )
    await run(admissions, server, [None] * 100, 120)
    assert server.throughput(60, 120) >= 0.9 * 100 / 0.5


async def test_a_pause_is_everybodys_and_the_ramp_stays_below_the_limit() -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(1000, clock=clock), Server(clock, retry_after=2.0)
    await run(admissions, server, CLIENTS, 120)
    came = Counter(int(at - 1000.0009) for at, _ in server.log)
    assert came[1] == 0
    climbing = list(itertools.takewhile(lambda second: came[second] < 160, range(2, 60)))
    assert len(climbing) >= 4
    for second in climbing[1:]:
        assert came[second] <= 1.2 * came[second - 1] + 3
    assert server.share_refused(since=2) == 0
    assert server.throughput(20, 120) >= 0.9 * 37 / 0.2


async def test_probing_pays_even_where_each_refusal_brings_a_pause() -> None:
    clock = HandClock(1000.0)
    admissions = Admissions(1000, clock=clock)
    server = Server(clock, retry_after=1.0, answer=lambda: 1.0)
    await run(admissions, server, CLIENTS, 400)
    assert server.throughput(10, 400) >= 0.9 * 37
    assert 0 < server.share_refused(since=10) < 0.001


async def shares(slots: int, answer: Callable[[], float]) -> dict[str | None, int]:
    clock = HandClock(1000.0)
    admissions = Admissions(slots, clock=clock)
    server = Server(clock, capacity=10_000, answer=answer)
    greedy = Flow("greedy")
    small = [Flow(f"small {number}") for number in range(50)]
    await run(admissions, server, [greedy] * 500 + small, 30)
    return dict(server.taken)


@pytest.mark.parametrize("slots", [5, 10, 37, 45])
async def test_one_of_five_hundred_gets_no_more_than_fifty_of_one(slots: int) -> None:
    taken = await shares(slots, lambda: 0.2)
    assert len(taken) == 51
    assert max(taken.values()) <= 1.1 * min(taken.values())


@pytest.mark.parametrize("slots", [10, 25, 37])
async def test_answers_of_differing_length_change_little(slots: int) -> None:
    chance = random.Random(2)
    taken = await shares(slots, lambda: chance.expovariate(5))
    assert max(taken.values()) <= 1.2 * min(taken.values())


async def test_a_session_of_weight_three_gets_three_times_as_much() -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(10, clock=clock), Server(clock, capacity=10_000)
    flows = [Flow("one"), Flow("one more"), Flow("three", 3.0)]
    await run(admissions, server, [flow for flow in flows for _ in range(30)], 60)
    assert server.taken["three"] == pytest.approx(3 * server.taken["one"], rel=0.05)
    assert server.taken["one"] == pytest.approx(server.taken["one more"], rel=0.05)


async def test_five_hundred_that_are_refused_together_never_exceed_what_was_learned() -> None:
    clock = HandClock(1000.0)
    admissions, server = Admissions(1000, clock=clock), Server(clock, retry_after=1.0)
    most = 0

    async def watch() -> None:
        nonlocal most
        await clock.sleep(0.5)
        while True:
            (stats,) = admissions.stats()
            assert stats.limit is not None
            assert stats.in_use <= stats.limit
            most = max(most, stats.in_use)
            await clock.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        for seed in range(500):
            tasks.start_soon(keep_asking, admissions, server, None, seed)
        tasks.start_soon(watch)
        await clock.advance(30)
        tasks.cancel_scope.cancel()
    assert most == 37
    assert PLACE.endpoint == admissions.stats()[0].endpoint
