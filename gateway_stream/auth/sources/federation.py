"""Workload identity federation: a token from another issuer, exchanged for one of Databricks.

A job that runs somewhere already has an identity there: GitHub Actions, Kubernetes, a cloud. Its issuer
signs a JWT that says so, and a federation policy in Databricks says which of them to believe. The JWT is
exchanged at the OAuth server of the workspace, or of the account (RFC 8693), and there is no secret to keep.

**Where the JWT is from.** A *supplier* gives it: a variable, a file, GitHub Actions, or an ``async def`` of the
user's own. It is asked anew for each exchange, because such JWTs live for minutes and whoever writes the
variable or file replaces them.

**Whom it is for.** A supplier that can choose is told the audience: the given one, else what the host says
in ``token_federation_default_oidc_audiences``, else the account's id where the host serves a whole
account, else the token endpoint. All others had theirs put in when the JWT was made.

**Whose token it becomes.** That of the service principal ``client_id``. Without one it is account-wide
federation: the policy itself says which user or service principal the JWT's subject is.

Sources: databricks-sdk-py (``oidc.py``, ``oidc_token_supplier.py``, ``config.py``: ``_resolve_host_metadata``);
GitHub's documentation of OpenID Connect in Actions.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias
from urllib.parse import quote

import anyio
import msgspec

from gateway_stream.auth.authority import OAuthClient
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import claims_of
from gateway_stream.errors import AuthError, ConfigError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.token import Token

__all__ = ["Federation", "FromFile", "FromGitHub", "FromVariable", "Supplier"]

_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_GITHUB_URL: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"
_GITHUB_TOKEN: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105  a variable's name
_OK: Final = 200
_SHOWN: Final = 200


class FromVariable(msgspec.Struct, frozen=True):
    """A JWT in a variable of the environment."""

    method: ClassVar[str] = "env-oidc"

    name: str = "DATABRICKS_OIDC_TOKEN"

    async def jwt(self, desk: Desk, audience: str) -> Secret:  # noqa: ARG002  it was made for one
        """What the variable holds now.

        Raises:
            ConfigError: the variable is not set, or holds no token.
        """
        text = Hidden(os.environ.get(self.name, ""))
        if not text:
            message = f"{self.name} is not set, which is to hold the token to exchange"
            raise ConfigError(message, hint="Have whoever starts the program set it to a JWT.")
        return Secret(text, name=f"the token in {self.name}")


class FromFile(msgspec.Struct, frozen=True):
    """A JWT in a file, as Kubernetes projects them."""

    method: ClassVar[str] = "file-oidc"

    path: str

    async def jwt(self, desk: Desk, audience: str) -> Secret:  # noqa: ARG002  it was made for one
        """What the file holds now.

        Raises:
            ConfigError: the file is not there, or holds no token.
        """
        problem = None
        try:
            text = Hidden((await anyio.Path(self.path).read_text(encoding="utf-8")).strip())
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            problem = "is not text"
        else:
            problem = None if text else "is empty"
        # Raised out here, because a decoder's error holds what it could not read.
        if problem is not None:
            message = f"{self.path}, which is to hold the token to exchange, {problem}"
            raise ConfigError(message, hint="Name the file that the platform writes the JWT to.")
        return Secret(text, name=f"the token in {self.path}")


class FromGitHub(msgspec.Struct, frozen=True):
    """The JWT that GitHub Actions gives to a job that may have one (``id-token: write``)."""

    method: ClassVar[str] = "github-oidc"

    async def jwt(self, desk: Desk, audience: str) -> Secret:
        """Ask for one for an audience.

        Raises:
            ConfigError: this is no job of GitHub Actions, or it may not ask.
            AuthError: GitHub gives none.
            GatewayError: it cannot be reached, or cannot answer.
        """
        missing = [name for name in (_GITHUB_URL, _GITHUB_TOKEN) if not os.environ.get(name)]
        if missing:
            message = f"{' and '.join(missing)} not set, so GitHub Actions gives no token here"
            hint = "In a job of GitHub Actions, give it the permission id-token: write."
            raise ConfigError(message, hint=hint)
        key = Secret(Hidden(os.environ[_GITHUB_TOKEN]), name=_GITHUB_TOKEN)
        called = await desk.calls.get(
            f"{os.environ[_GITHUB_URL]}&audience={quote(audience, safe='')}",
            {"Authorization": Hidden(f"Bearer {key.reveal()}"), "Accept": "application/json"},
        )
        tree = called.tree if called.status == _OK else None
        value = tree.get("value") if isinstance(tree, dict) else None
        if not isinstance(value, str):
            message = "GitHub Actions gives no token to exchange"
            hint = "Check that the job has the permission id-token: write."
            raise AuthError(message, status=called.status, phase="token", hint=hint)
        return Secret(Hidden(value), name="the token of GitHub Actions")


Supplier: TypeAlias = FromVariable | FromFile | FromGitHub | Callable[[], Awaitable[str | Secret]]
"""Gives a JWT: one of this module's, or an ``async def`` without arguments."""


