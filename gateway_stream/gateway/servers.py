"""The servers of a client: where streams go, the workspace beside it, and which credentials may go to both.

**Where credentials go.** Whoever can set a host name can otherwise make a program send its credentials
there. So:

- What is given as an argument goes to the servers of the settings, wherever those come from.
- What is found in the environment goes to hosts of Databricks and to those ``allow_host`` names.
  This machine is no exception.
- What is found in a profile goes to that profile's host, under the same condition; and beside it to
  a gateway's own host at Databricks, where ``gateway_host=`` names one. A pasted ``host::token`` in the
  environment is treated alike, and so are logins: each was made for one workspace.
- It goes to all servers of the settings or to none.

A client's secret is not sent to the gateway itself, and yet the rule holds for it: it goes to the OAuth
server of the workspace, and the token that it buys goes where streams go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import Base, is_databricks, parse_base

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway_stream.gateway.places import Place

__all__ = ["Servers", "find_servers"]

_WORKSPACE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go.

    Attributes:
        base: where streams go.
        workspace: the workspace, for listings and logins; ``None`` where none is known.
        allowed: hosts, with their ports, that may get what was found.
        beside: whether an argument put the base beside the workspace.
    """

    base: Base
    workspace: Base | None
    allowed: frozenset[str] = frozenset()
    beside: bool = False

    @property
    def home(self) -> Base:
        """The server that credentials are for: the workspace, or else the base."""
        return self.workspace or self.base

    @property
    def databricks(self) -> bool:
        """Whether all are hosts of Databricks."""
        return all(is_databricks(server.host) for server in self._all())

    @property
    def trusted(self) -> bool:
        """Whether all may get what was found: those of Databricks, and those that are allowed."""
        return all(map(self._is_trusted, self._all()))

    @property
    def one(self) -> bool:
        """Whether what is for `home` alone may be sent."""
        return all(server.origin == self.home.origin for server in self._bound())

    def is_home_of(self, place: Place) -> bool:
        """Whether a place speaks of these servers. A profile of another host does not."""
        bound = place.own_host and "host" in place.values
        return not bound or _origin(place) == self.home.origin

    def refusal(self, place: Place, name: str) -> str | None:
        """Why a credential of this place, ``name`` in messages, may not be sent, as a hint."""
        if place.origin == "argument":
            return None
        for server in self._all():
            if not self._is_trusted(server):
                return (
                    f"{name} was not sent, because {server.netloc} is no host of Databricks: pass "
                    f"token=, or name {server.netloc} in allow_host="
                )
        own = _origin(place) if place.own_host else None
        for server in self._bound() if place.own_host else []:
            if server.origin != own:
                return (
                    f"{name} was not sent, because {server.netloc} is not the host that goes with it: "
                    "pass token=, or name the profile of this host"
                )
        return None

    def _is_trusted(self, server: Base) -> bool:
        return is_databricks(server.host) or server.netloc in self.allowed

    def _all(self) -> list[Base]:
        return [self.workspace, self.base] if self.workspace else [self.base]

    def _bound(self) -> list[Base]:
        """The servers that have to be the one that a credential is for."""
        gateway = self.base.surface == "dedicated" and is_databricks(self.base.host)
        return [self.workspace] if self.beside and self.workspace and gateway else self._all()


def find_servers(
    places: list[Place],
    gateway_host: str | None,
    *,
    allow_host: Collection[str],
    allow_http: bool,
) -> Servers:
    """The servers that the places speak of, the first place first.

    Raises:
        ConfigError: there is no address, or one that no request can go to.
    """
    place = next((place for place in places if "host" in place.values), None)
    server = None
    if place:
        name = place.name("host")
        server = parse_base(str(place.values["host"]), allow_http=allow_http, name=name)
    api_base = next((place.api_base for place in places if place.api_base), None)
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
        each.get("workspace_id")
        for each in places
        if "workspace_id" in each.values and (each.origin != "profile" or each is place)
    ]
    workspace_id = _checked_id(ids[0]) if ids else None
    workspace = next((each for each in (server, base) if each and _is_workspace(each)), None)
    return Servers(
        base=_in_workspace(base, workspace_id),
        workspace=_in_workspace(workspace, workspace_id) if workspace else None,
        allowed=_netlocs(allow_host),
        beside=gateway_host is not None,
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


def _checked_id(workspace_id: str | None) -> str | None:
    if workspace_id is None or workspace_id == "none":
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


def _origin(place: Place) -> str | None:
    """The server that a place names, where it does so in a way that can be read."""
    try:
        return parse_base(str(place.values.get("host") or ""), allow_http=True).origin
    except ConfigError:
        return None


def _netlocs(allow_host: Collection[str]) -> frozenset[str]:
    hosts = [allow_host] if isinstance(allow_host, str) else allow_host
    return frozenset(parse_base(host, allow_http=True, name="allow_host").netloc for host in hosts)
