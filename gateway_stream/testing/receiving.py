"""Reading a request: what came, without its credentials, and whether those are good."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.testing.replies import Reply
from gateway_stream.testing.routes import Received, gateway_error, locate

if TYPE_CHECKING:
    from collections.abc import Container

    from aiohttp import web

    from gateway_stream.testing.oauth import Issuer

__all__ = ["receive", "refuse"]

_CREDENTIALS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "x-api-key",
        "x-databricks-ai-gateway-token",
        "x-databricks-azure-sp-management-token",
        "x-databricks-gcp-sa-access-token",
        "x-goog-api-key",
    }
)
_REDACTED: Final = "[redacted]"
_OPEN_PATHS: Final = ("/oidc/", "/.well-known/")


async def receive(
    request: web.BaseRequest,
    *,
    connection: int,
    keep_credentials: bool,
    issuer: Issuer | None = None,
) -> Received:
    """Read a request to its end.

    Raises:
        ConnectionError: the client left before.
    """
    at = time.monotonic()
    raw = await request.content.read()
    body = _read_json(raw)
    path = request.rel_url.raw_path
    headers = {
        name.lower(): value if keep_credentials or name.lower() not in _CREDENTIALS else _REDACTED
        for name, value in request.headers.items()
    }
    query = dict(request.rel_url.query)
    place = locate(path) if request.method == "POST" else None
    told = body if isinstance(body, dict) else {}
    stream = told.get("stream") is True if place is None or place.stream is None else place.stream
    model = place.model if place is not None and place.model is not None else told.get("model")
    return Received(
        method=request.method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        raw=raw,
        at=at,
        connection=connection,
        surface=place.surface if place is not None else None,
        family=place.family if place is not None else None,
        model=model if isinstance(model, str) else None,
        stream=stream,
        identity=issuer.identity_of(_bearer(request) or "") if issuer else None,
    )


def refuse(
    request: web.BaseRequest, tokens: Container[str] | None, issuer: Issuer | None = None
) -> Reply | None:
    """The refusal of a request whose bearer token is missing, or neither among ``tokens`` nor alive."""
    if (tokens is None and issuer is None) or request.rel_url.raw_path.startswith(_OPEN_PATHS):
        return None
    token = _bearer(request)
    if token is None:
        message = "Credential was not sent or was of an unsupported type for this API."
        return Reply.error(401, gateway_error(401, message))
    if (tokens is not None and token in tokens) or (issuer is not None and issuer.alive(token)):
        return None
    status = 403 if issuer is None else issuer.refusal
    message = "Invalid access token." if status == 403 else "Invalid Token"  # noqa: PLR2004
    return Reply.error(status, gateway_error(status, message))


def _bearer(request: web.BaseRequest) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _read_json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
