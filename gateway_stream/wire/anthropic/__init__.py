"""The Anthropic Messages dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.anthropic.decode import Translation
from gateway_stream.wire.anthropic.decode_request import decode_request
from gateway_stream.wire.anthropic.encode import STREAMED, WHOLE, Composer, compose_answer
from gateway_stream.wire.anthropic.request import encode_request
from gateway_stream.wire.family import Family

__all__ = ["ANTHROPIC"]

ANTHROPIC: Final = Family(
    name="anthropic",
    translator=Translation,
    encode_request=encode_request,
    decode_request=decode_request,
    composer=Composer,
    compose_answer=compose_answer,
    streamed=STREAMED,
    whole=WHOLE,
)
