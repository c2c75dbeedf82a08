"""The token services of a client: one for each identity that asks.

One client may serve a thousand users, each by a source of their own. They share the pool and never a token:
what a request is authorized by is looked up by the identity of its own source, each time. Two sources of
one identity (a web back end makes one for each request, from what it stored) share a service, so that a
refresh token is not used twice. Where a source's identity changes, since its refresh token was rotated, its
service is found under the new one and under those before.

A service that nobody asked for `IDLE` seconds is dropped.
"""

from __future__ import annotations

import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from gateway_stream.auth.function import Function, TokenFunction
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.service import TokenService
from gateway_stream.auth.source import TokenSource
from gateway_stream.errors import ConfigError
from gateway_stream.net.clocks import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Endpoints
    from gateway_stream.net.clocks import Clock

__all__ = ["IDLE", "Auth", "TokenServices", "as_source"]

IDLE: Final = 900.0
_SWEEP: Final = 60.0

Auth: TypeAlias = TokenSource | TokenFunction
"""What ``auth=`` takes."""


def as_source(auth: Auth) -> TokenSource:
    """The source that an ``auth=`` stands for.

    Raises:
        ConfigError: it is none.
    """
    if hasattr(auth, "fetch"):
        return cast("TokenSource", auth)
    if inspect.isroutine(auth) or isinstance(auth, functools.partial) or _awaits(auth):
        return Function(auth)
    message = f"auth= is {type(auth).__name__}, which gives no tokens"
    hint = "Give a source of gateway_stream.auth or an async function; a token goes into token=."
    if isinstance(cast("Any", auth), str | Secret):
        hint = "Give a token as token=, or as auth=PAT(Secret(...))."
    raise ConfigError(message, hint=hint)


def _awaits(auth: object) -> bool:
    """Whether an object is called as an async function is."""
    return inspect.iscoroutinefunction(getattr(type(auth), "__call__", None))  # noqa: B004


class TokenServices:
    """Makes services as they are wanted, and drops those that are not.

    Args:
        workspace: the origin of the client's workspace, where one is known.
        account_id: its account.
        clock: what tells the time.
    """

    def __init__(
        self, *, workspace: str | None, account_id: str | None = None, clock: Clock = SYSTEM
    ) -> None:
        self._place = (workspace, account_id)
        self._clock = clock
        self._services: dict[Hashable, TokenService] = {}
        self._known: dict[tuple[str, str | None], Endpoints] = {}
        self._lock = threading.Lock()
        self._swept_at = clock.time()

    def __len__(self) -> int:
        return len(self._services)

    def of(self, source: TokenSource) -> TokenService:
        """The service of a source."""
        identity = (type(source), source.identity)
        service = self._services.get(identity)
        return service or self._make(identity, source)

    def _make(self, identity: Hashable, source: TokenSource) -> TokenService:
        workspace, account_id = self._place
        with self._lock:
            now = self._clock.time()
            if now - self._swept_at >= _SWEEP:
                self._swept_at = now
                self._sweep(now - IDLE)
            made = TokenService(
                source,
                workspace=workspace,
                account_id=account_id,
                known=self._known,
                clock=self._clock,
            )
            made.renamed = lambda: self._services.update({(type(source), source.identity): made})
            return self._services.setdefault(identity, made)

    def _sweep(self, since: float) -> None:
        idle = [key for key, service in self._services.items() if service.used_at < since]
        for key in idle:
            del self._services[key]
