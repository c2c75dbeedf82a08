"""Nothing leaks: slots, sockets and tasks come back however a stream is left."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gateway_stream import Client, StreamTruncated
from gateway_stream.testing import FakeGateway, Fault, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.net.loops import LoopState

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
STALLS = ANSWER.with_fault(Fault(stall_after=600))
FIGURE_SECONDS = 0.2


def state_of(client: Client) -> LoopState:
    """The client's state on this loop."""
    (state,) = (
        state for key, state in client._states.items() if key[1] is asyncio.get_running_loop()
    )
    return state


@pytest.fixture
async def gateway(fake_gateway: FakeGateway) -> AsyncIterator[FakeGateway]:
    yield fake_gateway
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)


async def all_given_back(client: Client) -> None:
    """Wait until no slot is in use."""
    with anyio.fail_after(5 * FIGURE_SECONDS):
        while state_of(client).leases.in_use:
            await anyio.lowlevel.checkpoint()
    assert not state_of(client).transport._live


async def first_text(client: Client) -> str:
    """Read one piece and drop the stream, unclosed."""
    async for text in client.stream(MODEL, "hi").text():
        return text
    raise AssertionError


@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
async def test_dropped_streams_give_back_slots_and_sockets(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(first_text, client)
    gc.collect()
    await all_given_back(client)
    await gateway.wait_for(lambda gateway: gateway.in_flight == 0, within=5 * FIGURE_SECONDS)
    assert gateway.connections_open == 0
    assert len(gateway.requests) == 100
    assert gateway.disconnects == 100


async def test_a_dropped_stream_is_told_with_its_place(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await first_text(client)
        gc.collect()
    places = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    assert len(places) == 1
    assert Path(__file__).name in places[0]


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
    assert state_of(client).leases.in_use == 1
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    assert state_of(client).draining == 0
    assert state_of(client).leases.in_use == 0


async def test_leaving_a_stream_early_closes_its_connection(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    async with client.stream(MODEL, "hi") as stream:
        async for _ in stream.text():
            break
        assert state_of(client).leases.in_use == 1
    assert state_of(client).leases.in_use == 0
    await gateway.wait_for(lambda gateway: gateway.disconnects == 1)


async def test_a_stream_is_closed_twice_and_from_another_task(
    client: Client, gateway: FakeGateway
) -> None:
    gateway.default = STALLS
    async with client.stream(MODEL, "hi") as stream:
        pieces: list[str] = []

        async def read() -> None:
            pieces.extend([text async for text in stream.text()])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await gateway.wait_for(lambda gateway: gateway.bytes_written >= 600)
            await anyio.wait_all_tasks_blocked()
            await stream.aclose()
            await stream.aclose()
        assert pieces
    with pytest.raises(StreamTruncated):
        await stream.turn()
    assert state_of(client).leases.in_use == 0


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
    assert state_of(client).leases.in_use == 0


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
                assert state_of(client).leases.queued == 1
                assert len(gateway.requests) == 1
                (holder,) = state_of(client).transport._live
                holder.abort()
        assert waiting.timings.queued > 0
        assert (await waiting.turn()).text


async def cancel_at_random(gateway: FakeGateway, count: int, seed: int) -> None:
    """Start requests on a pool of ten and cancel each at some await."""
    chance = random.Random(seed)
    gateway.default = ANSWER
    async with Client(host=gateway.url, pool_size=10) as client:

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                async with client.stream(MODEL, "hi") as stream:
                    async for _ in stream:
                        await anyio.lowlevel.checkpoint()

        async def cancel(scope: anyio.CancelScope, naps: int) -> None:
            for _ in range(naps):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        for _ in range(count // 100):
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    scope = anyio.CancelScope()
                    tasks.start_soon(ask, scope)
                    tasks.start_soon(cancel, scope, chance.randrange(300))
        state = state_of(client)
        await all_given_back(client)
        assert state.leases.queued == 0
        await gateway.wait_for(lambda gateway: gateway.connections_open <= 10)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.complete, MODEL, "hi")
        await all_given_back(client)


async def test_random_cancellations_leave_no_slot_in_use(gateway: FakeGateway) -> None:
    await cancel_at_random(gateway, 2000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
async def test_many_random_cancellations_leave_no_slot_in_use(
    gateway: FakeGateway, seed: int
) -> None:
    await cancel_at_random(gateway, 10_000, seed)


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


def serve_in_a_thread(ready: threading.Event, stop: threading.Event, url: list[str]) -> None:
    """A gateway on a loop of its own."""

    async def serve() -> None:
        async with FakeGateway(default=ANSWER) as gateway:
            url.append(gateway.url)
            ready.set()
            await anyio.to_thread.run_sync(stop.wait)

    anyio.run(serve)


def ask_on_three_loops(url: str) -> list[str]:
    """Two answers on each of three loops, from one client that nobody closes."""
    client = Client(host=url)

    async def ask_twice() -> list[str]:
        return [(await client.complete(MODEL, "hi")).text for _ in range(2)]

    answers = [text for _ in range(3) for text in anyio.run(ask_twice)]
    assert len(client._states) <= 2, "states of loops that have ended are forgotten"
    return answers


def test_one_client_serves_three_loops_in_turn_and_is_never_closed() -> None:
    ready, stop, url = threading.Event(), threading.Event(), list[str]()
    thread = threading.Thread(target=serve_in_a_thread, args=(ready, stop, url))
    thread.start()
    try:
        assert ready.wait(5)
        answers = ask_on_three_loops(url[0])
        gc.collect()  # an unclosed socket would warn here, and warnings are errors
    finally:
        stop.set()
        thread.join()
    assert len(answers) == 6
    assert all(text.startswith("one two") for text in answers)


def test_trio_is_refused_in_one_line() -> None:
    from gateway_stream import ConfigError

    coroutine = Client(host="http://127.0.0.1:1").complete(MODEL, "hi")
    with pytest.raises(ConfigError, match="runs on asyncio"):
        coroutine.send(None)
