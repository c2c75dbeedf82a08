"""Servers that use HTTP oddly or wrongly: a request comes to the same end whichever way it takes through aiohttp."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client, ConnectionLost, GatewayError, Retry, StreamTruncated
from tests.support.raw import ANSWER, HEAD, Peer, Slot, ask, chunk, peer, pool, reset
from tests.support.ways import way

if TYPE_CHECKING:
    import asyncio

__all__ = ["way"]

pytestmark = pytest.mark.usefixtures("way")

BEGUN = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
STOPPED = BEGUN + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
"""An answer whose end is proved by the body's end alone."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = chunk(STOPPED) + b"0\r\n\r\n"


def sized(body: bytes, size: int | None = None) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % (len(body) if size is None else size) + body


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


STANDS, WHOLE = None, "whole"
CASES: dict[str, tuple[bytes, Any, str, bool]] = {
    # what is sent, how the connection ends, what comes of it, whether the connection is kept
    "a length": (sized(STOPPED), STANDS, WHOLE, True),
    "a length that is not reached": (
        sized(STOPPED, 1000),
        close,
        "stream_truncated connection_lost",
        False,
    ),
    "a length below nothing": (
        OK + b"Content-Length: -1\r\n\r\n" + STOPPED,
        STANDS,
        "protocol http",
        False,
    ),
    "two lengths": (
        OK + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n" + STOPPED,
        STANDS,
        "protocol http",
        False,
    ),
    "a length and chunks": (
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        STANDS,
        "protocol http",
        False,
    ),
    "no body": (sized(b""), STANDS, "stream_truncated empty", True),
    "trailers, and words beside a chunk's size": (
        HEAD + b"%x;a=b\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(STOPPED), STOPPED),
        STANDS,
        WHOLE,
        True,
    ),
    "no last chunk": (HEAD + chunk(STOPPED), close, "stream_truncated connection_lost", False),
    "a reset before the last chunk": (
        HEAD + chunk(STOPPED),
        reset,
        "stream_truncated connection_lost",
        False,
    ),
    "HTTP/1.0": (OK.replace(b"/1.1", b"/1.0") + b"\r\n" + STOPPED, close, WHOLE, False),
    "an end that is the connection's": (OK + b"\r\n" + STOPPED, close, WHOLE, False),
    "a reset where the end would be the connection's": (
        OK + b"\r\n" + STOPPED,
        reset,
        "stream_truncated connection_lost",
        False,
    ),
    "a connection that is to be closed and is not": (
        HEAD[:-2] + b"Connection: close\r\n\r\n" + CHUNKED,
        STANDS,
        WHOLE,
        False,
    ),
    "a status before the status": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + sized(STOPPED),
        STANDS,
        WHOLE,
        True,
    ),
    "a status that has no body": (b"HTTP/1.1 204 No Content\r\n\r\n", STANDS, "protocol", True),
    "another protocol": (
        b"HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nx",
        STANDS,
        "protocol",
        False,
    ),
    "two answers": (sized(STOPPED) * 2, STANDS, WHOLE, False),
    "no HTTP": (b"\x16\x03\x01\x02\x00", close, "protocol http", False),
    "what is packed badly": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        STANDS,
        "stream_truncated connection_lost",
        False,
    ),
}


@pytest.mark.parametrize(("sent", "ends", "end", "kept"), CASES.values(), ids=CASES)
async def test_each_comes_to_one_end_and_frees_its_slot(
    sent: bytes, ends: Any, end: str, *, kept: bool
) -> None:
    async def answer(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(sent)
        await writer.drain()
        if ends is not STANDS:
            await anyio.sleep(0.05)  # so that a reset does not overtake what was sent
            ends(writer)

    async def asked() -> str:
        try:
            await client.complete("m", "hi")
        except GatewayError as error:
            return f"{error.kind} {error.code or ''}".strip()
        return WHOLE

    async with (
        peer(answer) as server,
        Client(host=f"{server.url}/v1", retry=Retry(retries=0)) as client,
    ):
        with anyio.fail_after(10):
            assert [await asked() for _ in range(2)] == [end, end]
            while client.stats().leased:
                await anyio.lowlevel.checkpoint()
        assert server.connections == (1 if kept else 2)


async def test_a_cut_that_looks_like_an_end_keeps_what_came_and_the_stop_that_was_seen() -> None:
    async def cut(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(OK + b"\r\n" + STOPPED)
        await writer.drain()
        await read.wait()
        reset(writer)

    read = anyio.Event()
    async with (
        peer(cut) as server,
        Client(host=f"{server.url}/v1") as client,
        client.stream("m", "hi") as stream,
    ):
        await anext(stream.text())
        read.set()
        with pytest.raises(StreamTruncated) as caught:
            await stream.turn()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hello"
    assert caught.value.partial.stop_seen is not None


async def test_an_answer_that_comes_before_its_request_is_whole_holds_nothing_up() -> None:
    async def early(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(ANSWER)

    async def head_alone(reader: asyncio.StreamReader, asked: int) -> bytes:
        if asked == 1:
            return await reader.read(100)
        with suppress(OSError):
            while await reader.read(65536):
                pass
        return b""

    async with (
        peer(early, take=head_alone) as server,
        Client(host=f"{server.url}/v1", retry=Retry(retries=0)) as client,
    ):
        with anyio.fail_after(10):
            assert (await client.complete("m", "x" * 5_000_000)).text == "hello"
            while client.stats().leased:
                await anyio.lowlevel.checkpoint()


async def test_who_ends_late_ends_nothing_of_who_has_its_connection_now() -> None:
    async def second_breaks(_: Peer, writer: asyncio.StreamWriter, __: int, asked: int) -> None:
        writer.write(ANSWER if asked == 1 else HEAD + chunk(BEGUN))
        if asked == 2:
            await read.wait()
            writer.write(b"ZZ\r\n")

    read = anyio.Event()
    async with peer(second_breaks) as server, pool() as transport:
        first, _ = await ask(transport, server.url)
        second = await transport.send(server.url, {}, b"{}", Slot().lease)
        assert second.reused
        assert b"hello" in await second.read()
        first.abort()
        read.set()
        with anyio.fail_after(5), pytest.raises(ConnectionLost):
            await second.read()
