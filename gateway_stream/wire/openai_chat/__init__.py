"""The OpenAI Chat dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.family import Family
from gateway_stream.wire.openai_chat.carried import STREAMED, WHOLE
from gateway_stream.wire.openai_chat.decode import Translation
from gateway_stream.wire.openai_chat.decode_request import decode_request
from gateway_stream.wire.openai_chat.encode import Composer
from gateway_stream.wire.openai_chat.request import encode_request
from gateway_stream.wire.openai_chat.whole import compose_answer

__all__ = ["OPENAI_CHAT"]

OPENAI_CHAT: Final = Family(
    name="openai_chat",
    translator=Translation,
    encode_request=encode_request,
    decode_request=decode_request,
    composer=Composer,
    compose_answer=compose_answer,
    streamed=STREAMED,
    whole=WHOLE,
)
