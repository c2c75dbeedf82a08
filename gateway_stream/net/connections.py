"""aiohttp's connections, told two things that it does not know.

A response remembers its connection's handler, so that its owner can see the connection end; and closed
before its end it aborts. A pool knows which of its connections are new, and how long they took.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import aiohttp

from gateway_stream.net.loops import seen

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

__all__ = ["Connector", "Response"]


class Response(aiohttp.ClientResponse):
    """A response that remembers its connection's handler, and aborts where it is closed early.

    It is closed by its owner, or by aiohttp where the wait for its headers is cancelled.
    """

    handler: ResponseHandler

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the response's head."""
        assert connection.protocol is not None  # noqa: S101  it was just connected
        self.handler = connection.protocol
        return await super().start(connection)

    def close(self) -> None:
        """End the connection, unless it is back in its pool."""
        transport = self.connection.transport if self.connection else None
        if transport is not None and not self._loop.is_closed():
            transport.abort()
        super().close()


class Connector(aiohttp.TCPConnector):
    """A pool that knows which of its connections are new. Tracing tells it too, at five times the cost."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._new: WeakKeyDictionary[ResponseHandler, float | None] = WeakKeyDictionary()

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own
    ) -> Connection:
        """A connection to send over, kept or new."""
        began = perf_counter()
        connection = await super().connect(req, traces, timeout)
        handler = connection.protocol
        if handler is not None and handler not in self._new:
            self._new[handler] = perf_counter() - began
            if handler.closed is not None:
                handler.closed.add_done_callback(seen)
        return connection

    def took(self, handler: ResponseHandler) -> float | None:
        """Seconds that the connection took, told to who made it; ``None`` to who found it kept."""
        seconds, self._new[handler] = self._new.get(handler), None
        return seconds
