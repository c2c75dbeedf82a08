"""Logging people in through their browser: authorization code with PKCE (RFC 6749, section 4.1; RFC 7636).

The browser is sent to the workspace, whose server sends it back with a code; the code and the *verifier*,
which never left this program, are exchanged for tokens. The *state* comes back with the code and says that
this login is the one that was begun here, and by this very browser: so both belong into the session
of the person who logs in, and nowhere else.

A web back end, whole::

    login = Login(
        host="https://my-workspace.cloud.databricks.com",
        client_id="...",  # of an OAuth app that has this redirect URI and the scope offline_access
        client_secret=Secret(os.environ["APP_SECRET"]),  # if the app has one
        redirect_uri="https://chat.example.com/callback",
    )
    client = Client(host=login.host)  # one for all people


    async def begin(request):  # GET /login
        begun = await login.begin()
        request.session["state"] = begun.state
        request.session["verifier"] = begun.verifier.reveal()
        return Redirect(begun.url)


    async def callback(request):  # GET /callback
        stored = await login.finish(
            str(request.url),
            state=request.session.pop("state", ""),
            verifier=request.session.pop("verifier", ""),
        )
        await database.keep(request.person, stored)
        return Redirect("/")


    async def chat(request):  # POST /chat
        source = U2M(
            await database.login_of(request.person),
            client_secret=login.client_secret,
            on_rotate=functools.partial(database.keep, request.person),
        )
        async with client.stream("databricks-claude-sonnet-4-6", request.text, auth=source) as stream:
            async for text in stream.text():
                await request.send(text)

A program on a person's own machine logs in by `gateway_stream.auth.login.interactive`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from gateway_stream.auth.authority import OAuthClient, remedy_for
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.stored import PUBLIC_CLIENT, StoredLogin
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.gateway.hosts import is_databricks, parse_base
from gateway_stream.net.hidden import Hidden
from gateway_stream.wire.failure_text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from gateway_stream.auth.authority import Desk, Grant

__all__ = [
    "REDIRECT",
    "SCOPES",
    "Authorization",
    "Login",
    "authorize_url",
    "challenge_of",
    "make_state",
    "make_verifier",
    "read_redirect",
]

SCOPES: Final = ("all-apis", "offline_access")
"""What is asked for: every API, and a refresh token."""

REDIRECT: Final = "http://localhost:8020"
"""Where a browser comes back to on a person's own machine: what ``databricks-cli`` is registered with."""

_RANDOM_BYTES: Final = 32
_LONGEST: Final = 300
_AGAIN: Final = "Begin the login again."


def make_verifier() -> Secret:
    """A new code verifier: 32 random bytes as 43 characters (RFC 7636, section 4.1)."""
    return Secret(secrets.token_urlsafe(_RANDOM_BYTES), name="the verifier")


def challenge_of(verifier: Secret) -> str:
    """The S256 challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_state() -> str:
    """A new state: 32 random bytes."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def authorize_url(endpoint: str, fields: Mapping[str, str]) -> str:
    """The address to send a browser to: an authorization endpoint with a query, which it may have already."""
    separator = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint.partition('#')[0]}{separator}{urlencode(fields, quote_via=quote)}"


def _is_safe(place: str, origin: str) -> bool:
    """Whether a browser may be sent to an address, and a terminal may show it."""
    if not (place.isascii() and place.isprintable()) or " " in place:
        return False
    try:
        parts = urlsplit(place)
    except ValueError:
        return False
    secure = parts.scheme == "https" and bool(parts.hostname)
    return secure or f"{parts.scheme}://{parts.netloc}" == origin


def read_redirect(came_back: str, state: str) -> Secret:
    """The code that a browser came back with.

    Args:
        came_back: the whole address that it came back to, or the query alone.
        state: the state that it was sent away with.

    Raises:
        AuthError: it belongs to another login, or the login was refused.
    """
    told = _query(came_back)
    sent, returned = state.encode(errors="replace"), told.get("state", "").encode(errors="replace")
    if not sent or not hmac.compare_digest(sent, returned):
        message = "the browser came back from another login: its state is not the one it left with"
        raise AuthError(message, code="state", phase="login", hint=_AGAIN)
    if "error" in told:
        raise _refusal(told)
    with suppress(ConfigError):
        return Secret(told.get("code", ""), name="the code")
    message = "the browser came back without a code"
    raise AuthError(message, phase="login", hint=_AGAIN)


