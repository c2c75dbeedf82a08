"""The Gemini dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.family import Family
from gateway_stream.wire.gemini.decode import Translation
from gateway_stream.wire.gemini.decode_request import decode_request
from gateway_stream.wire.gemini.encode import STREAMED, WHOLE, Composer, compose_answer
from gateway_stream.wire.gemini.request import encode_request

__all__ = ["GEMINI"]

GEMINI: Final = Family(
    name="gemini",
    translator=Translation,
    encode_request=encode_request,
    decode_request=decode_request,
    composer=Composer,
    compose_answer=compose_answer,
    streamed=STREAMED,
    whole=WHOLE,
)
