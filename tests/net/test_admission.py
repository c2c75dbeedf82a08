"""Slots are given in order and none is lost, whoever is cancelled when."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import anyio
import anyio.lowlevel
import pytest

from gateway_stream.errors import ConnectionLost, QueueFull
from gateway_stream.events import Usage
from gateway_stream.net.admission import Admissions, Cost, Flow, Lease, Limits, Place
from tests.support.clock import HandClock, settle

HERE: Final = Place("gateway.test", "model", None)
THERE: Final = Place("gateway.test", "other", None)


class Queuing:
    """Requests that wait and hold what they get until they are told to give it back."""

    def __init__(self, tasks: anyio.abc.TaskGroup, admissions: Admissions) -> None:
        self.tasks = tasks
        self.admissions = admissions
        self.served: list[str] = []
        self.leases: dict[str, Lease] = {}

    async def ask(
        self,
        name: str,
        place: Place = HERE,
        *,
        flow: Flow | None = None,
        again: bool = False,
        cost: Cost = Cost(),  # noqa: B008  a tuple
    ) -> None:
        async def wait() -> None:
            lease = await self.admissions.admit(place, flow=flow, again=again, cost=cost)
            self.served.append(name)
            self.leases[name] = lease

        self.tasks.start_soon(wait)
        await settle()

    async def release(self, *names: str) -> None:
        for name in names:
            self.leases.pop(name).release()
        await settle()


async def test_a_lease_released_twice_gives_back_one_slot() -> None:
    admissions = Admissions(2)
    await admissions.admit(HERE)
    lease = await admissions.admit(HERE)
    lease.release()
    lease.release()
    assert admissions.in_use == 1


async def test_a_lease_is_told_nothing_after_its_release() -> None:
    admissions = Admissions(2)
    lease = await admissions.admit(HERE)
    lease.release()
    lease.refused(5.0)
    lease.accepted()
    (stats,) = admissions.stats()
    assert (stats.in_use, stats.refused, stats.limit, stats.paused_for) == (0, 0, None, 0.0)


async def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, Admissions(1))
        for name in "abcd":
            await queuing.ask(name)
        for name in "abcd":
            await queuing.release(name)
    assert queuing.served == list("abcd")


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    admissions = Admissions(1)
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        for name in ("held", "early"):
            await queuing.ask(name)
        queuing.leases["held"].release()
        await queuing.ask("late")
        await queuing.release("early")
    assert queuing.served == ["held", "early", "late"]


async def test_a_retry_goes_before_what_its_session_asked_later() -> None:
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, Admissions(1))
        flow = Flow()
        await queuing.ask("held")
        await queuing.ask("later", flow=flow)
        await queuing.ask("again", flow=flow, again=True)
        await queuing.release("held")
        await queuing.release("again")
    assert queuing.served == ["held", "again", "later"]


async def test_places_that_wait_for_the_pool_take_turns() -> None:
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, Admissions(1))
        await queuing.ask("held")
        for number in range(3):
            await queuing.ask(f"here {number}")
        for number in range(2):
            await queuing.ask(f"there {number}", THERE)
        for name in ("held", "here 0", "there 0", "here 1", "there 1"):
            await queuing.release(name)
    assert queuing.served == ["held", "here 0", "there 0", "here 1", "there 1", "here 2"]


async def test_a_place_at_its_limit_keeps_nobody_else_from_going() -> None:
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, Admissions(10, limits=Limits(concurrency=1)))
        for name in ("here 0", "here 1"):
            await queuing.ask(name)
        await queuing.ask("there", THERE)
        assert queuing.served == ["here 0", "there"]
        await queuing.release("here 0")
    assert queuing.served == ["here 0", "there", "here 1"]


async def test_identities_have_limits_of_their_own() -> None:
    admissions = Admissions(10, limits=Limits(concurrency=1))
    for identity in ("one", "other"):
        with anyio.fail_after(1):
            await admissions.admit(HERE._replace(identity=identity))
    assert "other" not in repr(admissions.stats())


async def test_a_full_queue_turns_away_at_once() -> None:
    admissions = Admissions(1, queue_size=2)
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        for name in "abc":
            await queuing.ask(name)
        with pytest.raises(QueueFull, match="2 requests wait for model already") as caught:
            await admissions.admit(HERE)
        assert caught.value.phase == "queue"
        assert caught.value.hint
        await queuing.ask("there", THERE)  # another place has another queue
        assert (admissions.queued, admissions.in_use) == (3, 1)
        assert [stats.turned_away for stats in admissions.stats()] == [1, 0]
        tasks.cancel_scope.cancel()


async def test_closing_tells_who_waits_and_who_comes() -> None:
    clock = HandClock()
    admissions = Admissions(1, clock=clock)
    held = await admissions.admit(HERE)
    held.refused(5.0)
    told = []

    async def wait() -> None:
        with pytest.raises(ConnectionLost, match="closed"):
            await admissions.admit(HERE)
        told.append(True)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await settle()
        admissions.close()
    assert len(told) == 3
    with pytest.raises(ConnectionLost):
        await admissions.admit(HERE)
    held.release()
    await clock.advance(10)
    assert (admissions.in_use, admissions.queued) == (0, 0)


async def test_a_waiter_that_is_cancelled_as_it_is_served_passes_its_slot_on() -> None:
    admissions = Admissions(1, limits=Limits(requests_per_minute=2))
    held = await admissions.admit(HERE)
    waiter = asyncio.create_task(admissions.admit(HERE))
    await settle()
    held.release()  # the waiter is served here, and has not run since
    assert (admissions.in_use, admissions.queued) == (1, 0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert admissions.in_use == 0
    with anyio.fail_after(1):  # it was not sent, so it counts for no budget
        (await admissions.admit(HERE)).release()


async def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    admissions = Admissions(1)
    held = await admissions.admit(HERE)
    with anyio.move_on_after(0):
        await admissions.admit(HERE)
    assert admissions.queued == 0
    held.release()
    assert admissions.in_use == 0


async def test_a_pause_holds_all_sessions_of_the_place_and_no_other() -> None:
    clock = HandClock()
    admissions = Admissions(10, clock=clock)
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        await queuing.ask("refused")
        queuing.leases["refused"].refused(7.0)
        await queuing.release("refused")
        await queuing.ask("one", flow=Flow())
        await queuing.ask("there", THERE)
        (stats, _) = admissions.stats()
        assert stats.paused_for == pytest.approx(7.0)
        await clock.advance(6.9)
        assert queuing.served == ["refused", "there"]
        await clock.advance(0.2)
        assert queuing.served == ["refused", "there", "one"]


async def test_a_quota_of_hours_makes_nobody_wait() -> None:
    admissions = Admissions(10, clock=HandClock())
    for _ in range(3):
        with anyio.fail_after(1):
            lease = await admissions.admit(HERE)
        lease.refused(86_400.0)
        lease.release()
    (stats,) = admissions.stats()
    assert (stats.refused, stats.limit, stats.paused_for) == (3, None, 0.0)


async def test_one_alarm_rings_for_all_who_wait() -> None:
    clock = HandClock()
    admissions = Admissions(100, clock=clock)
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        for number, place in enumerate([HERE, THERE, HERE._replace(endpoint="third")]):
            lease = await admissions.admit(place)
            lease.refused(5.0 - number)
            lease.release()
            for waiter in range(20):
                await queuing.ask(f"{number} {waiter}", place)
        pending = [alarm for *_, alarm in clock._alarms if alarm._work is not None]
        assert len(pending) == 1
        await clock.advance(3.1)
        assert queuing.served == ["2 0"]
        await clock.advance(2)
        assert {name.split()[0] for name in queuing.served} == {"0", "1", "2"}
        tasks.cancel_scope.cancel()


async def test_budgets_for_a_minute_hold_back_what_exceeds_them() -> None:
    clock = HandClock()
    admissions = Admissions(100, clock=clock, limits=Limits(output_tokens_per_minute=1000))
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        for name in "abc":
            await queuing.ask(name, cost=Cost(output=500))
        assert queuing.served == ["a", "b"]
        queuing.leases["a"].used(Usage(input=3, output=400))
        await settle()
        assert queuing.served == ["a", "b"]
        await queuing.release("b")  # that it ends tells nothing of what it used
        assert queuing.served == ["a", "b"]
        queuing.leases["a"].used(Usage(input=3, output=0))
        await settle()
        assert queuing.served == ["a", "b", "c"]
        await queuing.ask("d", cost=Cost(output=500))
        await clock.advance(59)
        assert queuing.served == ["a", "b", "c"]
        await clock.advance(2)
        assert queuing.served == ["a", "b", "c", "d"]


async def test_what_waits_behind_one_that_is_too_dear_goes_when_that_one_leaves() -> None:
    clock = HandClock()
    admissions = Admissions(100, clock=clock, limits=Limits(output_tokens_per_minute=1000))
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        await queuing.ask("first", cost=Cost(output=500))
        scope = anyio.CancelScope()

        async def dear() -> None:
            with scope:
                await admissions.admit(HERE, cost=Cost(output=600))

        tasks.start_soon(dear)
        await settle()
        await queuing.ask("cheap", cost=Cost(output=100))
        assert queuing.served == ["first"]
        scope.cancel()
        await settle()
        assert queuing.served == ["first", "cheap"]


async def test_a_server_that_says_that_nothing_remains_is_left_alone_until_its_reset() -> None:
    clock = HandClock()
    admissions = Admissions(100, clock=clock)
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        await queuing.ask("first")
        headers = {"X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "9s"}
        queuing.leases["first"].accepted(headers)
        await queuing.ask("second")
        await clock.advance(8.9)
        assert queuing.served == ["first"]
        await clock.advance(0.2)
        assert queuing.served == ["first", "second"]


async def test_two_hundred_at_once_of_which_thirty_seven_are_taken_leave_thirty_seven() -> None:
    admissions = Admissions(1000)
    leases = [await admissions.admit(HERE) for _ in range(200)]
    for lease in leases[:37]:
        lease.accepted()
    for lease in leases[37:]:
        lease.refused(None)
        lease.release()
    (stats,) = admissions.stats()
    assert (stats.limit, stats.in_use, stats.refused) == (37, 37, 163)
    assert admissions.in_use == 37


async def test_what_ended_before_a_refusal_came_back_was_held_with_it() -> None:
    admissions = Admissions(1000)
    leases = [await admissions.admit(HERE) for _ in range(38)]
    for lease in leases[:10]:
        lease.accepted()
        lease.release()
    leases[37].refused(None)
    (stats,) = admissions.stats()
    assert stats.limit == 37


async def test_who_was_long_on_the_way_is_refused_for_those_that_overtook_it() -> None:
    admissions = Admissions(1000)
    slow = await admissions.admit(HERE)
    for _ in range(36):
        (await admissions.admit(HERE)).accepted()
    slow.refused(None)
    (stats,) = admissions.stats()
    assert stats.limit == 36


async def test_a_limit_that_grows_serves_who_waits_though_nobody_leaves() -> None:
    admissions = Admissions(1000)
    first = await admissions.admit(HERE)
    (await admissions.admit(HERE)).refused(None)
    first.release()
    async with anyio.create_task_group() as tasks:
        queuing = Queuing(tasks, admissions)
        for _ in range(49):
            lease = await admissions.admit(HERE)
            lease.accepted()
            lease.release()
        last = await admissions.admit(HERE)
        await queuing.ask("waits")
        assert queuing.served == []
        last.accepted()
        await settle()
        assert queuing.served == ["waits"]


async def test_a_limit_that_is_not_used_fully_does_not_grow() -> None:
    admissions = Admissions(1000)
    leases = [await admissions.admit(HERE) for _ in range(3)]
    leases[2].refused(None)
    for lease in leases:
        lease.release()
    for _ in range(500):
        lease = await admissions.admit(HERE)
        lease.accepted()
        lease.release()
    (stats,) = admissions.stats()
    assert stats.limit == 2


async def test_what_was_refused_holds_its_slot_until_its_release_and_no_place_at_the_server() -> (
    None
):
    admissions = Admissions(10)
    leases = [await admissions.admit(HERE) for _ in range(3)]
    leases[2].refused(None)
    leases[2].refused(None)
    (stats,) = admissions.stats()
    assert (admissions.in_use, stats.in_use, stats.refused) == (3, 2, 1)
    leases[2].release()
    (stats,) = admissions.stats()
    assert (admissions.in_use, stats.in_use) == (2, 2)


async def test_places_that_nobody_asks_any_more_are_forgotten() -> None:
    clock = HandClock()
    admissions = Admissions(10, clock=clock)
    learned = HERE._replace(identity="learned")
    (await admissions.admit(learned)).refused(None)
    for number in range(1000):
        (await admissions.admit(HERE._replace(identity=number))).release()
    assert len(admissions.stats()) < 600
    assert learned in admissions._queues


async def test_a_pause_is_not_forgotten_though_its_place_was_asked_long_ago() -> None:
    clock = HandClock()
    admissions = Admissions(10, clock=clock)
    lease = await admissions.admit(HERE)
    await clock.advance(3600)  # a long answer
    lease.refused(60.0)
    lease.release()
    for number in range(1000):
        (await admissions.admit(HERE._replace(identity=number))).release()
    assert [stats.paused_for for stats in admissions.stats() if stats.paused_for] == [60.0]


async def test_a_server_that_took_a_request_again_is_left_alone_as_shortly_as_at_first() -> None:
    clock = HandClock()
    admissions = Admissions(10, clock=clock)
    rests = []
    for taken in (False, False, False, True, False):
        lease = await admissions.admit(HERE)
        if taken:
            lease.accepted()
        else:
            lease.refused(None)
            rests.append(admissions.stats()[0].paused_for)
        lease.release()
        await clock.advance(1)
    assert rests == pytest.approx([0.1, 0.2, 0.4, 0.1])


@pytest.mark.parametrize("seed", range(5))
async def test_random_cancellations_lose_no_slot(seed: int) -> None:
    chance = random.Random(seed)
    admissions = Admissions(5, limits=Limits(concurrency=3))
    flows = [Flow(weight=weight) for weight in (1, 2, 3)]

    async def work(scope: anyio.CancelScope, naps: int) -> None:
        with scope:
            place, flow = chance.choice([HERE, THERE]), chance.choice(flows)
            lease = await admissions.admit(place, flow=flow, again=chance.random() < 0.2)
            try:
                for _ in range(naps):
                    await anyio.lowlevel.checkpoint()
            finally:
                lease.release()

    async def cancel_later(scope: anyio.CancelScope, naps: int) -> None:
        for _ in range(naps):
            await anyio.lowlevel.checkpoint()
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(300):
            scope = anyio.CancelScope()
            tasks.start_soon(work, scope, chance.randrange(4))
            tasks.start_soon(cancel_later, scope, chance.randrange(40))
    assert (admissions.in_use, admissions.queued) == (0, 0)
    assert all(not queue.waiting._in_flight for queue in admissions._queues.values())
