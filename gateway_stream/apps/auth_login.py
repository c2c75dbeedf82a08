"""``gateway-stream auth login`` and ``logout``: what the store of logins gets, and what it gives up.

A login is for a host, and for a profile where one is named: by ``--profile``, or by
``DATABRICKS_CONFIG_PROFILE`` if that profile is one of the host. What authorizes otherwise is not looked at, since
the login is what is to authorize from now on; where something comes before it, that is told.

A token is never an argument, which others on the machine could see and the shell would remember. It is stored
once the host has accepted it.

A command at a terminal offers the login where it was refused for want of one, and then goes on. A host that is
none of Databricks' has to say that it has OAuth first: others know nothing of such logins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway_stream.apps.auth_check import check, gather, home_of, open_desk_for, user_folder
from gateway_stream.apps.terminal import agree, ask, at_terminal, show
from gateway_stream.apps.words import in_command_words, line_of
from gateway_stream.auth.login.interactive import log_in
from gateway_stream.auth.login.pkce import Login
from gateway_stream.auth.sources.fixed import PAT
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.store.folder import home_folder
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.gateway.places import VARIABLES
from gateway_stream.gateway.profiles import profile_path, read_profile, read_profiles

if TYPE_CHECKING:
    from gateway_stream.gateway.hosts import Base
    from gateway_stream.gateway.profiles import Profile
    from gateway_stream.gateway.settings import Settings
    from gateway_stream.net.hidden import Hidden

__all__ = ["log_out", "offer_login", "origin_in", "place_of", "rests_in", "sign_in", "store_token"]

_OPEN: Final = """
import signal, sys, webbrowser
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.exit(not webbrowser.open(sys.argv[1]))
"""
_SIDE: Final = 2
_SECRETS: Final = (
    "token",
    "client_secret",
    "password",
    "oidc_token",
    "azure_client_secret",
    "google_credentials",
)
_SAYS_OAUTH: Final = (
    "/.well-known/databricks-config",
    "/oidc/.well-known/oauth-authorization-server",
)
_OK: Final = 200


# --- logging in ------------------------------------------------------------------------------


async def sign_in(host: str | None, profile: str | None, *, open_browser: bool) -> str:
    """Log a person in, and give a line that says so.

    Raises:
        ConfigError: there is no host to log in to, or the login cannot be stored.
        AuthError: the login was refused.
        GatewayError: the host cannot be reached, or nobody came back in time.
    """
    settings, profile = place_of(host, profile)
    return await _sign_in(settings, profile, open_browser=open_browser)


async def _sign_in(settings: Settings, profile: str | None, *, open_browser: bool) -> str:
    store = LoginStore()
    await store.prepare()
    async with open_desk_for(settings) as desk:
        login = Login(host=desk.host(None, "a login"), account_id=settings.account_id)
        stored = await log_in(
            login, show=show, ask=ask, open_browser=open_browser, browse=_browse, desk=desk
        )
        await store.save(KeptLogin(login=stored, profile=profile))
        user = None
        try:
            user = (await check(settings, desk, stored.token())).user
        except GatewayError as error:  # the login is there all the same
            show(line_of(error))
    return await _told(store, settings, profile, user, "logged in")


async def store_token(token: Hidden, host: str | None, profile: str | None) -> str:
    """Store a token that the host accepts, and give a line that says so.

    Args:
        token: a token, or ``host::token``.
        host: the host, unless the token or the settings say it.
        profile: the profile that it is for.

    Raises:
        ConfigError: there is no host, or it cannot be stored.
        AuthError: the host does not accept it.
        GatewayError: the host cannot be reached.
    """
    settings, profile = place_of(host, profile, token)
    source, store = settings.source, LoginStore()
    assert isinstance(source, PAT)  # noqa: S101  what is given as a token
    async with open_desk_for(settings) as desk:
        checked = await check(settings, desk, await source.fetch(desk, instead_of=None))
    if checked.accepted is None:
        show(f"{home_of(settings).netloc} does not say whether the token is good")
    await store.save(KeptLogin.of_token(home_of(settings).origin, source.token, profile=profile))
    return await _told(store, settings, profile, checked.user, "stored a token")


def place_of(
    host: str | None, profile: str | None, token: Hidden | None = None
) -> tuple[Settings, str | None]:
    """Where to log in, and for which profile.

    Raises:
        ConfigError: there is no host, or the profile is another host's.
    """
    # What is to authorize is named, so that nothing else is looked for.
    auth = StoredLoginSource(host="") if token is None else None
    settings = gather(host, profile, token=token, auth=auth)
    named = profile or os.environ.get("DATABRICKS_CONFIG_PROFILE") or None
    if named is None or _is_for(named, home_of(settings)):
        return settings, named
    if profile is not None:
        message = f"profile {profile!r} is for another host than {home_of(settings).netloc}"
        raise ConfigError(message, hint="Name a profile of this host, or none.")
    return settings, None


def _is_for(profile: str, home: Base) -> bool:
    """Whether a profile may be used at a host. One that names none may."""
    path = profile_path(os.environ, user_folder())
    found = read_profile(path, profile) if path else None
    return found is None or "host" not in found.values or origin_in(found) == home.origin


def origin_in(profile: Profile) -> str | None:
    """The server that a profile names; ``None`` where it names none that could be one."""
    try:
        return parse_base(profile.values.get("host", ""), allow_http=True).origin
    except ConfigError:
        return None


async def _told(
    store: LoginStore, settings: Settings, profile: str | None, user: str | None, what: str
) -> str:
    """What was done. Tells too what comes before the login."""
    home = home_of(settings)
    entry = await store.find(home.origin, profile)
    place = f"; it rests in {rests_in(entry.rests)}" if entry else ""
    with suppress(ConfigError):
        meant = gather(home.origin, profile)
        if meant.origin is not None and not isinstance(meant.source, StoredLoginSource | None):
            show(f"{meant.why} comes before this login and authorizes requests to {home.netloc}")
        elif meant.source is None and meant.no_token:
            show(in_command_words(f"requests to {home.netloc} do not use it: {meant.no_token}"))
    return f"{what} at {home.netloc}{f' as {user}' if user else ''}{place}"


def rests_in(rests: str) -> str:
    """Where a login's secrets rest, in words."""
    return f"a file in {home_folder(os.environ)}" if rests == "file" else "the system's keyring"


