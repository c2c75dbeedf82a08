"""The OAuth server of a host: where it is, how it is asked, what it answers.

**Where.** What a host says of itself is asked in this order, each step best effort:

1. ``{host}/.well-known/databricks-config``, whose ``oidc_endpoint`` (with ``{account_id}`` put in) leads to
   ``{oidc_endpoint}/.well-known/oauth-authorization-server``;
2. ``{host}/oidc/.well-known/oauth-authorization-server``, with an account id
   ``{host}/oidc/accounts/{account_id}/.well-known/oauth-authorization-server``;
3. the paths that Databricks' documentation names: ``{host}/oidc/v1/token`` and ``.../authorize``, with an
   account id below ``/oidc/accounts/{account_id}``.

Secrets are sent to what is found, so it has to lie on the host that was asked, or be Databricks' own. It is
asked once for each host and remembered.

**How.** A form; a client with a secret sends it as HTTP Basic (RFC 6749, section 2.3.1), or in the form
where it was told to, or where the server says that it takes no other way.

**What.** ``access_token``, ``expires_in`` in seconds, and perhaps ``refresh_token`` and ``scope``. Errors are
``error`` and ``error_description``, or ``errorCode`` and ``errorSummary``.

Sources: databricks-sdk-py (``config.py``, ``oauth.py``), databricks-sdk-go (``config/experimental/auth``), RFC
6749 and RFC 8414.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import Token, expiry_of
from gateway_stream.errors import AuthError, ConfigError, GatewayError, GatewayUnavailable
from gateway_stream.gateway.hosts import is_databricks
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from gateway_stream.net.calls import Called, Calls
    from gateway_stream.net.clocks import Clock

__all__ = ["Desk", "Endpoints", "Grant", "OAuthClient", "SecretStyle"]

SecretStyle: TypeAlias = Literal["basic", "form"]
"""How a client's secret is sent: as HTTP Basic, or among the fields of the form."""

_CONFIG: Final = "/.well-known/databricks-config"
_METADATA: Final = "/.well-known/oauth-authorization-server"
_LOG_IN: Final = "Log in again: gateway-stream auth login."
_OK: Final = 200
_NOT_FOUND: Final = 404
_LAST_SUCCESS: Final = 299


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where an OAuth server takes what."""

    token: str
    authorization: str
    device: str | None = None
    secret_style: SecretStyle = "basic"  # noqa: S105  no secret


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """The program, as an OAuth server knows it. One without a secret is public."""

    id: str
    secret: Secret | None = None
    secret_style: SecretStyle | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an OAuth server gave."""

    token: Token
    refresh_token: Secret | None = None
    scopes: tuple[str, ...] = ()


