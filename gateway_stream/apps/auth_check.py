"""What the settings come to: the credentials that are meant, a token of theirs, and whose it is.

Nobody but the host knows whether a token is good, so the host is asked who it belongs to, by the call that
databricks-sdk makes for ``current_user.me``. A token may be good and not allowed to ask that, and a gateway's
own host or a server of another make has no answer to it: then its user stays unknown. What the host says in
its refusal is not told, since it may quote the token.
"""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.errors import AccessDenied, AuthError, GatewayError
from gateway_stream.gateway.settings import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.services import Auth
    from gateway_stream.auth.token import Token
    from gateway_stream.gateway.hosts import Base
    from gateway_stream.gateway.settings import Settings
    from gateway_stream.net.hidden import Hidden

__all__ = [
    "Checked",
    "check",
    "fetch",
    "gather",
    "home_of",
    "open_desk_for",
    "user_folder",
]

_ME: Final = "/api/2.0/preview/scim/v2/Me"
_OK: Final = 200
_SHUT: Final = re.compile(
    r"access to org|\bIP (?:ACL|access list|address)|network policy|private link", re.IGNORECASE
)


class Checked(msgspec.Struct, frozen=True):
    """What a host says of a token.

    Attributes:
        user: whose it is, where the host tells.
        accepted: whether the host takes it; ``None`` where it does not say.
    """

    user: str | None = None
    accepted: bool | None = None


def user_folder() -> Path | None:
    """The user's home, where there is one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def gather(
    host: str | None,
    profile: str | None,
    *,
    token: Hidden | None = None,
    auth: Auth | None = None,
    allow_host: tuple[str, ...] = (),
) -> Settings:
    """The settings of a command.

    Raises:
        ConfigError: there is no host, or something cannot be meant.
    """
    return resolve(
        host=host,
        profile=profile,
        token=token,
        auth=auth,
        allow_host=allow_host,
        environ=os.environ,
        home=user_folder(),
    )


def home_of(settings: Settings) -> Base:
    """The server that credentials are for: the workspace, or else what streams."""
    return settings.workspace or settings.base


@asynccontextmanager
async def open_desk_for(settings: Settings) -> AsyncIterator[Desk]:
    """A desk at which the settings' source can ask, as long as the block lasts."""
    async with open_desk(home_of(settings).origin, settings.account_id) as desk:
        if settings.workspace is None:
            desk.workspace = None  # a gateway's own host has no OAuth
        yield desk


async def fetch(settings: Settings, desk: Desk) -> Token:
    """A token of the credentials that the settings mean.

    Raises:
        AuthError: there are none, or they are refused.
        GatewayError: whoever gives tokens cannot be reached.
    """
    if settings.source is not None:
        token = await settings.source.fetch(desk, instead_of=None)
        if token.authorization():
            return token
    home = home_of(settings)
    login = f"log in: gateway-stream auth login --host {home.origin}"
    hint = f"{settings.no_token}; or {login}" if settings.no_token else login
    message = f"there are no credentials for {home.netloc}"
    raise AuthError(message, phase="token", hint=hint)


async def check(settings: Settings, desk: Desk, token: Token) -> Checked:
    """Ask the host whose a token is.

    Raises:
        AuthError: the host does not accept it.
        AccessDenied: the host accepts nothing from its owner, or from here.
        GatewayError: the host cannot be reached, or cannot answer now.
    """
    server = home_of(settings)
    url, headers = server.origin + _ME, {"Accept": "application/json", **token.authorization()}
    if settings.workspace_id:
        url += f"?o={settings.workspace_id}"
        headers["X-Databricks-Workspace-Id"] = settings.workspace_id
    called = await desk.calls.get(url, headers)
    tree = called.tree
    if called.status == _OK and isinstance(tree, dict):
        name = tree.get("userName")
        return Checked(name if isinstance(name, str) and name else None, accepted=True)
    error = called.error()
    if isinstance(error, AuthError):
        message = f"{server.netloc} does not accept the token"
        raise AuthError(message, status=called.status, phase="token", hint=error.hint)
    if isinstance(error, AccessDenied) and _SHUT.search(error.message):
        message = f"{server.netloc} does not let the token's owner in from here"
        hint = "Check that they belong to this workspace, and that it may be reached from this network."
        raise AccessDenied(message, status=called.status, phase="token", hint=hint)
    if error.retryable:
        told = f"{server.netloc} cannot say now whose the token is"
        failure = msgspec.structs.replace(error.failure(), message=told, phase="token")
        raise GatewayError.from_failure(failure)
    return Checked(accepted=True if isinstance(error, AccessDenied) else None)
