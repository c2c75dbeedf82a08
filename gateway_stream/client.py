"""The client: one pool, any number of streams.

A request crosses each door of the house once, and `Client._send` has one statement for each:
the family writes it, the route gives it a URL, the token its header, the pool its slot and
connection, and what comes back goes to the family's decoder and from there to the reader.

A client belongs to no event loop. What is tied to one (sockets, slots, background tasks) is made at
first use there, so one client serves several loops in turn, threads with loops of their own, and a
forked child. Making a client reads the environment and at most one small file, and touches no
network.

What only a made client needs is imported where it is made: asyncio, anyio and OpenSSL cost more than
all else together, and a program may import this package and make no client. Its first request
imports aiohttp, in a thread.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.models import provider_of
from gateway_stream.gateway.routes import family_for, route
from gateway_stream.options import Conversation, RequestOptions, build_request
from gateway_stream.sending import send_authorized
from gateway_stream.stream import EventStream, Opened
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.sse import EVENT_LIMIT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from gateway_stream.auth.secret import Secret
    from gateway_stream.auth.services import Auth
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.net.loops import LoopState
    from gateway_stream.request import Request
    from gateway_stream.session import Session
    from gateway_stream.turn import Turn

__all__ = ["Client"]

POOL_SIZE: Final = 1000
CONNECT_SECONDS: Final = 10.0
_NOT_PRODUCT: Final = re.compile(r"[^A-Za-z0-9 ._/+()-]")


class Client:
    """Streams models behind one gateway, for any number of tasks at once.

    Use it in ``async with``, or keep it for the life of the process.

    Args:
        host: the workspace, a gateway host, or any base URL that serves one of the families. Left
            out, it comes from the environment or ``~/.databrickscfg``.
        token: what to authorize with; ``host::token`` says the host too. Left out, credentials come
            from the environment, from ``~/.databrickscfg``, or from a login.
        auth: what gives tokens, instead of a token: a source of `gateway_stream.auth`, an
            ``async def`` without arguments, or the name of a way to log in, such as
            ``"oauth-m2m"``, whose settings are then found.
        gateway_host: where streams go, if that is not ``host``.
        profile: the profile of ``~/.databrickscfg`` to read.
        family: the wire family of every request, instead of the one that the model's name tells.
        ssl: a TLS context, or the path of the certificates to trust.
        proxy: the proxy's URL, instead of the environment's.
        user_agent: what names your program behind ``gateway_stream/<version>``.
        pool_size: how many requests may be in flight at once, 1000 unless given; others wait
            their turn.
        event_limit: bytes that one event of a stream may have, 16 MiB unless given.
        allow_host: hosts that may get credentials found in the environment, beside Databricks'.
        allow_http: allow plain ``http://`` beyond this machine.

    Raises:
        ConfigError: no host, settings that contradict each other, or one that cannot work.
    """

    def __init__(
        self,
        *,
        host: str | None = None,
        token: str | Secret | None = None,
        auth: Auth | str | None = None,
        gateway_host: str | None = None,
        profile: str | None = None,
        family: str | None = None,
        ssl: ssl.SSLContext | str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        user_agent: str | None = None,
        pool_size: int = POOL_SIZE,
        event_limit: int = EVENT_LIMIT,
        allow_host: tuple[str, ...] = (),
        allow_http: bool = False,
    ) -> None:
        from gateway_stream.auth.services import TokenServices  # noqa: PLC0415
        from gateway_stream.gateway.settings import resolve  # noqa: PLC0415
        from gateway_stream.net.hidden import Hidden  # noqa: PLC0415
        from gateway_stream.net.loops import LoopStates  # noqa: PLC0415
        from gateway_stream.net.surroundings import (  # noqa: PLC0415
            certificate_settings,
            proxy_for,
            read_proxy,
        )

        # For tracebacks that show local variables: what is refused may be a credential.
        token = Hidden(token) if isinstance(token, str) else token
        auth = Hidden(auth) if isinstance(auth, str) else auth
        host = None if host is None else Hidden(host)
        gateway_host = None if gateway_host is None else Hidden(gateway_host)
        proxy = Hidden(proxy) if proxy else None
        self._settings = resolve(
            host=host,
            token=token,
            auth=auth,
            gateway_host=gateway_host,
            profile=profile,
            allow_host=allow_host,
            allow_http=allow_http,
            environ=os.environ,
            home=_home(),
        )
        _at_least_one(pool_size=pool_size, event_limit=event_limit)
        if isinstance(ssl, bool):
            message = "ssl= takes a TLS context, or the path of the certificates to trust"
            raise ConfigError(message, hint="Leave it out to trust what the system trusts.")
        self._family = _known_family(family)
        self._ssl = ssl
        self._certificates = certificate_settings(os.environ)
        base = self._settings.base
        self._proxy = read_proxy(proxy, "proxy=") if proxy else proxy_for(base.scheme, base.netloc)
        self._pool_size = pool_size
        self._event_limit = event_limit
        self._headers = {
            "User-Agent": _user_agent(user_agent),
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        self._loops = LoopStates(self._prepare)
        self._source = self._settings.source
        workspace = self._settings.workspace
        self._services = TokenServices(
            workspace=workspace.origin if workspace else None, account_id=self._settings.account_id
        )

    @property
    def anonymous(self) -> bool:
        """Whether requests go out without credentials, because none were given or found.

        Where only a stored login could be found, that is looked for with the first request.
        """
        from gateway_stream.auth.sources.logins import StoredOrNothing  # noqa: PLC0415

        if not isinstance(self._source, StoredOrNothing):
            return self._source is None
        credentials = self._services.of(self._source).ready()
        return credentials is None or not credentials.headers

    # What callers use.

    def stream(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        auth: Auth | None = None,
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """Ask a model, and read its answer as it comes. Nothing is sent before the stream is entered.

        Args:
            request: a `Request`, or the name of a model.
            messages: what was said so far; a string is the user's.
            family: the wire family to speak, instead of the one that the model's name tells.
            auth: who asks, instead of whom the client was made for: see `Client`.
            options: the fields of `Request`, also in short forms; vendor fields go into ``extra``.

        Raises:
            TypeError: an unknown option.
            ConfigError: something that cannot be sent.
        """
        asked = build_request(request, messages, options)
        spoken = (
            _known_family(family) or self._family or family_for(self._settings.base, asked.model)
        )
        source = _source_of(auth) or self._source
        return EventStream(lambda: self._send(asked, spoken, source), _caller())

    def session(self, *, auth: Auth | None = None) -> Session:
        """What the requests of one agent or user share: who asks."""
        from gateway_stream.session import Session  # noqa: PLC0415  it names this module in its types

        return Session(self, auth=auth)

    async def complete(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        auth: Auth | None = None,
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """Ask a model, and give its whole answer. Takes what `stream` takes.

        Raises:
            GatewayError: the answer is not whole.
        """
        async with self.stream(request, messages, family=family, auth=auth, **options) as stream:
            return await stream.turn()

    # The way of one request.

    async def _send(self, request: Request, family: str, source: TokenSource | None) -> Opened:
        dialect = FAMILIES[family]
        wire = dialect.encode_request(request, provider_of(request.model))
        way = route(self._settings.base, family, request.model, stream=request.stream)
        headers = self._headers | way.headers | wire.headers
        body = _encode(wire.body)
        state = await self._loops.here()
        service = None if source is None else self._services.of(source)
        exchange, trouble = await send_authorized(
            state, service, way.url, headers, body, no_token=self._settings.no_token
        )
        decoder = Decoder(
            dialect,
            request_id=exchange.headers.get("x-request-id"),
            call_id_prefix=f"turn{len(request.messages)}_",
            event_limit=self._event_limit,
        )
        return Opened(state, exchange, decoder, [*wire.notices, *trouble])

    # Loops.

    def _prepare(self) -> Callable[[], LoopState]:
        """What takes time and no loop: importing aiohttp, reading certificates. Runs in a thread."""
        from gateway_stream.net.loops import LoopState  # noqa: PLC0415
        from gateway_stream.net.surroundings import tls_context  # noqa: PLC0415
        from gateway_stream.net.transport import Transport  # noqa: PLC0415

        context = tls_context(self._ssl, self._certificates)

        def make() -> LoopState:
            transport = Transport(context, self._proxy, connect_timeout=CONNECT_SECONDS)
            return LoopState(transport, pool_size=self._pool_size)

        return make

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close this loop's connections, those in use too. The client can be used again."""
        await self._loops.close_here()


