"""The Gemini dialect."""

from __future__ import annotations

from typing import Final

from gateway_stream.wire.family import Family
from gateway_stream.wire.gemini.decode import Translation
from gateway_stream.wire.gemini.request import encode_request

__all__ = ["GEMINI"]

GEMINI: Final = Family(
    name="gemini",
    translator=Translation,
    encode_request=encode_request,
)
