"""Where the gateway is: an address as people write it, read into a `Base`.

People paste what they have at hand: a bare host, a browser's address, the base URL that a vendor's
SDK was given, a line of a curl command. It is parsed once, and what is left of the text is
forgotten. `surfaces` says what its path means.

- A missing scheme is ``https``. Plain ``http`` carries tokens in the clear: only to this machine,
  or where the caller allows it.
- What is refused is refused by one line that says what to do, and never quotes the text: whatever
  stands where an address was expected may be a credential. For the same reason an ``@`` anywhere
  counts as credentials in the URL, whatever a URL parser would make of it.
- ``?o=<digits>`` names a workspace on a host that serves several. Any other query is refused, and
  so is a fragment: both are signs of a browser's address, whose path means nothing here.
- A host name is kept in ASCII and lower case, without a dot at its end, so that one server has one
  name. Addresses that resolvers read in more than one way (``127.1``, ``0x7f.1``) are refused.

**Hosts of Databricks** are known by suffix, on whole labels. The suffixes are domains in which only
Databricks gives out names; the domain of Databricks Apps is not among them, because there users run
code of their own.

Sources: databricks-sdk-py (``environments.py``, ``_fix_host_if_needed``), databricks-sdk-java 0.51
(``.mil``), Databricks' documentation of custom URLs (``acme.databricks.com/?o=<workspace id>``).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.surfaces import Surface, find_surface
from gateway_stream.net.hidden import Hidden

__all__ = ["Base", "is_databricks", "parse_base"]


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed address. ``str()`` gives it back whole, and that parses to an equal `Base`.

    Attributes:
        scheme: ``"https"`` or ``"http"``.
        host: a name in lower case and ASCII (IDNA), or an IP address without brackets.
        port: ``None`` where it is the scheme's own.
        surface: which paths the server has.
        prefix: the path in front of a family's own path: empty, or ``/...`` without a ``/`` at its
            end.
        workspace_id: which workspace is meant, on a host that serves several.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int | None
    surface: Surface
    prefix: str
    workspace_id: str | None = None

    @property
    def netloc(self) -> str:
        """Host and port as a URL has them."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port is None else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a connection and a credential belong to."""
        return f"{self.scheme}://{self.netloc}"

    def __str__(self) -> str:
        query = f"?o={self.workspace_id}" if self.workspace_id else ""
        return f"{self.origin}{self.prefix}{query}"


def parse_base(text: str, *, allow_http: bool = False, name: str = "the host") -> Base:
    """Read an address as a user writes it.

    Args:
        text: with or without scheme, slashes at its end, a default port, a family's path.
        allow_http: let plain ``http`` lead elsewhere than to this machine.
        name: what errors call the text, such as ``"DATABRICKS_HOST"``.

    Raises:
        ConfigError: no request can go there; the error does not quote the text.
    """
    text = Hidden(text)
    try:
        return _parse(text, allow_http, name)
    except ConfigError as error:
        refused = error
    # Raised out here, since the frames in between hold parts of a text that may be a credential.
    raise refused.with_traceback(None)


def _parse(text: str, allow_http: bool, name: str) -> Base:  # noqa: FBT001  only called above
    parts = _split(text.strip(), name)
    host, port = _host_and_port(parts.netloc, name)
    scheme: Literal["http", "https"] = "http" if parts.scheme == "http" else "https"
    if scheme == "http" and not (allow_http or _is_loopback(host)):
        raise _refused(
            name,
            "is plain http, which carries tokens in the clear",
            "Write https://, or pass allow_http=True where the network is trusted.",
        )
    surface, prefix = _surface(host, parts.path, name)
    return Base(
        scheme=scheme,
        host=host,
        port=None if port == _DEFAULT_PORTS[scheme] else port,
        surface=surface,
        prefix=prefix,
        workspace_id=_workspace_id(parts.query, name),
    )


def is_databricks(host: str) -> bool:
    """Whether a host name (no port) lies in a domain where only Databricks gives out names."""
    return host.lower().removesuffix(".").endswith(_DATABRICKS) and not host.startswith(".")


