"""The numbers of a client's pool prove each other."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client
from gateway_stream.net.admission import Admissions, Place
from gateway_stream.testing import FakeGateway, Fault, Reply
from tests.client.conftest import _no_settings, client, fake_gateway

if TYPE_CHECKING:
    from gateway_stream.net.stats import Stats

__all__ = ["_no_settings", "client", "fake_gateway"]

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four")
STALLS = ANSWER.with_fault(Fault(stall_after=700))


def proved(stats: Stats) -> Stats:
    assert stats.leased == stats.live + stats.sending
    assert stats.leased == sum(place.in_use for place in stats.places)
    assert stats.queued == sum(place.queued for place in stats.places)
    return stats


async def drained(client: Client) -> None:
    with anyio.fail_after(5):
        while client.stats().draining:
            await anyio.lowlevel.checkpoint()


async def test_a_slot_is_in_use_for_each_request_that_is_sent_and_each_that_is_answered(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.add(STALLS)
    fake_gateway.add(STALLS)
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=600))
    async with Client(host=fake_gateway.url, token="dapi-test", pool_size=3) as client:
        assert proved(client.stats()) == type(client.stats())()
        async with (
            client.stream(MODEL, "hi") as one,
            client.stream(MODEL, "hi") as other,
            anyio.create_task_group() as tasks,
        ):
            for stream in (one, other):
                await anext(stream)
            for _ in range(3):
                tasks.start_soon(client.complete, MODEL, "hi")
            await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 3)
            stats = proved(client.stats())
            assert (stats.leased, stats.live, stats.sending) == (3, 2, 1)
            assert (stats.queued, stats.idle, stats.draining) == (2, 0, 0)
            (place,) = stats.places
            assert (place.endpoint, place.admitted, place.limit) == (MODEL, 3, None)
            tasks.cancel_scope.cancel()
        stats = proved(client.stats())
        assert (stats.leased, stats.queued, stats.idle) == (0, 0, 0)
        fake_gateway.default = ANSWER
        await client.complete(MODEL, "hi")
        await drained(client)
        stats = proved(client.stats())
        assert (stats.leased, stats.idle) == (0, 1)
    assert client.stats() == type(stats)()


async def test_an_answer_that_is_over_is_live_until_its_last_byte_is_read(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_end=0.1))
    async with client.stream(MODEL, "hi") as stream:
        await stream.turn()
        stats = proved(client.stats())
        assert (stats.leased, stats.live, stats.draining) == (1, 1, 1)
        await drained(client)
    assert proved(client.stats()).leased == 0


async def test_tokens_that_were_fetched_are_counted(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER

    async def token() -> str:
        return "any"

    async with Client(host=fake_gateway.url, auth=token) as client:
        assert client.stats().refreshes == 0
        for _ in range(2):
            await client.complete(MODEL, "hi")
        assert client.stats().refreshes == 1


async def test_all_loops_of_the_process_are_counted_together(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    seen: list[Stats] = []

    async def read_there() -> None:
        async with client.stream(MODEL, "there") as stream:
            await anext(stream)
            seen.append(client.stats())
        await client.aclose()

    async with client.stream(MODEL, "here") as stream:
        await anext(stream)
        await anyio.to_thread.run_sync(asyncio.run, read_there())
        assert (seen[0].leased, seen[0].live, len(seen[0].places)) == (2, 2, 2)
        assert client.stats().leased == 1


@pytest.mark.parametrize("look", [Admissions.stats, lambda admissions: admissions.queued])
async def test_another_thread_may_look_while_places_come_and_go(look: object) -> None:
    assert callable(look)
    admissions = Admissions(10)
    wrong: list[RuntimeError] = []
    enough = threading.Event()

    def poll() -> None:
        while not enough.is_set():
            try:
                look(admissions)
            except RuntimeError as error:
                wrong.append(error)
                return

    polling = threading.Thread(target=poll)
    polling.start()
    try:
        for identity in range(20_000):
            (await admissions.admit(Place("gateway.test", "model", identity))).release()
            if wrong:
                break
    finally:
        enough.set()
        polling.join()
    assert not wrong