class Federation(msgspec.Struct, frozen=True, kw_only=True):
    """An identity of another issuer.

    Attributes:
        subject: gives the JWT that is exchanged.
        client_id: the service principal's application id; without one the federation is account-wide.
        host: the workspace, or the account console; the client's workspace where it is left out.
        account_id: the account, where ``host`` serves a whole one.
        audience: whom a JWT of GitHub Actions is for, where the host's own word is not to count.
        scopes: what the token may do.
    """

    renewable: ClassVar[bool] = True

    subject: Supplier
    client_id: str | None = None
    host: str | None = None
    account_id: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ("all-apis",)

    @property
    def method(self) -> str:
        """``env-oidc``, ``file-oidc`` or ``github-oidc``, by the supplier; ``oidc`` for a function."""
        return self.subject.method if isinstance(self.subject, _SUPPLIERS) else "oidc"

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002  each is new
        """Exchange a JWT for a token.

        Raises:
            ConfigError: there is no JWT; the error names the variable or file.
            AuthError: no policy takes the JWT; the hint says whose it is and whom it is for.
            GatewayError: the server cannot be reached, or cannot answer.
        """
        host = desk.host(self.host, "workload identity federation")
        endpoints = await desk.endpoints(host, self.account_id)
        audience = self.audience or endpoints.audience or endpoints.token
        jwt = await self._jwt(desk, audience)
        fields = {
            "grant_type": _EXCHANGE,
            "subject_token": Hidden(jwt.reveal()),
            "subject_token_type": _JWT,
            "scope": " ".join(self.scopes),
        }
        client = OAuthClient(id=self.client_id) if self.client_id else None
        try:
            return (await desk.grant(endpoints, fields, client)).token
        except AuthError as error:
            if error.code is not None:
                error.hint = _remedy(jwt)
            raise

    async def _jwt(self, desk: Desk, audience: str) -> Secret:
        if isinstance(self.subject, _SUPPLIERS):
            return await self.subject.jwt(desk, audience)
        given = self.subject()
        if not inspect.isawaitable(given):
            message = "the function given as subject= is not async"
            raise ConfigError(message, hint="Make it an async def, so that it blocks nobody.")
        jwt = await given
        return jwt if isinstance(jwt, Secret) else Secret(jwt, name="the function's token")


_SUPPLIERS: Final = (FromVariable, FromFile, FromGitHub)


def _remedy(jwt: Secret) -> str:
    """What a federation policy has to say to take a JWT. Its claims are names, no credentials."""
    claims = claims_of(jwt.reveal())
    told = [
        f"{word} {claims[name]!r}"[:_SHOWN]
        for word, name in (("issuer", "iss"), ("subject", "sub"), ("audience", "aud"))
        if name in claims
    ]
    if not told:
        return "Check that what is exchanged is a JWT, and that a federation policy takes it."
    return f"Check that a federation policy takes its {', '.join(told)}."
