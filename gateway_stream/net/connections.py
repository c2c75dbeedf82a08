"""aiohttp's connections, told what it does not know.

A connection knows how often it was used, and whether anything came since it was used last; it reads in small
blocks (`gateway_stream.net.reads`) and tells its exchange when it ends. A response that is closed before
its end aborts.

**Connections that the other side gave up.** Servers and proxies close a connection that nobody used for a
while, and a request may cross that close on its way. So a kept connection is looked at before it is used: what can
be read from one that nobody asked anything is its end. Where the end comes while the request is on its way, the
request failed on a connection that was used before, and not a byte came in return. Then, and only then, the
server can be taken not to have seen it (RFC 9112, section 9.3.1, allows a client to send again what it knows
not to have been processed), and `Stale` says so. What follows is a new connection and never the next kept one, which is
likely to have been given up at the same time.

**Bodies without a length.** Such a body ends where its connection does, and aiohttp takes any end for that. But only an end
that the other side told is one (RFC 9112, section 9.8); a reset has cut the body. Through TLS that is the ``close_notify``, as
far as the loop shows it: uvloop does, asyncio takes the bare end of TCP for one.

**Handshakes.** At most `HANDSHAKES` connections are being made at once, first come first served: a thousand requests
that begin together would have the loop do a thousand TLS handshakes in a row, and servers refuse such crowds.
The time that a connection may take counts from its turn, so that the last of a crowd has as much of it as the first.
"""

from __future__ import annotations

import select
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
from aiohttp.client_proto import ResponseHandler

from gateway_stream.net.names import KEPT_SECONDS, Resolver
from gateway_stream.net.reads import read_in_small_blocks

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Mapping

    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace

    from gateway_stream.net.clocks import Alarm, Timer
    from gateway_stream.net.transport import Exchange

__all__ = [
    "ANEW",
    "HANDSHAKES",
    "PATIENCE",
    "Connector",
    "Handler",
    "LeanResponse",
    "Response",
    "Stale",
    "end",
    "given_up",
]

HANDSHAKES: Final = 32

ANEW: Final = ContextVar("anew", default=False)
"""Whether a request is to go over a new connection. aiohttp's session has no other way to tell its pool."""


PATIENCE: Final = ContextVar[float | None]("patience", default=None)
"""Seconds that a connection for this request may take, if not as many as for the pool's others."""


class Stale(aiohttp.ClientError):
    """A request went out over a connection that the other side had given up: it was not seen."""


class Handler(ResponseHandler):
    """What stands behind one connection, from its first request to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.uses = 0
        self.heard = False
        self.seconds = 0.0
        """How long the connection took to make."""
        self.exchange: Exchange | None = None
        """What reads from it, and is to be told of its end."""
        self._said_so = False
        """Whether the other side told that it ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands, TLS included."""
        super().connection_made(transport)
        read_in_small_blocks(transport)

    def set_response_params(self, **given: Any) -> None:
        """Another request is about to be sent."""
        self.uses += 1
        self.heard = False
        super().set_response_params(**given)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.heard = True
        super().data_received(data)

    def eof_received(self) -> None:
        """The other side says that it ends."""
        self._said_so = True
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has ended."""
        if self.exchange is not None and not self._said_so:
            self.exchange.break_off(exc)
        super().connection_lost(exc)
        if self.exchange is not None:
            self.exchange.break_off()


class Response(aiohttp.ClientResponse):
    """A response that remembers its connection's handler, and aborts where it is closed early.

    It is closed by its owner, or by aiohttp where the wait for its headers is cancelled.
    """

    handler: Handler
    sent_at: float

    def __init__(self, *given: Any, clock: Timer, **named: Any) -> None:
        super().__init__(*given, **named)
        self._clock = clock

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the response's head.

        Raises:
            Stale: the connection was given up before the request came.
        """
        handler = connection.protocol
        assert isinstance(handler, Handler)  # noqa: S101  the pool makes no others
        self.handler = handler
        self.sent_at = self._clock.monotonic()
        try:
            return await super().start(connection)
        except aiohttp.ClientError as error:
            if given_up(handler, error):
                raise Stale from error
            raise

    def close(self) -> None:
        """End the connection, unless it is back in its pool."""
        if self.connection is not None and not self._loop.is_closed():
            end(self.connection)
        super().close()


class LeanResponse:
    """A response to a request that went the short way (`gateway_stream.net.lean`)."""

    __slots__ = ("_connection", "content", "handler", "headers", "sent_at", "status")

    def __init__(
        self,
        connection: Connection,
        handler: Handler,
        message: Any,
        content: StreamReader,
        at: float,
    ) -> None:
        self._connection: Connection | None = connection
        self.handler = handler
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        self.sent_at = at
        content.on_eof(self._release)

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def close(self) -> None:
        """End the connection, unless it is back in its pool."""
        connection, self._connection = self._connection, None
        if connection is not None and not self.handler._loop.is_closed():  # noqa: SLF001
            if self.content.exception() is None:
                self.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
            end(connection)


class Connector(aiohttp.TCPConnector):
    """A pool that lets few connect at once, and gives out no connection that has ended."""

    def __init__(self, context: ssl.SSLContext, *, connect_timeout: float, clock: Timer) -> None:
        super().__init__(limit=0, ssl=context, resolver=Resolver(), ttl_dns_cache=KEPT_SECONDS)
        self._factory = partial(Handler, loop=self._loop)  # type: ignore[assignment]
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._handshakes = anyio.Semaphore(HANDSHAKES)

    @property
    def patience(self) -> float:
        """Seconds that a connection for the running request may take."""
        own = PATIENCE.get()
        return self._connect_timeout if own is None else own

    def _alarm(self, scope: anyio.CancelScope) -> Alarm | None:
        """What cancels a connection that takes too long, unless it may take for ever."""
        patience = self.patience
        return self._clock.call_later(patience, scope.cancel) if patience < inf else None

    @property
    def idle(self) -> int:
        """How many connections are kept for the next request."""
        return sum(map(len, list(self._conns.values())))  # other threads may look

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        """A kept connection, if there is one that stands."""
        if ANEW.get():
            return None
        connection = await super()._get(key, traces)
        if connection is None or _stands(connection):
            return connection
        end(connection)
        return None

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own
    ) -> ResponseHandler:
        """A new connection: the name's look-up, the connection, a proxy's tunnel and TLS together."""
        began = self._clock.monotonic()
        async with self._handshakes:
            with anyio.CancelScope() as scope:
                alarm = self._alarm(scope)
                try:
                    handler = await super()._create_connection(req, traces, timeout)
                finally:
                    if alarm is not None:
                        alarm.cancel()
        if scope.cancelled_caught:
            raise TimeoutError
        assert isinstance(handler, Handler)  # noqa: S101  the factory's
        handler.seconds = self._clock.monotonic() - began
        return handler


def end(connection: Connection) -> None:
    """End a connection at once, with no goodbye."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def given_up(handler: Handler, error: BaseException) -> bool:
    """Whether a request got no response because its connection had been given up."""
    broke = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    return broke and handler.uses > 1 and not handler.heard


def _stands(connection: Connection) -> bool:
    """Whether nothing came over a connection since it was used last: no end, and no answer to nothing."""
    handler = connection.protocol
    socket = connection.transport.get_extra_info("socket") if connection.transport else None
    if handler is None or handler.should_close:
        return False
    if socket is None or not hasattr(select, "poll"):  # Windows has select() alone, for few handles
        return True
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)
