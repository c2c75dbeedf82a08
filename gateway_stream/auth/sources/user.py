"""OAuth for people, after they have logged in: their access token, renewed by their refresh token.

A refresh token is used once (see `gateway_stream.auth.stored`). Three rules keep that:

- A refresh is not sent again where its answer was lost, for it may have been taken.
- What a refresh gave is handed to be stored before its access token authorizes anything. Where storing
  it fails, it stays in memory and is handed over again at the next chance: the login works on, and is lost
  only if the process ends before that. One moment is nobody's to close: between the server's answer and
  the end of storing it.
- One source refreshes once at a time, whichever loops and threads ask it.

**Who is who.** A web back end makes a source from its database for each request. They are one person's if
they have one refresh token, so that is the source's identity; it changes with each refresh, and
`gateway_stream.auth.services` finds the person's service under the new one and those before.

A dead refresh token is ``invalid_grant`` (RFC 6749, section 5.2); a workspace answers ``invalid_request``
and says "Refresh token is invalid" (databricks/cli, ``cmd/auth/token_test.go``).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import anyio
import anyio.to_thread
import msgspec

from gateway_stream.auth.authority import OAuthClient
from gateway_stream.auth.secret import Secret, hidden
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import AuthError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.token import Token

__all__ = ["U2M", "OnRotate", "refreshed"]

OnRotate: TypeAlias = Callable[[StoredLogin], Awaitable[object] | object]
"""Stores a login that was renewed. A plain function runs in a worker thread."""

_LOOK: Final = 0.02
_GRACE: Final = 5.0
_log = logging.getLogger("gateway_stream.auth")


class U2M:
    """A person's login, as a web back end keeps it.

    Clients share one token among sources of one person, and keep the source that was made first: what
    ``on_rotate`` needs (a pool of database connections, say) has to outlive the request that made it.
    Processes share nothing: where several serve one person with one login, each refreshes by itself,
    and a server that takes a refresh token once ends the login. Serve each person from one process.

    For a database it is data by ``gateway_stream.auth.dump.dump(source, expose_secrets=True)``, and a source
    again by ``load``.

    Args:
        stored: the login, as `gateway_stream.auth.login.pkce.Login` or ``on_rotate`` gave it.
        client_id: the app that the person let in, where the login does not say.
        client_secret: its secret, if it has one.
        on_rotate: stores the login each time that it was renewed, in place of the one before. If it
            raises, the login is kept in memory and handed to it again.
    """

    method: ClassVar[str] = "external-browser"
    renewable: ClassVar[bool] = True

    def __init__(
        self,
        stored: StoredLogin,
        *,
        client_id: str | None = None,
        client_secret: Secret | None = None,
        on_rotate: OnRotate | None = None,
    ) -> None:
        if client_id is not None:
            stored = msgspec.structs.replace(stored, client_id=client_id)
        self.stored = stored
        """The login as it is now."""
        self.client_secret = hidden(client_secret, "the client secret")
        self._on_rotate = on_rotate
        self._unsaved = False
        self._turn = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"U2M(host={self.stored.host!r}, client_id={self.stored.client_id!r})"

    @property
    def identity(self) -> Hashable:
        """The person: host, app and current refresh token."""
        now = self.stored
        return now.host, now.account_id, now.client_id, now.refresh_token or now.access_token

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """The access token, while it is another than ``instead_of`` and serves; else the next one.

        Raises:
            AuthError: the person has to log in again.
            GatewayError: the server cannot be reached, or cannot answer.
        """
        return await desk.to_the_end(self._next(desk, instead_of))

    async def _next(self, desk: Desk, instead_of: Token | None) -> Token:
        if self._pid != os.getpid():  # whoever held the lock at a fork is the parent's
            self._pid, self._turn = os.getpid(), threading.Lock()
        turn = self._turn
        while not turn.acquire(blocking=False):  # noqa: ASYNC110  its holder may be in another loop
            await anyio.sleep(_LOOK)
        try:
            await self._save()
            token = self.stored.token()
            refused = instead_of is not None and instead_of.value == token.value
            if not refused and desk.clock.time() < token.over_at:
                return token
            self.stored = await refreshed(self.stored, desk, client_secret=self.client_secret)
            self._unsaved = True
            await self._save()
            return self.stored.token()
        finally:
            turn.release()

    async def _save(self) -> None:
        """Hand over what was not stored yet. Who is cancelled meanwhile still lets it end."""
        if not self._unsaved or self._on_rotate is None:
            return
        saving = asyncio.ensure_future(self._hand_over(self._on_rotate))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([saving], timeout=_GRACE)
            saving.cancel()
            raise

    async def _hand_over(self, on_rotate: OnRotate) -> None:
        try:
            if _is_async(on_rotate):
                given = on_rotate(self.stored)
            else:
                given = await anyio.to_thread.run_sync(on_rotate, self.stored)
            if inspect.isawaitable(given):
                await given
        except Exception as error:  # noqa: BLE001  the user's own code, whose text may hold the login
            _log.warning(
                "a renewed login was not stored and is kept in memory: on_rotate raised %s",
                type(error).__name__,
            )
        else:
            self._unsaved = False


def _is_async(function: object) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004  an object may be called too
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


async def refreshed(
    stored: StoredLogin, desk: Desk, *, client_secret: Secret | None = None
) -> StoredLogin:
    """The login after its refresh token was used. It has to be stored before it is used.

    Raises:
        AuthError: somebody has to log in again: the refresh token is dead, or there is none.
        GatewayError: the server cannot be reached, or cannot answer.
    """
    host = stored.host.rstrip("/")
    if stored.refresh_token is None:
        message = f"the login at {host} is over, and it has no refresh token"
        raise AuthError(message, phase="token", hint=_log_in(host))
    endpoints = await desk.endpoints(host, stored.account_id)
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": Hidden(stored.refresh_token.reveal()),
    }
    client = OAuthClient(id=stored.client_id, secret=client_secret)
    try:
        grant = await desk.grant(endpoints, fields, client, repeatable=False)
    except AuthError as error:
        if error.code != "invalid_grant" and "refresh token" not in error.message.lower():
            raise
        message = f"the login at {host} is over: its refresh token is not good any more"
        raise AuthError(
            message, code=error.code, status=error.status, phase="token", hint=_log_in(host)
        ) from error
    return stored.renewed(grant)


def _log_in(host: str) -> str:
    return f"Log in again: gateway-stream auth login --host {host}."
