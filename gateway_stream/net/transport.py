"""The one aiohttp pool, and the border at which foreign errors become ours.

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

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
from aiohttp.http import HttpProcessingError
from yarl import URL

from gateway_stream.errors import (
    ConnectError,
    ConnectionLost,
    GatewayError,
    ProtocolError,
    TimedOut,
)
from gateway_stream.net.calls import Called
from gateway_stream.net.connections import Connector, Response
from gateway_stream.net.hidden import Hidden
from gateway_stream.net.leases import closed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from gateway_stream.net.leases import Lease
    from gateway_stream.net.surroundings import Proxy

__all__ = ["ERROR_BODY_SECONDS", "Exchange", "Transport"]

_ERROR_BODY: Final = 64 * 1024
_CALL_BODY: Final = 4 * 1024 * 1024
_CALLING: Final = {"Accept-Encoding": "identity"}
ERROR_BODY_SECONDS: Final = 2.0
_AT_ONCE: Final = 64 * 1024
"""Bytes of a request that are written in one piece; larger ones let the loop run in between."""


class Exchange:
    """One request and its response. Its owner reads it to the end, drains it or aborts it."""

    broken: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)

    def __init__(
        self,
        response: Response,
        lease: Lease,
        live: set[Exchange],
        *,
        connect: float | None,
    ) -> None:
        self._response = response
        self._content = response.content
        self.lease = lease
        self._live = live
        self._aborted = False
        self.receive: Callable[[], Awaitable[bytes]] = self._content.readany
        """Gives the next bytes, for who reads every token and so wants no call in between.

        Raises one of `broken` where the body breaks off, which `lost` explains. Who reads so releases
        the exchange at the body's end.
        """
        live.add(self)
        self.queued = 0.0
        self.connect = connect or 0.0
        self.reused = connect is None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._connection_end = response.handler.closed
        if self._connection_end is not None and not self.at_end:
            self._connection_end.add_done_callback(self._break_off)

    async def read(self) -> bytes:
        """The next bytes of the body as they come; empty at its end.

        Raises:
            ConnectionLost: the body broke off.
        """
        try:
            chunk = await self.receive()
        except self.broken as error:
            raise self.lost(error) from error
        if not chunk:
            self._free()
        return chunk

    def lost(self, error: Exception) -> ConnectionLost:
        """The error of a body that broke off; what is left of its connection is closed."""
        self.abort()
        message = f"the connection to the gateway was lost: {_reason(error)}"
        lost = ConnectionLost(
            message, code=type(error).__name__, phase="stream", retryable=True, hint=_LOST
        )
        lost.__cause__ = error
        return lost

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

    def _break_off(self, _end: object) -> None:
        """The connection has ended: tell the reader, if aiohttp has not."""
        if not self._content.is_eof() and self._content.exception() is None:
            cause = self._response.handler.exception()
            self._content.set_exception(cause or aiohttp.ClientPayloadError("the connection ended"))

    def _free(self) -> None:
        if self._connection_end is not None:
            self._connection_end.remove_done_callback(self._break_off)
        self._live.discard(self)
        self.lease.release()


_LOST: Final = "Send the request again; what came before is kept."


class Transport:
    """A pool of connections that belongs to one event loop."""

    def __init__(
        self, context: ssl.SSLContext, proxy: Proxy | None, *, connect_timeout: float
    ) -> None:
        self._proxy = proxy
        self._connect_timeout = connect_timeout
        self._live: set[Exchange] = set()
        self._connector = Connector(limit=0, ssl=context)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # With no limit of its own the pool makes nobody wait, so this is the time for a name
            # look-up, a connection, a proxy's tunnel and TLS together.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout),
            response_class=Response,
        )

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
        if self._session.closed:
            lease.release()
            raise closed()
        try:
            data = body if len(body) <= _AT_ONCE else BytesIO(body)
            response = await self._request("POST", target, data, headers)
        except BaseException:
            lease.release()
            raise
        connect = self._connector.took(response.handler)
        return Exchange(response, lease, self._live, connect=connect)

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
        if self._session.closed:
            raise closed()
        data = None if form is None else aiohttp.FormData(form)
        response = await self._request(method, target, data, {**headers, **_CALLING})
        body = chunk = b""
        try:
            while len(body) < _CALL_BODY and (chunk := await response.content.readany()):
                body += chunk
        except Exchange.broken as error:
            body = chunk = b""  # it may be a token, and tools print tracebacks with local variables
            raise self._foreign(error, target) from _showable(error)
        finally:
            response.close()
        return Called(response.status, response.headers, body[:_CALL_BODY])

    async def _request(
        self, method: str, target: URL, data: Any, headers: Mapping[str, str]
    ) -> Response:
        proxy = self._proxy
        through: dict[str, Any] = {"proxy": proxy.url} if proxy else {}
        if proxy and proxy.authorization:
            authorization = {"Proxy-Authorization": Hidden(proxy.authorization)}
            if target.scheme == "https":
                through["proxy_headers"] = authorization
            else:
                headers = {**headers, **authorization}
        try:
            response = await self._session.request(
                method, target, data=data, headers=headers, allow_redirects=False, **through
            )
        except (aiohttp.ClientError, OSError) as error:
            failure, cause = self._foreign(error, target), _showable(error)
        else:
            assert isinstance(response, Response)  # noqa: S101  the session was told so
            return response
        # Raised out here, so that what cannot be shown is not the error's context either.
        raise failure from cause

    def _foreign(self, error: Exception, target: URL) -> GatewayError:
        """The error of ours that stands for one of aiohttp's."""
        place = f"{target.host}:{target.port}"
        if isinstance(error, TimeoutError):
            message = f"no connection to {place} within {self._connect_timeout:g} s"
            hint = "Check the network and the proxy settings."
            return TimedOut(message, phase="connect", retryable=True, hint=hint)
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            message = f"TLS with {place} failed: {_reason(error)}"
            hint = "If a private authority signs there, name its certificates in SSL_CERT_FILE or ssl=."
            return ConnectError(message, code="tls", phase="connect", hint=hint)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            message = f"the proxy refused the way to {place}: {error.status} {error.message}"
            hint = "Check HTTPS_PROXY, NO_PROXY or proxy=."
            status = error.status
            return ConnectError(message, code="proxy", status=status, phase="connect", hint=hint)
        if isinstance(error, aiohttp.ClientConnectorError):
            message = f"no connection to {place}: {_reason(error)}"
            hint = "Check the host's name, the network and the proxy settings."
            return ConnectError(message, code="connect", phase="connect", retryable=True, hint=hint)
        if isinstance(error, aiohttp.ClientResponseError):
            message = f"{place} did not answer in HTTP: {error.message}"
            hint = "Check that the host and port are the gateway's."
            return ProtocolError(message, code="http", phase="response", hint=hint)
        message = f"the connection to {place} was lost before it answered: {_reason(error)}"
        return ConnectionLost(
            message,
            code=type(error).__name__,
            phase="response",
            retryable=True,
            hint="Send the request again.",
        )

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        for exchange in list(self._live):
            exchange.abort()
        await self._session.close()


def _showable(error: Exception) -> Exception | None:
    """The error, unless it holds the request with its credentials."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the other side closed it"  # its text may be all of a response's head
    system = getattr(error, "os_error", None)
    if isinstance(error, HttpProcessingError):
        system = error.message
    text = str(system or error) or type(error).__name__
    return " ".join(text.split())[:300]
