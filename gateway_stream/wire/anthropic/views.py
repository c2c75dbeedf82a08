"""Frames as far as the translator reads them.

`Frame` is the hot view: what a delta needs and nothing else. All other frames are rare (a handful in
an answer) and are read as a `VendorObject`: as values, and beside them as the vendor's own JSON text,
member by member. Blocks that must go back untouched are put together from those texts, so no number
or escape of theirs is ever written anew. Where msgspec cannot cut a frame (halves of surrogate
pairs), the text is written from the values instead, which is the same JSON in other letters; halves
of pairs are joined in deltas only, and are U+FFFD in a `VendorObject`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway_stream.wire.json_text import UNREADABLE, compact, read_view

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway_stream.wire.answer import AnswerWriter

__all__ = [
    "Delta",
    "Frame",
    "Texts",
    "VendorObject",
    "decode_frame",
    "read_texts",
    "write_object",
]

Texts = dict[str, msgspec.Raw]
"""Members of a JSON object, each as the vendor's own text."""


class Delta(msgspec.Struct, gc=False):
    """What one delta adds to its block; one field is filled, ``type`` says which."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None


class Frame(msgspec.Struct, gc=False):
    """One event of the stream."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None


decode_frame = msgspec.json.Decoder(Frame).decode
_decode_values = msgspec.json.Decoder(dict[str, Any]).decode
_decode_texts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class VendorObject:
    """A JSON object as values and as the vendor's own text.

    The text of one inside another is cut out when it is asked for: most objects hold nothing that must go on as text.
    """

    __slots__ = ("_around", "_data", "_key", "_texts", "values")

    def __init__(
        self,
        values: dict[str, Any],
        data: bytes = b"",
        *,
        around: VendorObject | None = None,
        key: str = "",
    ) -> None:
        self.values = values
        self._data = data
        self._around = around
        self._key = key
        self._texts: Texts | None = None

    @classmethod
    def read(cls, data: bytes, writer: AnswerWriter) -> VendorObject:
        """Read a frame. One that holds no object is empty, and the writer has been told."""
        try:
            return cls(_decode_values(data), data)
        except UNREADABLE:
            values = read_view(dict, data, writer)
            return cls({} if values is None else msgspec.json.decode(compact(values)), data)

    @property
    def json(self) -> str:
        """The whole object's text."""
        try:
            return self._cut().decode()
        except UnicodeDecodeError:
            return compact(self.values)

    @property
    def texts(self) -> Texts:
        """Its members' texts."""
        if self._texts is None:
            try:
                self._texts = _decode_texts(self._cut())
            except UNREADABLE:
                self._texts = {
                    str(key): msgspec.Raw(compact(value).encode())
                    for key, value in self.values.items()
                }
        return self._texts

    def text_of(self, key: str) -> str | None:
        """A member that is a string; anything else is ``None``."""
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def member(self, key: str) -> VendorObject:
        """A member that is an object; anything else is an empty one."""
        value = self.values.get(key)
        if isinstance(value, dict):
            return VendorObject(value, around=self, key=key)
        return VendorObject({})

    def _cut(self) -> bytes:
        """The whole object's bytes."""
        if self._around is not None:
            self._data = bytes(self._around.texts[self._key])
            self._around = None
        return self._data

    def members(self, key: str) -> list[VendorObject]:
        """The objects in a member that is a list."""
        values = self.values.get(key)
        if not isinstance(values, list) or not values:
            return []
        return [
            VendorObject(value, bytes(text))
            for value, text in zip(values, _decode_list(self.texts[key]), strict=True)
            if isinstance(value, dict)
        ]

    def rest(self, known: Collection[str]) -> Texts:
        """Members that are neither ``known`` nor null."""
        values = self.values
        if not [key for key in values if key not in known and values[key] is not None]:
            return {}
        return {
            key: text
            for key, text in self.texts.items()
            if key not in known and values.get(key) is not None
        }


def read_texts(json: str) -> Texts:
    """The members of an object's JSON text."""
    return _decode_texts(json)


def write_object(members: Mapping[str, object]) -> str:
    """JSON text of an object whose members are values or texts."""
    return msgspec.json.encode(members).decode("utf-8", "replace")
