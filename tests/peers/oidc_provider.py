"""oidc-provider: a certified OAuth server, from npm, put where a workspace has its own.

``oidc/workspace.mjs`` says how it is set up: whoever comes to log in is ann and agrees to everything, so a
browser that follows redirects and sends forms as they are is all that a login takes.
"""

from __future__ import annotations

import base64
import urllib.request
from contextlib import contextmanager
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urljoin

import msgspec

from tests.peers import npm
from tests.peers.servers import running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROBOT", "alive", "browse", "install", "revoke", "serving"]

ROBOT: Final = ("robot", "robot-secret")
"""The id and secret of the client that has one."""

_HERE: Final = Path(__file__).parent
_START_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 20.0


def install(cache: Path) -> Path:
    """The folder of the installed package, below ``cache``. Skips where it cannot be had."""
    return npm.install(_HERE / "oidc", cache)


@contextmanager
def serving(place: Path, folder: Path, *, lifetime: int) -> Iterator[str]:
    """The origin of a workspace whose access tokens live for ``lifetime`` seconds."""
    command = ("node", _HERE / "oidc/workspace.mjs", place, str(lifetime))
    with running(command, folder, seconds=_START_SECONDS, environ={}) as origin:
        yield origin


class _Form(HTMLParser):
    """Reads the fields of a page's form."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = told.get("action") or ""
        elif tag == "input" and told.get("name"):
            self.fields[told["name"] or ""] = told.get("value") or ""


def browse(url: str) -> bool:
    """A browser: keeps cookies, follows redirects, and sends the forms that it is shown as they are."""
    jar = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(jar, urllib.request.ProxyHandler({}))
    body = None
    for _ in range(5):
        with browser.open(url, body, timeout=_CALL_SECONDS) as page:
            form = _Form()
            form.feed(page.read().decode())
            url = page.url
        if form.action is None:
            return True
        url, body = urljoin(url, form.action), urlencode(form.fields).encode()
    return False


def alive(origin: str, token: str) -> bool:
    """Whether the server says that a token is good (RFC 7662)."""
    told = msgspec.json.decode(_ask_as_robot(f"{origin}/oidc/v1/introspect", token))
    return bool(told["active"])


def revoke(origin: str, token: str) -> None:
    """Have the server take a token back, and with it all of its login (RFC 7009, section 2.1)."""
    _ask_as_robot(f"{origin}/oidc/v1/revoke", token)


def _ask_as_robot(url: str, token: str) -> bytes:
    pair = base64.b64encode(":".join(ROBOT).encode()).decode()
    request = urllib.request.Request(  # noqa: S310  a loopback origin
        url, urlencode({"token": token}).encode(), {"Authorization": f"Basic {pair}"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=_CALL_SECONDS) as response:
        told: bytes = response.read()
    return told
