"""People with a browser: what they do is follow where servers send them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp

from gateway_stream.auth import Secret
from gateway_stream.auth.stored import StoredLogin

if TYPE_CHECKING:
    from gateway_stream.testing import FakeGateway, Issuer

__all__ = ["kept", "query_of", "visit"]

_MOST_HOPS = 12


async def visit(url: str, until: str) -> str:
    """Follow redirects from ``url``, with cookies, and give the address below ``until`` unvisited."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for _ in range(_MOST_HOPS):
            if url.startswith(until):
                return url
            async with browser.get(url, allow_redirects=False) as page:
                place = page.headers.get("Location")
                assert place is not None, f"a page, {page.status}: {await page.text()}"
                url = urljoin(url, place)
    message = f"it never came to {until}"
    raise AssertionError(message)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def kept(
    issuer: Issuer,
    gateway: FakeGateway,
    user: str = "ann@example.com",
    *,
    client_id: str = "databricks-cli",
    over: bool = False,
) -> StoredLogin:
    """The login of a user as it may stand in a database; ``over`` says that its access token is."""
    login = issuer.login(user, client_id=client_id)
    return StoredLogin(
        host=gateway.url,
        client_id=client_id,
        access_token=Secret(login.access_token),
        refresh_token=Secret(login.refresh_token) if login.refresh_token else None,
        expires_at=1.0 if over else login.expires_at,
        obtained_at=0.0 if over else login.expires_at - issuer.lifetime,
    )
