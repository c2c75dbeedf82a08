"""A request that is left at any moment, in any way, leaves nothing behind.

Each place where a request can wait is left in each way in which it can be left.
"""

from __future__ import annotations

import asyncio
import math
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client, ConnectionLost, Retry, StreamTruncated, TimedOut
from gateway_stream.net.watchdog import Timeouts
from gateway_stream.testing import FakeGateway, Fault, Reply
from tests.support.clock import HandClock, settle
from tests.support.leaks import anyio_backend, nothing_is_left, pending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


__all__ = ["anyio_backend"]

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
NEVER = math.inf
DEADLINE = 5.0
IN_TIME = 10


# Where a request can be when it is left.


class Place:
    """A request that waits somewhere."""

    def __init__(self, client: Client, clock: HandClock, gateway: FakeGateway) -> None:
        self.client = client
        self.clock = clock
        self.gateway = gateway
        self.model = MODEL
        self.timeouts = Timeouts(connect=None, deadline=DEADLINE)
        self.stream = client.stream(self.model, "hi", timeouts=self.timeouts)
        self.reached: Callable[[], bool] = lambda: bool(gateway.requests)
        self.release: Callable[[], object] = lambda: None
        self.can_go_on = True

    async def ask(self) -> None:
        async with self.stream as stream:
            await stream.turn()

    async def wait_until_there(self) -> None:
        with anyio.fail_after(IN_TIME):
            while not self.reached():
                await anyio.lowlevel.checkpoint()
        await settle()

    async def go_on(self) -> None:
        """The next requests succeed, however long the endpoint asked to be left alone."""
        self.gateway.default = ANSWER
        self.release()
        asked = [asyncio.create_task(self.client.complete(MODEL, "hi")) for _ in range(10)]
        with anyio.fail_after(IN_TIME):
            while not all(task.done() for task in asked):
                await self.clock.advance(1)
                await anyio.sleep(0.001)
        assert len({(await task).text for task in asked}) == 1


@asynccontextmanager
async def a_place(
    gateway: FakeGateway, *, url: str | None = None, **settings: Any
) -> AsyncIterator[Place]:
    clock = HandClock()
    settings = {"token": "dapi-x", "retry": Retry(retries=0), "pool_size": 10, **settings}
    timeouts = Timeouts(connect=None, first_content=None, silence=None)
    async with Client(
        host=url or gateway.url, clock=clock, timeouts=timeouts, **settings
    ) as client:
        yield Place(client, clock, gateway)


