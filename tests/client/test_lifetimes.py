"""Nothing leaks: slots, sockets and tasks come back however a stream is left."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gateway_stream import (
    Client,
    ConfigError,
    ConnectionLost,
    GatewayError,
    GatewayUnavailable,
    Retry,
    StreamTruncated,
    TimedOut,
    Timeouts,
)
from gateway_stream.net.breaker import FAULTS, FIRST_PAUSE
from gateway_stream.testing import FakeGateway, Fault, Reply, Script
from gateway_stream.testing.bodies import stream_events
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from gateway_stream.net.loops import LoopState

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
STALLS = ANSWER.with_fault(Fault(stall_after=600))
NO_HEAD = ANSWER.with_fault(Fault(delay_headers=math.inf))
NO_BODY = ANSWER.with_fault(Fault(stall_after=0))
EARLY = Fault(error_after=0)
FIGURE_SECONDS = 0.2


def state_of(client: Client) -> LoopState:
    """The client's state on this loop."""
    (state,) = (
        state
        for key, state in client._loops._states.items()
        if key[1] is asyncio.get_running_loop()
    )
    return state


@pytest.fixture
async def gateway(fake_gateway: FakeGateway) -> AsyncIterator[FakeGateway]:
    yield fake_gateway
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)


async def all_given_back(client: Client) -> None:
    """Wait until no slot is in use."""
    with anyio.fail_after(5 * FIGURE_SECONDS):
        while state_of(client).admissions.in_use:
            await anyio.lowlevel.checkpoint()
    assert not state_of(client).transport._live


async def first_text(client: Client) -> str:
    """Read one piece and drop the stream, unclosed."""
    async for text in client.stream(MODEL, "hi").text():
        return text
    raise AssertionError


