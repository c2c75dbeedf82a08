"""All other ways in: databricks-sdk's own chain (Azure, Google Cloud, notebooks, model serving, passwords).

databricks-sdk knows ways to log in that are not this library's business. It is asked for the headers that
it would send itself, and these are the token. It is an optional package, imported when it is first asked,
and it blocks, so it runs in a worker thread, for `SECONDS` at most.

**Anew each time.** A token is asked for when the one before grows stale or was refused, so what databricks-sdk
has cached is never what is wanted: each fetch reads the settings, the environment and ``~/.databrickscfg``
again and has the chain give a token of its own. Programs that the chain asks (``az``) keep tokens
themselves, and may give the same one until it is about to expire.

**Which host.** databricks-sdk finds a host by itself. If that is not the client's workspace, or there is none,
it is told the workspace, as an argument, which outranks all that it finds. It would then send there what a
profile of another host holds, so such a profile is an error.

**No browser.** The chain would open one for ``external-browser``; a library never does.

**What it says when it fails** quotes what other programs and servers said, and that may hold anything. So
errors take from it what is known to be harmless: the method, OAuth's and Microsoft's codes, the name of
a profile.

Source: databricks-sdk-py (``config.py``, ``credentials_provider.py``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, expiry_of
from gateway_stream.errors import AuthError, ConfigError, ConnectError, GatewayError, TimedOut
from gateway_stream.gateway.profiles import read_profiles

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from gateway_stream.auth.authority import Desk

__all__ = ["SECONDS", "TEXTS", "Unified"]

SECONDS: Final = 60.0
"""How long databricks-sdk may take: ``az`` alone takes seconds."""

_CALL_SECONDS: Final = 15
"""How long it may take to look up what a host says of itself; its own limit is 5 minutes."""

_SENSITIVE: Final = frozenset(
    {
        "azure_client_secret",
        "client_secret",
        "google_credentials",
        "metadata_service_url",
        "password",
        "token",
    }
)
"""Settings of databricks-sdk that hold credentials, as its ``config.py`` marks them."""

TEXTS: Final = frozenset({"google_credentials", "password"})
"""Those that may be any text: no header carries them as they are."""

_STATIC: Final = frozenset({"basic", "pat"})
_BROWSER: Final = "external-browser"


class Unified(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever databricks-sdk finds.

    Attributes:
        host: the workspace; the client's where it is left out.
        profile: the profile of ``~/.databrickscfg``.
        auth_type: the one method of databricks-sdk to use, such as ``"azure-cli"``.
        settings: further settings by the names that databricks-sdk's ``Config`` has for them. Those that
            hold credentials become a `Secret`.
    """

    method: ClassVar[str] = "unified"
    renewable: ClassVar[bool] = True

    host: str | None = None
    profile: str | None = None
    auth_type: str | None = None
    settings: dict[str, str | Secret] = {}

    def __post_init__(self) -> None:
        """Put credentials out of sight.

        Raises:
            ConfigError: one of them is none.
        """
        hidden = {
            name: Secret(value, name=f"the setting {name}", text=name in TEXTS)
            if name in _SENSITIVE and not isinstance(value, Secret)
            else value
            for name, value in self.settings.items()
        }
        msgspec.structs.force_setattr(self, "settings", hidden)

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self.host, self.profile, self.auth_type, frozenset(self.settings.items())

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002  each is new
        """Have databricks-sdk authenticate.

        Raises:
            AuthError: it finds no credentials, or they are refused.
            ConfigError: it is not installed, or its settings contradict each other.
            ConnectError: it reached nobody.
            TimedOut: it did not end.
        """
        now = desk.clock.time()
        with anyio.move_on_after(SECONDS):
            return await anyio.to_thread.run_sync(
                self._ask, desk.workspace, now, abandon_on_cancel=True
            )
        message = f"databricks-sdk gave no token within {SECONDS:g} s"
        hint = "Check the network, and the program that it asks (az, gcloud)."
        raise TimedOut(message, phase="token", retryable=True, hint=hint)

    def _ask(self, workspace: str | None, now: float) -> Token:
        """The token, in a worker thread."""
        try:
            from databricks.sdk.core import Config  # noqa: PLC0415  an optional package
            from databricks.sdk.credentials_provider import DefaultCredentials  # noqa: PLC0415
        except ImportError:
            message = "databricks-sdk is not installed, which this way to log in takes"
            hint = "Install it: pip install 'gateway-stream[auth]'"
            raise ConfigError(message, hint=hint) from None
        unknown = set(self.settings) - {attribute.name for attribute in Config.attributes()}
        if unknown:
            message = f"databricks-sdk has no setting {', '.join(sorted(unknown))}"
            raise ConfigError(message, hint="Look at the attributes of databricks.sdk.core.Config.")

        def configured(host: str | None) -> Any:
            meant = None if self.host else workspace
            strategy: Any = _Chain(DefaultCredentials(), meant)
            return Config(credentials_strategy=strategy, **self._settings(host))

        method = None
        try:
            try:
                config = configured(self.host)
            except _OtherHost:
                config = configured(workspace)
            method = str(config.auth_type)
            return _read_token(config, now)
        except Exception as error:  # noqa: BLE001  a foreign package may raise anything
            failure = _failure(error, method)
        # Raised out here, so that what databricks-sdk quotes is not the error's context either.
        raise failure

    def _settings(self, host: str | None) -> dict[str, Any]:
        given = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self.settings.items()
        }
        named = {"host": host, "profile": self.profile, "auth_type": self.auth_type}
        return {
            "http_timeout_seconds": _CALL_SECONDS,
            "retry_timeout_seconds": _CALL_SECONDS,
            **given,
            **{name: value for name, value in named.items() if value},
            "disable_async_token_refresh": True,  # who asks has waited until it is time
        }


