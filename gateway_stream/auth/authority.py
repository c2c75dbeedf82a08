"""The OAuth server of a host: how it is asked, what it answers.

**Where** it is says `gateway_stream.auth.discovery`. What a host said is remembered (those
who ask before it answered ask it too); what had to be guessed, because it could not say anything, is not.

**How.** A form; a client with a secret sends it as HTTP Basic (RFC 6749, section 2.3.1), or in the form
where it was told to, or where the server says that it takes no other way.

**What.** ``access_token``, ``expires_in`` in seconds, and perhaps ``refresh_token`` and ``scope``. Errors are
``error`` and ``error_description``, or ``errorCode`` and ``errorSummary``.

Sources: databricks-sdk-py (``oauth.py``), databricks-sdk-go (``config/experimental/auth``), RFC 6749.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

from gateway_stream.auth.discovery import Endpoints, SecretStyle, discover
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.store.kept import origin_of
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, expiry_of
from gateway_stream.auth.withheld import withheld
from gateway_stream.errors import AuthError, ConfigError, GatewayError, GatewayUnavailable
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.net.hidden import Hidden
from gateway_stream.wire.failure_text import one_line

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, MutableMapping

    from gateway_stream.net.calls import Called, Calls
    from gateway_stream.net.clocks import Clock
    from gateway_stream.net.loops import LoopState

__all__ = ["Desk", "Grant", "OAuthClient", "remedy_for"]

Result = TypeVar("Result")

_LOG_IN: Final = "Log in again: gateway-stream auth login."
_NOT_FOUND: Final = 404
_LAST_SUCCESS: Final = 299


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
        known: endpoints found so far, by host and the account that a source says it serves; it is
            added to.
        state: the loop's state, where there is a client.
    """

    def __init__(
        self,
        calls: Calls,
        clock: Clock,
        *,
        workspace: str | None,
        account_id: str | None = None,
        known: MutableMapping[tuple[str, str | None], Endpoints],
        state: LoopState | None = None,
    ) -> None:
        self.calls = calls
        self.clock = clock
        self.workspace = workspace
        self.account_id = account_id
        self._known = known
        self._state = state

    async def to_the_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do what may not stop midway, as far as that can be helped; see `LoopState.to_the_end`."""
        if self._state is None:
            return await work
        return await self._state.to_the_end(work, "gateway_stream: login")

    def host(self, own: str | None, what: str) -> str:
        """The host to ask: a source's own, or the workspace.

        Raises:
            ConfigError: there is neither, ``what`` being what needs one; or it is no address, or a
                plain ``http`` one that leads elsewhere than to this machine or the workspace.
        """
        if own:
            origin = origin_of(own)
            if origin.startswith("http:") and origin != self.workspace:
                parse_base(origin, name=f"the host of {what}")
            return origin
        if self.workspace:
            return self.workspace.rstrip("/")
        message = f"{what} needs the workspace's host, and only a gateway's own host is known"
        raise ConfigError(message, hint="Pass host=, or set DATABRICKS_HOST to the workspace.")

    async def endpoints(self, host: str, account_id: str | None = None) -> Endpoints:
        """Where the OAuth server of a host takes what. What cannot be found out is assumed.

        Raises:
            ConfigError: the host serves whole accounts, and no account's id is known.
        """
        found = self._known.get((host, account_id))
        if found is None:
            found = await discover(
                self.calls, host, account_id=account_id, settings_account=self.account_id
            )
            if not found.guessed:
                self._known[host, account_id] = found
        return found

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
            sent = [
                each for each in (*form.values(), *headers.values()) if isinstance(each, Hidden)
            ]
            sent += [Hidden(client.secret.reveal())] if client and client.secret else []
            sent += [Hidden(quote_plus(each)) for each in sent]
            failure = withheld(refusal(called, url, guessed=endpoints.guessed).failure(), sent)
            raise GatewayError.from_failure(failure)
        return called


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _secret(value: Any) -> Secret | None:
    """A token; ``None`` for what no header can carry."""
    try:
        return Secret(value)
    except ConfigError:
        return None


def _seconds(value: Any) -> float | None:
    """A life, in whatever way it is written; ``None`` for what is none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < float("inf") else None


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


def refusal(called: Called, url: str, *, guessed: bool = False) -> GatewayError:
    """The error for what is no token. ``guessed`` says that the address may be wrong."""
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
    if called.status == _NOT_FOUND and guessed:
        return GatewayUnavailable(
            f"{_place(url)} could not say where its OAuth server is, and has none at the usual place",
            status=called.status,
            phase="token",
            retryable=True,
            hint="Send the request again after a pause.",
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