def _source_of(auth: Auth | None) -> TokenSource | None:
    if auth is None:
        return None
    from gateway_stream.auth.services import as_source  # noqa: PLC0415  a client has loaded it

    return as_source(auth)


def _home() -> Path | None:
    from pathlib import Path  # noqa: PLC0415

    try:
        return Path.home()
    except RuntimeError:  # a container's user may have no entry and no HOME
        return None


def _at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            message = f"{name} is {number}"
            raise ConfigError(message, hint="Give 1 or more.")


def _known_family(family: str | None) -> str | None:
    if family is not None and family not in FAMILIES:
        message = f"no wire family {family!r}"
        raise ConfigError(message, hint=f"Use one of {', '.join(FAMILIES)}.")
    return family


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError, RecursionError) as error:
        message = f"the request cannot be written as JSON: {error}"
        raise ConfigError(
            message, hint="Look at extra, metadata and the tools' schemas."
        ) from error


def _user_agent(partner: str | None) -> str:
    from gateway_stream import __version__  # noqa: PLC0415  the package imports this module

    product = f"gateway_stream/{__version__}"
    cleaned = " ".join(_NOT_PRODUCT.sub("", partner or "").split())[:128]
    return f"{product} {cleaned}" if cleaned else product


def _caller() -> str:
    """Where the user's code asked for a stream."""
    frame = sys._getframe(2)  # noqa: SLF001  the documented way to name a caller cheaply
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
