"""What the fake gateway's OAuth server gave, and which of it is alive.

Everything that goes back to one login is a `Family`, and ends with it. Access tokens are JWTs, as Databricks'
are: who reads one finds its ``exp`` there. They are good because they are in the ledger, not because of
their signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Code", "DeviceCode", "Family", "Ledger", "Login"]


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a login or one of its refreshes gave.

    Attributes:
        identity: whose tokens they are.
        client_id: the client that they were given to.
        access_token: what requests carry.
        refresh_token: what brings the next tokens; ``None`` where there is no new one.
        expires_at: when the access token does, in seconds since 1970 on the issuer's clock.
        scopes: what they may do.
    """

    identity: str
    client_id: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float
    scopes: tuple[str, ...]


class Family:
    """All that goes back to one login, one client's own secret or one subject token.

    Attributes:
        ended: whether all of it is worthless.
        refresh_token: the one that may be used next, if there is any.
        refresh_until: until when it may be used; ``None`` for ever.
    """

    def __init__(self, identity: str, client_id: str, scopes: tuple[str, ...]) -> None:
        self.identity = identity
        self.client_id = client_id
        self.scopes = scopes
        self.ended = False
        self.refresh_token: str | None = None
        self.refresh_until: float | None = None


@dataclass
class Code:
    """An authorization code. ``family`` is what it began, once it was used."""

    client_id: str
    redirect_uri: str
    challenge: str
    identity: str
    scopes: tuple[str, ...]
    expires_at: float
    family: Family | None = None


@dataclass
class DeviceCode:
    """A device's code. ``identity`` is who allowed it; ``family`` what it began, once it was used."""

    user_code: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: float
    interval: float
    asked_at: float | None = None
    identity: str | None = None
    denied: bool = False
    family: Family | None = None


@dataclass
class _Access:
    family: Family
    expires_at: float
    revoked: bool = False


class Ledger:
    """What was given, by the text of it.

    Attributes:
        codes: authorization codes.
        devices: device codes.
        families: what each refresh token belongs to, used ones too.
    """

    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, DeviceCode] = {}
        self.families: dict[str, Family] = {}
        self._access: dict[str, _Access] = {}
        self._key = secrets.token_bytes(32)

    def access_token(self, family: Family, *, now: float, expires_at: float) -> str:
        """A new access token of a family."""
        claims = {
            "sub": family.identity,
            "client_id": family.client_id,
            "scope": " ".join(family.scopes),
            "iat": now,
            "exp": expires_at,
            "jti": secrets.token_hex(8),
        }
        token = self._sign(claims)
        self._access[token] = _Access(family, expires_at)
        return token

    def refresh_token(self, family: Family) -> str:
        """A new refresh token of a family: from now on the only one of it that is good."""
        token = family.refresh_token = secrets.token_urlsafe(32)
        self.families[token] = family
        return token

    def alive(self, token: str, now: float) -> bool:
        """Whether an access token is good."""
        access = self._access.get(token)
        return (
            access is not None
            and not access.revoked
            and not access.family.ended
            and now < access.expires_at
        )

    def identity_of(self, token: str) -> str | None:
        """Whose an access token is or was."""
        access = self._access.get(token)
        return None if access is None else access.family.identity

    def revoke(self, token: str) -> None:
        """Make an access token worthless, or with a refresh token the whole family.

        Raises:
            KeyError: the token was never given.
        """
        if token in self.families:
            self.families[token].ended = True
        else:
            self._access[token].revoked = True

    def revoke_all(self) -> None:
        """Make every access token worthless that was given so far."""
        for access in self._access.values():
            access.revoked = True

    def _sign(self, claims: Mapping[str, Any]) -> str:
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        text = ".".join(_base64(msgspec.json.encode(part)) for part in parts)
        return f"{text}.{_base64(hmac.digest(self._key, text.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
