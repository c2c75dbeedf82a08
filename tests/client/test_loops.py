"""One client on several event loops: in turn, in threads of their own, after a fork, and to the program's end.

Each time with what waits: requests in line for a place, and requests that are sent again.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from gateway_stream import Client, ConfigError, ConnectError, EventStream, Retry
from gateway_stream.testing import FakeGateway, Fault, Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
TEXT = "one two three four five six seven eight nine ten"
SOON = Retry(retries=20, first_wait=0.001)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class EveryThird:
    """Refuses every third request, so that there is something to ask again."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, received: Received) -> Reply:
        del received
        self.asked += 1
        return Reply.error(500, b"oops") if self.asked % 3 == 0 else ANSWER


@contextmanager
def gateway_in_a_thread(default: Any) -> Iterator[FakeGateway]:
    """A gateway on a loop of its own."""
    gateway = FakeGateway(default=default)
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with gateway:
            ready.set()
            await anyio.to_thread.run_sync(stop.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        assert ready.wait(5)
        yield gateway
    finally:
        stop.set()
        thread.join()


async def ask_many(client: Client, count: int) -> list[str]:
    """As many at once, most of which have to stand in line."""
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await client.complete(MODEL, "hi")).text)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
    return texts


async def ask_many_and_look(client: Client, count: int) -> list[str]:
    texts = await ask_many(client, count)
    with anyio.fail_after(5):
        while client.stats().draining:
            await anyio.lowlevel.checkpoint()
    stats = client.stats()
    assert (stats.leased, stats.queued, stats.live) == (0, 0, 0)
    return texts


def test_one_client_serves_three_loops_in_turn_and_is_never_closed() -> None:
    with gateway_in_a_thread(EveryThird()) as gateway:
        client = Client(host=gateway.url, token="dapi-x", pool_size=2, retry=SOON)
        for _ in range(3):
            texts = anyio.run(ask_many_and_look, client, 12)
            assert texts == [TEXT] * 12
            assert len(client._loops._states) == 1, "states of loops that have ended are forgotten"
        gc.collect()  # an unclosed socket would warn here, and warnings are errors
        assert len(gateway.requests) > 36


