"""Logins in a store, as tests make and look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from tests.auth.people import kept

if TYPE_CHECKING:
    from gateway_stream.auth import Token
    from gateway_stream.auth.sources.stored_login import StoredLoginSource
    from gateway_stream.auth.stored import StoredLogin
    from gateway_stream.testing import FakeGateway, Issuer

__all__ = ["fetch", "log_in", "stored"]


async def log_in(
    issuer: Issuer,
    gateway: FakeGateway,
    *,
    over: bool = False,
    profile: str | None = None,
    store: LoginStore | None = None,
) -> StoredLogin:
    """Store a login at the gateway; ``over`` says that its access token is."""
    login = kept(issuer, gateway, over=over)
    await (store or LoginStore()).save(KeptLogin(login=login, profile=profile))
    return login


async def stored(host: str, profile: str | None = None) -> StoredLogin:
    """The login that is stored now."""
    store = LoginStore()
    entry = await store.find(host, profile)
    assert entry is not None
    found = await store.read(entry.key)
    assert found is not None
    return found.login


async def fetch(source: StoredLoginSource, *, instead_of: Token | None = None) -> Token:
    async with open_desk(source.host) as desk:
        return await source.fetch(desk, instead_of=instead_of)
