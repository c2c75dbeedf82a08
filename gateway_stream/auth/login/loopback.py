"""The end of a browser login on a person's own machine: a port that the browser comes back to.

It listens on this machine's own addresses alone (RFC 8252, section 7.3), on both kinds where there are
both, because ``localhost`` may mean either: where one of them is somebody else's, the port is taken. The
ports 8020 to 8040 are tried in order, as the Databricks CLI does; an app that has a redirect URI of its own
is listened for there and nowhere else.

What a browser does beside: it connects ahead and sends nothing, asks for ``/favicon.ico``, sends every
cookie that any program on this machine ever set. So each connection is served by itself and none is waited
for. One request is taken: a GET of the redirect's path whose state is right. A page elsewhere that makes
the browser come here does not know the state, and so can neither end a login nor slip in a code.
"""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.stapled import MultiListener

from gateway_stream.auth.login.pkce import REDIRECT, read_redirect
from gateway_stream.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import Listener, SocketStream

__all__ = ["PORTS", "Loopback", "listen"]

PORTS: Final = range(8020, 8041)

_ADDRESSES: Final = {
    "localhost": ("127.0.0.1", "::1"),
    "127.0.0.1": ("127.0.0.1",),
    "::1": ("::1",),
}
_HEAD: Final = 256 * 1024
_WRITE_SECONDS: Final = 5.0
_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>gateway-stream</title>"
    "<style>body{{font:1.2rem sans-serif;margin:20vh auto;max-width:32rem}}</style>"
    "<h1>{title}</h1><p>{text}</html>\n"
)
_DONE: Final = _PAGE.format(
    title="You can go back",
    text="The program that sent you here finishes the login. You may close this page.",
)
_REFUSED: Final = _PAGE.format(
    title="The login was refused",
    text="The program that sent you here says why. You may close this page.",
)
_STRANGE: Final = _PAGE.format(
    title="Nobody waits for this login",
    text="It may have been begun twice. Look for another page like this, or begin it again.",
)
_NOTHING: Final = _PAGE.format(title="Nothing is here", text="A login is waited for elsewhere.")


class Loopback:
    """Waits for one browser. Made by `listen`."""

    def __init__(self, listener: Listener[SocketStream], redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self.target: str | None = None
        """Path and query of the request that was taken."""
        self._listener = listener
        self._path = urlsplit(redirect_uri).path or "/"

    async def came_back(self, state: str) -> str:
        """Path and query of the one request whose state is ``state``. Waits for it."""
        answered = anyio.Event()

        async def serve(stream: SocketStream) -> None:
            try:
                await self._serve(stream, state)
            finally:
                if self.target is not None:
                    answered.set()

        async with anyio.create_task_group() as group:
            group.start_soon(self._listener.serve, serve)
            await answered.wait()
            group.cancel_scope.cancel()
        assert self.target is not None  # noqa: S101  it was answered
        return self.target

    async def _serve(self, stream: SocketStream, state: str) -> None:
        async with stream:
            try:
                head = await BufferedByteReceiveStream(stream).receive_until(b"\r\n\r\n", _HEAD)
                status, page = self._judge(head, state)
            except anyio.DelimiterNotFound:
                status, page = "431 Request Header Fields Too Large", _NOTHING
            except (anyio.IncompleteRead, anyio.BrokenResourceError):
                return
            with anyio.move_on_after(_WRITE_SECONDS):
                try:
                    await stream.send(_answer(status, page))
                except anyio.BrokenResourceError:
                    return

    def _judge(self, head: bytes, state: str) -> tuple[str, str]:
        """What to answer. Takes the request if it is the one."""
        words = head.partition(b"\r\n")[0].decode("ascii", "replace").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004  method, target, version
            return "400 Bad Request", _NOTHING
        method, target, _ = words
        if target.partition("?")[0] != self._path or self.target is not None:
            return "404 Not Found", _NOTHING
        if method != "GET":
            return "405 Method Not Allowed", _NOTHING
        page = _DONE
        try:
            read_redirect(target, state)
        except AuthError as error:
            if error.code == "state":
                return "400 Bad Request", _STRANGE
            page = _REFUSED
        self.target = target
        return "200 OK", page


def _answer(status: str, page: str) -> bytes:
    body = page.encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Referrer-Policy: no-referrer",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


@asynccontextmanager
async def listen(redirect_uri: str = REDIRECT) -> AsyncIterator[Loopback]:
    """Listen where a browser is to come back to, as long as the block lasts.

    Args:
        redirect_uri: on this machine and with a port; port 0 is one that is free. `REDIRECT`
            stands for all of `PORTS`.

    Raises:
        ConfigError: the URI is not one of this machine, or its port is not free.
    """
    parts = urlsplit(redirect_uri)
    addresses = _ADDRESSES.get(parts.hostname or "")
    port = _port(redirect_uri)
    if parts.scheme != "http" or addresses is None or port is None:
        message = (
            "the redirect URI is not http://localhost:<port>, and a browser is to come back here"
        )
        raise ConfigError(message, hint="Register such a one, or log in with --no-browser.")
    ports: Sequence[int] = PORTS if redirect_uri == REDIRECT else (port,)
    for number in ports:
        listeners = await _bind(addresses, number)
        if listeners:
            taken = listeners[0].extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django
            netloc = parts.netloc.rpartition(":")[0] + f":{taken}"
            async with MultiListener(listeners) as listener:
                yield Loopback(listener, parts._replace(netloc=netloc).geturl())
            return
    span = f"port {port} is" if len(ports) == 1 else f"the ports {ports[0]} to {ports[-1]} are"
    message = f"{span} in use, and the browser is to come back there"
    raise ConfigError(message, hint="End what listens there, or log in with --no-browser.")


def _port(uri: str) -> int | None:
    try:
        return urlsplit(uri).port
    except ValueError:
        return None


async def _bind(addresses: Sequence[str], port: int) -> list[Listener[SocketStream]]:
    """Listeners on all addresses that this machine has; none if one of them is taken."""
    listeners: list[Listener[SocketStream]] = []
    for address in addresses:
        try:
            made = await anyio.create_tcp_listener(local_host=address, local_port=port)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                for listener in listeners:
                    await listener.aclose()
                return []
            continue  # a machine without IPv6, or without IPv4
        listeners += made.listeners
        port = port or made.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django
    return listeners
