"""The one aiohttp pool.

An `Exchange` is one request and its response: it owns a lease from the moment it is sent until its
connection is free again. That moment comes in one of three ways. Read to the end, the connection
goes back to the pool by itself. Ended by its terminal event before the last bytes of HTTP came, it
is *drained*: read on in the background for a moment, because a connection dropped for two
milliseconds of patience costs the next request a TLS handshake. Left in any other state, it is
aborted, which is synchronous and so works under cancellation and from a finalizer.

An abort says no goodbye. TLS would wait half a minute for the other side's, and a proxy that waits
for its model does not read what its client says: it only sees a connection that ends.

Where HTTP's framing breaks inside a body (a proxy writes its error page into an open stream), aiohttp
closes the connection and leaves the reader waiting; so an exchange looks for the end of its
connection itself.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from math import inf
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
from aiohttp.http import HttpProcessingError
from yarl import URL

from gateway_stream.errors import GatewayError
from gateway_stream.net.calls import Called
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.connections import ANEW, PATIENCE, Connector, LeanResponse, Response, Stale
from gateway_stream.net.foreign import BROKEN, broken_off, not_answered, showable
from gateway_stream.net.hidden import Hidden
from gateway_stream.net.lean import Requests, available, quicken
from gateway_stream.net.leases import closed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.leases import Lease
    from gateway_stream.net.surroundings import Proxy

__all__ = ["ERROR_BODY_SECONDS", "Exchange", "Transport"]

_ERROR_BODY: Final = 64 * 1024
_CALL_BODY: Final = 4 * 1024 * 1024
_CALLING: Final = {"Accept-Encoding": "identity"}
ERROR_BODY_SECONDS: Final = 2.0
_AT_ONCE: Final = 64 * 1024
"""Bytes of a request that are written in one piece; larger ones let the loop run in between."""

_READ_AHEAD: Final = 8 * 1024
"""Bytes of an answer that may wait to be read. Beyond twice as many its connection is paused, so that a thousand
readers that are stuck hold less than what a thousand reads of the socket may bring."""


class Exchange:
    """One request and its response. Its owner reads it to the end, drains it or aborts it."""

    broken: Final = (*BROKEN, GatewayError)

    def __init__(
        self,
        response: Response | LeanResponse,
        lease: Lease,
        live: set[Exchange],
        *,
        headers_at: float,
    ) -> None:
        self._response = response
        self._content = response.content
        self.lease = lease
        self._live = live
        self._handler = response.handler
        self._aborted = False
        self._when_free: list[Callable[[bool], object]] = []
        self.receive: Callable[[], Awaitable[bytes]] = self._content.readany
        """Gives the next bytes, for who reads every token and so wants no call in between.

        Raises one of `broken` where the body breaks off, which `lost` explains. Who reads so releases
        the exchange at the body's end.
        """
        live.add(self)
        self.queued = 0.0
        self.reused = self._handler.uses > 1
        self.connect = 0.0 if self.reused else self._handler.seconds
        self.sent_at = response.sent_at
        self.headers_at = headers_at
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        if not self.at_end:
            self._handler.exchange = self

    async def read(self) -> bytes:
        """The next bytes of the body as they come; empty at its end.

        Raises:
            ConnectionLost: the body broke off.
            GatewayError: what it was expired with.
        """
        try:
            chunk = await self.receive()
        except GatewayError:
            raise
        except self.broken as error:
            raise self.lost(error) from error
        if not chunk:
            self._free()
        return chunk

    def lost(self, error: Exception) -> GatewayError:
        """The error of a body that broke off; what is left of its connection is closed.

        What an exchange was expired with is that error already.
        """
        self.abort()
        if isinstance(error, GatewayError):
            return error
        return broken_off(error)

    async def read_error(self) -> bytes:
        """The body of a response that is no answer: its first 64 KiB, as far as they come in 2 s."""
        body = b""
        try:
            with anyio.move_on_after(ERROR_BODY_SECONDS):
                while len(body) < _ERROR_BODY:
                    chunk = await self.receive()
                    if not chunk:
                        break
                    body += chunk
        except self.broken:
            pass
        return body[:_ERROR_BODY]

    @property
    def at_end(self) -> bool:
        """Whether HTTP's end of the body has come; what is left of it may be thrown away."""
        return self._content.is_eof()

    def release(self) -> None:
        """The response is at its end, so its connection is back in the pool: free the slot."""
        self._free()

    def abort(self) -> None:
        """Close the connection and free the slot, now. Does nothing the second time."""
        if not self._aborted:
            self._aborted = True
            self._response.close()
            self._free()

    def expire(self, error: GatewayError) -> None:
        """End the read that waits, or else the next one, with ``error``, and abort.

        For whoever watches the time: it is called from the loop, by no task of the reader's.
        """
        self._content.set_exception(error)
        self.abort()

    def when_free(self, work: Callable[[bool], object]) -> None:
        """Have ``work`` called once, when the connection is let go.

        It is told whether the body was at its end and was read so far: what was aborted was not, though its end
        may have come.
        """
        self._when_free.append(work)

    def break_off(self, cause: BaseException | None = None) -> None:
        """The connection has ended: tell the reader, if aiohttp has not."""
        if not self._content.is_eof() and self._content.exception() is None:
            cause = cause or self._handler.exception()
            self._content.set_exception(cause or aiohttp.ClientPayloadError("the connection ended"))

    def _free(self) -> None:
        if self._handler.exchange is self:  # else it serves another already
            self._handler.exchange = None
        self._live.discard(self)
        self.lease.release()
        while self._when_free:
            self._when_free.pop()(self.at_end and not self._aborted)


