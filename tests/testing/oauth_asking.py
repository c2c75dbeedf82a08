"""Asking the fake gateway's OAuth server with a plain HTTP client, and a clock that a test sets."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from tests.testing.asking import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from gateway_stream.testing import FakeGateway

VERIFIER: Final = "v" * 43
CHALLENGE: Final = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
REDIRECT: Final = "http://localhost:8020"
CLI: Final = "databricks-cli"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


class Hands:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def ask_token(
    session: aiohttp.ClientSession,
    gateway: FakeGateway,
    grant_type: str,
    fields: Mapping[str, str],
    *,
    basic: tuple[str, str] | None = None,
    base: str = "/oidc",
) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of a token request."""
    pair = base64.b64encode(":".join(basic or ()).encode()).decode()
    headers = {"Authorization": f"Basic {pair}"} if basic else {}
    form = {"grant_type": grant_type, **fields}
    url = f"{gateway.url}{base}/v1/token"
    async with session.post(url, data=form, headers=headers) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert ("WWW-Authenticate" in response.headers) == (response.status == 401)
        return response.status, await response.json()


async def authorize(
    session: aiohttp.ClientSession, gateway: FakeGateway, **changes: str | None
) -> tuple[int, dict[str, str]]:
    """The status of the authorize page, and what the redirect carries."""
    asked: dict[str, str | None] = {
        "response_type": "code",
        "client_id": CLI,
        "redirect_uri": REDIRECT,
        "scope": "all-apis offline_access",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    query = {name: value for name, value in (asked | changes).items() if value is not None}
    url = gateway.url + "/oidc/v1/authorize"
    async with session.get(url, params=query, allow_redirects=False) as response:
        place = response.headers.get("Location", "")
        return response.status, dict(parse_qsl(urlsplit(place).query))


async def exchange(
    session: aiohttp.ClientSession, gateway: FakeGateway, code: str, **changes: str
) -> tuple[int, dict[str, Any]]:
    """Exchange a code of `authorize`."""
    fields = {
        "client_id": CLI,
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return await ask_token(session, gateway, "authorization_code", fields | changes)


async def refresh(
    session: aiohttp.ClientSession, gateway: FakeGateway, token: str, client_id: str = CLI
) -> tuple[int, dict[str, Any]]:
    """Use a refresh token."""
    fields = {"client_id": client_id, "refresh_token": token}
    return await ask_token(session, gateway, "refresh_token", fields)


async def status_of(session: aiohttp.ClientSession, gateway: FakeGateway, token: str | None) -> int:
    """How a model path answers who brings a token."""
    async with ask(session, gateway, token=token) as response:
        status: int = response.status
        return status


def jwt(**claims: Any) -> str:
    """A JWT that nobody signed."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"