class _OtherHost(Exception):
    """databricks-sdk found no host, or another than the workspace."""


class _NeedsBrowser(Exception):
    """What is configured is a login in the browser."""


class _Chain:
    """databricks-sdk's chain, stopped before it sends anything where it must not."""

    def __init__(self, chain: Any, workspace: str | None) -> None:
        self._chain = chain
        self._workspace = workspace

    def auth_type(self) -> str:
        """The method that was chosen."""
        return str(self._chain.auth_type())

    def __call__(self, config: Any) -> Any:
        if self._workspace and _origin(config.host) != _origin(self._workspace):
            raise _OtherHost
        _check_profile(config)
        if config.auth_type == _BROWSER:
            raise _NeedsBrowser
        return self._chain(config)


def _check_profile(config: Any) -> None:
    """Refuse a profile of another host: what it holds is not for this one."""
    path = Path(config.config_file or "~/.databrickscfg").expanduser()
    found = read_profiles(path) if config.profile else []
    hosts = [each.values.get("host") for each in found if each.name == config.profile]
    if any(host and _origin(host) != _origin(config.host) for host in hosts):
        message = f"profile {config.profile!r} is for another host than {config.hostname}"
        raise ConfigError(message, hint="Name a profile of this host, or none.")


def _origin(host: str | None) -> tuple[str, str | None, int] | None:
    if not host:
        return None
    parts = urlsplit(host if "://" in host else f"https://{host}")
    return parts.scheme, parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _read_token(config: Any, now: float) -> Token:
    headers: dict[str, str] = dict(config.authenticate())
    scheme, _, value = headers.pop("Authorization", "").partition(" ")
    if not value:
        message = "databricks-sdk gave no Authorization header"
        raise AuthError(message, phase="token", hint=_LOOK)
    return Token(
        value=Secret(value, name="databricks-sdk's token"),
        scheme=scheme,
        expires_at=_expiry(config, value, now),
        obtained_at=now,
        headers={
            name: Secret(text, name=f"databricks-sdk's header {name}")
            for name, text in headers.items()
        },
    )


def _expiry(config: Any, value: str, now: float) -> float | None:
    """When the token expires. Its own word comes first: databricks-sdk's times drop their offset."""
    told = expiry_of(value)
    if told is not None:
        return told
    if config.auth_type in _STATIC:
        return None
    try:
        expiry = config.oauth_token().expiry
    except ValueError:  # this method is not OAuth's
        expiry = None
    return float(expiry.timestamp()) if expiry else now + UNKNOWN_LIFE


# --- what went wrong -------------------------------------------------------------------------

_LOOK: Final = "Check what it reads: its settings, the environment, ~/.databrickscfg."
_REMEDIES: Final = {
    "azure-cli": "Log in: az login",
    "databricks-cli": "Log in: databricks auth login",
    "google-id": "Log in: gcloud auth application-default login",
}
_CONFLICT: Final = re.compile(
    r"more than one authorization method configured: ([a-z-]+(?: and [a-z-]+)+)"
)
_NO_PROFILE: Final = re.compile(r"has no (\S+) profile configured")
_METHOD: Final = re.compile(r"[a-z0-9-]+ auth: ([a-z0-9-]+): ")
_CODE: Final = re.compile(
    r"\b(?:invalid_(?:client|grant|request|scope)|unauthorized_client|access_denied|AADSTS[0-9]{4,8})\b"
)
_UNREACHED: Final = frozenset({"ConnectionError", "Timeout"})


def _failure(error: Exception, method: str | None) -> GatewayError:
    """The error of ours for one of databricks-sdk's; ``method`` is what it had chosen by then."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, _NeedsBrowser):
        message = f"the settings ask for a login in the browser ({_BROWSER})"
        return AuthError(message, phase="token", hint="Log in: gateway-stream auth login.")
    text = str(error)
    if match := _CONFLICT.search(text):
        message = f"databricks-sdk finds more than one way to log in: {match[1]}"
        return ConfigError(message, hint="Choose one by DATABRICKS_AUTH_TYPE, or unset the other.")
    if match := _NO_PROFILE.search(text):
        message = f"databricks-sdk finds no profile {match[1]!r}"
        return ConfigError(message, hint="Name one that is in ~/.databrickscfg, or add it.")
    if "cannot configure default credentials" in text:
        return AuthError("databricks-sdk finds no credentials", phase="token", hint=_LOOK)
    if method is None and (match := _METHOD.match(text)):
        method = match[1]
    return _refusal(error, method)


def _refusal(error: Exception, method: str | None) -> GatewayError:
    by = f" by {method}" if method else ""
    if any(_UNREACHED & {kind.__name__ for kind in type(link).__mro__} for link in _links(error)):
        message = f"databricks-sdk reached nobody who gives a token{by}"
        hint = "Check the host's name, the network and the proxy settings."
        return ConnectError(message, phase="token", retryable=True, hint=hint)
    code = _CODE.search(str(error))
    hint = _REMEDIES.get(method or "", _LOOK)
    message = f"databricks-sdk got no token{by}"
    return AuthError(message, code=code[0] if code else None, phase="token", hint=hint)


def _links(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