class Transport:
    """A pool of connections that belongs to one event loop."""

    def __init__(
        self,
        context: ssl.SSLContext,
        proxy: Proxy | None,
        *,
        connect_timeout: float | None,
        clock: Timer = SYSTEM,
    ) -> None:
        self._proxy = proxy
        self._connect_timeout = inf if connect_timeout is None else connect_timeout
        self._clock = clock
        self._live: set[Exchange] = set()
        self._connector = Connector(context, connect_timeout=self._connect_timeout, clock=clock)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            response_class=partial(Response, clock=clock),  # type: ignore[arg-type]
            read_bufsize=_READ_AHEAD,
        )
        self._lean = available()
        self._posts = Requests(self._connector, clock, read_ahead=_READ_AHEAD)

    @property
    def live(self) -> int:
        """How many exchanges are open."""
        return len(self._live)

    @property
    def idle(self) -> int:
        """How many connections are kept for the next request."""
        return self._connector.idle

    async def send_within(
        self,
        seconds: float | None,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        lease: Lease,
    ) -> Exchange:
        """As `send`, with other patience for a connection: ``None`` waits for ever."""
        limit = inf if seconds is None else seconds
        if limit == self._connect_timeout:
            return await self.send(url, headers, body, lease)
        token = PATIENCE.set(limit)
        try:
            return await self.send(url, headers, body, lease)
        finally:
            PATIENCE.reset(token)

    async def send(
        self, url: str, headers: Mapping[str, str], body: bytes, lease: Lease
    ) -> Exchange:
        """Send a POST and give the exchange once the response's headers are here.

        The exchange owns ``lease`` from then on; if nothing comes back, the lease is released.
        Redirects are not followed: what is sent here is for this host alone.

        Raises:
            ConnectError: no connection.
            TimedOut: no connection in time.
            ConnectionLost: the connection broke before the response began, or the pool was closed.
        """
        target = URL(url, encoded=True)
        try:
            try:
                response = await self._request("POST", target, body, headers)
            except Stale:
                response = await self._request_anew("POST", target, body, headers)
        except BaseException:
            lease.release()
            raise
        if self._lean:
            quicken(response.content)
        return Exchange(response, lease, self._live, headers_at=self._clock.monotonic())

    async def call(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Called:
        """Send a small request that takes no slot, and give its whole answer.

        Raises:
            ConnectError: no connection.
            TimedOut: no connection in time.
            ConnectionLost: the connection broke before the answer was here.
        """
        target = URL(url, encoded=True)
        data = None if form is None else aiohttp.FormData(form)
        headers = {**headers, **_CALLING}
        # What may not be sent twice goes over a new connection: nothing tells surely that a kept one still stands.
        request = self._request if form is None else self._request_anew
        try:
            response = await request(method, target, data, headers)
        except Stale:
            response = await self._request_anew(method, target, data, headers)
        body = chunk = b""
        try:
            while len(body) < _CALL_BODY and (chunk := await response.content.readany()):
                body += chunk
        except BROKEN as error:
            body = chunk = b""  # it may be a token, and tools print tracebacks with local variables
            raise self._foreign(error, target) from showable(error)
        finally:
            response.close()
        return Called(response.status, response.headers, body[:_CALL_BODY])

    async def _request(
        self, method: str, target: URL, data: Any, headers: Mapping[str, str]
    ) -> Response | LeanResponse:
        if self._session.closed:
            raise closed()
        at_once = isinstance(data, bytes) and len(data) <= _AT_ONCE
        try:
            if at_once and self._lean and self._proxy is None:
                return await self._posts.post(target, headers, data)
            content = BytesIO(data) if isinstance(data, bytes) and not at_once else data
            return await self._documented(method, target, content, headers)
        except Stale:
            raise
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            failure, cause = self._foreign(error, target), showable(error)
        # Raised out here, so that what cannot be shown is not the error's context either.
        raise failure from cause

    async def _documented(
        self, method: str, target: URL, data: Any, headers: Mapping[str, str]
    ) -> Response:
        """Send a request the way that aiohttp documents."""
        proxy = self._proxy
        through: dict[str, Any] = {"proxy": proxy.url} if proxy else {}
        if proxy and proxy.authorization:
            authorization = {"Proxy-Authorization": Hidden(proxy.authorization)}
            if target.scheme == "https":
                through["proxy_headers"] = authorization
            else:
                headers = {**headers, **authorization}
        response = await self._session.request(
            method, target, data=data, headers=headers, allow_redirects=False, **through
        )
        assert isinstance(response, Response)  # noqa: S101  the session was told so
        return response

    async def _request_anew(
        self, method: str, target: URL, data: Any, headers: Mapping[str, str]
    ) -> Response | LeanResponse:
        """The same over a connection that nobody used before."""
        token = ANEW.set(True)
        try:
            return await self._request(method, target, data, headers)
        finally:
            ANEW.reset(token)

    def _foreign(self, error: Exception, target: URL) -> GatewayError:
        return not_answered(error, target, connect_timeout=self._connector.patience)

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        for exchange in list(self._live):
            exchange.abort()
        await self._session.close()
