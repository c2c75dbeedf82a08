"""What the text of a tool call's arguments is worth, and how it is written for readers who judge it anew.

A call can be invalid though its text is a JSON object: what a vendor takes as free text says nothing
of arguments. Other families have no such calls, and a reader of theirs would run it. So it is written
with a character at its end that is in no JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.partial_json import read_partial

if TYPE_CHECKING:
    from gateway_stream.events import BlockStatus

__all__ = ["arguments_status", "spoiled", "unspoiled"]

_IN_NO_JSON: Final = "\0"


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


def spoiled(text: str, status: BlockStatus) -> str:
    """What to write after the text of a call that must not be run, so that no reader runs it."""
    return _IN_NO_JSON if status == "invalid" and arguments_status(text) != "invalid" else ""


def unspoiled(text: str) -> str:
    """The text of a call that must not be run, without what `spoiled` may have added."""
    return text.removesuffix(_IN_NO_JSON)
