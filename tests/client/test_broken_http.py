"""Servers that break HTTP itself, below anything that an answer could tell."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client, ConnectionLost, StreamTruncated, TextDelta
from tests.support.ways import way

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["way"]

pytestmark = pytest.mark.usefixtures("way")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BEGUN = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
DONE = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Raw:
    """Answers with ``pieces``, the second when ``go`` is set; or resets its first connection then."""

    def __init__(self, pieces: Sequence[bytes], *, reset: bool = False) -> None:
        self._pieces = pieces
        self._reset = reset
        self.go = asyncio.Event()
        self.ended = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ended.clear()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._pieces[0])
        await self.go.wait()
        for piece in self._pieces[1:]:
            writer.write(piece)
        if self._reset:
            self._reset = False
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        else:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
        self.ended.set()


@pytest.mark.parametrize(
    "broken",
    [
        b"ZZ\r\n",
        b"-5\r\nhello\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\nno",
        b"ffffffffffffffffff\r\n",
    ],
    ids=["no number", "below nothing", "a proxy's error", "beyond all bounds"],
)
async def test_a_body_whose_framing_breaks_is_a_cut_answer(broken: bytes) -> None:
    async with (
        Raw([HEAD + chunk(BEGUN), broken]) as server,
        Client(host=server.url) as client,
        client.stream("m", "hi") as stream,
    ):
        assert TextDelta(0, "hel") in (await anext(stream.batches())).events
        server.go.set()
        with anyio.fail_after(5), pytest.raises(StreamTruncated) as caught:
            await stream.turn()
        assert caught.value.partial is not None
        assert caught.value.partial.text == "hel"
        assert isinstance(caught.value.__cause__, ConnectionLost)
        assert "chunk size" in str(caught.value.__cause__).lower()


def test_aiohttps_own_parser_breaks_off_alike() -> None:
    """It reads HTTP where there is no compiled one, and tells what is wrong by another error."""
    code = f"""
import asyncio, sys
sys.path[:0] = {sys.path!r}
from gateway_stream import Client, StreamTruncated

async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write({HEAD + chunk(BEGUN)!r})
    await begun.wait()
    writer.write(b"ZZ\\r\\n")

async def main():
    global begun
    begun = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Client(host=f"http://127.0.0.1:{{port}}/v1") as client:
        try:
            async with client.stream("m", "hi") as stream:
                async for event in stream:
                    begun.set()
        except StreamTruncated as error:
            print(error.partial.text, repr(error.__cause__))

asyncio.run(asyncio.wait_for(main(), 10))
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("hel ConnectionLost("), done.stderr


async def test_a_head_that_breaks_off_is_told_in_words() -> None:
    server = await asyncio.start_server(_half_a_head, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with Client(host=url) as client:
            with pytest.raises(ConnectionLost, match="answered: the other side closed it"):
                await client.complete("m", "hi")


async def _half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX-Secret: x\r\nContent-")
    writer.close()


async def test_a_kept_connection_that_is_reset_is_nobodys_error() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with (
        Raw([HEAD + chunk(BEGUN + DONE) + b"0\r\n\r\n"], reset=True) as server,
        Client(host=server.url) as client,
    ):
        assert (await client.complete("m", "hi")).text == "hel"
        (state,) = client._loops._states.values()
        (((kept, _),),) = state.transport._connector._conns.values()
        server.go.set()
        with anyio.fail_after(5):
            while kept.is_connected():
                await anyio.lowlevel.checkpoint()
        assert (await client.complete("m", "hi")).text == "hel", "over another connection"
        del state, kept
        gc.collect()
    assert reported == []
