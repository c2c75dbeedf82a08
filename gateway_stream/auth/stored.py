"""A login as it is kept: what an OAuth server gave to a person, and what it takes to have it renewed.

It is a value. Whoever keeps it (the store of logins, a web back end's database) replaces it as a whole by
what each renewal gives. A server that rotates refresh tokens takes each of them once, and takes a second
use for theft: so what was renewed is written down before it is used, and what it replaces is never used
again. A server that gives no new refresh token means the old one to be kept (RFC 6749, section 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import msgspec

from gateway_stream.auth.secret import Secret, hide
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, expiry_of

if TYPE_CHECKING:
    from gateway_stream.auth.authority import Grant

__all__ = ["PUBLIC_CLIENT", "StoredLogin"]

PUBLIC_CLIENT: Final = "databricks-cli"
"""The client that every workspace knows: it has no secret, and redirects to this machine alone."""


class StoredLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A person's login at a host.

    Attributes:
        host: the workspace's origin (``https://...``).
        client_id: the app that the person let in.
        access_token: what authorizes requests for a while.
        refresh_token: what renews it; without one the login ends with its access token.
        expires_at: when the access token does, in seconds since 1970.
        obtained_at: when it was asked for.
        scopes: what it may do.
        account_id: the account, where ``host`` serves a whole one.
    """

    host: str
    client_id: str = PUBLIC_CLIENT
    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: float | None = None
    obtained_at: float = 0.0
    scopes: tuple[str, ...] = ()
    account_id: str | None = None

    def __post_init__(self) -> None:
        """Hide tokens that are plain text."""
        hide(self, "access_token", "refresh_token")

    @classmethod
    def from_grant(
        cls,
        grant: Grant,
        *,
        host: str,
        client_id: str = PUBLIC_CLIENT,
        scopes: tuple[str, ...] = (),
        account_id: str | None = None,
    ) -> Self:
        """The login that a server granted; ``scopes`` are those asked for, if it does not say."""
        return cls(
            host=host,
            client_id=client_id,
            access_token=grant.token.value,
            refresh_token=grant.refresh_token,
            expires_at=grant.token.expires_at,
            obtained_at=grant.token.obtained_at,
            scopes=grant.scopes or scopes,
            account_id=account_id,
        )

    def renewed(self, grant: Grant) -> Self:
        """This login after its refresh token was used."""
        return msgspec.structs.replace(
            self,
            access_token=grant.token.value,
            refresh_token=grant.refresh_token or self.refresh_token,
            expires_at=grant.token.expires_at,
            obtained_at=grant.token.obtained_at,
            scopes=grant.scopes or self.scopes,
        )

    def token(self) -> Token:
        """The access token.

        One that can be renewed, and of which nothing says how long it lives, is taken to live for
        `gateway_stream.auth.token.UNKNOWN_LIFE` seconds.
        """
        expires_at = self.expires_at
        if expires_at is None:
            expires_at = expiry_of(self.access_token.reveal())
        if expires_at is None and self.refresh_token is not None:
            expires_at = self.obtained_at + UNKNOWN_LIFE
        return Token(value=self.access_token, expires_at=expires_at, obtained_at=self.obtained_at)
