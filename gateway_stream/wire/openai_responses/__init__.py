"""The OpenAI Responses dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.family import Family
from gateway_stream.wire.openai_responses.decode import Translation
from gateway_stream.wire.openai_responses.decode_request import decode_request
from gateway_stream.wire.openai_responses.encode import (
    STREAMED,
    WHOLE,
    Composer,
    compose_answer,
)
from gateway_stream.wire.openai_responses.request import encode_request

__all__ = ["OPENAI_RESPONSES"]

OPENAI_RESPONSES: Final = Family(
    name="openai_responses",
    translator=Translation,
    encode_request=encode_request,
    decode_request=decode_request,
    composer=Composer,
    compose_answer=compose_answer,
    streamed=STREAMED,
    whole=WHOLE,
)
