from __future__ import annotations

import asyncio

import aiohttp
import anyio
import pytest

from gateway_stream.testing import Capacity, FakeGateway, Fault, Received, Reply
from tests.support.clock import HandClock
from tests.testing.asking import FAMILIES, ask

HELLO = Reply.scripted(text="Hello there, you.")


async def statuses(gateway: FakeGateway, session: aiohttp.ClientSession, count: int) -> list[int]:
    told = []
    for _ in range(count):
        async with ask(session, gateway, "openai_chat") as response:
            await response.read()
            told.append(response.status)
    return told


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_are_taken_at_a_time_and_all_after_another(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, limit: int
) -> None:
    fake_gateway.default = Capacity(HELLO.with_fault(Fault(stall_after=10)), concurrency=limit)
    capacity = fake_gateway.default
    async with anyio.create_task_group() as group:
        for _ in range(limit):
            group.start_soon(statuses, fake_gateway, session, 1)
        await fake_gateway.wait_for(lambda it: it.bytes_written == 10 * limit)
        assert await statuses(fake_gateway, session, 2) == [429, 429]
        assert (capacity.in_flight, capacity.most_in_flight) == (limit, limit)
        group.cancel_scope.cancel()
    await fake_gateway.wait_for(lambda it: it.in_flight == 0)
    assert (capacity.accepted, capacity.refused, capacity.in_flight) == (limit, 2, 0)
    fake_gateway.default = Capacity(HELLO, concurrency=limit)
    assert await statuses(fake_gateway, session, 5 * limit) == [200] * 5 * limit


async def test_who_sends_the_next_when_the_last_was_read_is_never_refused(
    fake_gateway: FakeGateway,
) -> None:
    capacity = fake_gateway.default = Capacity(HELLO, concurrency=5)
    places = asyncio.Semaphore(5)

    async def one(session: aiohttp.ClientSession) -> None:
        async with places, ask(session, fake_gateway, "anthropic") as response:
            await response.read()

    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        anyio.create_task_group() as group,
    ):
        for _ in range(300):
            group.start_soon(one, session)
    assert (capacity.accepted, capacity.refused) == (300, 0)
    assert capacity.most_in_flight == 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=10, cut="close"),
        Fault(cut_after=10, cut="reset"),
        Fault(no_response=True),
        Fault(error_after=1),
    ],
)
async def test_what_goes_wrong_is_in_flight_no_more(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, fault: Fault
) -> None:
    capacity = fake_gateway.default = Capacity(HELLO.with_fault(fault), concurrency=1)
    for number in (1, 2):
        try:
            async with ask(session, fake_gateway) as response:
                await response.read()
        except aiohttp.ClientError:
            pass
        await fake_gateway.wait_for(lambda it: it.in_flight == 0)
        assert (capacity.accepted, capacity.refused) == (number, 0)
        assert capacity.in_flight == 0


async def test_a_minute_has_so_many_and_no_more(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    clock = HandClock()
    fake_gateway.default = Capacity(HELLO, per_minute=3, clock=clock)
    assert await statuses(fake_gateway, session, 2) == [200, 200]
    clock.now += 40
    assert await statuses(fake_gateway, session, 2) == [200, 429]
    clock.now += 19.9
    assert await statuses(fake_gateway, session, 1) == [429]
    clock.now += 0.2
    assert await statuses(fake_gateway, session, 3) == [200, 200, 429]


async def test_what_grows_too_fast_is_refused_though_it_is_little(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    clock = HandClock()
    capacity = fake_gateway.default = Capacity(HELLO, slope=2, clock=clock)
    taken = []
    for _ in range(4):
        told = await statuses(fake_gateway, session, 10)
        taken.append(told.count(200))
        clock.now += 1
    assert taken == [2, 4, 6, 8]
    clock.now += 10
    assert (await statuses(fake_gateway, session, 3)) == [200, 200, 429]
    assert capacity.accepted + capacity.refused == 43


@pytest.mark.parametrize(
    ("status", "wait", "header"), [(429, None, None), (503, 7, "7"), (529, "0.5", "0.5")]
)
async def test_a_refusal_has_its_status_and_says_how_long_to_wait(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    status: int,
    wait: float | str | None,
    header: str | None,
) -> None:
    fake_gateway.default = Capacity(HELLO, concurrency=0, status=status, retry_after=wait)
    for family in FAMILIES:
        async with ask(session, fake_gateway, family) as response:
            assert (response.status, response.headers.get("Retry-After")) == (status, header)
            assert set(await response.json()) == {"error_code", "message"}


async def test_a_path_of_no_family_is_left_to_what_stands_behind(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    async def choose(received: Received) -> Reply | None:
        return HELLO if received.family else Reply.error(200, {"listed": []})

    capacity = fake_gateway.default = Capacity(choose, concurrency=0)
    async with session.get(f"{fake_gateway.url}/api/2.0/serving-endpoints") as response:
        assert await response.json() == {"listed": []}
    fake_gateway.default = Capacity(HELLO)
    async with session.get(f"{fake_gateway.url}/elsewhere") as response:
        assert response.status == 404
    assert (capacity.accepted, capacity.refused) == (0, 0)
