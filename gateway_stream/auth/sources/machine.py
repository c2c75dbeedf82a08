"""OAuth for machines: a service principal's client id and secret for a token (client credentials).

At the workspace, or, with an account id, at the account's own server (``accounts.cloud.databricks.com``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway_stream.auth.authority import OAuthClient
from gateway_stream.auth.discovery import SecretStyle
from gateway_stream.auth.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.token import Token

__all__ = ["M2M"]


class M2M(msgspec.Struct, frozen=True, kw_only=True):
    """A service principal.

    Attributes:
        client_id: its application id.
        client_secret: its OAuth secret.
        host: the workspace, or the account console; the client's workspace where it is left out.
        account_id: the account, where ``host`` serves a whole one.
        scopes: what the token may do.
        secret_style: how the secret is sent, where the server's own word is not to count.
    """

    method: ClassVar[str] = "oauth-m2m"
    renewable: ClassVar[bool] = True

    client_id: str
    client_secret: Secret
    host: str | None = None
    account_id: str | None = None
    scopes: tuple[str, ...] = ("all-apis",)
    secret_style: SecretStyle | None = None

    def __post_init__(self) -> None:
        """Hide a secret that is plain text."""
        hide(self, "client_secret")

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002  each is new
        """Have the server give a token."""
        host = desk.host(self.host, "OAuth for a service principal")
        endpoints = await desk.endpoints(host, self.account_id)
        fields = {"grant_type": "client_credentials", "scope": " ".join(self.scopes)}
        client = OAuthClient(
            id=self.client_id, secret=self.client_secret, secret_style=self.secret_style
        )
        return (await desk.grant(endpoints, fields, client)).token
