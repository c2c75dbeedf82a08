"""A request that is left at any moment, in any way, leaves nothing behind.

The first tests leave at each place where a request can wait, in each way in which one can be left. The last ones leave at
random moments, hundreds of times.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import random
import socket
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client, ConnectionLost, GatewayError, Retry, StreamTruncated, TimedOut
from gateway_stream.net.connections import HANDSHAKES
from gateway_stream.net.watchdog import Timeouts
from gateway_stream.testing import FakeGateway, Fault, Received, Reply
from tests.support.clock import HandClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway_stream.net.loops import LoopState

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
NEVER = math.inf
DEADLINE = 5.0
IN_TIME = 10

needs_uvloop = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
)


@pytest.fixture(
    scope="module",
    params=["asyncio", pytest.param("uvloop", marks=needs_uvloop)],
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Each test runs on both loops."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def state_of(client: Client) -> LoopState:
    (state,) = client._loops
    return state


async def nothing_is_left(client: Client) -> None:
    """Wait until no slot is in use, then look at all that could still hold something."""
    with anyio.fail_after(IN_TIME):
        while client.stats().leased:
            await anyio.lowlevel.checkpoint()
    for state in client._loops:
        stats = client.stats()
        assert (stats.sending, stats.live, stats.draining, stats.queued) == (0, 0, 0, 0)
        assert not state.watchdog._watched
        assert not state.breakers._troubled
        connector: Any = state.transport._connector
        assert not connector._acquired
        assert connector._handshakes.value == HANDSHAKES


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


def pending() -> int:
    """How many cancellations of this task nobody has taken back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


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


# At random.


class Storm:
    """Requests of which many are left at random moments.

    Attributes:
        left: how many were.
        ended: how many came to an end of their own.
    """

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.chance = random.Random(seed)
        self.left = 0
        self.ended = 0
        self.still = 0
        self.turns = 0
        self.leave_at: dict[int, list[Callable[[], object]]] = {}

    async def reply(self, received: Received) -> Reply:
        del received
        late = self.chance.choice([0.0] * 9 + [0.001])
        if self.chance.random() < 0.02:
            return Reply.refused(503).with_fault(Fault(delay_headers=late))
        stall = self.chance.choice([None] * 9 + [0, 600, 10**6])
        return ANSWER.with_fault(Fault(delay_headers=late, stall_after=stall))

    async def ask(self) -> None:
        try:
            async with self.client.stream(MODEL, "hi") as stream:
                async for _ in stream:
                    await anyio.lowlevel.checkpoint()
        except GatewayError as error:
            if error.status != 503:
                raise

    async def cancelled(self, scope: anyio.CancelScope) -> None:
        with scope:
            await self.ask()
        assert pending() == 0
        self.count(left=scope.cancelled_caught)

    async def timed_out(self, limit: asyncio.Timeout) -> None:
        with suppress(TimeoutError):
            async with limit:
                await self.ask()
        assert pending() == 0
        self.count(left=limit.expired())

    async def natively(self) -> None:
        left = True
        try:
            await self.ask()
            left = False
        finally:
            self.count(left=left)

    def count(self, *, left: bool) -> None:
        self.still -= 1
        self.left += left
        self.ended += not left

    def begin(self) -> asyncio.Task[None]:
        """Begin a request, and plan when and how it is left."""
        way = self.chance.randrange(4)
        leave: Callable[[], object]
        self.still += 1
        if way == 0:
            scope = anyio.CancelScope()
            task, leave = asyncio.create_task(self.cancelled(scope)), scope.cancel
        elif way == 1:
            timeout = asyncio.timeout(None)
            task = asyncio.create_task(self.timed_out(timeout))
            leave = partial(run_out, timeout)
        else:
            task = asyncio.create_task(self.natively())
            leave = task.cancel
        turn = self.chance.randrange(1, self.turns)
        self.leave_at.setdefault(turn, []).append(leave)
        if way == 3:  # and once more while it is being left
            self.leave_at.setdefault(turn + self.chance.randrange(3), []).append(leave)
        return task

    async def round(self, size: int) -> None:
        """Begin so many, and leave each at its turn of the loop."""
        self.leave_at.clear()
        self.turns = 150 + 3 * size
        tasks = [self.begin() for _ in range(size)]
        turn = 0
        while self.still:
            for leave in self.leave_at.pop(turn, ()):
                leave()
            stats = self.client.stats()
            assert 0 <= stats.draining <= stats.live <= stats.leased <= 10
            assert stats.leased == stats.sending + stats.live
            turn += 1
            await asyncio.sleep(0 if turn < self.turns else 0.001)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [end for end in ends if not isinstance(end, asyncio.CancelledError | None)]
        assert not wrong, wrong[0]


def run_out(timeout: asyncio.Timeout) -> None:
    """Have a timeout run out now, unless it has, or its block was left."""
    with suppress(RuntimeError):
        timeout.reschedule(asyncio.get_running_loop().time())


async def hold_through_a_storm(gateway: FakeGateway, count: int, seed: int) -> None:
    retry = Retry(retries=3, first_wait=0.002)
    async with Client(host=gateway.url, token="dapi-x", pool_size=10, retry=retry) as client:
        storm = Storm(client, seed)
        gateway.default = storm.reply
        while storm.left < count:
            await storm.round(storm.chance.choice([10, 10, 10, 20, 200]))
        assert storm.ended
        assert len(gateway.requests) > count / 20, "many were left before they were sent"
        gateway.default = ANSWER
        await nothing_is_left(client)
        with anyio.fail_after(IN_TIME):
            turns = await asyncio.gather(*(client.complete(MODEL, "hi") for _ in range(10)))
        assert len({turn.text for turn in turns}) == 1
        await nothing_is_left(client)
        await gateway.wait_for(lambda gateway: gateway.connections_open <= 10)
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)


@pytest.mark.parametrize("seed", range(3))
async def test_hundreds_that_are_left_at_random_leave_nothing(
    fake_gateway: FakeGateway, seed: int
) -> None:
    await hold_through_a_storm(fake_gateway, 500, seed)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_thousands_that_are_left_at_random_leave_nothing(
    fake_gateway: FakeGateway, seed: int
) -> None:
    await hold_through_a_storm(fake_gateway, 10_000, seed)
