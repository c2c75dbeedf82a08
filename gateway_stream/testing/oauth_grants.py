"""What the token endpoint of the fake gateway gives for what: one function for each grant.

A grant looks at the fields of the form and gives tokens, or raises a `Refusal`: an error of RFC 6749, section
5.2, of RFC 8628, section 3.5 (device), or of RFC 8693, section 2.2.2 (token exchange).

A client that has a secret shows it, but where it exchanges a subject token: that one is what proves who
it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote_plus

from gateway_stream.auth.token import claims_of
from gateway_stream.testing.oauth_ledger import Family, Login

if TYPE_CHECKING:
    from gateway_stream.testing.oauth import Issuer

__all__ = [
    "EXCHANGE",
    "GRANTS",
    "INVALID_REQUEST",
    "Refusal",
    "client_of",
    "give",
    "grant",
    "shown",
]

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
INVALID_REQUEST: Final = "invalid_request"
INVALID_CLIENT: Final = "invalid_client"
INVALID_GRANT: Final = "invalid_grant"
UNAUTHORIZED_CLIENT: Final = "unauthorized_client"
UNSUPPORTED_GRANT_TYPE: Final = "unsupported_grant_type"
AUTHORIZATION_PENDING: Final = "authorization_pending"
SLOW_DOWN: Final = "slow_down"
EXPIRED_TOKEN: Final = "expired_token"  # noqa: S105  no token
ACCESS_DENIED: Final = "access_denied"
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_SLOWER: Final = 5.0


class Refusal(Exception):
    """Why there is no token. ``reused`` tells of a code or refresh token that had been used before."""

    def __init__(self, code: str, text: str, *, status: int = 400, reused: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
        self.reused = reused


def give(issuer: Issuer, family: Family, *, refreshable: bool) -> Login:
    """The next tokens of a family, with a refresh token if it may have one and needs a new one."""
    now = issuer.clock.time()
    expires_at = now + issuer.lifetime
    refresh_token = None
    if refreshable and "offline_access" in family.scopes:
        if family.refresh_token is None and issuer.refresh_lifetime is not None:
            family.refresh_until = now + issuer.refresh_lifetime
        if family.refresh_token is None or issuer.rotate:
            refresh_token = issuer.ledger.refresh_token(family)
    return Login(
        identity=family.identity,
        client_id=family.client_id,
        access_token=issuer.ledger.access_token(family, now=now, expires_at=expires_at),
        refresh_token=refresh_token,
        expires_at=expires_at,
        scopes=family.scopes,
    )


def client_of(issuer: Issuer, fields: Mapping[str, str], authorization: str | None) -> str:
    """The client that asks, by its id.

    Raises:
        Refusal: it is unknown, its secret is not its own, or it is shown in a way that is not taken.
    """
    if authorization is not None and "client_secret" in fields:
        raise Refusal(INVALID_REQUEST, "the client shows its secret in two ways")
    style = "form" if authorization is None else "basic"
    for name, secret in shown(fields, authorization):
        known = name in issuer.clients and _same(issuer.clients[name], secret)
        if name is not None and known and (secret is None or style in issuer.secret_styles):
            return name
    raise Refusal(INVALID_CLIENT, "Client authentication failed", status=401)


def shown(
    fields: Mapping[str, str], authorization: str | None
) -> list[tuple[str | None, str | None]]:
    """The ways to read who asks: an id and a secret each.

    HTTP Basic has two: percent-encoded, as RFC 6749 has it, and as it is, which is what databricks-sdk sends.
    """
    named = fields.get("client_id")
    if authorization is None:
        return [(named, fields.get("client_secret"))]
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, separator, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        separator = ""
    if scheme.lower() != "basic" or not separator:
        return [(named, None)]
    return [
        (a_name, a_secret)
        for a_name, a_secret in ((unquote_plus(name), unquote_plus(secret)), (name, secret))
        if named in (None, a_name)
    ]


def _same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return hmac.compare_digest(one.encode(), other.encode())


def _field(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise Refusal(INVALID_REQUEST, f"{name} is missing")
    return value


def _scopes(fields: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fields.get("scope", "all-apis").split())


def _client_credentials(
    issuer: Issuer, fields: Mapping[str, str], authorization: str | None
) -> Login:
    client = client_of(issuer, fields, authorization)
    if issuer.clients[client] is None:
        raise Refusal(UNAUTHORIZED_CLIENT, "A public client has no token of its own")
    return give(issuer, Family(client, client, _scopes(fields)), refreshable=False)


def _authorization_code(
    issuer: Issuer, fields: Mapping[str, str], authorization: str | None
) -> Login:
    client = client_of(issuer, fields, authorization)
    code = issuer.ledger.codes.get(_field(fields, "code"))
    if code is None or code.client_id != client:
        raise Refusal(INVALID_GRANT, "The authorization code is invalid")
    if code.family is not None:
        code.family.ended = True
        raise Refusal(INVALID_GRANT, "The authorization code was used before", reused=True)
    code.family = Family(code.identity, client, code.scopes)
    if issuer.clock.time() >= code.expires_at:
        raise Refusal(INVALID_GRANT, "The authorization code has expired")
    if fields.get("redirect_uri") != code.redirect_uri:
        raise Refusal(INVALID_GRANT, "redirect_uri is not the one that the code was given to")
    digest = hashlib.sha256(_field(fields, "code_verifier").encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
        raise Refusal(INVALID_GRANT, "PKCE verification failed")
    return give(issuer, code.family, refreshable=True)


def _refresh_token(issuer: Issuer, fields: Mapping[str, str], authorization: str | None) -> Login:
    client = client_of(issuer, fields, authorization)
    token = _field(fields, "refresh_token")
    family = issuer.ledger.families.get(token)
    if family is None or family.client_id != client:
        raise Refusal(INVALID_GRANT, "Refresh token is invalid")
    if token != family.refresh_token:
        family.ended = True
        raise Refusal(INVALID_GRANT, "Refresh token is invalid: it was used before", reused=True)
    until = family.refresh_until
    if family.ended or (until is not None and issuer.clock.time() >= until):
        raise Refusal(INVALID_GRANT, "Refresh token is invalid: the login has ended")
    return give(issuer, family, refreshable=True)


def _device_code(issuer: Issuer, fields: Mapping[str, str], authorization: str | None) -> Login:
    client = client_of(issuer, fields, authorization)
    device = issuer.ledger.devices.get(_field(fields, "device_code"))
    if device is None or device.client_id != client:
        raise Refusal(INVALID_GRANT, "The device code is invalid")
    if device.family is not None:
        device.family.ended = True
        raise Refusal(INVALID_GRANT, "The device code was used before", reused=True)
    now = issuer.clock.time()
    if now >= device.expires_at:
        raise Refusal(EXPIRED_TOKEN, "The device code has expired")
    asked_at, device.asked_at = device.asked_at, now
    if asked_at is not None and now < asked_at + device.interval:
        device.interval += _SLOWER
        raise Refusal(SLOW_DOWN, "Ask less often")
    if device.denied:
        raise Refusal(ACCESS_DENIED, "The user did not allow it")
    if device.identity is None:
        raise Refusal(AUTHORIZATION_PENDING, "The user has not said anything yet")
    device.family = Family(device.identity, client, device.scopes)
    return give(issuer, device.family, refreshable=True)


def _token_exchange(issuer: Issuer, fields: Mapping[str, str], authorization: str | None) -> Login:
    named = fields.get("client_id")
    if authorization is not None or "client_secret" in fields:
        client_of(issuer, fields, authorization)
    elif named is not None and named not in issuer.clients:
        raise Refusal(INVALID_CLIENT, "There is no such client", status=401)
    if _field(fields, "subject_token_type") != _JWT:
        raise Refusal(INVALID_REQUEST, "subject_token_type is not that of a JWT")
    claims = claims_of(_field(fields, "subject_token"))
    subject, expiry = claims.get("sub"), claims.get("exp")
    if not isinstance(subject, str):
        raise Refusal(INVALID_REQUEST, "subject_token is no JWT with a subject")
    if isinstance(expiry, int | float) and issuer.clock.time() >= expiry:
        raise Refusal(INVALID_REQUEST, "subject_token has expired")
    if issuer.audience is not None and issuer.audience not in _audiences(claims):
        raise Refusal(INVALID_REQUEST, "subject_token is for another audience")
    family = Family(named or subject, named or subject, _scopes(fields))
    return give(issuer, family, refreshable=False)


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    told = claims.get("aud")
    return told if isinstance(told, list) else [told]


_Grant: TypeAlias = Callable[["Issuer", Mapping[str, str], str | None], Login]

GRANTS: Final[dict[str, _Grant]] = {
    "client_credentials": _client_credentials,
    "authorization_code": _authorization_code,
    "refresh_token": _refresh_token,
    _DEVICE: _device_code,
    EXCHANGE: _token_exchange,
}


def grant(issuer: Issuer, fields: Mapping[str, str], authorization: str | None) -> Login:
    """Give what is asked for.

    Raises:
        Refusal: there is no token.
    """
    give = GRANTS.get(_field(fields, "grant_type"))
    if give is None:
        raise Refusal(UNSUPPORTED_GRANT_TYPE, "There is no such grant")
    return give(issuer, fields, authorization)
