"""A task that waits is interrupted from outside, and only as far as that was meant."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from gateway_stream.net.interruption import Interruption


class Waiter:
    """A task that waits in a block that can be ended, and then goes on."""

    def __init__(self) -> None:
        self.block: Interruption
        self.waits = anyio.Event()
        self.left = False
        self.went_on = False
        self.instead: type[Exception] | None = None

    async def run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.block = Interruption(task)
        with self.block:
            self.waits.set()
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                if self.instead is not None:
                    raise self.instead from None
                raise
        self.left = True
        await asyncio.sleep(0)  # where a cancellation that was left over would come
        self.went_on = True


async def waiting() -> tuple[Waiter, asyncio.Task[None]]:
    waiter = Waiter()
    task = asyncio.create_task(waiter.run())
    await waiter.waits.wait()
    return waiter, task


async def test_a_block_that_is_ended_is_left_and_its_task_goes_on() -> None:
    waiter, task = await waiting()
    waiter.block.cancel()
    waiter.block.cancel()
    await task
    assert waiter.went_on
    assert task.cancelling() == 0


async def test_a_task_that_others_cancel_is_cancelled() -> None:
    waiter, task = await waiting()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not waiter.left


async def test_a_task_that_others_cancel_at_the_same_time_is_cancelled() -> None:
    waiter, task = await waiting()
    waiter.block.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not waiter.left
    assert task.cancelling() == 1


async def test_an_error_that_the_block_ends_with_goes_on_and_leaves_no_cancellation() -> None:
    waiter, task = await waiting()
    waiter.instead = LookupError
    waiter.block.cancel()
    with pytest.raises(LookupError):
        await task
    assert task.cancelling() == 0


async def test_a_scope_around_the_task_still_ends_it() -> None:
    waiter = Waiter()
    with anyio.CancelScope() as around:
        async with anyio.create_task_group() as group:
            group.start_soon(waiter.run)
            await waiter.waits.wait()
            waiter.block.cancel()
            around.cancel()
    assert around.cancelled_caught
    assert not waiter.went_on


async def test_a_block_inside_a_cancelled_task_takes_back_its_own_cancellation_only() -> None:
    waiter = Waiter()

    async def cleaning_up() -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            await waiter.run()
            raise

    task = asyncio.create_task(cleaning_up())
    await asyncio.sleep(0)
    task.cancel()
    await waiter.waits.wait()
    waiter.block.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiter.went_on
    assert task.cancelling() == 1
