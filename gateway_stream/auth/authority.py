"""The OAuth server of a host: where it is, how it is asked, what it answers.

**Where.** What a host says of itself is asked in this order, each step best effort:

1. ``{host}/.well-known/databricks-config``, whose ``oidc_endpoint`` (with ``{account_id}`` put in) leads to
   ``{oidc_endpoint}/.well-known/oauth-authorization-server``;
2. ``{host}/oidc/.well-known/oauth-authorization-server``, or where a source says that the host serves an
   account ``{host}/oidc/accounts/{account_id}/.well-known/oauth-authorization-server``;
3. the paths that Databricks' documentation names, below the first of these places: ``.../v1/token`` and
   ``.../v1/authorize``.

A host that serves whole accounts, and says so, cannot be asked without an account's id. The id of the settings is
put in where a host has a place for it; it does not make a workspace an account.

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
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, expiry_of
from gateway_stream.auth.withheld import withheld
from gateway_stream.errors import AuthError, ConfigError, GatewayError, GatewayUnavailable
from gateway_stream.gateway.hosts import is_databricks
from gateway_stream.net.hidden import Hidden
from gateway_stream.wire.failure_text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from gateway_stream.net.calls import Called, Calls
    from gateway_stream.net.clocks import Clock

__all__ = ["Desk", "Endpoints", "Grant", "OAuthClient", "SecretStyle"]

SecretStyle: TypeAlias = Literal["basic", "form"]
"""How a client's secret is sent: as HTTP Basic, or among the fields of the form."""

_CONFIG: Final = "/.well-known/databricks-config"
_METADATA: Final = "/.well-known/oauth-authorization-server"
_ACCOUNT: Final = "{account_id}"
_LOG_IN: Final = "Log in again: gateway-stream auth login."
_OK: Final = 200
_NOT_FOUND: Final = 404
_LAST_SUCCESS: Final = 299


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where an OAuth server takes what. ``audience`` is whom a JWT has to be for that it exchanges."""

    token: str
    authorization: str
    device: str | None = None
    audience: str | None = None
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
        """Where the OAuth server of a host takes what. What cannot be found out is assumed.

        Raises:
            ConfigError: the host serves whole accounts, and no account's id is known.
        """
        key = (host, account_id or self.account_id)
        found = self._known.get(key)
        if found is None:
            found = await self._discover(host, account_id)
            self._known[key] = found
        return found

    async def _discover(self, host: str, account_id: str | None) -> Endpoints:
        told = await self._document(host + _CONFIG)
        known = account_id or self.account_id or _text(told.get("account_id"))
        place = _text(told.get("oidc_endpoint"))
        if place and _ACCOUNT in place and not known:
            message = f"{_place(host)} serves whole accounts, and no account's id is known"
            hint = "Set DATABRICKS_ACCOUNT_ID, or account_id in the profile."
            raise ConfigError(message, hint=hint)
        whole = account_id and not place and not told.get("workspace_id")
        places = [f"{host}/oidc/accounts/{account_id}" if whole else f"{host}/oidc"]
        if place:
            places.insert(0, place.replace(_ACCOUNT, known or "").rstrip("/"))
        places = [each for each in dict.fromkeys(places) if _belongs(each, host)]
        for each in places:
            found = _read_endpoints(await self._document(each + _METADATA), host)
            if found is not None:
                return msgspec.structs.replace(found, audience=_audience(told, known))
        return Endpoints(
            token=f"{places[0]}/v1/token",
            authorization=f"{places[0]}/v1/authorize",
            audience=_audience(told, known),
        )

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
        asked_at = self.clock.time()
        called = await self.ask(endpoints.token, endpoints, fields, client, repeatable=repeatable)
        given = _read_grant(called, asked_at)
        if given is not None:
            return given
        # Raised out here, where no local variable is what the server gave.
        message = f"{_place(endpoints.token)} answered without a token"
        raise AuthError(
            message,
            status=called.status,
            phase="token",
            hint="Check that the host is that of a workspace.",
        )

    async def ask(
        self,
        url: str,
        endpoints: Endpoints,
        fields: Mapping[str, str],
        client: OAuthClient | None,
        *,
        repeatable: bool = True,
    ) -> Called:
        """Send a form to one of the server's endpoints as a client, and give its answer.

        Raises:
            AuthError: the server refuses.
            GatewayError: it cannot be reached, or cannot answer.
        """
        headers = {"Accept": "application/json"}
        form = dict(fields)
        if client is not None:
            style = client.secret_style or endpoints.secret_style
            if client.secret is not None and style == "basic":
                pair = Hidden(
                    f"{quote(client.id, safe='')}:{quote(client.secret.reveal(), safe='')}"
                )
                encoded = Hidden(base64.b64encode(pair.encode()).decode())
                headers["Authorization"] = Hidden(f"Basic {encoded}")
            else:
                form["client_id"] = client.id
                if client.secret is not None:
                    form["client_secret"] = Hidden(client.secret.reveal())
        called = await self.calls.post(url, form, headers, repeatable=repeatable)
        if called.status > _LAST_SUCCESS:
            sent = [value for value in form.values() if isinstance(value, Hidden)]
            sent += [Hidden(client.secret.reveal())] if client and client.secret else []
            raise GatewayError.from_failure(withheld(refusal(called, url).failure(), sent))
        return called


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _secret(value: Any) -> Secret | None:
    """A token; ``None`` for what no header can carry."""
    try:
        return Secret(value)
    except ConfigError:
        return None


def _audience(told: Mapping[str, Any], account_id: str | None) -> str | None:
    """What the host names, or an account's id where it serves a whole one (databricks-sdk-py's rule)."""
    named = told.get("token_federation_default_oidc_audiences")
    if isinstance(named, list) and named and _text(named[0]):
        return _text(named[0])
    return account_id if told and not told.get("workspace_id") else None


def _seconds(value: Any) -> float | None:
    """A life, in whatever way it is written; ``None`` for what is none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < float("inf") else None


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


def _read_grant(called: Called, asked_at: float) -> Grant | None:
    tree = called.tree
    told = tree if isinstance(tree, dict) else {}
    token = _secret(told.get("access_token"))
    if token is None:
        return None
    life = _seconds(told.get("expires_in"))
    expires_at = asked_at + life if life else expiry_of(token.reveal()) or asked_at + UNKNOWN_LIFE
    scope = told.get("scope")
    return Grant(
        token=Token(
            value=token,
            expires_at=expires_at,
            obtained_at=asked_at,
        ),
        refresh_token=_secret(told.get("refresh_token")),
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


def remedy_for(code: str, otherwise: str = "Check how the client is set up.") -> str:
    """What to do about an error code of OAuth."""
    return _REMEDIES.get(code, otherwise)


def refusal(called: Called, url: str) -> GatewayError:
    """The error for what is no token."""
    tree = called.tree
    told = tree if isinstance(tree, dict) else {}
    code = _text(told.get("error")) or _text(told.get("errorCode"))
    said = _text(told.get("error_description")) or _text(told.get("errorSummary"))
    if code is not None and called.status not in (429, 500, 502, 503, 504):
        text = one_line(said or code.replace("_", " "), 300)
        return AuthError(
            f"{_place(url)} gives no token: {text}",
            code=code,
            status=called.status,
            phase="token",
            hint=remedy_for(code),
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
