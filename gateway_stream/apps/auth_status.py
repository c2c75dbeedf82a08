"""``gateway-stream auth status`` and ``token``: which credentials are meant, whether they work, and a token of theirs.

The status tells what a request would do now, so it goes the same way: the settings are gathered, a token is
fetched, and the host is asked whose it is. What cannot be had is left out, and the first thing that
fails is what the command ends with. It holds no token.

A token that is printed is used by another program, at a moment that nobody knows. So one that has grown
stale (`gateway_stream.auth.token`) is renewed first; if that fails, it is still printed while it serves.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.apps.auth_check import check, fetch, gather, home_of, open_desk_for
from gateway_stream.apps.auth_login import rests_in
from gateway_stream.apps.terminal import show
from gateway_stream.apps.words import in_command_words, line_of
from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
from gateway_stream.auth.sources.fixed import PAT
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.auth.store.kept import Entry
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.errors import ConfigError, GatewayError
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.gateway.settings import Settings

__all__ = ["Status", "current_token", "entry_of", "lines_of", "look", "strategy_of"]

_BEARER: Final = "Bearer"
_CLI: Final = "databricks-cli"


class Status(msgspec.Struct, kw_only=True):
    """What is known of the credentials. It holds none.

    Attributes:
        host: the server that they are for.
        strategy: the way to log in, as ``auth_type`` calls it.
        why: what decided on it, such as a variable's name.
        level: the kind of place that says so, ``environment`` or ``profile``; ``None`` for a login, which
            counts where no place says anything.
        profile: the profile that was read.
        user: whose they are, where the host tells.
        expires_at: when the access token does, in UTC; ``None`` where it does not before the year 10000.
        rests: where they rest: ``environment``, ``profile``, ``keyring``, ``file``, ``databricks-cli``.
        works: whether the host accepts them; ``None`` where it does not say.
        error: why they do not work, and what to do.
    """

    host: str | None = None
    strategy: str | None = None
    why: str | None = None
    level: str | None = None
    profile: str | None = None
    user: str | None = None
    expires_at: str | None = None
    rests: str | None = None
    works: bool | None = None
    error: str | None = None


async def look(
    host: str | None, profile: str | None, allow_host: tuple[str, ...]
) -> tuple[Status, GatewayError | None]:
    """The status, and what failed first. Raises nothing that is about the credentials."""
    status = Status()
    try:
        await _look(status, gather(host, profile, allow_host=allow_host))
    except GatewayError as error:
        status.works = None if error.retryable else False
        status.error = line_of(error)
        return status, error
    return status, None


async def _look(status: Status, settings: Settings) -> None:
    source = settings.source
    status.host = home_of(settings).origin
    status.profile = settings.profile
    status.why, status.level = in_command_words(settings.why), settings.origin
    status.strategy, status.rests = strategy_of(source), settings.origin
    if isinstance(source, DatabricksCLI):
        status.rests = _CLI
    elif isinstance(source, StoredOrCLI | StoredOrNothing | StoredLoginSource):
        status.rests = None
        entry = await entry_of(source)
        if entry is not None:
            status.strategy, status.rests = strategy_of(entry), entry.rests
            status.why = status.why if settings.origin else "a login is stored for the host"
    async with open_desk_for(settings) as desk:
        token = await fetch(settings, desk)
        if status.rests is None:
            status.strategy = status.rests = _CLI
            status.why = "the Databricks CLI is logged in"
        status.expires_at = _moment(token.expires_at)
        checked = await check(settings, desk, token)
        status.user, status.works = checked.user, checked.accepted


def strategy_of(found: TokenSource | Entry | None) -> str | None:
    """The way to log in, as ``auth_type`` calls it; ``None`` where that is not known yet."""
    if isinstance(found, Entry):
        return PAT.method if found.is_token else StoredLoginSource.method
    if found is None or isinstance(found, StoredOrCLI | StoredOrNothing):
        return None
    return (found.auth_type if isinstance(found, Unified) else None) or found.method


async def entry_of(source: StoredOrCLI | StoredOrNothing | StoredLoginSource) -> Entry | None:
    """What is stored of a login, without its secrets; ``None`` where nothing is."""
    host = source.host or source.gateway if isinstance(source, StoredOrCLI) else source.host
    return await LoginStore().find(host, source.profile)


def _moment(seconds: float | None) -> str | None:
    """A time in seconds since 1970 as people write it; ``None`` where no calendar has it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a token may say any number
        return None


def lines_of(status: Status) -> list[str]:
    """The status for people, a line for each thing that is known."""
    found_in = f" ({status.level})" if status.level else ""
    works = {True: "yes", False: "no", None: "not known"}[status.works]
    rests = rests_in(status.rests) if status.rests in ("file", "keyring") else status.rests
    told = {
        "host": status.host,
        "strategy": status.strategy,
        "why": f"{status.why}{found_in}" if status.why else None,
        "profile": status.profile,
        "user": status.user,
        "expires": f"{status.expires_at} ({_in(status.expires_at)})" if status.expires_at else None,
        "rests": rests,
        "works": works,
    }
    return [f"{name:<10}{value}" for name, value in told.items() if value]


def _in(moment: str) -> str:
    """How far away a moment is."""
    minutes = int((datetime.fromisoformat(moment).timestamp() - SYSTEM.time()) // 60)
    if minutes < 0:
        return "over"
    hours = minutes // 60
    return f"in {hours} h {minutes % 60} min" if hours else f"in {minutes} min"


async def current_token(
    host: str | None, profile: str | None, allow_host: tuple[str, ...]
) -> Hidden:
    """An access token that will serve for a while.

    Raises:
        ConfigError: there is no host, or the way to log in has no access tokens.
        AuthError: there are no credentials, or they are refused.
        GatewayError: whoever gives tokens cannot be reached.
    """
    settings = gather(host, profile, allow_host=allow_host)
    source = settings.source
    async with open_desk_for(settings) as desk:
        token = await fetch(settings, desk)
        now = desk.clock.time()
        if source is not None and source.renewable and now >= token.stale_at:
            try:
                token = await source.fetch(desk, instead_of=token)
            except GatewayError as error:
                if now >= token.over_at:
                    raise
                show(f"the token was not renewed, the old one still serves: {line_of(error)}")
    if token.scheme != _BEARER:
        message = f"{strategy_of(source)} gives no access token"
        raise ConfigError(message, hint="Log in another way: gateway-stream auth login.")
    return Hidden(token.value.reveal())
