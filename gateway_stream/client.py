"""The client: one pool, any number of streams.

This module is what callers speak to. How a request goes out and its answer comes in is
`gateway_stream.sending` and `gateway_stream.incoming`.

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
import sys
from typing import TYPE_CHECKING, Final, Self, Unpack

from gateway_stream.attempts import Fallback, Try, after_any_failure
from gateway_stream.errors import ConfigError
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.minutes import Limits
from gateway_stream.net.pools import PoolPlan
from gateway_stream.net.retry import NO_RETRIES, Retry, RetryPolicy, read_retry
from gateway_stream.net.watchdog import Timeouts, checked_timeouts
from gateway_stream.options import Conversation, RequestOptions, build_request
from gateway_stream.sending import Sender, known_family
from gateway_stream.wire.sse import EVENT_LIMIT
from gateway_stream.writing import own_headers

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

    from gateway_stream.auth.secret import Secret
    from gateway_stream.auth.services import Auth
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.budget import Budget
    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.recording import Follower
    from gateway_stream.net.stats import Stats
    from gateway_stream.request import Request
    from gateway_stream.session import Session
    from gateway_stream.stream import EventStream
    from gateway_stream.turn import Turn

__all__ = ["Client"]

POOL_SIZE: Final = 1000
QUEUE_SIZE: Final = 10_000


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
        queue_size: how many requests may wait for an endpoint, 10,000 unless given; one more is
            refused at once.
        event_limit: bytes that one event of a stream may have, 16 MiB unless given.
        timeouts: how long each thing may take.
        retry: how often and when a request is sent again; a word changes the policy alone. Left
            out, the numbers come from the environment (``DATABRICKS_MAX_RETRIES`` and others).
        limits: what each endpoint may be asked, where you know more than it tells.
        fast_model: the model that `complete_fast` asks first.
        recorder: what records every exchange, such as `gateway_stream.testing.Recorder`.
        clock: what tells the time and waits, for tests in which hours pass at once.
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
        queue_size: int = QUEUE_SIZE,
        event_limit: int = EVENT_LIMIT,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        limits: Limits | None = None,
        fast_model: str | None = None,
        recorder: Follower | None = None,
        clock: Timer = SYSTEM,
        allow_host: tuple[str, ...] = (),
        allow_http: bool = False,
    ) -> None:
        from gateway_stream.auth.services import TokenServices  # noqa: PLC0415
        from gateway_stream.gateway.retries import retry_of  # noqa: PLC0415
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
        _at_least_one(pool_size=pool_size, queue_size=queue_size, event_limit=event_limit)
        if isinstance(ssl, bool):
            message = "ssl= takes a TLS context, or the path of the certificates to trust"
            raise ConfigError(message, hint="Leave it out to trust what the system trusts.")
        base = self._settings.base
        self._fast_model = fast_model
        timeouts = Timeouts() if timeouts is None else timeouts
        checked_timeouts(timeouts)
        if limits is not None and not isinstance(limits, Limits):
            message = f"limits is {limits!r}, and no Limits"
            raise ConfigError(message, hint="Say which: Limits(requests_per_minute=60).")
        plan = PoolPlan(
            ssl=ssl,
            certificates=certificate_settings(os.environ),
            proxy=read_proxy(proxy, "proxy=") if proxy else proxy_for(base.scheme, base.netloc),
            connect=timeouts.connect,
            pool_size=pool_size,
            queue_size=queue_size,
            limits=limits or Limits(),
            timer=clock,
            recorder=recorder,
        )
        self._loops = LoopStates(plan.prepare)
        workspace = self._settings.workspace
        self._services = TokenServices(
            workspace=workspace.origin if workspace else None,
            account_id=self._settings.account_id,
            clock=clock,
        )
        self._sender = Sender(
            self._settings,
            headers=own_headers(user_agent),
            family=known_family(family),
            event_limit=event_limit,
            timeouts=timeouts,
            retry=read_retry(retry, retry_of(os.environ)),
            loops=self._loops,
            services=self._services,
            timer=clock,
        )

    @property
    def anonymous(self) -> bool:
        """Whether requests go out without credentials, because none were given or found.

        Where only a stored login could be found, that is looked for with the first request.
        """
        from gateway_stream.auth.sources.logins import StoredOrNothing  # noqa: PLC0415

        if not isinstance(self._settings.source, StoredOrNothing):
            return self._settings.source is None
        credentials = self._services.of(self._settings.source).ready()
        return credentials is None or not credentials.headers

    # What callers use.

    def stream(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        auth: Auth | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """Ask a model, and read its answer as it comes. Nothing is sent before the stream is entered.

        Args:
            request: a `Request`, or the name of a model.
            messages: what was said so far; a string is the user's.
            family: the wire family to speak, instead of the one that the model's name tells.
            auth: who asks, instead of whom the client was made for: see `Client`.
            timeouts: how long each thing may take, instead of the client's.
            retry: how often and when it is sent again, instead of the client's.
            fallback: models to ask instead, in order, where one fails for good: a list, or lists by
                class of error.
            options: the fields of `Request`, also in short forms; vendor fields go into ``extra``.

        Raises:
            TypeError: an unknown option.
            ConfigError: something that cannot be sent.
        """
        return self._sender.ask(
            build_request(request, messages, options),
            place=_caller(),
            family=family,
            source=_source_of(auth),
            timeouts=timeouts,
            retry=retry,
            fallback=fallback,
        )

    def session(
        self,
        name: str | None = None,
        *,
        weight: float = 1.0,
        auth: Auth | None = None,
        budget: Budget | None = None,
    ) -> Session:
        """One agent's session: who asks, its fair share of the pool, its conversation and its budget.

        Args:
            name: what its ``repr`` calls it.
            weight: how much more than a session of weight 1 it gets where they wait for each other.
            auth: who asks, instead of whom the client was made for: see `Client`.
            budget: what its answers may cost, together.
        """
        from gateway_stream.session import Session  # noqa: PLC0415  it names this module in its types

        return Session(self, name, weight=weight, auth=auth, budget=budget)

    async def complete(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        auth: Auth | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """Ask a model, and give its whole answer. Takes what `stream` takes.

        Raises:
            GatewayError: the answer is not whole.
        """
        async with self._sender.ask(
            build_request(request, messages, options),
            place=_caller(),
            family=family,
            source=_source_of(auth),
            timeouts=timeouts,
            retry=retry,
            fallback=fallback,
        ) as stream:
            return await stream.turn()

    async def complete_fast(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        fast_model: str | None = None,
        family: str | None = None,
        auth: Auth | None = None,
        timeouts: Timeouts | None = None,
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """Ask the fast model, without retries; if it fails, ask the given one, once.

        The turn then has a `Notice` (``fast_model_failed``), and names the model that answered.

        Args:
            request: as in `stream`; its model is asked where the fast one fails.
            messages: as in `stream`.
            fast_model: the fast model, instead of the client's.
            family: as in `stream`.
            auth: as in `stream`.
            timeouts: as in `stream`; the deadline counts for both together.
            options: as in `stream`.

        Raises:
            ConfigError: no fast model is known.
            GatewayError: neither gave a whole answer.
        """
        asked = build_request(request, messages, options)
        fast = fast_model or self._fast_model
        if not fast:
            message = "no fast model is known"
            raise ConfigError(message, hint="Name one: fast_model=... here or in Client(...).")
        given = Try(asked.model, NO_RETRIES, "fast_model_failed")
        async with self._sender.ask_in_turn(
            asked,
            Try(fast, NO_RETRIES),
            after_any_failure(given),
            place=_caller(),
            family=family,
            source=_source_of(auth),
            timeouts=timeouts,
        ) as stream:
            return await stream.turn()

    def stats(self) -> Stats:
        """How the pool is used just now, over all loops of this process. Cheap enough to be polled."""
        from gateway_stream.net.stats import stats_of  # noqa: PLC0415

        return stats_of(self._loops, refreshes=self._services.refreshes)

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


def _at_least_one(**numbers: object) -> None:
    for name, number in numbers.items():
        if not (isinstance(number, int) and number >= 1):
            message = f"{name} is {number!r}"
            raise ConfigError(message, hint="Give 1 or more.")


def _caller() -> str:
    """Where the user's code asked for a stream."""
    frame = sys._getframe(2)  # noqa: SLF001  the documented way to name a caller cheaply
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
