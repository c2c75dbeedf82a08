"""``gateway-stream auth profiles``: what ``~/.databrickscfg`` has, and whether it would do.

A profile is taken as if it were named, beside the environment as it is, and what comes of it is told as far as
nobody need be asked: whether all settings are there, whether a login is stored, whether a program or a package
that it takes is installed. No host is asked, and no secret is shown, nor any value but hosts.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio.to_thread

from gateway_stream.apps.auth_check import gather, home_of, user_folder
from gateway_stream.apps.auth_login import origin_in, rests_in
from gateway_stream.apps.auth_status import entry_of, strategy_of
from gateway_stream.apps.words import in_command_words
from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
from gateway_stream.auth.sources.federation import Federation, FromFile, FromVariable
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.profiles import profile_path, read_profile, read_profiles

if TYPE_CHECKING:
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.gateway.profiles import Profile

__all__ = ["table_of_profiles"]

_HEAD: Final = ("profile", "host", "strategy", "ready")
_NOT_LOGGED_IN: Final = "no: nobody is logged in"


class _Row(NamedTuple):
    name: str
    host: str
    strategy: str
    ready: str


async def table_of_profiles() -> list[str]:
    """A line for each profile, below a line of what they have; ``*`` marks the default. Empty for none.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = profile_path(os.environ, user_folder())
    profiles = read_profiles(path) if path else []
    if not path or not profiles:
        return []
    default = read_profile(path, None)
    rows = [_HEAD, *[await _row(each) for each in profiles]]
    names = [f"{row[0]}{' *' if default and row[0] == default.name else ''}" for row in rows]
    rows = [(name, *row[1:]) for name, row in zip(names, rows, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


async def _row(profile: Profile) -> _Row:
    name = profile.name
    try:
        settings = gather(None, name)
    except ConfigError as error:
        host = origin_in(profile)
        return _Row(name, host or "-", "-", f"no: {in_command_words(error.message)}")
    host, source = home_of(settings).origin, settings.source
    if source is None:
        reason = in_command_words(settings.no_token or "it has no credentials")
        return _Row(name, host, "-", f"no: {reason}")
    return _Row(name, host, strategy_of(source) or "-", await _ready(source))


async def _ready(source: TokenSource) -> str:
    """Whether a source would give tokens, as far as this machine can tell."""
    if isinstance(source, StoredOrCLI | StoredOrNothing | StoredLoginSource):
        try:
            entry = await entry_of(source)
        except ConfigError as error:  # of one login, which says nothing of other profiles
            return f"no: {error.message}"
        if entry is not None:
            return f"yes: {strategy_of(entry)}, in {rests_in(entry.rests)}"
    return await anyio.to_thread.run_sync(_ready_but_for_logins, source)


def _ready_but_for_logins(source: TokenSource) -> str:
    ready = "yes"
    match source:
        case StoredOrCLI(command=command) | DatabricksCLI(command=command):
            there = shutil.which(command or "databricks") is not None
            ready = "if the Databricks CLI is logged in" if there else _NOT_LOGGED_IN
        case StoredOrNothing() | StoredLoginSource():
            ready = _NOT_LOGGED_IN
        case Federation(subject=FromFile(path=path)) if not Path(path).is_file():
            ready = "no: its file with a token is not there"
        case Federation(subject=FromVariable(name=name)) if not os.environ.get(name):
            ready = f"no: {name} is not set"
        case Unified():
            ready = (
                "if databricks-sdk can" if _has_sdk() else "no: pip install 'gateway-stream[auth]'"
            )
    return ready


def _has_sdk() -> bool:
    """Whether databricks-sdk is installed: others too put packages into ``databricks``."""
    try:
        return importlib.util.find_spec("databricks.sdk") is not None
    except ModuleNotFoundError:
        return False