@contextmanager
def resource_warnings() -> Iterator[list[str]]:
    """The texts of the resource warnings that come."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
        gc.collect()
    told += [str(warning.message) for warning in caught]


async def test_dropped_streams_give_back_slots_and_sockets_and_are_told_with_their_place(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    with resource_warnings() as told:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(first_text, client)
    await all_given_back(client)
    await gateway.wait_for(lambda gateway: gateway.in_flight == 0, within=5 * FIGURE_SECONDS)
    assert gateway.connections_open == 0
    assert len(gateway.requests) == 100
    assert gateway.disconnects == 100
    assert not state_of(client).watchdog._watched
    line = first_text.__code__.co_firstlineno + 2
    assert len(told) == 100
    assert all(f"{Path(__file__).name}:{line}" in place for place in told)


async def test_a_stream_that_sent_nothing_is_dropped_without_a_word(
    client: Client, gateway: FakeGateway
) -> None:
    with resource_warnings() as told:
        for _ in range(100):
            client.stream(MODEL, "hi")
            client.stream(MODEL, "hi").text()
    assert told == []
    assert gateway.connections_made == 0
    assert client.stats().leased == 0


@pytest.mark.parametrize("at", ["the first response", "in the stream"])
async def test_a_stream_that_was_left_while_it_waited_to_ask_again_is_dropped_without_a_word(
    gateway: FakeGateway, at: str
) -> None:
    gateway.default = Reply.refused(500) if at == "the first response" else ANSWER.with_fault(EARLY)
    async with Client(host=gateway.url, token="dapi-x", retry=Retry(first_wait=1000)) as client:
        with resource_warnings() as told:
            stream = client.stream(MODEL, "hi")
            with anyio.move_on_after(0.2) as scope:
                await stream.turn()
            assert scope.cancelled_caught
            await all_given_back(client)
            assert not state_of(client).watchdog._watched
            del stream
    assert told == []
    assert len(gateway.requests) == 1


async def test_a_stream_that_was_read_to_its_end_may_be_dropped(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = ANSWER
    assert [text async for text in client.stream(MODEL, "hi").text()]
    gc.collect()
    await all_given_back(client)
    assert gateway.connections_open == 1


@pytest.mark.parametrize("delay", [0.0, 0.002])
async def test_sequential_streams_whose_end_comes_late_share_connections(
    client: Client, gateway: FakeGateway, delay: float
) -> None:
    gateway.default = ANSWER.with_fault(Fault(delay_end=delay))
    for _ in range(100):
        assert (await client.complete(MODEL, "hi")).text
    assert gateway.connections_made <= 3


async def test_a_body_that_never_ends_costs_its_connection_and_not_the_reader(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = ANSWER.with_fault(Fault(stall_after=1_000_000))
    assert (await client.complete(MODEL, "hi")).text
    assert state_of(client).draining == 1
    assert state_of(client).admissions.in_use == 1
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    assert state_of(client).draining == 0
    assert state_of(client).admissions.in_use == 0


async def test_leaving_a_stream_early_closes_its_connection(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    async with client.stream(MODEL, "hi") as stream:
        async for _ in stream.text():
            break
        assert state_of(client).admissions.in_use == 1
    assert state_of(client).admissions.in_use == 0
    await gateway.wait_for(lambda gateway: gateway.disconnects == 1)


async def test_a_stream_is_closed_twice_and_from_another_task(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    async with client.stream(MODEL, "hi") as stream:
        pieces: list[str] = []
        told: list[StreamTruncated] = []

        async def read() -> None:
            try:
                async for text in stream.text():
                    pieces.append(text)  # noqa: PERF401  what came before the error counts
            except StreamTruncated as error:
                told.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await gateway.wait_for(lambda gateway: gateway.bytes_written >= 600)
            await anyio.wait_all_tasks_blocked()
            await stream.aclose()
            await stream.aclose()
        assert pieces
        assert [(error.code, bool(error.partial)) for error in told] == [("closed", True)]
    with pytest.raises(StreamTruncated):
        await stream.turn()
    assert state_of(client).admissions.in_use == 0


async def test_a_stream_closed_by_another_task_before_its_answer_begins_frees_its_slot_at_once(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = ANSWER.with_fault(Fault(delay_headers=60))
    stream = client.stream(MODEL, "hi")
    told: list[StreamTruncated] = []

    async def read() -> None:
        try:
            await stream.turn()
        except StreamTruncated as error:
            told.append(error)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await gateway.wait_for(lambda gateway: gateway.in_flight == 1)
            await stream.aclose()
        assert [error.code for error in told] == ["closed"]
        assert state_of(client).admissions.in_use == 0
        await gateway.wait_for(lambda gateway: gateway.disconnects == 1)


async def test_a_reader_that_is_cancelled_frees_its_slot(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS

    async def read() -> None:
        async with client.stream(MODEL, "hi") as stream:
            await stream.turn()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await gateway.wait_for(lambda gateway: gateway.bytes_written >= 600)
        tasks.cancel_scope.cancel()
    assert state_of(client).admissions.in_use == 0


async def test_a_full_pool_makes_requests_wait_and_says_how_long(gateway: FakeGateway) -> None:
    gateway.default = STALLS
    async with Client(host=gateway.url, pool_size=1) as client:
        async with client.stream(MODEL, "hi"):
            gateway.default = ANSWER
            async with anyio.create_task_group() as tasks:
                waiting = client.stream(MODEL, "hi")

                async def wait() -> None:
                    async with waiting:
                        await waiting.turn()

                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert state_of(client).admissions.queued == 1
                assert len(gateway.requests) == 1
                (holder,) = state_of(client).transport._live
                holder.abort()
        assert waiting.timings.queued > 0
        assert (await waiting.turn()).text


async def test_a_pool_that_was_never_used_is_closed_quietly(gateway: FakeGateway) -> None:
    client = Client(host=gateway.url)
    await client._loops.here()
    await client.aclose()
    gc.collect()  # an unclosed session would warn here, and warnings are errors


async def test_who_waits_for_a_slot_is_told_that_the_client_closed(gateway: FakeGateway) -> None:
    gateway.default = STALLS
    client = Client(host=gateway.url, pool_size=1)
    async with client.stream(MODEL, "hi"), anyio.create_task_group() as tasks:
        ends: list[ConnectionLost] = []

        async def wait() -> None:
            try:
                await client.complete(MODEL, "hi")
            except ConnectionLost as error:
                ends.append(error)

        for _ in range(5):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert state_of(client).admissions.queued == 5
        await client.aclose()
    assert [error.code for error in ends] == ["closed"] * 5
    assert len(gateway.requests) == 1


async def test_two_tasks_that_open_one_stream_send_one_request(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = ANSWER
    stream = client.stream(MODEL, "hi")
    ends: list[object] = []

    async def read() -> None:
        try:
            ends.append(await stream.turn())
        except RuntimeError as error:
            ends.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(read)
    assert "this stream is being read by another task" in ends
    assert len(gateway.requests) == 1
    await all_given_back(client)


async def test_a_stream_that_is_closed_while_it_opens_holds_nothing(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS.with_fault(Fault(delay_headers=0.05, stall_after=600))
    stream = client.stream(MODEL, "hi")

    async def read() -> None:
        with pytest.raises(StreamTruncated, match="closed before"):
            await anext(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await gateway.wait_for(lambda gateway: gateway.in_flight == 1)
        await stream.aclose()
    await all_given_back(client)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_closed_stream_sends_nothing(client: Client, gateway: FakeGateway) -> None:
    stream = client.stream(MODEL, "hi")
    await stream.aclose()
    with pytest.raises(ConfigError, match="closed before its request was sent"):
        await stream.__aenter__()
    assert gateway.requests == []


@pytest.mark.parametrize("read_size", [7, 1_000_000])
async def test_what_is_left_after_a_turn_or_a_close_does_not_depend_on_the_reads(
    client: Client, gateway: FakeGateway, read_size: int
) -> None:
    gateway.default = ANSWER.chopped(every=read_size)
    async with client.stream(MODEL, "hi") as stream:
        await anext(stream)
        await stream.turn()
        assert [event async for event in stream] == []
    async with client.stream(MODEL, "hi") as stream:
        await anext(stream)
    assert [event async for event in stream] == []


async def test_a_body_that_goes_on_long_after_its_end_is_not_drained(
    client: Client, gateway: FakeGateway
) -> None:
    body = b"".join(stream_events("anthropic", Script(text=("hi",)), model="m"))
    gateway.default = Reply.recorded(body + b": more\n" * 1_000_000, read_sizes=[65536])
    assert (await client.complete(MODEL, "hi")).text == "hi"
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    await all_given_back(client)
    assert gateway.bytes_written < 7_000_000


def resident_bytes() -> int:
    """This process's memory that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def has_written(gateway: FakeGateway, *, more_than: int) -> bool:
    return gateway.bytes_written > more_than


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_slow_reader_stalls_the_server_and_not_the_memory(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = Reply.long(size=50_000_000)
    async with client.stream(MODEL, "hi") as stream:
        async for _ in stream.text():
            break
        before, written = resident_bytes(), -1
        while written != gateway.bytes_written:  # until the kernel's buffers are full
            written = gateway.bytes_written
            with anyio.move_on_after(0.3):
                await gateway.wait_for(partial(has_written, more_than=written + 2**20))
        assert written < 40_000_000
        assert resident_bytes() - before < 8_000_000


async def test_closing_a_client_ends_the_streams_that_are_open(gateway: FakeGateway) -> None:
    gateway.default = STALLS
    client = Client(host=gateway.url)
    stream = client.stream(MODEL, "hi")
    async with stream:
        await anext(stream)
        await client.aclose()
        await gateway.wait_for(lambda gateway: gateway.connections_open == 0)
        with pytest.raises(StreamTruncated):
            await stream.turn()
    gateway.default = ANSWER
    assert (await client.complete(MODEL, "hi")).text, "a closed client can be used again"
    await client.aclose()


WAITING = {
    "the head": (NO_HEAD, lambda client: client.stats().sending == 1),
    "the first content": (NO_BODY, lambda client: client.stats().live == 1),
    "another try": (Reply.refused(503, retry_after=60), lambda client: not client.stats().leased),
    "another try of a stream": (
        ANSWER.with_fault(EARLY),
        lambda client: not client.stats().leased,
    ),
}


@pytest.mark.parametrize("fallback", [[], ["databricks-gpt-5"]], ids=["alone", "with a fallback"])
@pytest.mark.parametrize(("reply", "there"), WAITING.values(), ids=WAITING)
async def test_what_waits_when_its_client_is_closed_is_not_asked_again_on_another_pool(
    gateway: FakeGateway, reply: Reply, there: Callable[[Client], bool], fallback: list[str]
) -> None:
    gateway.default = reply
    client = Client(host=gateway.url, token="dapi-x", retry=Retry(first_wait=1000))
    ends: list[GatewayError] = []

    async def ask() -> None:
        with pytest.raises(GatewayError) as caught:
            await client.complete(MODEL, "hi", fallback=fallback)
        ends.append(caught.value)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
            while not there(client):
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            gateway.default = ANSWER
            await client.aclose()
    assert [error.code for error in ends] == ["closed"]
    assert len(gateway.requests) == 1
    assert not client._loops._states, "no pool was opened that nobody closes"


async def test_a_stream_that_is_closed_while_its_pool_is_made_sends_nothing(
    gateway: FakeGateway,
) -> None:
    gateway.default = ANSWER
    async with Client(host=gateway.url, token="dapi-x") as client:
        stream = client.stream(MODEL, "hi")

        async def read() -> None:
            with pytest.raises(StreamTruncated) as caught:
                await stream.turn()
            assert caught.value.code == "closed"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            assert client._loops._opening
            await stream.aclose()
        assert client.stats().leased == 0
    assert gateway.requests == []


async def test_a_deadline_ends_the_wait_for_other_credentials_inside_a_stream(
    gateway: FakeGateway,
) -> None:
    refusal = b'data: {"error_code":"403","message":"Invalid access token"}\n\n'
    gateway.default = Reply.recorded(refusal, content_type="text/event-stream")
    first = True

    async def token() -> str:
        nonlocal first
        if not first:
            await anyio.sleep_forever()
        first = False
        return "dapi-x"

    async with Client(host=gateway.url, auth=token) as client:
        with anyio.fail_after(5), pytest.raises(TimedOut) as caught:
            await client.complete("databricks-gpt-oss-20b", "hi", timeouts=Timeouts(deadline=0.3))
        assert caught.value.phase == "deadline"
        assert client.stats().leased == 0
    assert len(gateway.requests) == 1


async def test_closing_a_client_again_or_unused_does_nothing(gateway: FakeGateway) -> None:
    client = Client(host=gateway.url, token="dapi-x")
    await client.aclose()
    gateway.default = ANSWER
    await client.complete(MODEL, "hi")
    await client.aclose()
    await client.aclose()
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_a_probe_whose_caller_leaves_passes_the_probing_on(gateway: FakeGateway) -> None:
    clock = HandClock()
    gateway.default = Reply.refused(500)
    async with Client(host=gateway.url, token="dapi-x", clock=clock, retry="never") as client:
        for _ in range(FAULTS):
            with pytest.raises(GatewayUnavailable):
                await client.complete(MODEL, "hi")
        await clock.advance(FIRST_PAUSE)
        gateway.default = NO_HEAD
        probe = asyncio.create_task(client.complete(MODEL, "hi"))
        await gateway.wait_for(lambda gateway: len(gateway.requests) == FAULTS + 1)
        with pytest.raises(GatewayUnavailable, match="circuit_open"):
            await client.complete(MODEL, "hi")
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        gateway.default = ANSWER
        assert (await client.complete(MODEL, "hi")).text
        assert client.stats().open_circuits == 0
