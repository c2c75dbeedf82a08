"""One flight for all who want the same. Loops, threads and forks: see ``test_service_loops``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream.auth.flights import Flights
from tests.support.clock import settle
from tests.support.mint import a_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.net.loops import LoopState


@pytest.fixture
async def state() -> AsyncIterator[LoopState]:
    async with a_state() as state:
        yield state


async def test_an_error_of_any_kind_ends_a_flight_and_reaches_all_who_wait(
    state: LoopState,
) -> None:
    begun = 0
    told: list[str] = []

    async def work() -> str:
        nonlocal begun
        begun += 1
        await settle()
        raise ZeroDivisionError

    async def wait() -> None:
        try:
            await flights.landing(state, work)
        except ZeroDivisionError as error:
            told.append(type(error).__name__)

    flights = Flights[str]("a flight")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(wait)
    assert told == ["ZeroDivisionError"] * 10
    assert begun == 1
    assert not flights.under_way


async def test_who_starts_one_waits_for_nothing_and_who_comes_then_joins_it(
    state: LoopState,
) -> None:
    gate = anyio.Event()

    async def work() -> str:
        await gate.wait()
        return "here"

    async def never() -> str:
        raise AssertionError

    flights = Flights[str]("a flight")
    flights.start(state, work)
    assert flights.under_way
    gate.set()
    assert await flights.landing(state, never) == "here"