class Desk:
    """Where a source asks for a token: the loop's connections, the workspace, and what is known of hosts.

    Args:
        calls: what sends.
        clock: what tells the time.
        workspace: the origin of the workspace (``https://...``), where one is known.
        account_id: the account, for hosts that serve whole accounts.
        known: endpoints found so far, by host and account; it is added to.
    """

    def __init__(
        self,
        calls: Calls,
        clock: Clock,
        *,
        workspace: str | None,
        account_id: str | None = None,
        known: MutableMapping[tuple[str, str | None], Endpoints],
    ) -> None:
        self.calls = calls
        self.clock = clock
        self.workspace = workspace
        self.account_id = account_id
        self._known = known

    def host(self, own: str | None, what: str) -> str:
        """The host to ask: a source's own, or the workspace.

        Raises:
            ConfigError: there is neither; ``what`` is what needs one.
        """
        if own or self.workspace:
            return (own or self.workspace or "").rstrip("/")
        message = f"{what} needs the workspace's host, and only a gateway's own host is known"
        raise ConfigError(message, hint="Pass host=, or set DATABRICKS_HOST to the workspace.")

    async def endpoints(self, host: str, account_id: str | None = None) -> Endpoints:
        """Where the OAuth server of a host takes what. Never fails: see the module's docstring."""
        account_id = account_id or self.account_id
        key = (host, account_id)
        found = self._known.get(key)
        if found is None:
            found = await self._discover(host, account_id)
            self._known[key] = found
        return found

    async def _discover(self, host: str, account_id: str | None) -> Endpoints:
        told = await self._document(host + _CONFIG)
        place = told.get("oidc_endpoint")
        account_id = account_id or _text(told.get("account_id"))
        bases = []
        if isinstance(place, str) and not ("{account_id}" in place and not account_id):
            bases.append(place.replace("{account_id}", account_id or "").rstrip("/"))
        own = f"{host}/oidc/accounts/{account_id}" if self._is_account(told, account_id) else None
        bases.append(own or f"{host}/oidc")
        for base in dict.fromkeys(bases):
            if _belongs(base, host):
                found = _read_endpoints(await self._document(base + _METADATA), host)
                if found is not None:
                    return found
        return Endpoints(token=f"{bases[-1]}/v1/token", authorization=f"{bases[-1]}/v1/authorize")

    def _is_account(self, told: Mapping[str, Any], account_id: str | None) -> bool:
        return bool(account_id) and not told.get("workspace_id") and not told.get("oidc_endpoint")

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            called = await self.calls.get(url, {"Accept": "application/json"})
        except GatewayError:
            return {}
        tree = called.tree if called.status == _OK else None
        return tree if isinstance(tree, dict) else {}

    async def grant(
        self,
        endpoints: Endpoints,
        fields: Mapping[str, str],
        client: OAuthClient | None,
        *,
        repeatable: bool = True,
    ) -> Grant:
        """Ask for a token.

        Raises:
            AuthError: the server refuses.
            GatewayError: it cannot be reached, or cannot answer.
        """
        headers = {"Accept": "application/json"}
        form = dict(fields)
        if client is not None:
            style = client.secret_style or endpoints.secret_style
            if client.secret is not None and style == "basic":
                pair = f"{quote(client.id, safe='')}:{quote(client.secret.reveal(), safe='')}"
                encoded = base64.b64encode(pair.encode()).decode()
                headers["Authorization"] = Hidden(f"Basic {encoded}")
            else:
                form["client_id"] = client.id
                if client.secret is not None:
                    form["client_secret"] = Hidden(client.secret.reveal())
        asked_at = self.clock.time()
        called = await self.calls.post(endpoints.token, form, headers, repeatable=repeatable)
        if called.status > _LAST_SUCCESS:
            raise refusal(called, endpoints.token)
        return _read_grant(called, asked_at, endpoints.token)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _belongs(url: str, host: str) -> bool:
    """Whether secrets that are for ``host`` may go to ``url``."""
    there, here = urlsplit(url), urlsplit(host)
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
    )


def _read_grant(called: Called, asked_at: float, url: str) -> Grant:
    tree = called.tree
    told = tree if isinstance(tree, dict) else {}
    value = _text(told.get("access_token"))
    if value is None:
        message = f"{_place(url)} answered without a token"
        raise AuthError(
            message,
            status=called.status,
            phase="token",
            hint="Check that the host is that of a workspace.",
        )
    life = told.get("expires_in")
    try:
        expires_at: float | None = asked_at + float(life)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        expires_at = expiry_of(value)
    refresh_token = _text(told.get("refresh_token"))
    scope = told.get("scope")
    return Grant(
        token=Token(
            value=Secret(value, name="the access token"),
            expires_at=expires_at,
            obtained_at=asked_at,
        ),
        refresh_token=Secret(refresh_token, name="the refresh token") if refresh_token else None,
        scopes=tuple(scope.split()) if isinstance(scope, str) else (),
    )


_REMEDIES: Final = {
    "invalid_client": "Check the client id and its secret, and that it may use this workspace.",
    "unauthorized_client": "Let the app use this way to log in, or use another app.",
    "invalid_scope": "Ask for scopes that the app has; all-apis is the usual one.",
    "invalid_grant": _LOG_IN,
    "expired_token": _LOG_IN,
    "access_denied": "Log in again and allow it: gateway-stream auth login.",
}


def refusal(called: Called, url: str) -> GatewayError:
    """The error for what is no token."""
    tree = called.tree
    told = tree if isinstance(tree, dict) else {}
    code = _text(told.get("error")) or _text(told.get("errorCode"))
    said = _text(told.get("error_description")) or _text(told.get("errorSummary"))
    if code is not None and called.status not in (429, 500, 502, 503, 504):
        text = " ".join((said or code.replace("_", " ")).split())[:300]
        return AuthError(
            f"{_place(url)} gives no token: {text}",
            code=code,
            status=called.status,
            phase="token",
            hint=_REMEDIES.get(code, "Check how the client is set up."),
        )
    if called.status == _NOT_FOUND:
        return AuthError(
            f"{_place(url)} has no OAuth",
            status=called.status,
            phase="token",
            hint="Check the host, or use a personal access token.",
        )
    error = called.error()
    if isinstance(error, GatewayUnavailable):
        error.phase = "token"
    return error


def _place(url: str) -> str:
    return urlsplit(url).netloc
