"""The short way of a request through aiohttp: its pool and its parser, without what lies between.

aiohttp serves every kind of HTTP: redirects, cookies, traces, uploads in pieces, readers by line and by chunk. For a POST
whose body is in memory, and whose answer is read in whatever pieces come, two things can be left out.

- *The request.* Its head is a few lines of text, most of them the same each time. They are written together with the body,
  where aiohttp makes four objects and a task of them.
- *The reader.* aiohttp notes where every chunk of HTTP ends, for those who read by chunks, and after every read has its
  parser go on and its transport resume, paused or not. `Reader` does so only where the connection is paused. It also gives what
  came before a connection broke, where aiohttp's gives the error first.

This rests on parts of aiohttp that it does not document. So it is done with the versions that it was written for, and only
where their parts are found; else requests take the documented way, as do those through a proxy and those too large to be
written at once. ``GATEWAY_STREAM_LEAN=0`` turns it off: every test but that of its reader passes without it, too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.streams import StreamReader

from gateway_stream.errors import GatewayError
from gateway_stream.net.connections import Handler, LeanResponse, Stale, end, given_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.connections import Connector

__all__ = ["Reader", "Requests", "available", "quicken"]

_VERSIONS: Final = ("3.13.", "3.14.")
_PARTS: Final = frozenset(
    {"_buffer", "_eof", "_exception", "_high_water", "_loop", "_size", "_waiter"}
)
_NO_TIMEOUT: Final = aiohttp.ClientTimeout()
_TARGETS: Final = 256
_NOT_YET: Final = frozenset(range(100, 200)) - {101}
"""Statuses of what precedes the response."""


def available() -> bool:
    """Whether this aiohttp is one that requests can go through so."""
    return (
        os.environ.get("GATEWAY_STREAM_LEAN") != "0"
        and aiohttp.__version__.startswith(_VERSIONS)
        and _PARTS.issubset(StreamReader.__slots__)
    )


class Reader(StreamReader):
    """A body that is read in whatever pieces come."""

    __slots__ = ()

    def begin_http_chunk_receiving(self) -> None:
        """Where a chunk begins or ends concerns nobody."""

    end_http_chunk_receiving = begin_http_chunk_receiving

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        """Some of the body came; aiohttp's parser calls this."""
        del size
        if not data:
            return False
        self._buffer.append(data)
        self._size += len(data)
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._size > self._high_water:
            self._protocol.pause_reading()
        return False

    def set_exception(self, exc: BaseException, *cause: Any) -> None:
        """The body breaks off. What has come is read first, unless time has run out."""
        if isinstance(exc, GatewayError):
            self._buffer.clear()
        super().set_exception(exc, *cause)

    async def readany(self) -> bytes:
        """All that is here, once something is; empty at the end."""
        buffer = self._buffer
        while not buffer:
            if self._exception is not None:
                raise self._exception
            if self._eof:
                return b""
            if self._waiter is not None:
                message = "another task waits for this body"
                raise RuntimeError(message)
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None
        data = buffer.popleft()
        if buffer:
            data += b"".join(buffer)
            buffer.clear()
        self._size = 0
        if self._protocol._reading_paused:  # noqa: SLF001
            self._protocol.resume_reading()
        return data


def quicken(content: StreamReader) -> None:
    """Make a reader of which nothing was read a `Reader`."""
    if type(content) is StreamReader:  # and not aiohttp's for a response that has no body
        content.__class__ = Reader


class Requests:
    """Sends POSTs over a pool. ``read_ahead`` bytes of a body may wait to be read, and twice as many at most."""

    def __init__(self, connector: Connector, clock: Timer, *, read_ahead: int) -> None:
        self._connector = connector
        self._clock = clock
        self._read_ahead = read_ahead
        self._targets: dict[URL, tuple[ClientRequest, str]] = {}

    async def post(self, target: URL, headers: Mapping[str, str], body: bytes) -> LeanResponse:
        """Send a request and give its response once the head is here. Raises aiohttp's errors.

        Raises:
            Stale: the connection was given up before the request came.
        """
        asked, line = self._targets.get(target) or self._learn(target)
        connection = await self._connector.connect(asked, [], _NO_TIMEOUT)
        handler = connection.protocol
        assert isinstance(handler, Handler)  # noqa: S101  the pool makes no others
        try:
            handler.set_response_params(read_until_eof=True, read_bufsize=self._read_ahead)
            if handler.transport is not None:  # else reading tells why
                # In no variable: tools print tracebacks with local variables, and credentials are in it.
                handler.transport.write(_head(line, headers, len(body)) + body)
            sent_at = self._clock.monotonic()
            message, content = await handler.read()
            while message.code in _NOT_YET:
                message, content = await handler.read()
        except BaseException as error:
            end(connection)
            if given_up(handler, error):
                raise Stale from error
            raise
        return LeanResponse(connection, handler, message, content, sent_at)

    def _learn(self, target: URL) -> tuple[ClientRequest, str]:
        """What the pool is asked for, and the lines that a request there begins with."""
        if len(self._targets) == _TARGETS:
            self._targets.clear()
        asked = ClientRequest("POST", target, loop=self._connector._loop)  # noqa: SLF001
        line = f"POST {target.raw_path_qs} HTTP/1.1\r\nHost: {asked.headers['Host']}\r\n"
        self._targets[target] = asked, line
        return asked, line


def _head(line: str, headers: Mapping[str, str], length: int) -> bytes:
    if _ends_a_line("".join(headers.values())):
        message = "a header holds a line end or a null byte"
        raise ValueError(message)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"{line}{lines}Content-Length: {length}\r\n\r\n".encode()


def _ends_a_line(text: str) -> bool:
    return "\n" in text or "\r" in text or "\0" in text
