"""Waking who waits."""

from __future__ import annotations

import asyncio

import anyio

from gateway_stream.net.bell import Bell
from tests.support.clock import settle


async def test_all_who_wait_are_woken_and_who_comes_later_waits() -> None:
    bell = Bell()
    bell.ring()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(3)]
    await settle()
    assert not any(task.done() for task in waiting)
    bell.ring()
    later = asyncio.create_task(bell.wait())
    await settle()
    assert all(task.done() for task in waiting)
    assert not later.done()
    later.cancel()
    await settle()
    assert later.cancelled()


async def test_who_is_cancelled_in_the_moment_of_being_woken_is_cancelled() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(2)]
    await settle()
    waiting[0].cancel()
    bell.ring()
    await settle()
    assert waiting[0].cancelled()
    assert waiting[1].done()
    assert not waiting[1].cancelled()


async def test_who_gave_up_waiting_is_forgotten() -> None:
    bell = Bell()
    for _ in range(5):
        with anyio.move_on_after(0):
            await bell.wait()
    assert not bell._waiting
