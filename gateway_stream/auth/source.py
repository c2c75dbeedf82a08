"""What tokens come from.

A `TokenSource` is a value: it says how a token is got and holds no connection, task or lock, so the same
one may serve many clients, loops and threads. Who keeps its token fresh, and sees to it that it is asked
once where a thousand requests want to know, is the `gateway_stream.auth.service.TokenService`.

A source is asked with the token that is to be replaced (``instead_of``): none at first, then the one that
has grown stale, or that the gateway refused. A source that shares its tokens with other processes gives
what they fetched meanwhile, if that is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.token import Token

__all__ = ["TokenSource"]


class TokenSource(Protocol):
    """Gives tokens.

    Attributes:
        renewable: whether asking again may give another token.
    """

    renewable: ClassVar[bool]

    @property
    def method(self) -> str:
        """What ``auth_type`` calls this way, such as ``"oauth-m2m"``."""

    @property
    def identity(self) -> Hashable:
        """Who asks: sources with equal identities share one token. It may change with a `fetch`."""

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        """Get a token other than ``instead_of``.

        Raises:
            AuthError: the credentials are refused, or somebody has to log in.
            GatewayError: whoever gives the tokens cannot be reached, or cannot answer.
        """
