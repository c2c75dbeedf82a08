"""The OpenAI Chat dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.family import Family
from gateway_stream.wire.openai_chat.decode import Translation
from gateway_stream.wire.openai_chat.request import encode_request

__all__ = ["OPENAI_CHAT"]

OPENAI_CHAT: Final = Family(
    name="openai_chat",
    translator=Translation,
    encode_request=encode_request,
)
