"""Nothing leaks: slots, sockets and tasks come back however a stream is left."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gateway_stream import Client, ConfigError, ConnectError, ConnectionLost, StreamTruncated
from gateway_stream.testing import FakeGateway, Fault, Reply, Script
from gateway_stream.testing.bodies import stream_events

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


async def cancel_at_random(gateway: FakeGateway, count: int, seed: int) -> None:
    """Start requests on a pool of ten until ``count`` were cancelled, each at some await."""
    chance = random.Random(seed)
    gateway.default = ANSWER
    cancelled = 0
    async with Client(host=gateway.url, pool_size=10) as client:
        await client.complete(MODEL, "hi")

        async def ask(scope: anyio.CancelScope) -> None:
            nonlocal cancelled
            with scope:
                async with client.stream(MODEL, "hi") as stream:
                    async for _ in stream:
                        await anyio.lowlevel.checkpoint()
            cancelled += scope.cancelled_caught

        async def cancel(scope: anyio.CancelScope, naps: int) -> None:
            for _ in range(naps):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        while cancelled < count:
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    scope = anyio.CancelScope()
                    tasks.start_soon(ask, scope)
                    tasks.start_soon(cancel, scope, chance.randrange(150))
        await all_given_back(client)
        state = state_of(client)
        assert state.admissions.queued == 0
        await gateway.wait_for(lambda gateway: gateway.connections_open <= 10)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.complete, MODEL, "hi")
        await all_given_back(client)
    assert len(gateway.requests) > count / 4, "many were cancelled before they were sent"


async def test_random_cancellations_leave_no_slot_in_use(gateway: FakeGateway) -> None:
    await cancel_at_random(gateway, 2000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_many_random_cancellations_leave_no_slot_in_use(
    gateway: FakeGateway, seed: int
) -> None:
    await cancel_at_random(gateway, 10_000, seed)


async def test_native_cancellations_leave_no_slot_in_use(gateway: FakeGateway) -> None:
    chance = random.Random(1)
    gateway.default = ANSWER
    async with Client(host=gateway.url, pool_size=10) as client:
        await client.complete(MODEL, "hi")
        for _ in range(10):
            asked = [asyncio.create_task(client.complete(MODEL, "hi")) for _ in range(50)]
            for task in asked:
                for _ in range(chance.randrange(6)):
                    await anyio.lowlevel.checkpoint()
                task.cancel()
                task.cancel()
            ended = await asyncio.gather(*asked, return_exceptions=True)
            assert any(isinstance(end, asyncio.CancelledError) for end in ended)
        await all_given_back(client)


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


FORK = """
import os, sys
import anyio
from gateway_stream import Client

client = Client(host=sys.argv[1])

async def ask():
    return (await client.complete("claude", "hi")).text

async def in_parent():
    text = await ask()
    child = os.fork()
    if child == 0:
        os._exit(0 if child_asks() == text else 1)
    _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
    assert status == 0, status
    assert await ask() == text, "the parent's connections still work"

def child_asks():
    import asyncio, threading
    answer = []
    def run():
        asyncio.set_event_loop(None)
        answer.append(anyio.run(ask))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return answer[0] if answer else None

anyio.run(in_parent)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_forked_child_has_connections_of_its_own(gateway: FakeGateway) -> None:
    gateway.default = ANSWER
    with anyio.fail_after(30):
        done = await anyio.run_process([sys.executable, "-c", FORK, gateway.url], check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert [received.connection for received in gateway.requests] == [1, 2, 1]


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
    assert len(client._loops._states) <= 2, "states of loops that have ended are forgotten"
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


def test_states_of_ended_loops_are_forgotten_while_other_threads_open_theirs() -> None:
    client = Client(host="http://127.0.0.1:1")
    states: dict[Any, Any] = client._loops._states

    class Ended:
        """A loop that has ended. While it is looked at, another thread forgets it and opens its own."""

        def is_closed(self) -> bool:
            del states[0, self]
            states.update({(0, number): None for number in range(3)})
            return True

    async def ask() -> None:
        with pytest.raises(ConnectError):
            await client.complete(MODEL, "hi")
        await client.aclose()

    states[0, Ended()] = None
    anyio.run(ask)


def test_trio_is_refused_in_one_line() -> None:
    coroutine = Client(host="http://127.0.0.1:1").complete(MODEL, "hi")
    with pytest.raises(ConfigError, match="runs on asyncio"):
        coroutine.send(None)
