"""The OAuth server of a workspace that is none.

An `Issuer` is a value that a test holds: ``FakeGateway(issuer=Issuer(...))`` serves its paths, and the
gateway's other paths then take exactly the tokens that are alive. It holds a client to what servers in the
wild may do:

- A code works once. Where it comes again, what it brought is taken back (RFC 6749, section 4.1.2).
- A refresh token works once, if the server rotates them: the answer brings the next one. Where a used one
  comes again somebody may have stolen it, and the whole *family* ends: every access and refresh token that
  goes back to the same login (RFC 9700, section 4.14.2).
- A proof key (RFC 7636) is asked of every client, and only ``S256`` is taken.
- A client with a secret shows it, in one of the two ways of RFC 6749, section 2.3.1, and not in both.

Time is the clock's, so that an hour can pass at once.

Sources: RFC 6749, 7636, 8414 (metadata), 8628 (device), 8693 (token exchange), 9700; databricks-sdk-py
(``config.py``, ``oauth.py``, ``oidc.py``) for what a workspace is asked and says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing.oauth_grants import give
from gateway_stream.testing.oauth_ledger import DeviceCode, Family, Ledger, Login

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway_stream.auth.discovery import SecretStyle
    from gateway_stream.net.clocks import Clock
    from gateway_stream.testing.replies import Fault

__all__ = ["DeviceFlow", "Issuer", "Login", "TokenRequest"]

_CLI: Final = "databricks-cli"


@dataclass(frozen=True, kw_only=True)
class DeviceFlow:
    """How the device code flow goes.

    Attributes:
        interval: seconds between two questions of a client; who asks sooner is told to slow down, and
            has to wait 5 seconds longer from then on.
        lifetime: seconds that a user has.
    """

    interval: float = 5
    lifetime: float = 600


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """One request to the token endpoint, and what came of it.

    Attributes:
        grant_type: what was sent as such.
        client_id: the client that was named, ``None`` where none was.
        identity: whose token was given: a user's, or a client's own.
        error: the error's code, where there was no token.
        reused: whether it brought a code or a refresh token that had been used before.
        at: when, in seconds since 1970 on the issuer's clock.
        token: the access token that was given.
    """

    grant_type: str
    client_id: str | None = None
    identity: str | None = None
    error: str | None = None
    reused: bool = False
    at: float
    token: str | None = field(default=None, repr=False)


class Issuer:
    """Gives tokens to clients, and knows which are alive.

    Args:
        clients: the secrets of clients by id, ``None`` for a public one. ``databricks-cli`` is public
            and always known.
        user: who is logged in where a browser comes to authorize; ``None`` allows nothing. A request
            with ``login_hint`` is that user's.
        lifetime: seconds that access tokens live.
        refresh_lifetime: seconds that a login can be refreshed; ``None`` for ever.
        rotate: whether a refresh token works once and brings the next one. Otherwise it stays, and the
            answers to refreshes bring none.
        secret_styles: the ways in which a client may send its secret.
        config: what ``/.well-known/databricks-config`` says the host is: a workspace, with its OAuth
            server below ``/oidc``; a host of many workspaces (``"unified"``) or an account's console
            (``"account"``), with the server below ``/oidc/accounts/{account_id}``, where only the
            former says which account. With ``None`` there is no such document, and both places serve.
        metadata: whether the OAuth server has a document about itself.
        account_id: the account that the host belongs to.
        workspace_id: the workspace that it is.
        device: whether there is a device code flow, and how it goes.
        audience: what a subject token has to be for (its ``aud``) to be exchanged; ``None`` takes any.
            Who signed it is not looked at.
        refusal: the status for a bearer token that is not alive.
        clock: what tells the time.

    All of them but ``clock`` are attributes too, and may change while it serves. So may:

    Attributes:
        delay: seconds before the token endpoint's answers begin, in real time.
        faults: what goes wrong with the token endpoint's next answers, one each. What was granted
            stays granted: an answer that is lost can cost a client its login.
        requests: the requests to the token endpoint, in order. One that a reply queued for its path
            answers does not come so far.
    """

    def __init__(
        self,
        *,
        clients: Mapping[str, str | None] | None = None,
        user: str | None = "user@example.com",
        lifetime: float = 3600,
        refresh_lifetime: float | None = None,
        rotate: bool = True,
        secret_styles: tuple[SecretStyle, ...] = ("basic", "form"),
        config: Literal["workspace", "unified", "account"] | None = "workspace",
        metadata: bool = True,
        account_id: str = "00000000-0000-0000-0000-000000000001",
        workspace_id: str = "1234567890",
        device: DeviceFlow | None = None,
        audience: str | None = None,
        refusal: Literal[401, 403] = 403,
        clock: Clock = SYSTEM,
    ) -> None:
        self.clients: dict[str, str | None] = {_CLI: None, **(clients or {})}
        self.user = user
        self.lifetime = lifetime
        self.refresh_lifetime = refresh_lifetime
        self.rotate = rotate
        self.secret_styles = secret_styles
        self.config = config
        self.metadata = metadata
        self.account_id = account_id
        self.workspace_id = workspace_id
        self.device = device
        self.audience = audience
        self.refusal = refusal
        self.clock = clock
        self.delay: float = 0.0
        self.faults: deque[Fault] = deque()
        self.requests: list[TokenRequest] = []
        self.ledger = Ledger()

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} requests={len(self.requests)} granted={len(self.granted)} "
            f"refreshes={self.refreshes} reuses={self.reuses}>"
        )

    # What was asked of it.

    @property
    def granted(self) -> list[TokenRequest]:
        """The requests that brought a token, in order."""
        return [request for request in self.requests if request.error is None]

    @property
    def refreshes(self) -> int:
        """How many refresh tokens brought a token."""
        return sum(request.grant_type == "refresh_token" for request in self.granted)

    @property
    def reuses(self) -> int:
        """How often a code or a refresh token came again that had been used."""
        return sum(request.reused for request in self.requests)

    # Tokens.

    def login(
        self,
        user: str | None = None,
        *,
        client_id: str = _CLI,
        scopes: Collection[str] = ("all-apis", "offline_access"),
    ) -> Login:
        """Log a user in without a browser, and give what a login gives. It counts as no request.

        Raises:
            ValueError: no user is named and `user` is ``None``, or there is no such client.
        """
        identity = user or self.user
        if identity is None or client_id not in self.clients:
            message = "there is no user to log in" if identity is None else "no such client"
            raise ValueError(message)
        return give(self, Family(identity, client_id, tuple(scopes)), refreshable=True)

    def alive(self, token: str) -> bool:
        """Whether an access token is good now."""
        return self.ledger.alive(token, self.clock.time())

    def identity_of(self, token: str) -> str | None:
        """Whose an access token is or was; ``None`` for one that the issuer never gave."""
        return self.ledger.identity_of(token)

    def revoke(self, token: str) -> None:
        """Make an access token worthless, or with a refresh token all that its login brought.

        Raises:
            KeyError: the issuer never gave it.
        """
        self.ledger.revoke(token)

    def revoke_all(self) -> None:
        """Make all access tokens worthless that were given so far. Refresh tokens still work."""
        self.ledger.revoke_all()

    # The device code flow.

    @property
    def user_codes(self) -> list[str]:
        """The codes that devices show and nobody has allowed or forbidden, oldest first."""
        return [
            device.user_code
            for device in self.ledger.devices.values()
            if device.identity is None and not device.denied
        ]

    def approve(self, user_code: str, user: str | None = None) -> None:
        """Have a user, or `user`, allow what a device shows this code for.

        Raises:
            ValueError: no device shows it, or there is no user.
        """
        device = self._showing(user_code)
        device.identity = user or self.user
        if device.identity is None:
            message = "there is no user to allow it"
            raise ValueError(message)

    def deny(self, user_code: str) -> None:
        """Have the user forbid it.

        Raises:
            ValueError: no device shows the code.
        """
        self._showing(user_code).denied = True

    def _showing(self, user_code: str) -> DeviceCode:
        for device in self.ledger.devices.values():
            if device.user_code == user_code:
                return device
        message = f"no device shows {user_code!r}"
        raise ValueError(message)
