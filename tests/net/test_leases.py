"""Slots are given in order, and none is lost, whoever is cancelled when."""

from __future__ import annotations

import random

import anyio
import anyio.lowlevel
import pytest

from gateway_stream.net.leases import Leases


async def test_a_lease_released_twice_gives_back_one_slot() -> None:
    leases = Leases(2)
    lease = await leases.acquire()
    lease.release()
    lease.release()
    assert leases.in_use == 0


async def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    leases = Leases(1)
    first = await leases.acquire()
    served: list[int] = []

    async def wait(number: int) -> None:
        lease = await leases.acquire()
        served.append(number)
        lease.release()

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
        first.release()
    assert served == [0, 1, 2, 3, 4]


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    leases = Leases(1)
    held = await leases.acquire()
    order: list[str] = []

    async def wait(name: str) -> None:
        lease = await leases.acquire()
        order.append(name)
        lease.release()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "early")
        await anyio.wait_all_tasks_blocked()
        held.release()
        tasks.start_soon(wait, "late")
    assert order == ["early", "late"]


async def test_a_waiter_that_is_cancelled_as_it_is_served_passes_its_slot_on() -> None:
    leases = Leases(1)
    held = await leases.acquire()

    async def wait() -> None:
        (await leases.acquire()).release()

    async with anyio.create_task_group() as outer:
        async with anyio.create_task_group() as inner:
            inner.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            held.release()  # the waiter is served here, and has not run since
            inner.cancel_scope.cancel()
        outer.start_soon(wait)
    assert leases.in_use == 0
    assert leases.queued == 0


async def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    leases = Leases(1)
    held = await leases.acquire()
    with anyio.move_on_after(0):
        await leases.acquire()
    assert leases.queued == 0
    held.release()
    assert leases.in_use == 0


@pytest.mark.parametrize("seed", range(5))
async def test_random_cancellations_lose_no_slot(seed: int) -> None:
    chance = random.Random(seed)
    leases = Leases(5)

    async def work(scope: anyio.CancelScope, naps: int) -> None:
        with scope:
            lease = await leases.acquire()
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
    assert leases.in_use == 0
    assert leases.queued == 0
