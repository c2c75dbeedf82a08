"""A login as the store keeps it, how it is found again, and how it is written down.

It is told from others by its host, the app that was let in and, where one was named at the login, the profile.
Two texts for one server (a slash at the end, capitals, the port that goes without saying) are one host.

What is kept has two parts, both JSON: an `Entry` for the index, without secrets, and the `KeptLogin` with them. A
personal access token is kept as a login of no app, which has nothing to renew it and no end.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import ConfigError
from gateway_stream.net.hidden import Hidden

__all__ = [
    "Entry",
    "KeptLogin",
    "LoginKey",
    "Rests",
    "is_later",
    "name_of",
    "origin_of",
    "read_entry",
    "read_kept",
]

Rests: TypeAlias = Literal["keyring", "file", "memory"]
"""Where secrets rest."""

FORMAT: Final = 1
DIGITS: Final = 24
"""How many digits end a `LoginKey.name`."""

_NO_APP: Final = ""
_PORTS: Final = {"https": 443, "http": 80}
_UNFIT: Final = re.compile(r"[^a-z0-9.-]")
_LONGEST: Final = 100  # of a host in a file's name


class LoginKey(msgspec.Struct, frozen=True):
    """What tells a login from others.

    Attributes:
        host: the server's origin, as `origin_of` gives it.
        client_id: the app; empty for a token that needs none.
        profile: the profile that was named.
    """

    host: str
    client_id: str
    profile: str | None = None

    @property
    def name(self) -> str:
        """What its files and its place in a keyring are called."""
        whole = "\n".join((self.host, self.client_id, self.profile or ""))
        return f"{name_of(self.host)}{hashlib.sha256(whole.encode()).hexdigest()[:DIGITS]}"


class KeptLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A login and what goes with it.

    Attributes:
        login: what the server gave.
        profile: the profile that it is for, if one was named.
        client_secret: the secret of its app, if it has one.
    """

    login: StoredLogin
    profile: str | None = None
    client_secret: Secret | None = None

    @classmethod
    def of_token(cls, host: str, token: Secret, *, profile: str | None = None) -> KeptLogin:
        """A personal access token, kept for its host."""
        return cls(
            login=StoredLogin(host=origin_of(host), client_id=_NO_APP, access_token=token),
            profile=profile,
        )

    @property
    def key(self) -> LoginKey:
        """What tells it from others."""
        return LoginKey(origin_of(self.login.host), self.login.client_id, self.profile)

    @property
    def is_token(self) -> bool:
        """Whether it is a personal access token."""
        return self.login.client_id == _NO_APP

    def written(self) -> Hidden:
        """The whole of it as JSON, with its secrets."""
        return Hidden(msgspec.json.encode(self, enc_hook=_revealed).decode())


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the index says of a login. It holds no secret.

    Attributes:
        host: the server's origin.
        client_id: the app; empty for a token.
        profile: the profile that was named.
        rests: where the secrets rest.
        since: when somebody logged in, in seconds since 1970.
        in_keyring: whether the keyring may hold secrets of it, those of earlier days too.
        format: which form this is.
    """

    host: str
    client_id: str
    profile: str | None = None
    rests: Rests
    since: float
    in_keyring: bool = False
    format: int = FORMAT

    @property
    def key(self) -> LoginKey:
        """What tells it from others."""
        return LoginKey(self.host, self.client_id, self.profile)

    @property
    def is_token(self) -> bool:
        """Whether it is a personal access token."""
        return self.client_id == _NO_APP

    def fits(self, profile: str | None, client_id: str | None) -> bool:
        """Whether it is one for the profile and the app, where these are given."""
        return profile in (None, self.profile) and client_id in (None, self.client_id)


def read_entry(text: Hidden) -> Entry | None:
    """What `Entry` was written as; ``None`` if it is none of this form."""
    try:
        entry = msgspec.json.decode(text.encode(), type=Entry)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return entry if entry.format == FORMAT else None


def is_later(text: Hidden) -> bool:
    """Whether an `Entry` is of a form that a later version has."""
    try:
        return msgspec.json.decode(text.encode(), type=_Form).format > FORMAT
    except (msgspec.MsgspecError, UnicodeError):
        return False


class _Form(msgspec.Struct):
    format: int


def read_kept(text: Hidden) -> KeptLogin | None:
    """What `KeptLogin.written` gave; ``None`` if it is none. Its errors would quote it, so it has none."""
    try:
        return msgspec.json.decode(text.encode(), type=KeptLogin, dec_hook=_secret)
    except (msgspec.MsgspecError, UnicodeError, ConfigError):
        return None


def origin_of(host: str) -> str:
    """The one way to write a server: scheme, name and, where it says something, port.

    Raises:
        ConfigError: it is no address.
    """
    origin = _origin(host.strip())
    # Raised out here, since the parser's error quotes what may be a credential.
    if origin is None:
        message = "the host of a login is not an address"
        raise ConfigError(message, hint="Write it like https://my-workspace.cloud.databricks.com.")
    return origin


def _origin(text: str) -> str | None:
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        scheme, name, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not name or "@" in text:
        return None
    name = f"[{name}]" if ":" in name else name.removesuffix(".")
    return f"{scheme}://{name}" + (f":{port}" if port and port != _PORTS[scheme] else "")


def name_of(host: str) -> str:
    """What the names of all logins at a host begin with, and those at no other host."""
    return _UNFIT.sub("_", host.partition("://")[2])[:_LONGEST] + "~"


def _revealed(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    message = f"{type(value).__name__} cannot be kept"
    raise NotImplementedError(message)


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret:
        return Secret(value)
    message = f"{kind.__name__} was not kept"
    raise NotImplementedError(message)
