"""Tokens from a function of the user's own, which may ask whatever there is to ask.

It is awaited whenever a new token is wanted. What it gives may say when it expires: as a `Token`, or as a
JWT, which says so itself. Any other text is taken to live for `gateway_stream.auth.token.UNKNOWN_LIFE`
seconds, or until the gateway refuses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import UNKNOWN_LIFE, Token, expiry_of
from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk

__all__ = ["Function", "TokenFunction"]

TokenFunction: TypeAlias = Callable[[], Awaitable[str | Secret | Token]]
"""An ``async def`` without arguments that gives a token."""


class Function(msgspec.Struct, frozen=True):
    """A function that gives tokens."""

    method: ClassVar[str] = "function"
    renewable: ClassVar[bool] = True

    function: TokenFunction

    def __repr__(self) -> str:  # that of a functools.partial shows its arguments
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"Function({name})"

    @property
    def identity(self) -> Hashable:
        """The function itself."""
        return self.function

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002  it may not be asked for another
        """Await the function.

        Raises:
            ConfigError: it gives no token.
        """
        given = self.function()
        if not inspect.isawaitable(given):
            message = "the function given as auth= is not async"
            raise ConfigError(message, hint="Make it an async def, so that it blocks nobody.")
        token = await given
        if isinstance(token, Token):
            return token
        value = token if isinstance(token, Secret) else Secret(token, name="the function's token")
        now = desk.clock.time()
        expires_at = expiry_of(value.reveal()) or now + UNKNOWN_LIFE
        return Token(value=value, expires_at=expires_at, obtained_at=now)
