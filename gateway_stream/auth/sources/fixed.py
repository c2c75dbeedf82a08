"""Tokens that are given: personal access tokens, and the one pasted ``host::token``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway_stream.auth.secret import Secret, hide
from gateway_stream.auth.token import Token

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway_stream.auth.authority import Desk

__all__ = ["PAT"]


class PAT(msgspec.Struct, frozen=True):
    """A personal access token, or any other that was given and cannot be renewed."""

    method: ClassVar[str] = "pat"
    renewable: ClassVar[bool] = False

    token: Secret

    def __post_init__(self) -> None:
        """Hide a token that is plain text."""
        hide(self, "token")

    @property
    def identity(self) -> Hashable:
        """The token itself."""
        return self

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002  it has one
        """The token."""
        return Token(value=self.token)
