"""Which credentials are meant, of all that could be.

**Order.** The first place that speaks of credentials decides:

1. the arguments ``auth=`` and ``token=``, and the profile that ``profile=`` names;
2. the environment;
3. the profile that ``DATABRICKS_CONFIG_PROFILE`` names, or the file's default;
4. a login of ``gateway-stream auth login`` for the host;
5. the Databricks CLI's login for it (4 and 5: `gateway_stream.auth.sources.logins`). In a notebook of Databricks its own
   credentials stand in the place of both.

A place speaks of a *method* by its decisive setting: the one that is secret, or that nothing else needs
(`_DECISIVE`). What the method needs beside it may stand in any place, first in the same. Two methods in one
place are an error. ``auth=`` with a method's name overrides all of this, and so does an ``auth_type``, the
first that is found, wherever the method's settings stand; only a ``token=`` that is given outranks it.
A profile of another host says nothing here, and a named one whose credential may not go to the host
ends the search: whoever named it meant no other.

Nothing is read or asked here, and no optional package is imported: what comes out is a source, and the
logins are looked for when the first token is wanted. Where a credential that was found may go is
`gateway_stream.gateway.servers`' affair.

**Where databricks-sdk's chain differs.**

================================  ===================================  ====================================
what                              databricks-sdk                       here
================================  ===================================  ====================================
a profile that the program names  variables outrank it                 it outranks variables
two methods                       an error wherever they stand         an error in one place only
half a method (``client_id``,     counts as one                        says nothing by itself
``username``, ``azure_tenant_id``)
settings of another cloud         count as a method                    say nothing
``az`` beside other credentials   two methods                          what is secret comes first
``DATABRICKS_OIDC_TOKEN``         looked at after all that is          a method like the others
                                  configured
login by browser                  only with ``auth_type``              a stored login counts before the CLI's
``az`` at a host of Azure         asked if nothing else is set         with a resource id, or where it is
                                                                       named
model serving                     last in the chain                    where it is named
================================  ===================================  ====================================

Sources: databricks-sdk-py (``config.py``: ``_validate``; ``credentials_provider.py``: ``DefaultCredentials``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.auth.methods import METHODS, NEEDS, Reading, build
from gateway_stream.auth.source import TokenSource
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.places import VARIABLES, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.gateway.places import Place
    from gateway_stream.gateway.servers import Servers

__all__ = ["Choice", "choose", "say_enough"]

_DECISIVE: Final = {
    "token": "pat",
    "client_secret": "oauth-m2m",
    "password": "basic",
    "oidc_token": "env-oidc",
    "oidc_token_env": "env-oidc",
    "oidc_token_filepath": "file-oidc",
    "metadata_service_url": "metadata-service",
    "azure_client_secret": "azure-client-secret",
    "google_credentials": "google-credentials",
    "google_service_account": "google-id",
}
"""The setting that speaks of a method."""

_RUNNERS: Final = {
    "github-oidc": ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    "azure-devops-oidc": ("SYSTEM_ACCESSTOKEN", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"),
}
"""Where a job has an identity by itself, a ``client_id`` without a secret says whose token it wants."""

_CLOUDS: Final = {
    "azure": ("AZURE", re.compile(r"\.azuredatabricks\.net$|\.databricks\.azure\.(us|cn)$")),
    "google": ("GCP", re.compile(r"\.gcp\.databricks\.com$")),
}
"""By the beginning of a setting's name: the cloud that it counts in, and that cloud's hosts."""

_RESOURCE: Final = "azure_workspace_resource_id"
_STORED: Final = "external-browser"
_NOTEBOOK: Final = "DATABRICKS_RUNTIME_VERSION"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen.

    Attributes:
        source: what gives tokens; ``None`` where requests go without.
        why: what decided, in a few words.
        origin: the kind of place that its settings stand in; ``None`` for a login, which stands in none.
        no_token: why requests may go without credentials, as a hint.
    """

    source: TokenSource | None
    why: str
    origin: Origin | None = None
    no_token: str | None = None


def say_enough(places: list[Place], auth: str | None = None) -> bool:
    """Whether places say all that is wanted of credentials, so that no other need be read.

    Args:
        places: the arguments and the environment.
        auth: the method that the program names.
    """
    there = {setting for place in places for setting in place.values}
    method = auth or next((p.get("auth_type") for p in places if "auth_type" in p.values), None)
    if method is not None:
        return there.issuperset(NEEDS.get(method, ()))
    # What counts in one cloud alone may not count here.
    decisive = {each for each in _DECISIVE if each.partition("_")[0] not in _CLOUDS}
    return not there.isdisjoint(decisive)


def choose(
    places: list[Place], servers: Servers, environ: Mapping[str, str], *, auth: str | None = None
) -> Choice:
    """Choose among what the places say.

    Args:
        places: the places that were read, the first first, and before all the arguments.
        servers: where requests go.
        environ: the environment, for what tells where a job runs.
        auth: the method that the program names.

    Raises:
        ConfigError: the places contradict themselves, or lack what the method needs.
    """
    counted = [place for place in places if servers.is_home_of(place)]
    if auth is not None:
        return _named(_known(auth, "auth="), places[0], "auth=", places, servers)
    if "token" in places[0].values:
        return _made("pat", places[0], "token=", counted, servers)
    for place in counted:
        if auth_type := place.get("auth_type"):
            name = place.name("auth_type")
            return _named(_known(auth_type, name), place, name, places, servers)
    reason = None
    for place in places:
        spoken = _spoken_of(place, Reading([place, *counted], servers), servers, environ)
        if spoken is None:
            continue
        method, name = spoken
        refusal = servers.refusal(place, name)
        if refusal is None:
            return _made(method, place, name, counted, servers)
        if place.named:
            return Choice(source=None, why=name, no_token=refusal)
        reason = reason or refusal
    return _login(Reading(counted, servers), servers, environ, reason)


