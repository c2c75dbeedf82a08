"""A server below HTTP: it is told what to do with each connection, and counts what came."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.leases import Lease
    from gateway_stream.net.transport import Exchange

__all__ = [
    "ANSWER",
    "BEGUN",
    "HEAD",
    "Peer",
    "Slot",
    "ask",
    "chunk",
    "head_of",
    "peer",
    "pool",
    "reset",
]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


BEGUN = HEAD + chunk(b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n')
"""An answer of OpenAI's Chat that has begun."""

ANSWER = (
    BEGUN
    + chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
    + chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)
"""A whole one."""


class Slot:
    """A lease that nobody waits for."""

    def __init__(self) -> None:
        self.released = False

    def release(self) -> None:
        self.released = True

    @property
    def lease(self) -> Lease:
        return cast("Lease", self)


class Peer:
    """One server.

    Attributes:
        url: its address.
        connections: how many connections came.
        requests: the heads that came, each with the number of its connection, from 1.
        open: the connections that stand.
    """

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[tuple[int, bytes]] = []
        self.open: dict[int, asyncio.StreamWriter] = {}


async def head_of(reader: asyncio.StreamReader, _: int = 1) -> bytes:
    """A request's head, once all of the request is here; empty where there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return b""
    return head


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, if it stands."""
    if writer.transport.is_closing():
        return
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def peer(
    answer: Callable[[Peer, asyncio.StreamWriter, int, int], Awaitable[None]],
    context: ssl.SSLContext | None = None,
    *,
    take: Callable[[asyncio.StreamReader, int], Awaitable[bytes]] = head_of,
) -> AsyncIterator[Peer]:
    """Serve.

    Args:
        answer: is given the writer, the connection's number and its request's, both from 1.
        context: for TLS.
        take: reads a request, of which it is given the number; an empty one ends the connection.
    """
    made = Peer()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        made.connections += 1
        number, asked = made.connections, 0
        made.open[number] = writer
        try:
            while head := await take(reader, asked + 1):
                asked += 1
                made.requests.append((number, head))
                await answer(made, writer, number, asked)
        finally:
            del made.open[number]
            with suppress(OSError):
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    scheme = "http" if context is None else "https"
    made.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for writer in made.open.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


@asynccontextmanager
async def pool(
    context: ssl.SSLContext | None = None, *, clock: Timer = SYSTEM
) -> AsyncIterator[Transport]:
    """A pool of connections, with 10 s for each to be made."""
    made = Transport(context or ssl.create_default_context(), None, connect_timeout=10, clock=clock)
    try:
        yield made
    finally:
        await made.aclose()


async def ask(transport: Transport, url: str, body: bytes = b"{}") -> tuple[Exchange, bytes]:
    """Send a request and read its answer."""
    exchange = await transport.send(url, {"User-Agent": "test"}, body, Slot().lease)
    parts = []
    while part := await exchange.read():
        parts.append(part)
    return exchange, b"".join(parts)
