"""Settings: where to send requests and what to authorize them with, from all places that say so.

**Order.** For the address, the credentials and the workspace id alike, the first that says something
holds:

1. the arguments ``host=``, ``gateway_host=``, ``token=``, ``auth=``, and the profile that ``profile=`` names;
2. the environment (`gateway_stream.gateway.places`: the variables of databricks-sdk, and two of others);
3. the profile that ``DATABRICKS_CONFIG_PROFILE`` names, or the file's default.

How credentials are chosen in these places, and what counts where they say nothing, is
`gateway_stream.auth.chain`'s affair; where they may go is `gateway_stream.gateway.servers`'.

The file is ``DATABRICKS_CONFIG_FILE``, or ``.databrickscfg`` in the home folder. It is read once,
when a client is made, and not at all where address and credentials are known without it and no profile is
named. An empty variable is an unset one.

``DATABRICKS_API_BASE`` says where streams go: an address, or a path (``/serving-endpoints``) on the
host. An argument that says where requests go (``host=``, ``gateway_host=``, ``profile=``) says all
of it, so beside one the variable is not looked at.

Credentials that may not go are left out, and requests go without ``Authorization``: a server that wants
none serves them, another answers 401, and `Settings.no_token` then says why there were none.

The order of places is that of databricks-sdk-py, but for one thing: there, variables outrank even the
profile that the program names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway_stream.auth.chain import Choice, choose, say_enough
from gateway_stream.auth.services import as_source
from gateway_stream.auth.source import TokenSource
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import Base
from gateway_stream.gateway.places import (
    Environment,
    Origin,
    of_arguments,
    of_environment,
    of_profile,
)
from gateway_stream.gateway.profiles import Profile, profile_path, read_profile
from gateway_stream.gateway.servers import find_servers
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from gateway_stream.auth.secret import Secret
    from gateway_stream.auth.services import Auth

__all__ = ["Settings", "resolve"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go, and what authorizes them.

    Attributes:
        base: where streams go.
        workspace: the workspace, for listings and logins; ``None`` where none is known.
        account_id: the account, where one is named.
        source: what gives tokens, or ``None``: send no ``Authorization``.
        why: what decided on the source, in a few words, such as ``"DATABRICKS_TOKEN"``.
        origin: the kind of place that its settings stand in; ``None`` for a login, and for none.
        no_token: why there may be no token, as a hint for whoever is refused without one.
        profile: the profile that was read.
    """

    base: Base
    workspace: Base | None
    account_id: str | None
    source: TokenSource | None
    why: str
    origin: Origin | None
    no_token: str | None
    profile: str | None

    @property
    def workspace_id(self) -> str | None:
        """Which workspace is meant, where that is known."""
        return self.base.workspace_id or (self.workspace.workspace_id if self.workspace else None)


def resolve(
    *,
    host: str | None = None,
    token: str | Secret | None = None,
    auth: Auth | str | None = None,
    gateway_host: str | None = None,
    profile: str | None = None,
    allow_host: Collection[str] = (),
    allow_http: bool = False,
    environ: Mapping[str, str],
    home: Path | None,
) -> Settings:
    """Gather the settings. Reads at most one small file, as the module's docstring says.

    Args:
        host: the address of a workspace, of a gateway, or of another server.
        token: what to authorize with; ``host::token`` says the host too.
        auth: what gives tokens, or the name of a way to log in.
        gateway_host: where streams go, if elsewhere than to ``host``.
        profile: the profile of the file to use.
        allow_host: hosts, with their port if they have one, that may get credentials found in the
            environment or in a profile, beside hosts of Databricks.
        allow_http: let plain ``http`` lead elsewhere than to this machine.
        environ: the environment.
        home: the folder of ``.databrickscfg``; ``None`` where there is none.

    Raises:
        ConfigError: there is no address, or something cannot be meant. It never quotes a value
            that may be a credential.
    """
    # Local variables too are out of sight of whoever prints a traceback.
    environ = Environment(environ)
    token = Hidden(token) if isinstance(token, str) else token
    method = auth if isinstance(auth, str) else None
    source = None if auth is None or isinstance(auth, str) else as_source(auth)
    if source is not None and token is not None:
        message = "auth= and token= are both given"
        raise ConfigError(message, hint="Give one of them.")
    places = [of_arguments(host, token)]
    whole = "host" in places[0].values or gateway_host is not None or bool(profile)
    outranked = source is not None or token is not None
    places.append(of_environment(environ, whole=whole, outranked=outranked))
    named = profile or environ.get("DATABRICKS_CONFIG_PROFILE") or None
    known = gateway_host is not None or any("host" in place.values for place in places)
    found = None
    if named or not known or not (source or say_enough(places, method)):
        found = _profile(named, environ, home)
    if found:
        places.insert(1 if profile else 2, of_profile(found, named=named is not None))
    servers = find_servers(places, gateway_host, allow_host=allow_host, allow_http=allow_http)
    if source is not None:
        choice = Choice(source=source, why="auth=", origin="argument")
    else:
        choice = choose(places, servers, environ, auth=method)
    counted = [place for place in places if servers.is_home_of(place)]
    return Settings(
        base=servers.base,
        workspace=servers.workspace,
        account_id=next((p.get("account_id") for p in counted if p.get("account_id")), None),
        source=choice.source,
        why=choice.why,
        origin=choice.origin,
        no_token=choice.no_token,
        profile=found.name if found else None,
    )


def _profile(named: str | None, environ: Mapping[str, str], home: Path | None) -> Profile | None:
    path = profile_path(environ, home)
    if path:
        return read_profile(path, named)
    if named:
        message = f"profile {named!r} is named, and there is no home folder with a .databrickscfg"
        raise ConfigError(message, hint="Say in DATABRICKS_CONFIG_FILE where the file is.")
    return None