_DATABRICKS: Final = (
    ".databricks.com",  # AWS and GCP, their dev and staging forms, accounts' custom URLs
    ".cloud.databricks.us",  # AWS GovCloud
    ".cloud.databricks.mil",  # AWS GovCloud of the DoD
    ".azuredatabricks.net",  # Azure, its dev and staging forms, accounts' custom URLs
    ".databricks.azure.us",  # Azure Government
    ".databricks.azure.cn",  # Azure China
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_EXAMPLE: Final = "Write it like https://my-workspace.cloud.databricks.com."


def _refused(name: str, what: str, hint: str = _EXAMPLE) -> ConfigError:
    return ConfigError(f"{name} {what}", hint=hint)


def _split(text: str, name: str) -> SplitResult:
    if not text:
        raise _refused(name, "is empty")
    if not text.isprintable() or " " in text:
        raise _refused(name, "has a blank or a control character in it")
    if "@" in text:
        raise _refused(
            name,
            "has an '@' in it, as a URL with credentials has",
            "Give the address alone, and the token as token= or in DATABRICKS_TOKEN.",
        )
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text.removeprefix("//")
    if scheme.lower() not in _DEFAULT_PORTS:
        raise _refused(name, "has a scheme that is not https")
    try:
        parts = urlsplit(f"{scheme.lower()}://{rest}")
    except ValueError:
        parts = None
    # Raised out here, because the parser's error quotes the text and would come along as context.
    if parts is None:
        raise _refused(name, "is not a URL")
    if parts.fragment:
        raise _refused(
            name,
            "has a '#' in it, as a browser's address has",
            "Leave out the '#' and what follows.",
        )
    return parts


# --- host and port ---------------------------------------------------------------------------

_NETLOC: Final = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TOKEN: Final = re.compile(r"(?:dapi|dkea|dose)[0-9a-f]{16,}(?:-[0-9]+)?")
_LONGEST_NAME: Final = 253
_LAST_PORT: Final = 65535


def _host_and_port(netloc: str, name: str) -> tuple[str, int | None]:
    match = _NETLOC.fullmatch(netloc)
    if match is None:
        raise _refused(name, "has no host and port that can be told apart")
    bracketed, plain, digits = match.groups()
    if not (bracketed or plain):
        raise _refused(name, "names no host")
    host = _ip_address(bracketed, 6) if bracketed else _ip_address(plain, 4) or _host_name(plain)
    if host is None:
        raise _refused(name, "names a host that cannot exist")
    if _TOKEN.fullmatch(host):
        raise _refused(
            name,
            "looks like a token, not like an address",
            "Give the token as token= or in DATABRICKS_TOKEN.",
        )
    if is_databricks(host) and host.startswith(("accounts.", "accounts-dod.")):
        raise _refused(
            name,
            "is an account console, which serves no models",
            "Give the address of a workspace.",
        )
    port = int(digits) if digits else None
    if port is not None and not 0 < port <= _LAST_PORT:
        raise _refused(name, f"has a port outside 1 to {_LAST_PORT}")
    return host, port


def _ip_address(host: str, version: int) -> str | None:
    """The address in its one spelling. Zones (``%eth0``) name an interface, not a server."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return str(address) if address.version == version and "%" not in host else None


def _host_name(host: str) -> str | None:
    try:
        name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return None
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or _NUMBER.fullmatch(labels[-1]):
        return None
    return name if all(map(_LABEL.fullmatch, labels)) else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- path and query --------------------------------------------------------------------------

_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~+=,-]+")
_GATEWAYS_OWN: Final = ".ai-gateway."


def _surface(host: str, path: str, name: str) -> tuple[Surface, str]:
    segments = [segment for segment in path.split("/") if segment]
    if segments and (":" in segments[-1] or segments[-1] == "invocations"):
        raise _refused(
            name,
            "is the address of one model",
            "Give the address without it, and name the model in the request.",
        )
    if not all(map(_SEGMENT.fullmatch, segments)) or {".", ".."} & set(segments):
        raise _refused(name, "has a path that no gateway has")
    databricks = is_databricks(host)
    found = find_surface(segments, dedicated=_GATEWAYS_OWN in host, databricks=databricks)
    if found is None:
        raise _refused(
            name,
            "has a path that serves no models",
            "Give the host alone, or with /ai-gateway or /serving-endpoints.",
        )
    return found


def _workspace_id(query: str, name: str) -> str | None:
    if not query:
        return None
    match = re.fullmatch(r"o=([0-9]{1,20})", query)
    if match is None:
        raise _refused(
            name, "has a query other than ?o=<workspace id>", "Leave out the '?' and the rest."
        )
    return match[1]
