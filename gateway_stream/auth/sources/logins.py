"""Logins that somebody made before: what is left where no setting says what authorizes.

At a host of Databricks a login of ``gateway-stream auth login`` counts, or else the Databricks CLI's; without
either there is an error that says how to log in. A library opens no browser by itself.

At any other host, this machine included, only a login that was made for that very host counts, and without one
requests go out without credentials: a server that wants none serves them. Another answers 401, and the login
is looked for once more before the caller is told.

Both are looked for when the first token is wanted, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import Token
from gateway_stream.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk

__all__ = ["StoredOrCLI", "StoredOrNothing"]


class StoredOrCLI(msgspec.Struct, frozen=True, kw_only=True):
    """A stored login, or else the Databricks CLI's.

    Attributes:
        host: the workspace; ``None`` where only a gateway's own host is known.
        gateway: the server that a token may be stored for where there is no workspace.
        profile: the profile that somebody named.
        cli_profile: the profile to ask the Databricks CLI for, instead of the host.
        command: the Databricks CLI, where it is not to be looked for.
        scopes: the scopes that the CLI's token has to have; none named, any will do.
        reason: why a credential that was found does not count.
    """

    method: ClassVar[str] = "login"
    renewable: ClassVar[bool] = True

    host: str | None
    gateway: str
    profile: str | None = None
    cli_profile: str | None = None
    command: str | None = None
    scopes: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """The stored login's token, or the CLI's.

        Raises:
            AuthError: nobody is logged in.
            ConfigError: only a gateway's own host is known, and no token is stored for it.
            GatewayError: whoever gives the tokens cannot be reached.
        """
        from gateway_stream.auth.sources.databricks_cli import DatabricksCLI  # noqa: PLC0415  few need it

        token = await _stored(self.host or self.gateway, self.profile, desk, instead_of)
        if token is not None:
            return token
        host = desk.host(self.host, "a login")
        cli = DatabricksCLI(
            host=host, profile=self.cli_profile, command=self.command, scopes=self.scopes
        )
        try:
            return await cli.fetch(desk, instead_of=instead_of)
        except (AuthError, ConfigError) as error:
            if error.retryable:
                raise
            raise self._nobody(host, error) from error

    def _nobody(self, host: str, error: AuthError | ConfigError) -> AuthError:
        found = f"{self.reason}; " if self.reason else ""
        return AuthError(
            f"nobody is logged in at {urlsplit(host).netloc}: {found}no login is stored, and the "
            f"Databricks CLI gives none ({error.message})",
            phase="token",
            hint=f"Run gateway-stream auth login --host {host}, or set DATABRICKS_TOKEN, or pass token=.",
        )


class StoredOrNothing(msgspec.Struct, frozen=True, kw_only=True):
    """A login that is stored for a host, or no credentials."""

    method: ClassVar[str] = "login"
    renewable: ClassVar[bool] = True

    host: str
    profile: str | None = None

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """The stored login's token, or one that authorizes nothing.

        Raises:
            GatewayError: there is a login, and it gives no token.
        """
        token = await _stored(self.host, self.profile, desk, instead_of)
        return token or _Nothing(value=Secret("nothing"))


class _Nothing(Token, frozen=True):
    """No credentials, for requests that may go without."""

    def authorization(self) -> dict[str, str]:
        """No headers."""
        return {}


async def _stored(
    host: str, profile: str | None, desk: Desk, instead_of: Token | None
) -> Token | None:
    """The stored login's token, if there is one."""
    from gateway_stream.auth.sources.stored_login import (  # noqa: PLC0415  few need it
        NotLoggedIn,
        StoredLoginSource,
    )

    try:
        source = StoredLoginSource(host=host, profile=profile)
        return await source.fetch(desk, instead_of=instead_of)
    except NotLoggedIn:
        return None
