"""Connections while they are made."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import ssl
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import ConnectError, ConnectionLost, TimedOut
from gateway_stream.net.connections import HANDSHAKES
from tests.support.clock import HandClock, settle
from tests.support.raw import ANSWER, Peer, Slot, ask, peer, pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.net.transport import Exchange, Transport

pytestmark = pytest.mark.usefixtures("way")


async def read_all(exchange: Exchange) -> None:
    while await exchange.read():
        pass


class Silent:
    """Takes connections and says nothing: their handshakes hang."""

    def __init__(self) -> None:
        self.open: list[asyncio.StreamWriter] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.append(writer)
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            self.open.remove(writer)
            writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    made = Silent()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=1024)
    made.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
        await reached(made, 0)


async def reached(server: Silent, number: int) -> None:
    """Wait until so many connections stand, and see that no more come."""
    with anyio.fail_after(5):
        while len(server.open) != number:
            await anyio.lowlevel.checkpoint()
    await anyio.sleep(0.02)
    assert len(server.open) == number


async def fail(transport: Transport, url: str, failed: list[Exception]) -> None:
    try:
        await ask(transport, url)
    except (ConnectError, TimedOut) as error:
        failed.append(error)


async def test_few_shake_hands_at_once_and_the_time_of_each_counts_from_its_turn(
    silent: Silent,
) -> None:
    clock = HandClock()
    failed: list[Exception] = []
    async with pool(clock=clock) as transport, anyio.create_task_group() as tasks:
        for _ in range(HANDSHAKES + 5):
            tasks.start_soon(fail, transport, silent.url, failed)
        await reached(silent, HANDSHAKES)
        await clock.advance(9.9)
        assert not failed
        await clock.advance(0.2)
        await reached(silent, 5)
        assert len(failed) == HANDSHAKES
        await clock.advance(9.7)
        assert len(failed) == HANDSHAKES
        await clock.advance(0.3)
        await reached(silent, 0)
    assert {type(error) for error in failed} == {TimedOut}
    assert str(failed[0]).startswith(
        f"no connection to {silent.url.removeprefix('https://')} within 10 s"
    )


async def test_who_gives_up_waiting_or_shaking_hands_leaves_the_turn_to_others(
    silent: Silent,
) -> None:
    async with pool() as transport:
        asking = [
            asyncio.ensure_future(ask(transport, silent.url)) for _ in range(2 * HANDSHAKES + 3)
        ]
        await reached(silent, HANDSHAKES)
        for task in (*asking[:5], *asking[HANDSHAKES + 10 :]):
            task.cancel()
        await reached(silent, HANDSHAKES)
        for task in asking[: HANDSHAKES + 10]:
            task.cancel()
        await asyncio.wait(asking)
        await reached(silent, 0)
        assert all(task.cancelled() for task in asking)
        assert transport._connector._handshakes.value == HANDSHAKES


async def test_a_crowd_is_served_over_few_handshakes_at_a_time() -> None:
    async def whole(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(ANSWER)

    async with peer(whole) as server, pool() as transport:
        async with anyio.create_task_group() as tasks:
            for _ in range(10 * HANDSHAKES):
                tasks.start_soon(ask, transport, server.url)
        assert len(server.requests) == 10 * HANDSHAKES


async def test_too_many_open_files_are_told_with_what_to_do() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_file = os.open(os.devnull, os.O_RDONLY)
    async with pool() as transport:
        slot = Slot()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_file + 1, hard))
            with pytest.raises(ConnectError) as caught:
                await transport.send("http://127.0.0.1:9", {}, b"", slot.lease)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(next_file)
    error = caught.value
    assert (error.code, error.phase, error.retryable) == ("too_many_files", "connect", True)
    assert os.strerror(errno.EMFILE) in error.message
    assert "ulimit -n" in str(error)
    assert slot.released


async def test_certificates_are_read_once_for_all_connections() -> None:
    context = ssl.create_default_context()
    async with pool(context) as transport:
        assert transport._connector._ssl is context


async def test_an_exchange_that_is_made_after_its_connection_ended_says_so() -> None:
    async def cut(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(ANSWER[:-20])
        writer.close()

    async with peer(cut) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"", Slot().lease)
        await settle()
        with anyio.fail_after(5), pytest.raises(ConnectionLost):
            await read_all(exchange)
