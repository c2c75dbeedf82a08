"""Where the OAuth server of a host is, by what the host says of itself.

It is asked in this order, each step best effort:

1. ``{host}/.well-known/databricks-config``, whose ``oidc_endpoint`` (with ``{account_id}`` put in) leads to
   ``{oidc_endpoint}/.well-known/oauth-authorization-server``;
2. ``{host}/oidc/.well-known/oauth-authorization-server``, or where a source says that the host serves an
   account ``{host}/oidc/accounts/{account_id}/.well-known/oauth-authorization-server``;
3. the paths that Databricks' documentation names, below the first of these places: ``.../v1/token`` and
   ``.../v1/authorize``.

A host that serves whole accounts, and says so, cannot be asked without an account's id. The id of the settings is
put in where a host has a place for it; it does not make a workspace an account.

Secrets are sent to what is found, so it has to lie on the host that was asked, or be Databricks' own.

A host that could not say anything just now (no connection, an error that may pass) may say something else the
next time, so what was assumed in place of its word is used and not to be remembered (`Endpoints.guessed`).

Sources: databricks-sdk-py (``config.py``, ``oauth.py``), databricks-sdk-go (``config/experimental/auth``), RFC
8414.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway_stream.errors import ConfigError, GatewayError
from gateway_stream.events import Failure
from gateway_stream.gateway.hosts import is_databricks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.net.calls import Calls

__all__ = ["Endpoints", "SecretStyle", "discover"]

SecretStyle: TypeAlias = Literal["basic", "form"]
"""How a client's secret is sent: as HTTP Basic, or among the fields of the form."""

_CONFIG: Final = "/.well-known/databricks-config"
_METADATA: Final = "/.well-known/oauth-authorization-server"
_ACCOUNT: Final = "{account_id}"
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
"""What all parsers of URLs read alike: no blank, no backslash, nothing that is not ASCII."""

_OK: Final = 200
_FIRST_ERROR: Final = 400


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where an OAuth server takes what.

    Attributes:
        token: where tokens are asked for.
        authorization: where a browser is sent to.
        device: where a device asks for a code, if there is a device flow.
        audience: whom a JWT has to be for that it exchanges.
        secret_style: how it takes a client's secret.
        named: whether the host itself names them.
        trouble: why the host could not be asked just now, so that another time may tell more.
    """

    token: str
    authorization: str
    device: str | None = None
    audience: str | None = None
    secret_style: SecretStyle = "basic"  # noqa: S105  no secret
    named: bool = False
    trouble: Failure | None = None

    @property
    def guessed(self) -> bool:
        """Whether the host, asked another time, may tell more."""
        return self.trouble is not None


async def discover(
    calls: Calls, host: str, *, account_id: str | None, settings_account: str | None
) -> Endpoints:
    """Where the OAuth server of a host takes what. What cannot be found out is assumed.

    Args:
        calls: what asks.
        host: the host's origin.
        account_id: the account that a source says the host serves.
        settings_account: the account of the settings.

    Raises:
        ConfigError: the host serves whole accounts, and no account's id is known.
    """
    asking = _Asking(calls)
    told = await asking.document(host + _CONFIG)
    known = account_id or settings_account or _text(told.get("account_id"))
    place = _text(told.get("oidc_endpoint"))
    if place and _ACCOUNT in place and not known:
        message = f"{urlsplit(host).netloc} serves whole accounts, and no account's id is known"
        hint = "Set DATABRICKS_ACCOUNT_ID, or account_id in the profile."
        raise ConfigError(message, hint=hint)
    whole = account_id and not place and not told.get("workspace_id")
    places = [f"{host}/oidc/accounts/{account_id}" if whole else f"{host}/oidc"]
    if place:
        places.insert(0, place.replace(_ACCOUNT, known or "").rstrip("/"))
    places = [each for each in dict.fromkeys(places) if _belongs(each, host)]
    found = None
    for each in places:
        found = _read_endpoints(await asking.document(each + _METADATA), host)
        if found is not None:
            break
    found = found or Endpoints(
        token=f"{places[0]}/v1/token", authorization=f"{places[0]}/v1/authorize"
    )
    return msgspec.structs.replace(found, audience=_audience(told, known), trouble=asking.trouble)


class _Asking:
    """Asks for documents. ``trouble`` is why one did not come, where that may pass."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.trouble: Failure | None = None

    async def document(self, url: str) -> dict[str, Any]:
        """A document; an empty one where there is none."""
        try:
            called = await self._calls.get(url, {"Accept": "application/json"})
        except GatewayError as error:
            self.trouble = error.failure()
            return {}
        refused = called.error().failure() if called.status >= _FIRST_ERROR else None
        if refused is not None and refused.retryable:
            self.trouble = refused
        tree = called.tree if called.status == _OK else None
        return tree if isinstance(tree, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _audience(told: Mapping[str, Any], account_id: str | None) -> str | None:
    """What the host names, or an account's id where it serves a whole one (databricks-sdk-py's rule)."""
    named = told.get("token_federation_default_oidc_audiences")
    if isinstance(named, list) and named and _text(named[0]):
        return _text(named[0])
    return account_id if told and not told.get("workspace_id") else None


def _belongs(url: str, host: str) -> bool:
    """Whether secrets that are for ``host`` may go to ``url``."""
    try:
        there, here = urlsplit(url), urlsplit(host)
        there.port  # noqa: B018  one that is none is an error
    except ValueError:
        return False
    if "@" in there.netloc or not _PLAIN.fullmatch(url):
        return False
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return True
    return there.scheme == "https" and is_databricks(there.hostname or "")


def _read_endpoints(told: Mapping[str, Any], host: str) -> Endpoints | None:
    token, authorization = _text(told.get("token_endpoint")), told.get("authorization_endpoint")
    if token is None or not _belongs(token, host):
        return None
    device = _text(told.get("device_authorization_endpoint"))
    methods = told.get("token_endpoint_auth_methods_supported")
    form_only = (
        isinstance(methods, list)
        and "client_secret_post" in methods
        and "client_secret_basic" not in methods
    )
    return Endpoints(
        token=token,
        authorization=_text(authorization) or token.removesuffix("token") + "authorize",
        device=device if device and _belongs(device, host) else None,
        secret_style="form" if form_only else "basic",
        named=True,
    )