def test_two_threads_with_loops_of_their_own_share_a_client() -> None:
    with gateway_in_a_thread(EveryThird()) as gateway:
        client = Client(host=gateway.url, token="dapi-x", pool_size=3, retry=SOON)
        both = threading.Barrier(3)
        ends: Counter[str] = Counter()
        looks = 0

        async def ask() -> None:
            await client.complete(MODEL, "hi")  # the pool stands
            await anyio.to_thread.run_sync(both.wait)
            ends.update(await ask_many(client, 40))

        threads = [threading.Thread(target=anyio.run, args=(ask,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        both.wait(10)
        while any(thread.is_alive() for thread in threads):
            stats = client.stats()  # from a third thread, at any moment
            assert stats.leased <= 6
            looks += 1
        for thread in threads:
            thread.join()
        assert looks
        assert ends == {TEXT: 80}
        gc.collect()


def test_what_one_loop_waits_for_holds_up_no_other() -> None:
    with gateway_in_a_thread(ANSWER.with_fault(Fault(stall_after=600))) as gateway:
        client = Client(host=gateway.url, token="dapi-x", pool_size=1, retry=SOON)
        waits, done = threading.Event(), threading.Event()

        async def hold() -> None:
            async with client.stream(MODEL, "hi") as stream:
                await anext(stream)
                waits.set()
                await anyio.to_thread.run_sync(done.wait)

        thread = threading.Thread(target=anyio.run, args=(hold,))
        thread.start()
        try:
            assert waits.wait(5)
            gateway.default = ANSWER
            assert anyio.run(ask_many, client, 3) == [TEXT] * 3
            assert client.stats().leased == 1
        finally:
            done.set()
            thread.join()
        assert client.stats().leased == 0


def test_a_stream_that_outlives_its_loop_is_dropped_quietly() -> None:
    async def begin(client: Client) -> EventStream:
        stream = client.stream(MODEL, "hi")
        await anext(stream)
        return stream

    with gateway_in_a_thread(ANSWER.with_fault(Fault(stall_after=600))) as gateway:
        client = Client(host=gateway.url, token="dapi-x")
        stream = anyio.run(begin, client)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        assert [str(warning.message) for warning in caught] == []


async def test_a_stream_that_another_thread_drops_is_closed_on_its_own_loop(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(stall_after=600))
    held = [client.stream(MODEL, "hi")]
    await anext(held[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        await anyio.to_thread.run_sync(held.clear)
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    assert client.stats().leased == 0


def test_states_of_ended_loops_are_forgotten_while_other_threads_open_theirs() -> None:
    client = Client(host="http://127.0.0.1:1", retry="never")
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


# In processes of their own.

BEGINNING = """
import os, sys, threading
import anyio
from gateway_stream import Client, Retry

client = Client(host=sys.argv[1], token="dapi-x", pool_size=2, retry=Retry(retries=20, first_wait=0.001))

async def ask():
    return (await client.complete("claude", "hi")).text

async def ask_many():
    texts = []
    async def one():
        texts.append(await ask())
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(one)
    return set(texts)
"""

FORK = (
    BEGINNING
    + """
async def in_parent():
    (text,) = await ask_many()
    async with client.stream("claude", "slowly") as stream:
        first = await anext(stream.text())
        child = os.fork()
        if child == 0:
            in_child(stream, text)
        _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
        assert status == 0, status
        assert (await stream.turn()).text == text, "the parent's stream goes on"
    assert await ask_many() == {text}, "the parent's connections still work"

def in_child(stream, text):
    answers = []
    async def use():
        answers.append(await ask_many())
        stats = client.stats()
        assert (stats.leased, stats.queued) == (0, 0), stats  # nothing of the parent's is counted
        await stream.aclose()  # what it inherited is not its own to end
        await client.aclose()
    thread = threading.Thread(target=anyio.run, args=(use,))
    thread.start()
    thread.join(20)
    os._exit(0 if answers == [{text}] else 1)

anyio.run(in_parent)
"""
)


class Slowly(EveryThird):
    """Takes its time where it is asked to."""

    async def __call__(self, received: Received) -> Reply:
        if b"slowly" in received.raw:
            return Reply.scripted(text=TEXT, pace=0.05)
        return await super().__call__(received)


async def run(script: str, *arguments: str) -> str:
    """Run a program that may not warn; what it prints."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, *arguments]
    with anyio.fail_after(30):
        done = await anyio.run_process(command, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout.decode()


@needs_fork
async def test_a_forked_child_asks_on_its_own_and_its_parents_streams_go_on(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = Slowly()
    await run(FORK, fake_gateway.url)
    connections = [received.connection for received in fake_gateway.requests]
    slow = next(n for n, asked in enumerate(fake_gateway.requests) if b"slowly" in asked.raw)
    in_child = connections[slow + 1 : slow + 7]
    assert not set(in_child) & set(connections[: slow + 1])


AT_EXIT = (
    BEGINNING
    + """
def files():
    return len(os.listdir("/proc/self/fd"))

async def an_answer():
    await ask_many()

async def a_stream_that_is_open():
    await ask_many()
    global kept
    kept = client.stream("claude", "slowly")
    await anext(kept)

async def a_drain():
    await client.complete("claude", "an end that does not come")

async def a_request_in_a_task():
    import asyncio
    await ask_many()
    global task
    task = asyncio.create_task(client.complete("claude", "slowly"))
    await anyio.sleep(0.02)

async def a_request_that_waits_to_be_sent_again():
    import asyncio
    await ask()
    global task
    task = asyncio.create_task(
        client.complete("claude", "later", retry=Retry(first_wait=1000))
    )
    await anyio.sleep(0.1)

async def nothing():
    pass

before = files()
anyio.run(globals()[sys.argv[2]])
import gc
gc.collect()
print(files() - before)
"""
)
UNCLOSED = (
    "nothing",
    "an_answer",
    "a_stream_that_is_open",
    "a_drain",
    "a_request_in_a_task",
    "a_request_that_waits_to_be_sent_again",
)


async def at_exit(received: Received) -> Reply:
    if b"later" in received.raw:
        return Reply.refused(503, retry_after=100)
    if b"an end that" in received.raw:
        return ANSWER.with_fault(Fault(stall_after=10**6))
    return Reply.scripted(text=TEXT, pace=0.01)


@needs_proc
@pytest.mark.parametrize("left", UNCLOSED)
async def test_a_client_that_nobody_closes_ends_silently_with_its_program(
    fake_gateway: FakeGateway, left: str
) -> None:
    fake_gateway.default = at_exit
    assert await run(AT_EXIT, fake_gateway.url, left) == "0\n"
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
