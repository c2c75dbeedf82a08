"""The short way through aiohttp keeps what the documented one promises."""

from __future__ import annotations

import asyncio
import gzip

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import ConnectionLost
from gateway_stream.net.connections import LeanResponse
from gateway_stream.net.lean import Reader, available
from gateway_stream.net.reads import READ_BYTES
from tests.support.clock import settle
from tests.support.raw import ANSWER, BEGUN, Peer, Slot, ask, chunk, peer, pool, reset


async def whole(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
    writer.write(ANSWER)


async def test_requests_are_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {
        "User-Agent": "x/1",
        "Accept": "a",
        "Accept-Encoding": "identity",
        "Content-Type": "b",
        "X-Word": "grüß",
    }
    heads = []
    for setting in ("1", "0"):
        monkeypatch.setenv("GATEWAY_STREAM_LEAN", setting)
        async with peer(whole) as server, pool() as transport:
            exchange = await transport.send(
                f"{server.url}/a%20b?c=d%26e", headers, b"{}", Slot().lease
            )
            assert isinstance(exchange._response, LeanResponse) == (setting == "1")
            assert isinstance(exchange._content, Reader) == (setting == "1")
            ((_, head),) = server.requests
            host = server.url.removeprefix("http://").encode()
            heads.append(head.replace(host, b"HOST").split(b"\r\n"))
    assert heads[0][0] == b"POST /a%20b?c=d%26e HTTP/1.1"
    assert sorted(heads[0]) == sorted(heads[1])


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\r\nX-Other: b"])
async def test_a_header_that_would_be_two_is_not_sent(value: str) -> None:
    async with peer(whole) as server, pool() as transport:
        slot = Slot()
        with pytest.raises(ValueError, match="header"):
            await transport.send(server.url, {"X-Word": value}, b"", slot.lease)
        assert slot.released
        assert not server.requests


@pytest.mark.usefixtures("way")
async def test_answers_that_are_no_answer_yet_are_passed_over() -> None:
    async def early(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2 + ANSWER)

    async with peer(early) as server, pool() as transport:
        exchange, body = await ask(transport, server.url)
        assert exchange.status == 200
        assert b"[DONE]" in body


@pytest.mark.usefixtures("way")
async def test_what_is_packed_is_unpacked() -> None:
    text = b"data: {}\n\n" * 100_000

    async def packed(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        body = gzip.compress(text)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)

    async with peer(packed) as server, pool() as transport:
        assert (await ask(transport, server.url))[1] == text


@pytest.mark.skipif(not available(), reason="aiohttp's own reader drops what was not read yet")
async def test_what_came_before_the_connection_broke_is_read_first() -> None:
    go = anyio.Event()

    async def cut(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(BEGUN)
        await go.wait()
        writer.write(chunk(b"the last words"))
        await settle()
        reset(writer)

    async with peer(cut) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"", Slot().lease)
        assert b"hello" in await exchange.read()
        go.set()
        with anyio.fail_after(5):
            while exchange._content.exception() is None:
                await anyio.lowlevel.checkpoint()
        assert await exchange.read() == b"the last words"
        with pytest.raises(ConnectionLost):
            await exchange.read()


@pytest.mark.usefixtures("way")
async def test_a_reader_that_is_stuck_holds_little_and_then_reads_all() -> None:
    sent = 0
    go = anyio.Event()
    piece = chunk(b"x" * 300)

    async def much(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        nonlocal sent
        writer.write(BEGUN)
        await go.wait()
        for _number in range(40_000):
            writer.write(piece)
            await writer.drain()
            sent += 300
        writer.write(b"0\r\n\r\n")

    async with peer(much) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"", Slot().lease)
        assert b"hello" in await exchange.read()
        go.set()
        before = -1
        with anyio.fail_after(10):
            while before != sent:  # until the server is held up
                before = sent
                await anyio.sleep(0.05)
        assert sent < 40_000 * 300
        held = exchange._content._size
        assert held <= 2 * 16 * 1024 + READ_BYTES
        size = 0
        while part := await exchange.read():
            size += len(part)
        assert size == 40_000 * 300


async def test_a_piece_of_nothing_is_no_end() -> None:
    async def begin(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(BEGUN)

    async with peer(begin) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"", Slot().lease)
        assert b"hello" in await exchange.read()
        waiting = asyncio.ensure_future(exchange.receive())
        await settle()
        exchange._content.feed_data(b"")
        await settle()
        assert not waiting.done()
        exchange._content.feed_data(b"more")
        assert await waiting == b"more"
        exchange.abort()


@pytest.mark.usefixtures("way")
async def test_two_tasks_cannot_wait_for_one_body() -> None:
    async def begin(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(BEGUN)

    async with peer(begin) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"", Slot().lease)
        await exchange.read()
        waiting = asyncio.ensure_future(exchange.receive())
        await settle()
        with pytest.raises(RuntimeError):
            await exchange.receive()
        waiting.cancel()
        await settle()
        exchange.abort()


async def test_large_requests_and_those_through_a_proxy_take_the_documented_way() -> None:
    async with peer(whole) as server, pool() as transport:
        exchange = await transport.send(server.url, {}, b"x" * 100_000, Slot().lease)
        assert not isinstance(exchange._response, LeanResponse)
        exchange.abort()


async def test_many_targets_are_not_remembered_for_ever() -> None:
    async with peer(whole) as server, pool() as transport:
        for number in range(300):
            await ask(transport, f"{server.url}/{number}")
        assert server.connections == 1
        assert len(transport._posts._targets) <= 256


@pytest.mark.parametrize(
    ("version", "setting", "expected"),
    [
        ("3.13.0", "1", True),
        ("3.14.99", "", True),
        ("3.15.0", "1", False),
        ("3.130.0", "1", False),
        ("3.14.5", "0", False),
    ],
)
def test_it_is_taken_with_the_versions_that_it_was_written_for(
    monkeypatch: pytest.MonkeyPatch, version: str, setting: str, *, expected: bool
) -> None:
    monkeypatch.setattr("aiohttp.__version__", version)
    monkeypatch.setenv("GATEWAY_STREAM_LEAN", setting)
    assert available() == expected
