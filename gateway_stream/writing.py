"""What is sent for a request: once for each model that is asked.

The way out, one statement for each door: the family writes the request, the route says where it goes. What
is sent again is written once, and another model has it written anew, for its own family and provider.

A request's *cost* is what the gateway charges to limits before it answers: a request, its input tokens, and as
output tokens all that ``max_tokens`` allows. The input is estimated at four bytes a token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.models import provider_of
from gateway_stream.gateway.routes import family_for, route
from gateway_stream.wire import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.events import Notice
    from gateway_stream.gateway.hosts import Base
    from gateway_stream.request import Request
    from gateway_stream.wire.family import Family

__all__ = ["Writing", "Written", "own_headers"]

_BYTES_OF_A_TOKEN: Final = 4
_NOT_PRODUCT: Final = r"[^A-Za-z0-9 ._/+()-]"


class Written(NamedTuple):
    """A request as one model gets it.

    Attributes:
        family: the dialect.
        url: where it goes.
        headers: its headers, credentials aside.
        body: its JSON.
        notices: what the family had to leave out.
        cost: tokens that it is charged before it is answered: input, output.
    """

    family: Family
    url: str
    headers: Mapping[str, str]
    body: bytes
    notices: tuple[Notice, ...]
    cost: tuple[int, int]


class Writing:
    """Writes one request for the models that are asked.

    Args:
        request: what is asked.
        base: the address.
        headers: the client's own headers.
        family: the family to speak, if not the one that each model's name tells.
        turn: the number of the answer in its conversation.
    """

    def __init__(
        self,
        request: Request,
        base: Base,
        headers: Mapping[str, str],
        *,
        family: str | None,
        turn: int,
    ) -> None:
        self.base = base
        self.turn = turn
        self.request = request
        self._headers = headers
        self._family = family
        self._written: tuple[str, Written] | None = None

    def of(self, model: str) -> Written:
        """The request as ``model`` gets it.

        Raises:
            ConfigError: it cannot be sent to this model.
        """
        if self._written is not None and self._written[0] == model:
            return self._written[1]
        request = self.request
        if model != request.model:
            request = msgspec.structs.replace(request, model=model)
        name = self._family or family_for(self.base, model)
        family = FAMILIES[name]
        wire = family.encode_request(request, provider_of(model))
        way = route(self.base, name, model, stream=request.stream)
        body = _encode(wire.body)
        written = Written(
            family,
            way.url,
            {**self._headers, **way.headers, **wire.headers},
            body,
            tuple(wire.notices),
            (len(body) // _BYTES_OF_A_TOKEN, request.max_tokens or 0),
        )
        self._written = model, written
        return written


def own_headers(user_agent: str | None) -> dict[str, str]:
    """The headers of a client's every request; ``user_agent`` names the program that it works for."""
    from gateway_stream import __version__  # noqa: PLC0415  the package imports this module

    product = f"gateway_stream/{__version__}"
    cleaned = " ".join(re.sub(_NOT_PRODUCT, "", user_agent or "").split())[:128]
    return {
        "User-Agent": f"{product} {cleaned}" if cleaned else product,
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError, RecursionError) as error:
        message = f"the request cannot be written as JSON: {error}"
        raise ConfigError(
            message, hint="Look at extra, metadata and the tools' schemas."
        ) from error
