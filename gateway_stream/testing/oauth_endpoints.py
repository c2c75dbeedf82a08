"""The paths of the fake gateway's OAuth server, and what is answered there.

Below ``/oidc`` for a workspace and below ``/oidc/accounts/{account_id}`` for an account:
``/.well-known/oauth-authorization-server``, ``/v1/authorize``, ``/v1/token`` and, where there is a device flow,
``/v1/device/authorize``. Beside them the host has ``/.well-known/databricks-config``, and tells who asks at
``/api/2.0/preview/scim/v2/Me``.

Nobody is shown a page. Who comes to authorize is sent back at once, allowed or not, but where there is no
address to send anybody to (RFC 6749, section 4.1.2.1).
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from gateway_stream.testing.oauth import TokenRequest
from gateway_stream.testing.oauth_grants import (
    EXCHANGE,
    GRANTS,
    INVALID_REQUEST,
    Refusal,
    client_of,
    grant,
    shown,
)
from gateway_stream.testing.oauth_ledger import Code, DeviceCode
from gateway_stream.testing.replies import Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.testing.oauth import DeviceFlow, Issuer
    from gateway_stream.testing.oauth_ledger import Login
    from gateway_stream.testing.routes import Received

__all__ = ["answer"]

_CONFIG: Final = "/.well-known/databricks-config"
_ME: Final = "/api/2.0/preview/scim/v2/Me"
_CODE_LIFE: Final = 60.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_FORM: Final = "application/x-www-form-urlencoded"


def answer(
    issuer: Issuer, received: Received, authorization: str | None, origin: str
) -> Reply | None:
    """The reply of the OAuth server; ``None`` where the path is none of its own.

    Args:
        issuer: what it knows.
        received: the request.
        authorization: the header of that name, as it came.
        origin: scheme, address and port under which it is reached.
    """
    asked = (received.method, received.path)
    if asked == ("GET", _ME) and received.identity is not None:
        return _json(200, {"userName": received.identity, "active": True})
    if asked == ("GET", _CONFIG) and issuer.config is not None:
        return _json(200, _config(issuer, origin))
    base = _base(issuer, received.path)
    if base is None:
        return None
    return _below(issuer, received, authorization, origin + base, received.path.removeprefix(base))


def _below(
    issuer: Issuer, received: Received, authorization: str | None, base: str, path: str
) -> Reply | None:
    match received.method, path:
        case "GET", "/.well-known/oauth-authorization-server" if issuer.metadata:
            return _json(200, _metadata(issuer, base))
        case "GET", "/v1/authorize":
            return _authorize(issuer, received.query)
        case "POST", "/v1/token":
            return _token(issuer, received, authorization)
        case "POST", "/v1/device/authorize" if issuer.device is not None:
            return _device(issuer, issuer.device, received, authorization, base)
        case _:
            return None


def _base(issuer: Issuer, path: str) -> str | None:
    """The root of the OAuth server that a path belongs to, if the host has it."""
    account = f"/oidc/accounts/{issuer.account_id}"
    if path.startswith(account + "/"):
        return None if issuer.config == "workspace" else account
    at_workspace = path.startswith("/oidc/") and issuer.config in ("workspace", None)
    return "/oidc" if at_workspace else None


# --- what it says of itself ------------------------------------------------------------------


def _config(issuer: Issuer, origin: str) -> dict[str, Any]:
    if issuer.config == "workspace":
        told: dict[str, Any] = {
            "oidc_endpoint": origin + "/oidc",
            "account_id": issuer.account_id,
            "workspace_id": issuer.workspace_id,
        }
    else:
        # The braces are the document's own: who reads it puts the account in.
        told = {"oidc_endpoint": origin + "/oidc/accounts/{account_id}"}
        if issuer.config == "unified":
            told["account_id"] = issuer.account_id
    if issuer.audience is not None:
        told["token_federation_default_oidc_audiences"] = [issuer.audience]
    return told | {"cloud": "AWS"}


def _metadata(issuer: Issuer, base: str) -> dict[str, Any]:
    methods = {"basic": "client_secret_basic", "form": "client_secret_post"}
    told = {
        "issuer": base,
        "authorization_endpoint": base + "/v1/authorize",
        "token_endpoint": base + "/v1/token",
        "grant_types_supported": list(GRANTS),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none", *(methods[style] for style in issuer.secret_styles)
        ],
    }  # fmt: skip
    if issuer.device is not None:
        told["device_authorization_endpoint"] = base + "/v1/device/authorize"
    return told


# --- who comes with a browser ----------------------------------------------------------------


def _authorize(issuer: Issuer, query: Mapping[str, str]) -> Reply:
    client, place = query.get("client_id", ""), query.get("redirect_uri", "")
    if client not in issuer.clients:
        return _refused(Refusal(INVALID_REQUEST, "There is no such client"))
    if not _may_go(place, public=issuer.clients[client] is None):
        return _refused(Refusal(INVALID_REQUEST, "redirect_uri is not one of the client's"))
    told = _decided(issuer, client, place, query)
    if "state" in query:
        told["state"] = query["state"]
    joint = "&" if urlsplit(place).query else "?"
    return Reply(status=302, headers=(("Location", place + joint + urlencode(told)),))


def _decided(issuer: Issuer, client: str, place: str, query: Mapping[str, str]) -> dict[str, str]:
    if query.get("response_type") != "code":
        return {"error": "unsupported_response_type", "error_description": "only code is given"}
    challenge = query.get("code_challenge")
    if not challenge or query.get("code_challenge_method") != "S256":
        return {"error": "invalid_request", "error_description": "PKCE with S256 is required"}
    if issuer.user is None:
        return {"error": "access_denied", "error_description": "The user did not allow it"}
    code = secrets.token_urlsafe(16)
    issuer.ledger.codes[code] = Code(
        client_id=client,
        redirect_uri=place,
        challenge=challenge,
        identity=query.get("login_hint", issuer.user),
        scopes=tuple(query.get("scope", "all-apis").split()),
        expires_at=issuer.clock.time() + _CODE_LIFE,
    )
    return {"code": code}


def _may_go(place: str, *, public: bool) -> bool:
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
        return False
    return not public or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


# --- who comes with a form -------------------------------------------------------------------


def _token(issuer: Issuer, received: Received, authorization: str | None) -> Reply:
    at = issuer.clock.time()
    fields: dict[str, str] = {}
    login = refusal = None
    try:
        fields = _form(received)
        login = grant(issuer, fields, authorization)
        reply = _json(200, _given(issuer, login, fields))
    except Refusal as raised:
        refusal = raised
        reply = _refused(raised)
    issuer.requests.append(
        TokenRequest(
            grant_type=fields.get("grant_type", ""),
            client_id=login.client_id if login else _claimed(fields, authorization),
            identity=login.identity if login else None,
            error=refusal.code if refusal else None,
            reused=refusal is not None and refusal.reused,
            at=at,
            token=login.access_token if login else None,
        )
    )
    fault = issuer.faults.popleft() if issuer.faults else Fault()
    delay = fault.delay_headers + issuer.delay
    return reply.with_fault(dataclasses.replace(fault, delay_headers=delay))


def _claimed(fields: Mapping[str, str], authorization: str | None) -> str | None:
    """Who says to ask."""
    read = shown(fields, authorization)
    return read[0][0] if read else fields.get("client_id")


def _given(issuer: Issuer, login: Login, fields: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "access_token": login.access_token,
        "token_type": "Bearer",
        "expires_in": issuer.lifetime,
        "scope": " ".join(login.scopes),
    }
    if login.refresh_token is not None:
        told["refresh_token"] = login.refresh_token
    if fields["grant_type"] == EXCHANGE:
        told["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
    return told


def _device(
    issuer: Issuer, flow: DeviceFlow, received: Received, authorization: str | None, base: str
) -> Reply:
    try:
        fields = _form(received)
        client = client_of(issuer, fields, authorization)
    except Refusal as refusal:
        return _refused(refusal)
    device_code, user_code = secrets.token_urlsafe(16), secrets.token_hex(4).upper()
    issuer.ledger.devices[device_code] = DeviceCode(
        user_code=user_code,
        client_id=client,
        scopes=tuple(fields.get("scope", "all-apis").split()),
        expires_at=issuer.clock.time() + flow.lifetime,
        interval=flow.interval,
    )
    page = base + "/device"
    told = {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={user_code}",
        "expires_in": flow.lifetime,
        "interval": flow.interval,
    }
    return _json(200, told)


def _form(received: Received) -> dict[str, str]:
    kind = received.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Refusal(INVALID_REQUEST, "what is asked is no form")
    try:
        pairs = parse_qsl(received.raw.decode("ascii"), keep_blank_values=True)
    except UnicodeDecodeError:
        raise Refusal(INVALID_REQUEST, "the form is not encoded") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal(INVALID_REQUEST, "a field comes twice")
    return fields


def _refused(refusal: Refusal) -> Reply:
    told = {"error": refusal.code, "error_description": refusal.text}
    challenge = {"WWW-Authenticate": 'Basic realm="oauth"'} if refusal.status == 401 else {}  # noqa: PLR2004
    return _json(refusal.status, told, challenge)


def _json(status: int, told: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status=status,
        body=msgspec.json.encode(told),
        content_type="application/json",
        headers=(("Cache-Control", "no-store"), *(headers or {}).items()),
    )
