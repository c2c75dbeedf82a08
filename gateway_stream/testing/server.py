"""A gateway that is none: a real HTTP server on loopback with a workspace's paths.

What it answers is chosen in this order: a reply queued for the very path; one queued for the
request's family and model, for its family, for its model, for any; the ``default``. Queued replies
are used once each, in the order in which they were added. Before the ``default`` an ``issuer`` answers on
its own paths, which are those of a workspace's OAuth server. Where nothing answers, a path of no family
is a path that the gateway does not have, and a model without a reply a model that it does not have.

An error in the test's own code (a ``default`` that raises, a script that a family cannot say) is
answered with 500 and raised when the gateway closes, so that it cannot pass for the client's. One in
``connections`` is raised then too, and its connection is well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import anyio
from aiohttp import web

from gateway_stream.testing.connections import (
    ClientLeft,
    Connection,
    ConnectionFault,
    ConnectionFaults,
    fault_of,
)
from gateway_stream.testing.counts import Counts
from gateway_stream.testing.delivery import deliver
from gateway_stream.testing.oauth_endpoints import answer
from gateway_stream.testing.receiving import receive, refuse
from gateway_stream.testing.rendering import Rendered, render
from gateway_stream.testing.replies import Reply
from gateway_stream.testing.routes import Received, gateway_error
from gateway_stream.testing.script import FamilyName

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

    from gateway_stream.testing.oauth import Issuer

__all__ = ["FakeGateway", "Handler"]

Handler: TypeAlias = Callable[[Received], Awaitable[Reply | None]]
"""Chooses the reply to a request; ``None`` leaves it to what the gateway does without one."""

_Key: TypeAlias = tuple[str | None, FamilyName | None, str | None]

_CLOSING_TIME: Final = 1.0
"""Seconds for the test's own code, cancelled, to end."""


