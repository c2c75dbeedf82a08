"""The Databricks CLI's login: ``databricks auth token`` gives the token that the CLI keeps.

The CLI keeps its logins in the system's keyring or in a file, and renews them itself. It is asked and its
stores are left alone: where they are depends on its version and settings, and a refresh token that two
programs use is lost to both.

**Another token.** The CLI renews what it keeps when that is about to expire, some minutes before. A token that
has only grown stale is left to that: were it renewed by force, all processes that share the login would do
so at one moment. One that is to be replaced while it is fresh was refused by the gateway. If the CLI gives
that again, it is asked once more with ``--force-refresh``; a CLI before 0.296 does not know that, and its
token stays.

**Together with others.** Two CLIs that renew at the same time fight for their store, and one fails though its
login is good: its text then speaks of the cache's update or of exit status 45. It is asked again, up to
`ATTEMPTS` times, after a back-off with jitter.

**Which login.** A profile says it, or else the host. What the environment says to the CLI of either is taken
out of its surroundings, so that the answer is for what was asked. The token has to have the scopes that the
settings name, because the CLI gives the token of whatever login there was (``offline_access`` aside: that
only says whether the login can be renewed).

What the CLI writes when it fails may hold anything, so errors do not quote it: they say how to ask it.

Sources: databricks/cli (``cmd/auth/token.go``, ``cmd/auth/login.go``, its issue 6051); databricks-sdk-py
(``credentials_provider.py``: ``DatabricksCliTokenSource``); databricks/ucode (``databricks.py``) for the fight.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import anyio
import backoff
import msgspec
from backoff import full_jitter

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, claims_of, expiry_of
from gateway_stream.errors import AuthError, TimedOut
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Hashable

    from anyio.abc import ByteReceiveStream

    from gateway_stream.auth.authority import Desk

__all__ = ["ATTEMPTS", "SECONDS", "DatabricksCLI"]

ATTEMPTS: Final = 4
SECONDS: Final = 30.0
"""How long one run of the CLI may take."""

_MOST: Final = 1024 * 1024
"""Bytes that it may write before it is ended: what is no token has no end, as ``yes`` has none."""

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0
_SIGNS: Final = {
    "cache update": "contended",
    "exit status 45": "contended",
    "unknown flag": "no option",
    "databricks oauth is not": "no login",
    "refresh token is invalid": "no login",
    "no such command": "too old",
    "unknown command": "too old",
}
"""What the CLI writes where it fails, and what that means; the first that is there counts."""

_IGNORED_SCOPES: Final = frozenset({"offline_access"})
_INSTALL: Final = "https://docs.databricks.com/dev-tools/cli/install.html"
_LOG_IN: Final = "gateway-stream auth login"


class DatabricksCLI(msgspec.Struct, frozen=True, kw_only=True):
    """The login that ``databricks auth login`` made.

    Attributes:
        host: the workspace; the client's where it is left out.
        profile: the profile of ``~/.databrickscfg`` whose login is meant, instead of a host.
        command: the program, where ``databricks`` on the ``PATH`` is not meant.
        scopes: the scopes that the token has to have; none named, any will do.
    """

    method: ClassVar[str] = "databricks-cli"
    renewable: ClassVar[bool] = True

    host: str | None = None
    profile: str | None = None
    command: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def identity(self) -> Hashable:
        """All of it."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """Ask the CLI.

        Raises:
            AuthError: it is not installed, is too old, knows no login, or gives no token. The code is
                ``"scopes"`` where the token has others than those named.
            ConfigError: neither host nor profile is known.
            TimedOut: it did not answer.
        """
        which = (
            ["--profile", self.profile]
            if self.profile
            else ["--host", desk.host(self.host, "the Databricks CLI's login")]
        )
        token = await self._ask(desk, which)
        if (
            instead_of is not None
            and token.value == instead_of.value
            and desk.clock.time() < instead_of.stale_at
        ):
            token = await self._ask(desk, which, instead_of=token)
        self._check_scopes(token, which)
        return token

    async def _ask(self, desk: Desk, which: list[str], *, instead_of: Token | None = None) -> Token:
        """The CLI's token; with ``instead_of`` another one, if the CLI can be made to renew it."""
        options = ["auth", "token", *which, "--output", "json"]
        if instead_of is not None:
            options.append("--force-refresh")
        waits = backoff.expo(base=2, factor=_FIRST_WAIT, max_value=_LONGEST_WAIT)
        next(waits)  # the generator's first value is none
        for attempt in range(1, ATTEMPTS + 1):
            ended = await self._run(options)
            if ended.trouble is None:
                return _read_token(ended.output, desk.clock.time(), self._advice(which))
            if instead_of is not None and ended.trouble == "no option":
                return instead_of
            if attempt == ATTEMPTS or ended.trouble != "contended":
                break
            await desk.clock.sleep(full_jitter(next(waits)))
        raise self._refusal(ended, which)

    async def _run(self, options: list[str]) -> _Ended:
        """Run the CLI to its end. It is killed where that takes too long, or nobody waits any more."""
        unwanted = "DATABRICKS_HOST" if self.profile else "DATABRICKS_CONFIG_PROFILE"
        try:
            with anyio.fail_after(SECONDS):
                return await _run(
                    [self._program, *options],
                    {name: value for name, value in os.environ.items() if name != unwanted},
                )
        except TimeoutError:
            message = f"the Databricks CLI did not answer within {SECONDS:g} s"
            hint = f"See why: {shlex.join([self._program, *options])}"
            raise TimedOut(message, phase="token", retryable=True, hint=hint) from None
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            problem = "is not installed" if missing else f"cannot be run: {error.strerror}"
            message = f"the Databricks CLI ({self._program}) {problem}"
            hint = f"Install it ({_INSTALL}), or log in without it: {_LOG_IN}."
            raise AuthError(message, phase="token", hint=hint) from None

    @property
    def _program(self) -> str:
        return self.command or "databricks"

    def _advice(self, which: list[str]) -> str:
        """What to type to see what the CLI says."""
        return f"See why: {shlex.join([self._program, 'auth', 'token', *which])}"

    def _refusal(self, ended: _Ended, which: list[str]) -> AuthError:
        if ended.trouble == "no login":
            message = f"the Databricks CLI has no login for {which[1]} that is good"
            login = shlex.join([self._program, "auth", "login", *which])
            hint = f"Log in: {login}, or without the CLI: {_LOG_IN}."
            return AuthError(message, phase="token", hint=hint)
        if ended.trouble == "too old":
            message = "the Databricks CLI is too old to give tokens"
            return AuthError(message, phase="token", hint=f"Install a newer one ({_INSTALL}).")
        message = f"the Databricks CLI gave no token for {which[1]} (exit status {ended.status})"
        again = ended.trouble == "contended"
        return AuthError(message, phase="token", retryable=again, hint=self._advice(which))

    def _check_scopes(self, token: Token, which: list[str]) -> None:
        scope = claims_of(token.value.reveal()).get("scope")
        if not self.scopes or not isinstance(scope, str | list):
            return
        has = set(scope.split() if isinstance(scope, str) else map(str, scope)) - _IGNORED_SCOPES
        wanted = set(self.scopes) - _IGNORED_SCOPES
        if has != wanted:
            names, others = ", ".join(sorted(wanted)), ", ".join(sorted(has)) or "none"
            message = (
                f"the Databricks CLI's login has other scopes ({others}) than wanted ({names})"
            )
            login = [self._program, "auth", "login", *which, "--scopes", ",".join(sorted(wanted))]
            hint = f"Log in with these: {shlex.join(login)}"
            raise AuthError(message, code="scopes", phase="token", hint=hint)


