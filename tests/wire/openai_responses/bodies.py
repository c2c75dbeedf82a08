"""Bodies of requests of this family, and what is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_stream.events import Opaque
from gateway_stream.request import Message, Request
from gateway_stream.wire.openai_responses.request import encode_request

if TYPE_CHECKING:
    from gateway_stream.turn import Turn

USER = Message("user", "hi")


def body_of(
    *messages: Message | Turn, provider: str | None = None, **fields: Any
) -> dict[str, Any]:
    request = Request(model="m", messages=messages or (USER,), **fields)
    return encode_request(request, provider).body


def notices_of(*messages: Message | Turn, provider: str | None = None, **fields: Any) -> list[str]:
    request = Request(model="m", messages=messages or (USER,), **fields)
    return [notice.detail for notice in encode_request(request, provider).notices]


def own(json: str) -> Opaque:
    return Opaque("openai_responses", "openai", json)