@asynccontextmanager
async def while_the_pool_is_made(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = ANSWER
    async with a_place(gateway) as place:
        place.wait_until_there = anyio.lowlevel.checkpoint  # type: ignore[method-assign]
        yield place


@asynccontextmanager
async def while_it_waits_for_a_token(gateway: FakeGateway) -> AsyncIterator[Place]:
    asked, given = anyio.Event(), anyio.Event()

    async def token() -> str:
        asked.set()
        await given.wait()
        return "dapi-x"

    gateway.default = ANSWER
    async with a_place(gateway, auth=token, token=None) as place:
        place.reached = asked.is_set
        place.release = given.set
        yield place


@asynccontextmanager
async def while_it_is_queued(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = ANSWER.with_fault(Fault(stall_after=600))
    async with a_place(gateway, pool_size=1) as place:
        holder = place.client.stream(MODEL, "hi")
        await anext(holder)
        place.reached = lambda: place.client.stats().queued == 1
        place.release = holder._incoming.close
        yield place


@asynccontextmanager
async def while_it_waits_for_a_drain(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = ANSWER.with_fault(Fault(stall_after=10**6))
    async with a_place(gateway) as place:
        await place.client.complete(MODEL, "hi")
        place.reached = lambda: place.client.stats().sending == 1
        yield place


@asynccontextmanager
async def while_it_connects(gateway: FakeGateway) -> AsyncIterator[Place]:
    """The server accepts nobody, and its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for other in (first, second):
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with a_place(gateway, url=url) as place:
            place.reached = lambda: place.client.stats().sending == 1
            place.can_go_on = False
            yield place


@asynccontextmanager
async def while_it_shakes_hands(gateway: FakeGateway) -> AsyncIterator[Place]:
    """The server hears what TLS begins with, and says nothing."""
    heard, end = anyio.Event(), anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        heard.set()
        with suppress(OSError):
            await reader.read()
        writer.close()
        end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with a_place(gateway, url=url) as place:
            place.reached = heard.is_set
            place.can_go_on = False
            yield place
        with anyio.fail_after(IN_TIME):
            await end.wait()


@asynccontextmanager
async def while_it_waits_for_the_head(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = ANSWER.with_fault(Fault(delay_headers=NEVER))
    async with a_place(gateway) as place:
        yield place


@asynccontextmanager
async def while_it_reads_a_refusal(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = Reply.refused(403).with_fault(Fault(stall_after=5))
    async with a_place(gateway) as place:
        place.reached = lambda: gateway.bytes_written >= 5
        yield place


@asynccontextmanager
async def while_it_waits_to_ask_again(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = Reply.refused(503, retry_after=4)
    async with a_place(gateway, retry=Retry(first_wait=0)) as place:
        place.reached = lambda: len(gateway.requests) == 1 and not place.client.stats().leased
        yield place


@asynccontextmanager
async def while_it_waits_to_ask_again_in_a_stream(gateway: FakeGateway) -> AsyncIterator[Place]:
    refusal = b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error"}}\n\n'
    gateway.default = Reply.recorded(refusal, content_type="text/event-stream")
    retry = Retry(first_wait=DEADLINE - 1, factor=1, longest_wait=DEADLINE - 1)
    async with a_place(gateway, retry=retry) as place:
        place.reached = lambda: len(gateway.requests) == 1 and not place.client.stats().leased
        yield place


@asynccontextmanager
async def while_it_reads(gateway: FakeGateway) -> AsyncIterator[Place]:
    gateway.default = ANSWER.with_fault(Fault(stall_after=600))
    async with a_place(gateway) as place:
        place.reached = lambda: bool(place.stream.partial.text)
        yield place


PLACES = (
    while_the_pool_is_made,
    while_it_waits_for_a_token,
    while_it_is_queued,
    while_it_waits_for_a_drain,
    while_it_connects,
    while_it_shakes_hands,
    while_it_waits_for_the_head,
    while_it_reads_a_refusal,
    while_it_waits_to_ask_again,
    while_it_waits_to_ask_again_in_a_stream,
    while_it_reads,
)


# How it can be left.


async def cancelled(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_twice_at_once(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_again_while_it_is_being_cancelled(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_by_a_scope(place: Place) -> None:
    scope = anyio.CancelScope()

    async def ask() -> int:
        with scope:
            await place.ask()
        return pending()

    task = asyncio.create_task(ask())
    await place.wait_until_there()
    scope.cancel()
    assert await task == 0
    assert scope.cancelled_caught


async def cancelled_by_a_timeout(place: Place) -> None:
    timeout = asyncio.timeout(None)

    async def ask() -> int:
        with pytest.raises(TimeoutError):
            async with timeout:
                await place.ask()
        return pending()

    task = asyncio.create_task(ask())
    await place.wait_until_there()
    timeout.reschedule(asyncio.get_running_loop().time())
    assert await task == 0


async def closed_by_another_task(place: Place) -> None:
    async def ask() -> int:
        with pytest.raises(StreamTruncated) as caught:
            await place.ask()
        assert caught.value.code == "closed"
        return pending()

    task = asyncio.create_task(ask())
    await place.wait_until_there()
    await place.stream.aclose()
    assert await task == 0


async def closed_and_cancelled_at_once(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    await place.stream.aclose()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_and_closed_at_once(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    task.cancel()
    await place.stream.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task


async def closed_with_its_client(place: Place) -> None:
    async def ask() -> int:
        with pytest.raises((ConnectionLost, StreamTruncated)) as caught:
            await place.ask()
        assert caught.value.code == "closed"
        return pending()

    task = asyncio.create_task(ask())
    await place.wait_until_there()
    await place.client.aclose()
    assert await task == 0


async def ended_by_its_deadline(place: Place) -> None:
    async def ask() -> int:
        with pytest.raises(TimedOut) as caught:
            await place.ask()
        assert caught.value.phase == "deadline"
        return pending()

    task = asyncio.create_task(ask())
    await place.wait_until_there()
    place.clock.now += (
        DEADLINE  # at once: who sleeps until just before it is woken in the same moment
    )
    await place.clock.advance(0)
    assert await task == 0


async def cancelled_just_before_its_deadline(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    task.cancel()
    look_at_the_clock(place)
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_just_after_its_deadline(place: Place) -> None:
    task = asyncio.create_task(place.ask())
    await place.wait_until_there()
    look_at_the_clock(place)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def look_at_the_clock(place: Place) -> None:
    """Have the deadline run out, before anybody else comes to run."""
    place.clock.now += DEADLINE
    for state in place.client._loops:
        state.watchdog._look()


WAYS = (
    cancelled,
    cancelled_twice_at_once,
    cancelled_again_while_it_is_being_cancelled,
    cancelled_by_a_scope,
    cancelled_by_a_timeout,
    closed_by_another_task,
    closed_and_cancelled_at_once,
    cancelled_and_closed_at_once,
    closed_with_its_client,
    ended_by_its_deadline,
    cancelled_just_before_its_deadline,
    cancelled_just_after_its_deadline,
)
WITHOUT_A_POOL = (closed_with_its_client, ended_by_its_deadline)
"""What has to have a pool already."""


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("at", PLACES, ids=lambda at: at.__name__)
async def test_a_request_that_is_left_leaves_nothing(
    fake_gateway: FakeGateway, at: Any, way: Callable[[Place], Awaitable[None]]
) -> None:
    if at is while_the_pool_is_made and way in WITHOUT_A_POOL:
        return
    async with at(fake_gateway) as place:
        with anyio.fail_after(IN_TIME):
            await way(place)
        if at is while_it_is_queued:
            assert place.client.stats().queued == 0
            place.release()
        await nothing_is_left(place.client)
        if place.can_go_on:
            await place.go_on()
            await nothing_is_left(place.client)
