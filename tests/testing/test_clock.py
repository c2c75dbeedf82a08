"""Time that is moved by hand: what waits happens in the order of its times, and not before."""

from __future__ import annotations

import anyio

from gateway_stream.testing import HandClock


async def test_what_waits_happens_in_the_order_of_its_times() -> None:
    clock = HandClock()
    happened: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        happened.append((name, clock.monotonic() - began))

    began = clock.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep, "later", 20)
        tasks.start_soon(sleep, "sooner", 10)
        clock.call_later(15, lambda: happened.append(("called", clock.monotonic() - began)))
        await clock.advance(9.5)
        assert not happened
        await clock.advance(60)
    assert happened == [("sooner", 10), ("called", 15), ("later", 20)]


async def test_what_begins_to_wait_while_time_passes_is_in_time() -> None:
    clock = HandClock()
    rounds = 0

    async def every_minute() -> None:
        nonlocal rounds
        while rounds < 60:
            await clock.sleep(60)
            rounds += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(every_minute)
        await clock.advance(3599)
        assert rounds == 59
        await clock.advance(1)
    assert rounds == 60


async def test_an_alarm_that_is_cancelled_does_not_ring() -> None:
    clock = HandClock()
    rung: list[int] = []
    clock.call_later(1, lambda: rung.append(1)).cancel()
    clock.call_later(1, lambda: rung.append(2))
    await clock.advance(2)
    assert rung == [2]
