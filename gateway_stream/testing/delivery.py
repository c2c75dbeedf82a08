"""One reply going over one connection, with what is to go wrong on the way.

Every wait here ends when the connection does, so a client that leaves releases the reply at once and
a gateway that closes needs only to abort its connections. A write counts when the socket has taken
it, for the transport may hold no bytes back (under TLS its lower half still may, 64 KiB or so).
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
from aiohttp import web

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from gateway_stream.testing.rendering import Rendered
    from gateway_stream.testing.replies import Reply

__all__ = ["ClientLeft", "Connection", "deliver"]

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class ClientLeft(Exception):
    """The connection ended before the reply did."""


class Connection:
    """A connection that a client made. ``number`` counts from 1."""

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        # TLS pauses writers at the limit and not above it, so 0 would pause them for ever.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self.number = number
        self.lost = anyio.Event()
        self._transport = transport

    def abort(self) -> None:
        """End it now, whatever is unsent."""
        self._transport.abort()

    def end(self, *, reset: bool) -> None:
        """Close it in the middle of whatever it carries, or reset it."""
        if not reset:
            self._transport.close()
            return
        connected = self._transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    async def pause(self, seconds: float) -> None:
        """Wait, or with 0 seconds let what was written be read.

        Raises:
            ClientLeft: the connection ended meanwhile.
        """
        if seconds > 0:
            with anyio.move_on_after(seconds):
                await self.lost.wait()
        else:
            # A reader on the same loop runs after the turn in which the loop sees its bytes.
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
        if self.lost.is_set():
            raise ClientLeft

    async def stall(self) -> None:
        """Wait until it ends.

        Raises:
            ClientLeft: it ended.
        """
        await self.lost.wait()
        raise ClientLeft


class _UntilClosed(web.StreamResponse):
    """A body without length or chunks, which ends when the connection does."""

    _length_check = False


async def deliver(
    reply: Reply,
    rendered: Rendered,
    request: web.BaseRequest,
    connection: Connection,
    *,
    request_id: str,
    wrote: Callable[[int], None],
) -> web.StreamResponse:
    """Send ``reply``. ``wrote`` is told the size of each write that the socket has taken.

    Raises:
        ClientLeft: the connection ended before the reply did.
        ConnectionError: likewise.
    """
    fault = reply.fault
    await connection.pause(fault.delay_headers)
    if fault.no_response:
        connection.end(reset=fault.cut == "reset")
        return web.Response()
    response = _response(reply, rendered)
    response.headers["x-request-id"] = request_id
    for name, value in reply.headers:
        response.headers.add(name, value)
    await response.prepare(request)
    between = 0.0
    for piece in _up_to(fault.ends_at, rendered.pieces):
        await connection.pause(between)
        await response.write(piece)
        await request.writer.drain()
        wrote(len(piece))
        between = reply.pace
    if fault.stall_after is not None:
        await connection.stall()
    await connection.pause(fault.delay_end)
    if fault.cuts and fault.cut != "clean":
        connection.end(reset=fault.cut == "reset")
    else:
        await response.write_eof()
    return response


def _response(reply: Reply, rendered: Rendered) -> web.StreamResponse:
    if reply.framing == "close":
        response: web.StreamResponse = _UntilClosed(status=reply.status)
        response.force_close()
    else:
        response = web.StreamResponse(status=reply.status)
        response.content_length = rendered.length
    response.headers["Content-Type"] = rendered.content_type
    return response


def _up_to(limit: int | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if limit is None:
        yield from pieces
        return
    for piece in pieces:
        if limit < len(piece):
            if limit:
                yield piece[:limit]
            return
        yield piece
        limit -= len(piece)
