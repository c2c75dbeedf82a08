"""What happens to a request between its tries, and around them: it is left, its token is replaced, its client is closed."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import (
    Client,
    GatewayUnavailable,
    Limits,
    Overloaded,
    RateLimited,
    Retry,
    StreamTruncated,
    TimedOut,
    Timeouts,
)
from gateway_stream.net.breaker import FAULTS, FIRST_PAUSE
from gateway_stream.testing import FakeGateway, Fault, Received, Reply
from tests.support.clock import HandClock, settle
from tests.support.ways import way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream import EventStream

__all__ = ["way"]

CLAUDE = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three")
EMPTY = Reply.recorded(b"", content_type="text/event-stream")


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


async def by_turn(stream: EventStream) -> None:
    await stream.turn()


async def by_event(stream: EventStream) -> None:
    await anext(stream)


async def by_batch(stream: EventStream) -> None:
    await anext(stream.batches())


@pytest.mark.parametrize("read", [by_turn, by_event, by_batch])
@pytest.mark.parametrize("stage", ["idle", "sent"])
async def test_who_was_cancelled_between_two_tries_and_reads_on_is_told_that_it_ended(
    gateway: FakeGateway, read: object, stage: str
) -> None:
    """The loop would stand still for ever if the next read gave nothing, at once, each time."""
    assert callable(read)
    gateway.add(EMPTY)
    gateway.default = ANSWER.with_fault(Fault(delay_headers=60))
    tries = 1 if stage == "idle" else 2
    retry = Retry(first_wait=60 if tries == 1 else 0)
    async with Client(host=gateway.url, token="dapi-x", retry=retry) as client:
        stream = client.stream(CLAUDE, "hi")
        await stream.__aenter__()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.turn)
            await gateway.wait_for(lambda gateway: len(gateway.requests) == tries)
            with anyio.fail_after(5):
                while stream._incoming._watching.stage != stage:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        for _ in range(2):
            with pytest.raises(StreamTruncated) as caught:
                await read(stream)
            assert caught.value.code == "closed"
        await stream.aclose()
        assert client.stats().leased == 0
    assert len(gateway.requests) == tries


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun(gateway: FakeGateway) -> None:
    gateway.default = Reply.error(503, b"busy", headers={"Retry-After": "60"})
    async with Client(host=gateway.url, token="dapi-x", retry=Retry()) as client:
        with anyio.fail_after(10), pytest.raises(Overloaded):
            await client.complete(CLAUDE, "hi", timeouts=Timeouts(deadline=30))
    assert len(gateway.requests) == 1


async def test_a_probe_that_is_left_after_its_response_began_passes_the_probing_on(
    gateway: FakeGateway,
) -> None:
    clock = HandClock()
    gateway.default = Reply.error(500, b"oops")
    async with Client(
        host=gateway.url, token="dapi-x", clock=clock, retry=Retry(retries=0)
    ) as client:
        for _ in range(FAULTS):
            with pytest.raises(GatewayUnavailable):
                await client.complete(CLAUDE, "hi")
        assert client.stats().open_circuits == 1
        await clock.advance(FIRST_PAUSE)
        gateway.default = ANSWER.with_fault(Fault(delay_body=60))
        async with client.stream(CLAUDE, "hi"):
            pass
        gateway.default = ANSWER
        assert (await client.complete(CLAUDE, "hi")).text == "one two three"
        assert client.stats().open_circuits == 0


async def test_what_a_request_cannot_carry_is_told_once_however_often_it_is_sent(
    gateway: FakeGateway,
) -> None:
    gateway.add(EMPTY)
    gateway.default = ANSWER
    async with Client(host=gateway.url, token="dapi-x", retry=Retry(first_wait=0)) as client:
        turn = await client.complete(CLAUDE, "hi", seed=7)
    assert [notice.code for notice in turn.notices] == ["dropped_part", "retry"]
    assert len(gateway.requests) == 2


@pytest.mark.parametrize("tries", [1, 2])
async def test_frames_that_were_asked_for_are_there_from_the_first_one(
    gateway: FakeGateway, tries: int
) -> None:
    if tries > 1:
        gateway.add(EMPTY)
    gateway.default = ANSWER
    async with Client(host=gateway.url, token="dapi-x", retry=Retry(first_wait=0)) as client:
        stream = client.stream(CLAUDE, "hi")
        frames = [frame async for batch in stream.batches(frames=True) for frame in batch.frames]
    assert len(gateway.requests) == tries
    assert b"message_start" in frames[0].data
    assert b"message_stop" in frames[-1].data


@pytest.mark.parametrize("inside", [False, True])
async def test_a_refusal_for_load_counts_wherever_it_is_told(
    gateway: FakeGateway, *, inside: bool
) -> None:
    error = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "too many", "status": 429}
    gateway.default = Reply.error(429, error)
    if inside:
        body = (
            b"data: %s\n\n" % json.dumps({"error": {"code": 429, "message": "too many"}}).encode()
        )
        gateway.default = Reply.recorded(body, content_type="text/event-stream")
    async with Client(host=gateway.url, token="dapi-x", retry=Retry(retries=0)) as client:
        with pytest.raises(RateLimited):
            await client.complete("databricks-gpt-oss-20b", "hi")
        (place,) = client.stats().places
        assert place.refused == 1
        assert client.stats().open_circuits == 0


async def test_a_token_that_takes_long_to_replace_costs_the_answer_no_time(
    gateway: FakeGateway,
) -> None:
    clock = HandClock()
    fetched = 0

    async def token() -> str:
        nonlocal fetched
        fetched += 1
        if fetched > 1:
            await clock.sleep(20)
        return f"token-{fetched}"

    async def answer(received: Received) -> Reply:
        del received
        if len(gateway.requests) > 1:
            return slow
        await refuse.wait()
        return Reply.error(401, b"")

    refuse = anyio.Event()
    slow = ANSWER.with_fault(Fault(delay_headers=60))
    gateway.default = answer
    ends: list[TimedOut] = []

    async with Client(
        host=gateway.url,
        auth=token,
        clock=clock,
        retry=Retry(retries=0),
        timeouts=Timeouts(first_content=10),
    ) as client:

        async def ask() -> None:
            with pytest.raises(TimedOut) as caught:
                await client.complete(CLAUDE, "hi")
            ends.append(caught.value)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
                await clock.advance(9)
                refuse.set()
                while fetched < 2:
                    await settle()
                await clock.advance(20)
                await gateway.wait_for(lambda gateway: len(gateway.requests) == 2)
                await clock.advance(9)
                assert not ends, "the request with the other token has its own ten seconds"
                await clock.advance(1)
    assert [error.phase for error in ends] == ["first_content"]


async def test_a_client_whose_closing_is_cancelled_has_closed_its_connections(
    gateway: FakeGateway,
) -> None:
    gateway.default = ANSWER
    client = Client(host=gateway.url, token="dapi-x")
    await client.complete(CLAUDE, "hi")
    (state,) = client._loops
    ending = asyncio.ensure_future(state.to_the_end(anyio.sleep_forever(), "not soon"))
    await anyio.lowlevel.checkpoint()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.aclose)
        await anyio.wait_all_tasks_blocked()
        assert state.transport.idle == 1
        tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        assert state.transport.idle == 0
        while state._tasks:
            await anyio.lowlevel.checkpoint()
    assert ending.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog refuses nobody on Linux alone")
async def test_what_no_connection_was_made_for_in_time_is_not_charged() -> None:
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for other in (first, second):  # they fill the backlog; nobody accepts
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
        async with Client(
            host=f"http://127.0.0.1:{listening.getsockname()[1]}/v1",
            retry=Retry(retries=0),
            limits=Limits(output_tokens_per_minute=1000),
            timeouts=Timeouts(connect=0.1, queue=5),
        ) as client:
            for _ in range(2):
                with pytest.raises(TimedOut) as caught:
                    await client.complete("m", "hi", max_tokens=900)
                assert caught.value.phase == "connect"


async def test_an_answer_is_charged_what_it_cost_and_not_what_it_might_have(
    gateway: FakeGateway,
) -> None:
    gateway.default = ANSWER
    limits = Limits(output_tokens_per_minute=1000)
    async with Client(host=gateway.url, token="dapi-x", limits=limits) as client:
        with anyio.fail_after(5):
            for _ in range(3):
                turn = await client.complete(CLAUDE, "hi", max_tokens=900)
                assert turn.usage.output is not None
                assert turn.usage.output < 50


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("before", ["its head", "its last words"])
async def test_a_program_that_holds_up_the_loop_loses_no_answer_that_has_come(before: str) -> None:
    """It computes for longer than the clocks allow, while another thread's gateway goes on."""
    fault = Fault(delay_headers=0.2) if before == "its head" else Fault(delay_body=0.2)
    served: Future[str] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with FakeGateway(default=ANSWER.with_fault(fault)) as gateway:
            served.set_result(gateway.url)
            await asyncio.to_thread(over.wait)

    thread = asyncio.create_task(asyncio.to_thread(asyncio.run, serve()))
    try:
        async with Client(
            host=await asyncio.to_thread(served.result),
            token="dapi-x",
            retry=Retry(retries=0),
            timeouts=Timeouts(first_content=0.5, silence=0.5, progress=0.5),
        ) as client:
            asked = asyncio.create_task(client.complete(CLAUDE, "hi"))
            with anyio.fail_after(5):
                while not client.stats().leased:
                    await anyio.lowlevel.checkpoint()
            await anyio.sleep(0.1)  # so that it is sent
            time.sleep(1)  # noqa: ASYNC251  this is what it is about
            assert (await asked).text == "one two three"
    finally:
        over.set()
        await thread