class _Ended(NamedTuple):
    """How a run of the CLI ended: what was wrong, ``None`` for nothing, and what it wrote."""

    status: int
    trouble: str | None
    output: Hidden


async def _run(command: list[str], variables: dict[str, str]) -> _Ended:
    output, told = bytearray(), bytearray()
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, env=variables
    ) as process:

        async def read(stream: ByteReceiveStream | None, kept: bytearray) -> None:
            assert stream is not None  # noqa: S101  both are pipes
            async for piece in stream:
                kept += piece
                if len(kept) > _MOST:
                    with suppress(ProcessLookupError):  # it has ended
                        process.kill()
                    return

        async with anyio.create_task_group() as group:
            group.start_soon(read, process.stdout, output)
            group.start_soon(read, process.stderr, told)
            await process.wait()
    status = process.returncode or 0
    return _Ended(
        status, _trouble(told) if status else None, Hidden(output.decode(errors="replace"))
    )


def _trouble(told: bytearray) -> str:
    text = told.decode(errors="replace").lower()
    return next((meaning for sign, meaning in _SIGNS.items() if sign in text), "other")


def _read_token(output: Hidden, now: float, advice: str) -> Token:
    try:
        told: Any = msgspec.json.decode(str(output))
    except msgspec.DecodeError:
        told = None
    value = told.get("access_token") if isinstance(told, dict) else None
    # Raised out here, because a decoder's error comes with what it could not read.
    if not isinstance(value, str) or not value:
        message = "the Databricks CLI answered without a token"
        raise AuthError(message, phase="token", hint=advice)
    expires_at = _read_expiry(told.get("expiry")) or expiry_of(value) or now + UNKNOWN_LIFE
    return Token(
        value=Secret(value, name="the Databricks CLI's token"),
        expires_at=expires_at,
        obtained_at=now,
    )


def _read_expiry(text: object) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, in Go's form or with a blank; UTC where it has no offset."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds > 0 else None  # Go's own "never set" is in the year 1
