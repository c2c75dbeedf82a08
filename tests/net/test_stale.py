"""Kept connections that the other side gave up cost whoever asks nothing."""

from __future__ import annotations

import asyncio
import random
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
import trustme

from gateway_stream import ConnectionLost
from tests.support.clock import settle
from tests.support.raw import ANSWER, BEGUN, Peer, Slot, ask, head_of, peer, pool, reset

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("way")

BODY = b"x" * 100
LARGE = b"x" * 300_000


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's."""
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    asking = ssl.create_default_context()
    authority.configure_trust(asking)
    return serving, asking


async def whole(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
    writer.write(ANSWER)


async def half_of_the_second(reader: asyncio.StreamReader, number: int) -> bytes:
    """Read a connection's first request; of the next one the beginning, and then hang up."""
    if number == 1:
        return await head_of(reader)
    await reader.read(10)
    return b""


def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("end", "within"),
    [(hang_up, 0.0), (hang_up, 0.002), (reset, 0.002), (None, 0.0)],
    ids=["at once", "at random", "by reset", "half-way through a head"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("requests", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_requests_that_cross_the_end_of_kept_connections_are_all_answered(
    end: Callable[[asyncio.StreamWriter], None] | None,
    within: float,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    *,
    tls: bool,
    requests: int,
) -> None:
    chance = random.Random(requests)

    async def answer(server: Peer, writer: asyncio.StreamWriter, *_: int) -> None:
        writer.write(ANSWER)
        asked = len(server.requests)

        def give_up() -> None:
            if end is not None and len(server.requests) == asked:  # else it is in use
                end(writer)

        if within:
            asyncio.get_running_loop().call_later(chance.random() * within, give_up)
        else:
            give_up()

    serving, asking = contexts if tls else (None, None)
    take = half_of_the_second if end is None else head_of
    async with peer(answer, serving, take=take) as server, pool(asking) as transport:
        for _ in range(requests):
            _, body = await ask(transport, server.url)
            assert b"[DONE]" in body
            if chance.random() < 0.3:
                await anyio.sleep(chance.random() * 0.002)
        assert len(server.requests) >= requests, "some were read by a server that had hung up"
        assert 1 < server.connections <= requests


async def test_a_request_on_a_fresh_connection_is_not_sent_twice() -> None:
    async def hang_up(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.close()
        await writer.wait_closed()

    async with peer(hang_up) as server, pool() as transport:
        slot = Slot()
        with pytest.raises(ConnectionLost, match="before it answered"):
            await transport.send(server.url, {}, BODY, slot.lease)
        assert slot.released
        assert len(server.requests) == 1


@pytest.mark.parametrize("end", ["closes", "resets"])
async def test_a_request_whose_answer_had_begun_is_not_sent_twice(end: str) -> None:
    async def begin(_: Peer, writer: asyncio.StreamWriter, __: int, asked: int) -> None:
        if asked == 1:
            writer.write(ANSWER)
            return
        writer.write(b"HTTP/1.1 2")
        await settle()
        if end == "closes":
            writer.close()
            await writer.wait_closed()
        else:
            reset(writer)

    async with peer(begin) as server, pool() as transport:
        await ask(transport, server.url)
        with pytest.raises(ConnectionLost, match="before it answered"):
            await ask(transport, server.url)
        assert [number for number, _ in server.requests] == [1, 1]


async def test_what_follows_is_a_new_connection_and_not_the_next_kept_one() -> None:
    async with peer(whole, take=half_of_the_second) as server, pool() as transport:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask, transport, server.url)
        assert server.connections == 3
        exchange, _ = await ask(transport, server.url)
        assert not exchange.reused
        assert exchange.connect > 0
        assert server.connections == 4
        assert len(server.open) == 3, "two of the three are kept still"


async def test_a_large_request_is_sent_again_whole() -> None:
    async with peer(whole, take=half_of_the_second) as server, pool() as transport:
        await ask(transport, server.url, LARGE)
        await ask(transport, server.url, LARGE)
        assert [number for number, _ in server.requests] == [1, 2]


async def test_a_connection_on_which_something_came_unasked_is_not_used_again() -> None:
    async def twice(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(BEGUN)
        await settle()
        writer.write(ANSWER.removeprefix(BEGUN) + ANSWER.replace(b"hello", b"other"))

    async with peer(twice) as server, pool() as transport:
        for _ in range(3):
            exchange, body = await ask(transport, server.url)
            assert b"hello" in body
            assert not exchange.reused
        assert server.connections == 3


async def test_a_client_that_closes_while_a_kept_connection_is_used_ends_the_wait() -> None:
    async def first_only(_: Peer, writer: asyncio.StreamWriter, __: int, asked: int) -> None:
        if asked == 1:
            writer.write(ANSWER)

    async with peer(first_only) as server, pool() as transport:
        await ask(transport, server.url)
        caught: list[BaseException] = []

        async def wait() -> None:
            try:
                await ask(transport, server.url)
            except ConnectionLost as error:
                caught.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            with anyio.fail_after(5):
                while len(server.requests) < 2:
                    await anyio.lowlevel.checkpoint()
            await transport.aclose()
        assert len(caught) == 1
        assert server.connections == 1


async def test_what_may_not_be_sent_twice_goes_over_a_new_connection() -> None:
    async with peer(whole) as server, pool() as transport:
        await ask(transport, server.url)
        called = await transport.call("POST", server.url, {}, {"grant_type": "refresh_token"})
        assert called.status == 200
        assert [number for number, _ in server.requests] == [1, 2]


async def test_a_question_is_asked_again_over_a_new_connection() -> None:
    async def questions(reader: asyncio.StreamReader, number: int) -> bytes:
        if number > 1:
            await reader.read(10)
            return b""
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async with peer(whole, take=questions) as server, pool() as transport:
        for _ in range(2):
            assert (await transport.call("GET", server.url, {}, None)).status == 200
        assert [number for number, _ in server.requests] == [1, 2]


async def test_an_end_that_the_loop_has_not_seen_is_seen_before_the_connection_is_used() -> None:
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(ANSWER)
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with pool() as transport:
            first, _ = await ask(transport, url)
            handler = first._handler
            if handler.transport is not None:  # else its end was seen at once
                select.select([handler.transport.get_extra_info("socket")], [], [], 5)
            second, _ = await ask(transport, url)
            assert second._handler is not handler
            assert handler.uses == 1
        assert await asyncio.to_thread(ended.wait, 5)
        await asyncio.to_thread(thread.join)
