"""The token services of a client: one for each identity that asks.

One client may serve a thousand users, each by a source of their own. They share the pool and never a token:
what a request is authorized by is looked up by the identity of its own source, each time. Two sources of
one identity (a web back end makes one for each request, from what it stored) share a service, so that a
refresh token is not used twice. Where a source's identity changes, since its refresh token was rotated, its
service is found under the new one and under the last `NAMES` before; under the new one even while the fetch
that changed it is still under way.

A service that nobody asked for `gateway_stream.auth.service.IDLE` seconds is dropped.

There is no lock: threads meet here in single steps of `dict`, which are atomic, and a lock would be held for
ever in a child that was forked while another thread held it.
"""

from __future__ import annotations

import functools
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.service import IDLE, TokenService
from gateway_stream.auth.source import TokenSource
from gateway_stream.auth.sources.function import Function, TokenFunction
from gateway_stream.errors import ConfigError
from gateway_stream.net.clocks import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.discovery import Endpoints
    from gateway_stream.net.clocks import Clock

__all__ = ["NAMES", "Auth", "TokenServices", "as_source"]

NAMES: Final = 8
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
    if inspect.isroutine(auth) or isinstance(auth, functools.partial):
        return Function(auth)
    if inspect.iscoroutinefunction(getattr(type(auth), "__call__", None)):  # noqa: B004
        # A bound method has an identity, even where its object cannot be hashed.
        return Function(cast("Any", auth).__call__)
    message = f"auth= is {type(auth).__name__}, which gives no tokens"
    hint = "Give a source of gateway_stream.auth or an async function; a token goes into token=."
    if isinstance(cast("Any", auth), str | Secret):
        hint = "Give a token as token=, or as auth=PAT(Secret(...))."
    raise ConfigError(message, hint=hint)


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
        self.refreshes = 0
        """Tokens that were fetched so far, for all identities."""
        self._services: dict[Hashable, TokenService] = {}
        self._known: dict[tuple[str, str | None], Endpoints] = {}
        self._swept_at = clock.time()

    def __len__(self) -> int:
        return len(set(self._services.copy().values()))

    def of(self, source: TokenSource) -> TokenService:
        """The service of a source."""
        name = _name(source)
        service = self._services.get(name)
        return service or self._make(name, source)

    def _make(self, name: Hashable, source: TokenSource) -> TokenService:
        now = self._clock.time()
        if now - self._swept_at >= _SWEEP:
            self._swept_at = now
            self._sweep(now - IDLE)
        for other in self._services.copy().values():
            if other.fetching and _name(other.source) == name:
                return other
        workspace, account_id = self._place
        made = TokenService(
            source,
            workspace=workspace,
            account_id=account_id,
            known=self._known,
            clock=self._clock,
        )
        made.fetched = self._count
        made.renamed = functools.partial(self._rename, made, deque([name]))
        return self._services.setdefault(name, made)

    def _count(self) -> None:
        self.refreshes += 1

    def _rename(self, service: TokenService, names: deque[Hashable]) -> None:
        """Find a service under what its source is called now."""
        name = _name(service.source)
        if name not in names:
            names.append(name)
            self._services[name] = service
            if len(names) > NAMES and self._services.get(oldest := names.popleft()) is service:
                self._services.pop(oldest, None)

    def _sweep(self, since: float) -> None:
        for name, service in self._services.copy().items():
            if service.idle_since(since):
                self._services.pop(name, None)


def _name(source: TokenSource) -> Hashable:
    """What a service is found under. Kinds of sources may have values in common, and no tokens."""
    return type(source), source.identity