def _spoken_of(
    place: Place, reading: Reading, servers: Servers, environ: Mapping[str, str]
) -> tuple[str, str] | None:
    """The method that a place speaks of, and what its decisive setting is called."""
    methods = {
        method: place.name(setting)
        for setting, method in _DECISIVE.items()
        if setting in place.values and _is_of_cloud(setting, reading, servers)
    }
    # What may not be sent at all need not be told apart.
    if len(methods) > 1 and servers.refusal(place, "") is None:
        message = f"two ways to log in are set: {' and '.join(methods)}"
        settings = " or ".join(methods.values())
        raise ConfigError(message, hint=f"Unset {settings}, or say which in DATABRICKS_AUTH_TYPE.")
    if methods:
        return next(iter(methods.items()))
    if _RESOURCE in place.values:
        return "azure-cli", place.name(_RESOURCE)
    if "client_id" in place.values and "client_secret" not in reading:
        for method, variables in _RUNNERS.items():
            if all(environ.get(variable) for variable in variables):
                return method, place.name("client_id")
    return None


def _is_of_cloud(setting: str, reading: Reading, servers: Servers) -> bool:
    """Whether a setting counts in the cloud that the servers are in, by what is said or by their name."""
    family = setting.partition("_")[0]
    if family not in _CLOUDS or (family == "azure" and _RESOURCE in reading):
        return True
    cloud, hosts = _CLOUDS[family]
    said = reading.get("cloud")
    return said.upper() == cloud if said else bool(hosts.search(servers.home.host))


def _named(method: str, by: Place, name: str, places: list[Place], servers: Servers) -> Choice:
    """The choice where a place says the method, by what ``name`` is called."""
    counted = [place for place in places if servers.is_home_of(place)]
    settings = [setting for setting, which in _DECISIVE.items() if which == method]
    # A place that does not count is looked at too, for what it has and may not be sent.
    spoken = [(p, s) for p in (*counted, *places) for s in settings if s in p.values]
    if spoken:
        place, setting = spoken[0]
        refusal = servers.refusal(place, place.name(setting))
    else:
        place = by
        refusal = None if NEEDS.get(method) else _no_login(method, servers)
    if refusal is None:
        return _made(method, place, name, counted, servers)
    if by.origin == "argument":
        what, _, remedy = refusal.partition(": ")
        raise ConfigError(what, hint=f"Instead {remedy}.")
    return Choice(source=None, why=name, no_token=refusal)


def _no_login(method: str, servers: Servers) -> str | None:
    """Why a method whose credentials stand in no place may not be asked, as a hint."""
    netloc = servers.base.netloc
    if not servers.one:
        return (
            f"{method} was not asked, because {netloc} is another server than the workspace: "
            "pass token=, or name one host"
        )
    if method == _STORED or servers.trusted:
        return None
    return (
        f"{method} was not asked, because {netloc} is no host of Databricks: pass token=, or name "
        f"{netloc} in allow_host="
    )


def _made(method: str, place: Place, why: str, counted: list[Place], servers: Servers) -> Choice:
    reading = Reading([place, *counted], servers)
    missing = next((need for need in NEEDS.get(method, ()) if need not in reading), None)
    if missing is not None:
        message = f"{why} asks for {method}, which needs a {missing}, and there is none"
        hint = f"Set {VARIABLES[missing][0]}, or {missing} in the profile."
        raise ConfigError(message, hint=hint)
    return Choice(source=build(method, reading), why=why, origin=place.origin)


def _login(
    reading: Reading, servers: Servers, environ: Mapping[str, str], reason: str | None
) -> Choice:
    """What is left where no place speaks of credentials."""
    no_token = reason or "no token was found: pass token=, or set DATABRICKS_TOKEN"
    if not servers.one:
        return Choice(source=None, why="nothing was found", no_token=no_token)
    if servers.databricks and _NOTEBOOK in environ and servers.workspace:
        return Choice(source=build("runtime", reading), why=_NOTEBOOK, origin="environment")
    if servers.databricks:
        login = StoredOrCLI(
            host=reading.workspace,
            gateway=reading.home,
            profile=reading.profile,
            cli_profile=reading.cli_profile,
            command=reading.get("databricks_cli_path"),
            scopes=reading.scopes,
            reason=reason.partition(": ")[0] if reason else None,
        )
        return Choice(source=login, why="nothing else was found")
    stored = StoredOrNothing(host=reading.home, profile=reading.profile)
    if reason is None:
        no_token += f", or log in: gateway-stream auth login --host {reading.home}"
    return Choice(source=stored, why="nothing else was found", no_token=no_token)


def _known(method: str, name: str) -> str:
    """The method, if there is one of that name. What is none may be a credential, and is not quoted."""
    if method in METHODS:
        return method
    message = f"{name} names no way to log in"
    raise ConfigError(message, hint=f"Use one of {', '.join(METHODS)}.")