class FakeGateway(Counts):
    """Serves from the start of ``async with`` to its end; then the port refuses.

    Args:
        default: what answers when nothing is queued: a reply, or a function that chooses one.
        tokens: the bearer tokens that are good; ``None`` lets everybody in. Discovery and token
            paths (``/oidc/...``, ``/.well-known/...``) ask for none.
        issuer: the workspace's OAuth server. Its tokens are good while they are alive, and those of
            ``tokens`` beside them; nobody else is let in.
        host: the address to listen on.
        port: the port, 0 for one that is free.
        ssl: the server's side of TLS.
        connections: what goes wrong with the connections, by their number.
        keep_credentials: whether `requests` shows credentials in headers as they came. What a form
            holds is in `Received.raw` in any case.

    ``default``, ``tokens``, ``issuer`` and ``connections`` are attributes too, and may change while it
    serves.
    """

    def __init__(
        self,
        *,
        default: Reply | Handler | None = None,
        tokens: Iterable[str] | None = None,
        issuer: Issuer | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: SSLContext | None = None,
        connections: ConnectionFaults = (),
        keep_credentials: bool = False,
    ) -> None:
        super().__init__()
        self.default = default
        self.tokens = None if tokens is None else set(tokens)
        self.issuer = issuer
        self.connections = connections
        self._address = (host, port)
        self._ssl = ssl
        self._keep_credentials = keep_credentials
        self._queues: defaultdict[_Key, deque[Reply]] = defaultdict(deque)
        self._connections: dict[object, Connection] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.ServerRunner | None = None
        self._closing = False
        self._error: Exception | None = None

    def add(
        self,
        *replies: Reply,
        family: FamilyName | None = None,
        model: str | None = None,
        path: str | None = None,
    ) -> None:
        """Queue replies for requests of a family, for a model, for both, or for a path of any kind."""
        self._queues[path, family, model].extend(replies)

    @property
    def waiting(self) -> int:
        """How many queued replies nothing has asked for."""
        return sum(map(len, self._queues.values()))

    @property
    def url(self) -> str:
        """Scheme, address and port, as the host of a workspace is written.

        Raises:
            RuntimeError: it does not serve.
        """
        if self._runner is None:
            message = "a FakeGateway has a URL only inside `async with`"
            raise RuntimeError(message)
        host, port = self._runner.addresses[0][:2]
        if ":" in host:
            host = f"[{host}]"
        return f"{'https' if self._ssl else 'http'}://{host}:{port}"

    async def __aenter__(self) -> Self:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            message = "FakeGateway runs under asyncio only: let anyio_backend be 'asyncio'"
            raise RuntimeError(message) from None
        runner = web.ServerRunner(_Listener(self), shutdown_timeout=_CLOSING_TIME)
        await runner.setup()
        await web.TCPSite(runner, *self._address, ssl_context=self._ssl).start()
        self._runner = runner
        self._closing = False
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            self._closing = True
            with anyio.CancelScope(shield=True):
                await self._close(runner)
        if error is None and self._error is not None:
            raise self._error

    async def _close(self, runner: web.ServerRunner) -> None:
        for connection in self._connections.values():
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await runner.cleanup()

    # Connections, as the listener tells of them.

    def opened(self, protocol: object, transport: asyncio.Transport) -> None:
        """A connection was made."""
        self.connections_made += 1
        self.connections_open += 1
        fault = self._fault_of(self.connections_made)
        self._connections[protocol] = Connection(self.connections_made, transport, fault)
        self.changed()

    def _fault_of(self, number: int) -> ConnectionFault | None:
        try:
            return fault_of(self.connections, number)
        except Exception as error:  # noqa: BLE001  it is raised when the gateway closes
            self._error = self._error or error
            return None

    def closed(self, protocol: object) -> None:
        """A connection ended."""
        self.connections_open -= 1
        self._connections.pop(protocol).lost.set()
        self.changed()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        connection = self._connections.get(request.protocol)
        task = asyncio.current_task()
        if connection is None or task is None or self._closing:
            return web.Response(status=503)
        self._tasks.add(task)
        self.in_flight += 1
        connection.asked()
        self.changed()
        try:
            return await self._answer(request, connection)
        except (ClientLeft, ConnectionError):
            self.disconnects += 1
            return web.Response()
        finally:
            self._tasks.discard(task)
            self.in_flight -= 1
            connection.answered()
            self.changed()

    async def _answer(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        received = await receive(
            request,
            connection=connection.number,
            keep_credentials=self._keep_credentials,
            issuer=self.issuer,
        )
        self.requests.append(received)
        self.changed()
        request_id = f"fake-{len(self.requests)}"
        try:
            reply, rendered = await self._choose(received, request)
            return await deliver(
                reply, rendered, request, connection, request_id=request_id, wrote=self._wrote
            )
        finally:
            received.answered()

    def _wrote(self, size: int) -> None:
        self.bytes_written += size
        self.changed()

    async def _choose(self, received: Received, request: web.BaseRequest) -> tuple[Reply, Rendered]:
        try:
            reply = (
                refuse(request, self.tokens, self.issuer)
                or self._queued(received)
                or self._issued(received, request)
                or await self._otherwise(received)
            )
            return reply, render(reply, received)
        except Exception as error:  # noqa: BLE001  it is raised when the gateway closes
            self._error = self._error or error
            message = f"the test's own code failed: {error!r}"
            reply = Reply.error(500, gateway_error("INTERNAL_ERROR", message))
            return reply, render(reply, received)

    def _queued(self, received: Received) -> Reply | None:
        family, model = received.family, received.model
        keys: list[_Key] = [(received.path, None, None)]
        if family is not None:
            keys += [(None, family, model), (None, family, None), (None, None, model)]
            keys.append((None, None, None))
        for key in keys:
            if queue := self._queues.get(key):
                return queue.popleft()
        return None

    def _issued(self, received: Received, request: web.BaseRequest) -> Reply | None:
        if self.issuer is None:
            return None
        return answer(self.issuer, received, request.headers.get("Authorization"), self.url)

    async def _otherwise(self, received: Received) -> Reply:
        default = self.default
        reply = None
        if isinstance(default, Reply):
            reply = default if received.family else None
        elif default is not None:
            reply = await default(received)
        if reply is not None:
            return reply
        if received.family is None:
            return Reply.error(404, gateway_error("ENDPOINT_NOT_FOUND", "Invalid path"))
        message = f"The model {received.model!r} does not exist: FakeGateway has no reply for it."
        return Reply.error(404, gateway_error("RESOURCE_DOES_NOT_EXIST", message))


class _Listener(web.Server):
    """aiohttp's server, telling the fake of each connection."""

    def __init__(self, gateway: FakeGateway) -> None:
        super().__init__(gateway.answer, access_log=None)
        self._gateway = gateway

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._gateway.opened(handler, transport)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._gateway.closed(handler)
