"""What is read of a Responses frame: one flat view, each field optional.

The big parts of a frame (``item``, ``part``, ``response``) stay raw JSON. Most frames are deltas and
have none of them; where they come, an item's own bytes are what must go back to the vendor, so they
are cut out and not rebuilt. A frame that msgspec refuses (halves of surrogate pairs, bytes that are
not UTF-8) is read again with these parts as plain values, and they are written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree, read_view

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter

__all__ = [
    "Fields",
    "Frame",
    "decode_frame",
    "fields_text",
    "is_framing",
    "read_fields",
    "read_frame",
    "read_object",
]

Fields = dict[str, msgspec.Raw]
"""An object whose values are still the vendor's own JSON text."""

_NOTHING: Final = msgspec.Raw()


class _Common(msgspec.Struct, gc=False):
    type: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    annotation: Any = None
    error: Any = None
    error_code: Any = None
    object: Any = None


class Frame(_Common, gc=False):
    """One frame of a Responses stream. An absent raw part is empty or ``null``."""

    item: msgspec.Raw = _NOTHING
    part: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING


class _Loose(_Common, gc=False):
    item: Any = None
    part: Any = None
    response: Any = None


class _Framing(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: Any = None
    sequence_number: Any = None
    output_index: Any = None
    item: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING


decode_frame: Final = msgspec.json.Decoder(Frame).decode
_decode_framing: Final = msgspec.json.Decoder(_Framing).decode
_decode_fields: Final = msgspec.json.Decoder(Fields).decode


def read_frame(data: bytes, writer: AnswerWriter) -> Frame | None:
    """Read a frame that `decode_frame` refused; ``None`` where it holds nothing to read."""
    loose = read_view(_Loose, data, writer)
    if loose is None:
        return None
    values = {name: getattr(loose, name) for name in _Loose.__struct_fields__}
    for name in ("item", "part", "response"):
        values[name] = msgspec.Raw(compact(values[name]).encode())
    return Frame(**values)


def is_framing(data: bytes) -> bool:
    """Whether a frame surely holds nothing beside its framing and its item or response."""
    try:
        _decode_framing(data)
    except UNREADABLE:
        return False
    return True


def read_fields(data: msgspec.Raw | bytes) -> Fields:
    """An object's fields, unread; no fields for what is no object."""
    try:
        return _decode_fields(data)
    except UNREADABLE:
        pass
    try:
        tree = read_tree(bytes(data))
    except ValueError:
        return {}
    if not isinstance(tree, dict):
        return {}
    return _decode_fields(compact(tree).encode())


def read_object(data: msgspec.Raw | bytes) -> dict[str, Any]:
    """An object as Python values; an empty one for what is no object."""
    try:
        tree = read_tree(bytes(data))
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}


def fields_text(fields: Fields) -> str | None:
    """The object as JSON text, its values as they came; ``None`` if it is empty."""
    return msgspec.json.encode(fields).decode("utf-8", "replace") if fields else None
