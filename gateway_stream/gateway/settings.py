"""Settings: where to send requests and what to authorize them with, from all places that say so.

**Order.** For the address, the token and the workspace id alike, the first that says something
holds:

1. the arguments ``host=``, ``gateway_host=``, ``token=``, and the profile that ``profile=`` names;
2. the environment: ``DATABRICKS_HOST``, ``DATABRICKS_API_BASE``, ``DATABRICKS_TOKEN`` or its alias
   ``DATABRICKS_API_KEY``, ``DATABRICKS_WORKSPACE_ID``;
3. the profile that ``DATABRICKS_CONFIG_PROFILE`` names, or the file's default.

The file is ``DATABRICKS_CONFIG_FILE``, or ``.databrickscfg`` in the home folder. It is read once,
when a client is made, and not at all where address and token are known without it and no profile is
named. An empty variable is an unset one.

``DATABRICKS_API_BASE`` says where streams go: an address, or a path (``/serving-endpoints``) on the
host. An argument that says where requests go (``host=``, ``gateway_host=``, ``profile=``) says all
of it, so beside one the variable is not looked at.

**Where credentials go.** Whoever can set a host name can otherwise make a program send its token
there. So:

- A token given as an argument goes to the servers of the settings, wherever those come from.
- A token found in the environment goes to hosts of Databricks and to those ``allow_host`` names.
  This machine is no exception.
- A token found in a profile goes to that profile's host, under the same condition; and beside it to
  a gateway's own host at Databricks, where ``gateway_host=`` names one.
- It goes to all servers of the settings or to none.
- Where ``DATABRICKS_AUTH_TYPE`` or a profile's ``auth_type`` asks for something else than ``pat``,
  a token that was found is not what the user wants to be known by, and is not sent.

A token that may not go is left out, and requests go without ``Authorization``: a server that wants
none serves them, another answers 401, and `Settings.no_token` then says why there was none.

The order is that of databricks-sdk-py, but for one thing: there, variables outrank even the profile
that the program names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import Base, is_databricks, parse_base
from gateway_stream.gateway.profiles import Profile, read_profile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Origin", "Settings", "resolve"]

Origin: TypeAlias = Literal["argument", "environment", "profile"]
"""Where a value was found."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go, and what authorizes them.

    Attributes:
        base: where streams go.
        workspace: the workspace, for listings and logins; ``None`` where none is known.
        token: what to authorize with, or ``None``: send no ``Authorization``.
        token_origin: where the token was found.
        no_token: why there is no token, as a hint for whoever is refused without one.
        profile: the profile that was read.
    """

    base: Base
    workspace: Base | None
    token: Secret | None
    token_origin: Origin | None
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
        token: what to authorize with.
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
    given = _Source("argument", ("host", "token"), host=host, token=token)
    whole = host is not None or gateway_host is not None or bool(profile)
    variables = _of_environment(environ, whole=whole, token_given=token is not None)
    sources = [given, variables]
    named = profile or environ.get("DATABRICKS_CONFIG_PROFILE") or None
    known = gateway_host is not None or any(source.host is not None for source in sources)
    found = None
    if named or not known or all(source.token is None for source in sources):
        found = _profile(named, environ, home)
    if found:
        sources.insert(1 if profile else 2, _of_profile(found))
    base, workspace = _servers(sources, gateway_host, allow_http=allow_http)
    source, no_token = _token_source(
        sources, base, workspace, _netlocs(allow_host), beside=gateway_host is not None
    )
    return Settings(
        base=base,
        workspace=workspace,
        token=source.secret() if source else None,
        token_origin=source.origin if source else None,
        no_token=no_token or None,
        profile=found.name if found else None,
    )


# --- what each place says --------------------------------------------------------------------


class _Source(msgspec.Struct, frozen=True):
    """What one place says; ``names`` is what messages call its address and its token."""

    origin: Origin
    names: tuple[str, str]
    host: str | None = None
    token: str | Secret | None = None
    api_base: str | None = None
    workspace_id: str | None = None
    auth_type: str | None = None

    def __repr__(self) -> str:
        return f"_Source({self.origin!r})"

    def secret(self) -> Secret | None:
        """The token, checked now, because only the one that is sent has to be good."""
        if self.token is None or isinstance(self.token, Secret):
            return self.token
        return Secret(self.token, name=self.names[1])


def _of_environment(environ: Mapping[str, str], *, whole: bool, token_given: bool) -> _Source:
    tokens = {
        name: environ[name]
        for name in ("DATABRICKS_TOKEN", "DATABRICKS_API_KEY")
        if environ.get(name)
    }
    if len(set(tokens.values())) > 1 and not token_given:
        message = f"{' and '.join(tokens)} are both set, and differ"
        raise ConfigError(message, hint="Unset one of them, or pass token=.")
    token_name = next(iter(tokens), "DATABRICKS_TOKEN")
    host, host_name = environ.get("DATABRICKS_HOST") or None, "DATABRICKS_HOST"
    api_base = None if whole else environ.get("DATABRICKS_API_BASE") or None
    if api_base and not host and not api_base.startswith("/"):
        host, host_name, api_base = api_base, "DATABRICKS_API_BASE", None
    return _Source(
        "environment",
        (host_name, token_name),
        host=host,
        token=tokens.get(token_name),
        api_base=api_base,
        workspace_id=environ.get("DATABRICKS_WORKSPACE_ID") or None,
        auth_type=environ.get("DATABRICKS_AUTH_TYPE") or None,
    )


def _of_profile(profile: Profile) -> _Source:
    values = profile.values
    return _Source(
        "profile",
        (f"the host of profile {profile.name!r}", f"the token of profile {profile.name!r}"),
        host=values.get("host"),
        token=values.get("token"),
        workspace_id=values.get("workspace_id"),
        auth_type=values.get("auth_type"),
    )


def _profile(named: str | None, environ: Mapping[str, str], home: Path | None) -> Profile | None:
    text = environ.get("DATABRICKS_CONFIG_FILE")
    if not text:
        path = home / ".databrickscfg" if home else None
    elif text.startswith("~/") and home:
        path = home / text[2:]
    else:
        path = Path(text)
    if path:
        return read_profile(path, named)
    if named:
        message = f"profile {named!r} is named, and there is no home folder with a .databrickscfg"
        raise ConfigError(message, hint="Say in DATABRICKS_CONFIG_FILE where the file is.")
    return None


# --- where requests go -----------------------------------------------------------------------

_WORKSPACE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _servers(
    sources: list[_Source], gateway_host: str | None, *, allow_http: bool
) -> tuple[Base, Base | None]:
    """Where streams go, and the workspace."""
    source = next((source for source in sources if source.host is not None), None)
    server = None
    if source and source.host is not None:
        server = parse_base(source.host, allow_http=allow_http, name=source.names[0])
    api_base = next((source.api_base for source in sources if source.api_base), None)
    if gateway_host is not None:
        base = parse_base(gateway_host, allow_http=allow_http, name="gateway_host")
    elif api_base:
        base = _from_api_base(api_base, server, allow_http=allow_http)
    elif server:
        base = server
    else:
        message = "there is no gateway to send requests to"
        raise ConfigError(
            message,
            hint="Pass host=, or set DATABRICKS_HOST, or add a profile with a host to "
            "~/.databrickscfg.",
        )
    ids = [
        each.workspace_id
        for each in sources
        if each.workspace_id and (each.origin != "profile" or each is source)
    ]
    workspace_id = _checked_id(ids[0]) if ids else None
    workspace = server or base
    return _in_workspace(base, workspace_id), (
        _in_workspace(workspace, workspace_id) if _is_workspace(workspace) else None
    )


def _from_api_base(api_base: str, server: Base | None, *, allow_http: bool) -> Base:
    name = "DATABRICKS_API_BASE"
    if not api_base.startswith("/"):
        return parse_base(api_base, allow_http=allow_http, name=name)
    if server is None:
        message = f"{name} is a path, and there is no host to put it on"
        raise ConfigError(message, hint="Set DATABRICKS_HOST, or make it a whole address.")
    base = parse_base(server.origin + api_base, allow_http=allow_http, name=name)
    return _in_workspace(base, server.workspace_id)


def _checked_id(workspace_id: str) -> str | None:
    if workspace_id == "none":
        return None
    if not _WORKSPACE_ID.fullmatch(workspace_id):
        message = "the workspace id has characters that no workspace id has"
        raise ConfigError(message, hint="It is the number behind ?o= in the workspace's address.")
    return workspace_id


def _in_workspace(base: Base, workspace_id: str | None) -> Base:
    """The address with its workspace id; what the address itself says comes first."""
    if base.workspace_id or workspace_id is None or not _is_workspace(base):
        return base
    return msgspec.structs.replace(base, workspace_id=workspace_id)


def _is_workspace(base: Base) -> bool:
    return base.surface in ("gateway", "classic")


# --- what authorizes them --------------------------------------------------------------------


_STATIC: Final = "pat"


def _token_source(
    sources: list[_Source], base: Base, workspace: Base | None, allowed: set[str], *, beside: bool
) -> tuple[_Source | None, str]:
    """The source whose token is to be sent, or ``None`` and why.

    ``beside`` says that an argument put the base beside the workspace.
    """
    source = next((source for source in sources if source.token is not None), None)
    if source and source.origin == "argument":
        return source, ""
    auth_type = next((source.auth_type for source in sources if source.auth_type), _STATIC)
    if auth_type != _STATIC:
        return None, f"the auth_type that was found is {auth_type!r}, not {_STATIC!r}: pass token="
    if source is None:
        return None, "no token was found: pass token=, or set DATABRICKS_TOKEN"
    name = source.names[1]
    servers = [workspace, base] if workspace else [base]
    for server in servers:
        if not (is_databricks(server.host) or server.netloc in allowed):
            return None, (
                f"{name} was not sent, because {server.netloc} is no host of Databricks: pass "
                "token=, or name the host in allow_host="
            )
    if beside and workspace and base.surface == "dedicated" and is_databricks(base.host):
        servers = [workspace]
    for server in servers:
        if source.origin == "profile" and server.origin != _origin(source):
            return None, (
                f"{name} was not sent, because {server.netloc} is not the host of that profile: "
                "pass token=, or name the profile of this host"
            )
    return source, ""


def _origin(source: _Source) -> str | None:
    """The server that a profile is for, where it says so in a way that can be read."""
    try:
        return parse_base(source.host or "", allow_http=True).origin
    except ConfigError:
        return None


def _netlocs(allow_host: Collection[str]) -> set[str]:
    hosts = [allow_host] if isinstance(allow_host, str) else allow_host
    return {parse_base(host, allow_http=True, name="allow_host").netloc for host in hosts}