def _browse(url: str) -> bool:
    """Open the browser. What it says is no output of this command, and Ctrl-C ends it without a word.

    Modules come from where Python is, and not from the folder that somebody happens to be in.
    """
    command = [sys.executable, "-I", "-c", _OPEN, url]
    return subprocess.run(command, stdout=_SIDE, check=False).returncode == 0  # noqa: S603  ours


async def offer_login(host: str | None, allow_host: tuple[str, ...] = ()) -> bool:
    """Offer the login to who sits at the terminal, if that is what is missing.

    Returns:
        Whether they logged in; ``False`` where nothing was offered.

    Raises:
        AuthError: they did not want to.
        GatewayError: they wanted to, and it failed.
    """
    settings = await _without_login(host, allow_host) if at_terminal() else None
    if settings is None:
        return False
    home = home_of(settings)
    if not await agree(f"Log in to {home.netloc} in the browser?"):
        message = f"nobody is logged in at {home.netloc}"
        hint = f"Log in: gateway-stream auth login --host {home.origin}"
        raise AuthError(message, phase="token", hint=hint)
    _, profile = place_of(host, None)
    show(await _sign_in(settings, profile, open_browser=True))
    return True


async def _without_login(host: str | None, allow_host: tuple[str, ...]) -> Settings | None:
    """The settings, if nothing but a login is missing and there could be one."""
    try:
        settings = gather(host, None, allow_host=allow_host)
    except ConfigError:  # such as plain http, over which nobody logs in
        return None
    source = settings.source
    if settings.workspace is None or not isinstance(source, StoredOrCLI | StoredOrNothing):
        return None
    if await LoginStore().find(settings.workspace.origin, source.profile) is not None:
        return None
    if isinstance(source, StoredOrNothing) and not await _says_oauth(settings):
        return None
    return settings


async def _says_oauth(settings: Settings) -> bool:
    """Whether a host says of itself that people log in to it."""
    async with open_desk_for(settings) as desk:
        for path in _SAYS_OAUTH:
            try:
                called = await desk.calls.get(home_of(settings).origin + path)
            except GatewayError:
                return False
            if called.status == _OK and isinstance(called.tree, dict):
                return True
    return False


# --- logging out -----------------------------------------------------------------------------


async def log_out(host: str | None, profile: str | None) -> list[str]:
    """Remove the logins at a host, or those for one profile, and say what was done and what is left.

    Raises:
        ConfigError: there is no host, or a file cannot be removed.
        AuthError: the keyring does not let go of one.
    """
    settings, _ = place_of(host, profile)
    home, store = home_of(settings), LoginStore()
    count = await store.remove(home.origin, profile=profile)
    whose = f" for profile {profile!r}" if profile else ""
    logins = "the login" if count == 1 else f"{count} logins"
    done = f"removed {logins}" if count else "no login is stored"
    left = []
    if profile and await store.entries(home.origin):
        left.append(
            f"another login at {home.netloc} is still stored: gateway-stream auth logout --host {home.origin}"
        )
    return [f"{done} at {home.netloc}{whose}", *left, *_out_of_reach(home)]


def _out_of_reach(home: Base) -> list[str]:
    """The credentials that others keep, for whoever thinks that they have logged out."""
    told = [
        f"{name} is still set in the environment: unset it"
        for setting in _SECRETS
        for name in VARIABLES[setting]
        if os.environ.get(name)
    ]
    path = profile_path(os.environ, user_folder())
    for profile in read_profiles(path) if path else []:
        if origin_in(profile) == home.origin:
            told += [
                f"profile {profile.name!r} still has a {setting}: remove it from {path}"
                for setting in _SECRETS
                if setting in profile.values
            ]
    if shutil.which(os.environ.get("DATABRICKS_CLI_PATH") or "databricks"):
        told.append("the Databricks CLI keeps logins of its own: see databricks auth --help")
    return told