def _query(came_back: str) -> dict[str, str]:
    text = came_back.strip()
    text = text.partition("#")[0]
    query = text.partition("?")[2] or text
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:  # too many of them; its text quotes nothing
        return {}
    # What is there twice is there for nobody to choose from (RFC 6749, section 3.1).
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _refusal(told: Mapping[str, str]) -> AuthError:
    code = one_line(told["error"], _LONGEST)
    text = one_line(told.get("error_description", ""), _LONGEST)
    message = f"the login was refused: {text or code.replace('_', ' ')}"
    return AuthError(message, code=code, phase="login", hint=remedy_for(code, _AGAIN))


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """A login that was begun.

    Attributes:
        url: where to send the browser.
        state: what has to come back with it.
        verifier: what the code is exchanged with.
    """

    url: str
    state: str
    verifier: Secret


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How people log in to a workspace. It is made once and serves any number of them.

    Attributes:
        host: the workspace.
        redirect_uri: where the browser comes back to, as the app was registered with.
        client_id: the app.
        client_secret: its secret, if it has one.
        scopes: what its tokens are to be good for. Without ``offline_access`` there is no refresh token.
        account_id: the account, where ``host`` serves a whole one.
    """

    host: str
    redirect_uri: str = REDIRECT
    client_id: str = PUBLIC_CLIENT
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = SCOPES
    account_id: str | None = None

    async def begin(self, desk: Desk | None = None) -> Authorization:
        """Where to send a person's browser, and what to remember until it comes back.

        Args:
            desk: what to ask the host through; without it, connections of its own.

        Raises:
            ConfigError: the host is no address.
            AuthError: the host names no place to log in at.
            GatewayError: the host cannot be reached, or cannot answer.
        """
        async with self._asking(desk) as asked:
            endpoints = await asked.endpoints(self.origin, self.account_id)
        if endpoints.trouble is not None and not endpoints.named:
            raise GatewayError.from_failure(endpoints.trouble)
        if not (endpoints.named or is_databricks(parse_base(self.host).host)):
            message = f"{self.origin} names no OAuth server, so nobody can log in there"
            raise AuthError(message, phase="login", hint="Check the host, or use a token.")
        if not _is_safe(endpoints.authorization, self.origin):
            message = f"{self.origin} names a place to log in at that is no https address"
            raise AuthError(message, phase="login", hint="Check the host.")
        state, verifier = make_state(), make_verifier()
        fields = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.scopes),
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        url = authorize_url(endpoints.authorization, fields)
        return Authorization(url=url, state=state, verifier=verifier)

    async def finish(
        self, came_back: str, *, state: str, verifier: Secret | str, desk: Desk | None = None
    ) -> StoredLogin:
        """The login, once the browser came back. To be stored before it is used.

        Args:
            came_back: the whole address that the browser came back to, or the query alone.
            state: the state of the `Authorization` that this browser was sent away with.
            verifier: its verifier.
            desk: as for `begin`.

        Raises:
            AuthError: the browser comes from another login, or the login was refused.
            GatewayError: the server cannot be reached, or cannot answer.
        """
        return await self.exchange(read_redirect(came_back, state), verifier, desk)

    async def exchange(
        self, code: Secret, verifier: Secret | str, desk: Desk | None = None
    ) -> StoredLogin:
        """The login that a code stands for. A code is good once.

        Raises:
            AuthError: the code is not good, or not with this verifier.
            GatewayError: the server cannot be reached, or cannot answer.
        """
        if isinstance(verifier, str):
            verifier = Secret(verifier, name="the verifier")
        fields = {
            "grant_type": "authorization_code",
            "code": Hidden(code.reveal()),
            "redirect_uri": self.redirect_uri,
            "code_verifier": Hidden(verifier.reveal()),
        }
        async with self._asking(desk) as asked:
            endpoints = await asked.endpoints(self.origin, self.account_id)
            grant = await asked.grant(endpoints, fields, self.client, repeatable=False)
        return self.granted(grant)

    @property
    def origin(self) -> str:
        """The host as a URL without a path.

        Raises:
            ConfigError: it is no address.
        """
        return parse_base(self.host).origin

    @property
    def client(self) -> OAuthClient:
        """The app."""
        return OAuthClient(id=self.client_id, secret=self.client_secret)

    def granted(self, grant: Grant) -> StoredLogin:
        """The login that the host granted."""
        return StoredLogin.from_grant(
            grant,
            host=self.origin,
            client_id=self.client_id,
            scopes=self.scopes,
            account_id=self.account_id,
        )

    def _asking(self, desk: Desk | None) -> AbstractAsyncContextManager[Desk]:
        return nullcontext(desk) if desk else open_desk(self.host, self.account_id)
