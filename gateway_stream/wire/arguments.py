"""What the text of a tool call's arguments is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway_stream.partial_json import read_partial

if TYPE_CHECKING:
    from gateway_stream.events import BlockStatus

__all__ = ["arguments_status"]


def arguments_status(text: str) -> BlockStatus:
    """What a closed tool call's text is worth: only a whole JSON object, or nothing, is complete."""
    if not text:
        return "complete"
    try:
        return "complete" if isinstance(msgspec.json.decode(text), dict) else "invalid"
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    try:
        _, whole = read_partial(text)
    except ValueError:
        return "invalid"
    return "invalid" if whole else "truncated"
