"""A token: what authorizes a request, and for how long.

**How long.** A token is *fresh* until its stale window begins: the last half of its life, and the last 20
minutes of a long one. A stale token is still sent while another one is fetched behind the scenes. It
is *over* a little before it expires, at most 40 seconds, since it must still be good when the request
arrives: Azure refuses tokens that have 30 seconds left. The windows are databricks-sdk-py's
(``oauth.py``), scaled down for tokens of short life.

What does not say when it expires: a JWT says so in its ``exp``; of anything else from a source that can
be asked again it is assumed that it lives `UNKNOWN_LIFE`, so that no token is kept for ever.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.net.hidden import Hidden

__all__ = ["UNKNOWN_LIFE", "Token", "claims_of", "expiry_of"]

UNKNOWN_LIFE: Final = 600.0
_STALE_WINDOW: Final = 20 * 60.0
_MARGIN: Final = 40.0
_PARTS: Final = 3  # of a JWT


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What authorizes requests.

    Attributes:
        value: what stands behind the scheme.
        scheme: the scheme of ``Authorization``.
        expires_at: seconds since 1970; ``None`` for a token that does not expire.
        obtained_at: when its life began, or when it was first seen.
        headers: further headers that it takes, such as the second token of an Azure service principal.
    """

    value: Secret
    scheme: str = "Bearer"
    expires_at: float | None = None
    obtained_at: float = 0.0
    headers: dict[str, Secret] = {}

    @property
    def stale_at(self) -> float:
        """From when on another one is to be fetched."""
        if self.expires_at is None:
            return float("inf")
        return self.expires_at - min(self._life / 2, _STALE_WINDOW)

    @property
    def over_at(self) -> float:
        """From when on it is not sent any more."""
        if self.expires_at is None:
            return float("inf")
        return self.expires_at - min(_MARGIN, self._life / 4)

    @property
    def _life(self) -> float:
        return max(0.0, (self.expires_at or 0.0) - self.obtained_at)

    def authorization(self) -> dict[str, str]:
        """The headers that authorize a request."""
        further = {name: Hidden(value.reveal()) for name, value in self.headers.items()}
        return {"Authorization": Hidden(f"{self.scheme} {self.value.reveal()}"), **further}


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT claims, unverified; nothing for what is no JWT."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(text)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def expiry_of(token: str) -> float | None:
    """When a JWT says that it expires."""
    expiry = claims_of(token).get("exp")
    if isinstance(expiry, bool) or not isinstance(expiry, int | float):
        return None
    return float(expiry)
