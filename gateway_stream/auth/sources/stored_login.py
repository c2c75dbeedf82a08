"""Tokens from a stored login, which all processes of a user share.

A stored token that serves is given as it is. One that is to be replaced is looked for in the store first,
because another process may have renewed it meanwhile; if none did, the login is held (see
`gateway_stream.auth.store.login_store`), looked at once more, renewed and stored, and only then is its token given. So of
many processes one asks the server, and a refresh token is used once.

**A rotated refresh token is stored before anything else is done with what came with it.** Before the server
is asked it is made sure that the store can be written, and once its answer is read the writing cannot be called off.
A process that is killed at any other moment finds, when it is started again, either the old login, unused, or
the new one. One moment nobody can close: from the server's giving a new refresh token until that is on the
disk. Who is killed then has to log in again, if the server takes each refresh token once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway_stream.auth.sources.user import refreshed
from gateway_stream.auth.store.kept import origin_of
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.store.kept import Entry, KeptLogin
    from gateway_stream.auth.token import Token

__all__ = ["NotLoggedIn", "StoredLoginSource"]


class NotLoggedIn(AuthError):
    """No login is stored for a host."""


class StoredLoginSource(msgspec.Struct, frozen=True, kw_only=True):
    """The login that ``gateway-stream auth login`` stored for a host.

    Attributes:
        host: the workspace.
        profile: the profile whose login comes first, if it has one of its own.
        store: where logins are kept; left out, the user's own store.
    """

    method: ClassVar[str] = "external-browser"
    renewable: ClassVar[bool] = True

    host: str
    profile: str | None = None
    store: LoginStore | None = None

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """The stored access token, if it serves and is another than ``instead_of``; else a renewed one.

        Raises:
            NotLoggedIn: nothing is stored.
            AuthError: the login is over, or the keyring does not give it.
            ConfigError: the store is damaged, or cannot be written.
            GatewayError: the server cannot be reached, or cannot answer.
        """
        store = self.store or LoginStore()
        entry = await store.find(self.host, self.profile)
        if entry is None:
            raise self._nobody()
        token = self._serving(await self._read(store, entry), desk, instead_of)
        if token is not None:
            return token
        return await desk.to_the_end(self._renewed(store, entry, desk, instead_of))

    async def _renewed(
        self, store: LoginStore, entry: Entry, desk: Desk, instead_of: Token | None
    ) -> Token:
        async with store.alone(entry.key) as alone:
            kept = await self._read(store, entry)
            token = self._serving(kept, desk, instead_of)
            if token is None:
                before = await alone.rehearse()
                login = await refreshed(kept.login, desk, client_secret=kept.client_secret)
                await alone.save(msgspec.structs.replace(kept, login=login), before)
                token = login.token()
        return token

    async def _read(self, store: LoginStore, entry: Entry) -> KeptLogin:
        kept = await store.read(entry.key)
        if kept is None:  # logged out meanwhile, or removed from the keyring by hand
            raise self._nobody()
        return kept

    def _serving(self, kept: KeptLogin, desk: Desk, instead_of: Token | None) -> Token | None:
        """The login's token, if it will do; ``None`` if it is to be renewed.

        What is asked for first may be stale, since it is renewed behind the scenes then. What comes instead
        of another has to be fresh.
        """
        token, now = kept.login.token(), desk.clock.time()
        if instead_of is None:
            return token if now < token.over_at else None
        if token.value != instead_of.value:
            return token if now < token.stale_at else None
        if kept.is_token:
            message = f"the token that is stored for {kept.login.host} is not accepted"
            raise AuthError(message, phase="token", hint=f"Store another one: {self._login()}")
        return None

    def _nobody(self) -> NotLoggedIn:
        message = f"nobody is logged in at {origin_of(self.host)}"
        return NotLoggedIn(message, phase="token", hint=f"Log in: {self._login()}")

    def _login(self) -> str:
        profile = f" --profile {self.profile}" if self.profile else ""
        return f"gateway-stream auth login --host {origin_of(self.host)}{profile}"
