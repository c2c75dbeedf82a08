"""One reply going over one connection, with what is to go wrong on the way.

Every wait here ends when the connection does, so a client that leaves releases the reply at once and
a gateway that closes needs only to abort its connections. A write counts when the socket has taken it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gateway_stream.testing.connections import Connection
    from gateway_stream.testing.rendering import Rendered
    from gateway_stream.testing.replies import Reply

__all__ = ["deliver"]


class _UntilClosed(web.StreamResponse):
    """A body without length or chunks, which ends when the connection does."""

    _length_check = False


class _Untyped(web.StreamResponse):
    """A response that does not say what its body is."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Content-Type", None)


class _UntypedUntilClosed(_Untyped, _UntilClosed):
    """Both."""


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
    for name, value in reply.headers:
        response.headers.add(name, value)
    response.headers.setdefault("x-request-id", request_id)
    await response.prepare(request)

    async def write(piece: bytes) -> None:
        await response.write(piece)
        await request.writer.drain()
        wrote(len(piece))

    began = anyio.current_time()
    sent, wait = 0, fault.delay_body
    for piece in _up_to(fault.ends_at, rendered.pieces):
        sent += len(piece)
        if reply.due:
            wait = max(wait, began + reply.due_at(sent) - anyio.current_time())
        await connection.pause(wait)
        await write(piece)
        wait = reply.pace
    if fault.stalls:
        await _stall(write, rendered.keep_alive, connection, fault.keep_alive)
    await connection.pause(fault.delay_end)
    if fault.cuts and fault.cut != "clean":
        connection.end(reset=fault.cut == "reset")
    else:
        await response.write_eof()
    return response


def _response(reply: Reply, rendered: Rendered) -> web.StreamResponse:
    typed = bool(rendered.content_type)
    if reply.framing == "close":
        closing = _UntilClosed if typed else _UntypedUntilClosed
        response: web.StreamResponse = closing(status=reply.status)
        response.force_close()
    else:
        response = (web.StreamResponse if typed else _Untyped)(status=reply.status)
        response.content_length = rendered.length
    if typed:
        response.headers["Content-Type"] = rendered.content_type
    return response


async def _stall(
    write: Callable[[bytes], Awaitable[None]],
    alive: bytes,
    connection: Connection,
    every: float | None,
) -> None:
    """Send nothing more, or nothing that matters, until the connection ends."""
    while True:
        await connection.pause(math.inf if every is None else every)
        await write(alive)


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
