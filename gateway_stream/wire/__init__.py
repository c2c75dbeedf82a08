"""The wire: bytes to events and requests to bodies, pure and synchronous.

`FAMILIES` has one line for each dialect. Nothing in here knows sockets, clocks, the environment,
event loops or the names of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.wire.anthropic import ANTHROPIC
from gateway_stream.wire.gemini import GEMINI
from gateway_stream.wire.openai_chat import OPENAI_CHAT
from gateway_stream.wire.openai_responses import OPENAI_RESPONSES

if TYPE_CHECKING:
    from gateway_stream.wire.family import Family

__all__ = ["FAMILIES"]

FAMILIES: Final[dict[str, Family]] = {
    "openai_chat": OPENAI_CHAT,
    "openai_responses": OPENAI_RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
}
"""Name -> family. The name is what ``family=`` takes, and `Opaque.family` holds."""
