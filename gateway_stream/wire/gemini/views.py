"""What a GenerateContentResponse says: a flat view for every frame, raw fields for the rare ones.

Most frames are one text part and counts, and the view reads them in one pass. Whatever else a part
or an answer holds (calls, media, signatures, metadata, fields of later versions) is read a second
time with `fields_of`, which knows no names at all: it gives every field as the vendor's own bytes,
so that arguments, signatures and whole parts go on as they came.

The dialect is protobuf's JSON. A field may be written in camel case or, by gateways that keep the
names of the definition, in snake case, and counts as numbers or, as protobuf writes 64 bits, in
quotes. Views know camel case and numbers; `regular` makes them of the rest. What the views leave to
`fields_of` needs no such care. A null is an absent field, except in a value that is said to be null.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from gateway_stream.wire.counts import as_count
from gateway_stream.wire.json_text import UNREADABLE

__all__ = [
    "Candidate",
    "Counts",
    "Fields",
    "Frame",
    "Part",
    "PlainFrame",
    "UsualFrame",
    "as_string",
    "camel_case",
    "fields_of",
    "in_snake_case",
    "is_true",
    "join",
    "members_of",
    "objects_of",
    "read_usual",
    "regular",
    "regular_fields",
    "text_of",
]


class Part(msgspec.Struct, gc=False):
    """One part of the answer. What is no plain text is read again from the frame's bytes."""

    text: str | None = None
    thought: Any = None
    signature: Any = msgspec.field(default=None, name="thoughtSignature")
    snake_signature: Any = msgspec.field(default=None, name="thought_signature")
    call: Any = msgspec.field(default=None, name="functionCall")


class Content(msgspec.Struct, gc=False):
    """The parts that a candidate adds."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False):
    """One of the answers; its metadata only tells whether there is any to read."""

    content: Content | None = None
    index: int | None = None
    finish_reason: str | int | None = msgspec.field(default=None, name="finishReason")
    snake_reason: str | int | None = msgspec.field(default=None, name="finish_reason")
    grounding: dict[str, Any] | None = msgspec.field(default=None, name="groundingMetadata")
    citations: dict[str, Any] | None = msgspec.field(default=None, name="citationMetadata")
    url_context: Any = msgspec.field(default=None, name="urlContextMetadata")
    safety_ratings: Any = msgspec.field(default=None, name="safetyRatings")
    finish_message: str | None = msgspec.field(default=None, name="finishMessage")


class Counts(msgspec.Struct, gc=False):
    """Tokens so far, as the wire counts them."""

    prompt: int | None = msgspec.field(default=None, name="promptTokenCount")
    tool_prompt: int | None = msgspec.field(default=None, name="toolUsePromptTokenCount")
    candidates: int | None = msgspec.field(default=None, name="candidatesTokenCount")
    thoughts: int | None = msgspec.field(default=None, name="thoughtsTokenCount")
    cached: int | None = msgspec.field(default=None, name="cachedContentTokenCount")


class PromptFeedback(msgspec.Struct, gc=False):
    """What the service thinks of the prompt."""

    block_reason: str | None = msgspec.field(default=None, name="blockReason")
    block_message: str | None = msgspec.field(default=None, name="blockReasonMessage")


class Frame(msgspec.Struct, gc=False):
    """One GenerateContentResponse, or an error in its place."""

    candidates: list[Candidate] | None = None
    usage: Counts | None = msgspec.field(default=None, name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")
    id: str | None = msgspec.field(default=None, name="responseId")
    feedback: PromptFeedback | None = msgspec.field(default=None, name="promptFeedback")
    error: Any = None


class _PlainPart(msgspec.Struct, gc=False):
    text: str
    thought: bool | None = None
    signature: None = msgspec.field(default=None, name="thoughtSignature")
    snake_signature: None = msgspec.field(default=None, name="thought_signature")
    call: None = msgspec.field(default=None, name="functionCall")


class _PlainContent(msgspec.Struct, gc=False):
    parts: tuple[_PlainPart]


class _PlainCandidate(msgspec.Struct, gc=False):
    content: _PlainContent
    index: Literal[0] | None = None
    finish_reason: None = msgspec.field(default=None, name="finishReason")
    snake_reason: None = msgspec.field(default=None, name="finish_reason")
    grounding: None = msgspec.field(default=None, name="groundingMetadata")
    citations: None = msgspec.field(default=None, name="citationMetadata")
    url_context: None = msgspec.field(default=None, name="urlContextMetadata")
    safety_ratings: None = msgspec.field(default=None, name="safetyRatings")
    finish_message: str | None = msgspec.field(default=None, name="finishMessage")


class PlainFrame(msgspec.Struct, gc=False):
    """A frame that brings a piece of text or of a thought, and counts, and nothing else.

    Nearly all frames do. The types say so: what has any other content does not fit, which msgspec
    finds out faster than a reader that looks at each field. Names and messages are not read again, and
    are here because one that `Frame` refuses must not pass: it has a notice.
    """

    candidates: tuple[_PlainCandidate]
    usage: Counts = msgspec.field(name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")
    id: str | None = msgspec.field(default=None, name="responseId")
    feedback: None = msgspec.field(default=None, name="promptFeedback")
    error: None = None


Fields = dict[str, msgspec.Raw]


class _UsualPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str | None = None
    thought: Any = None


class _UsualContent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    parts: list[_UsualPart] | None = None
    role: Any = None


class _UsualCandidate(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: _UsualContent | None = None
    index: Any = None
    finish_reason: Any = msgspec.field(default=None, name="finishReason")


class UsualFrame(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A frame of text, a stop and counts, in which every other field is forbidden.

    To read a frame as such proves, in a fraction of the time of a look at each field, that its counts are
    all that the views leave.
    """

    candidates: list[_UsualCandidate] | None = None
    usage: Fields | None = msgspec.field(default=None, name="usageMetadata")
    model: Any = msgspec.field(default=None, name="modelVersion")
    id: Any = msgspec.field(default=None, name="responseId")


_NULL: Final = msgspec.Raw(b"null")
_TRUE: Final = msgspec.Raw(b"true")

_decode_usual = msgspec.json.Decoder(UsualFrame).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_SNAKE: Final = re.compile(
    rb'"(?:usage_metadata|model_version|response_id|prompt_feedback|finish_reason'
    rb'|grounding_metadata|citation_metadata|url_context_metadata|safety_ratings)"'
)
_COUNTS: Final = tuple(field.encode_name for field in msgspec.structs.fields(Counts))
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def in_snake_case(data: bytes) -> bool:
    """Whether a frame seems to have fields that the views cannot see.

    To be asked only of a frame in which they saw no field of the answer itself: a service writes all
    its names alike.
    """
    return _SNAKE.search(data) is not None


def read_usual(data: bytes) -> UsualFrame | None:
    """A frame that is a `UsualFrame`; ``None`` for any other."""
    try:
        return _decode_usual(data)
    except UNREADABLE:
        return None


def regular(tree: dict[str, Any]) -> dict[str, Any]:
    """A frame as the views know it; its parts stay as they are."""
    frame: dict[str, Any] = _camel_tree(tree)
    usage = frame.get("usageMetadata")
    if isinstance(usage, dict):
        for name in _COUNTS:
            count = as_count(usage.get(name))
            if count is not None:
                usage[name] = count
    return frame


def _camel_tree(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_camel_tree(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        camel_case(name): value if name == "content" else _camel_tree(value)
        for name, value in tree.items()
    }


def fields_of(raw: msgspec.Raw | bytes | None, *, null: str = "") -> Fields:
    """Every field of an object that is not null, by its camel-case name; nothing for no object.

    The field ``null`` is kept, null or not.
    """
    if not raw or not _begins(raw, b"{"):
        return {}
    return regular_fields(_decode_fields(_utf8(raw)), null=null)


def regular_fields(told: Fields, *, null: str = "") -> Fields:
    """Fields that are not null, by their camel-case names; the field ``null`` is kept, null or not."""
    fields: Fields = {}
    for own_name, value in told.items():
        name = camel_case(own_name) if "_" in own_name else own_name
        if value != _NULL or name == null:
            fields[name] = value
    return fields


def members_of(raw: msgspec.Raw | None) -> list[tuple[str, str]]:
    """The members of an object under their own names, each as JSON text; nothing for no object."""
    if not raw or not _begins(raw, b"{"):
        return []
    return [(name, text_of(value)) for name, value in _decode_fields(raw).items()]


def is_true(raw: msgspec.Raw | None) -> bool:
    """Whether a field says ``true``."""
    return raw is not None and raw == _TRUE


def objects_of(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """The items of an array that are objects; nothing for no array."""
    if not raw or not _begins(raw, b"["):
        return []
    return [item for item in _decode_items(raw) if _begins(item, b"{")]


def text_of(raw: msgspec.Raw | bytes) -> str:
    """The JSON text of a field, byte for byte where it is UTF-8."""
    return bytes(raw).decode("utf-8", "replace")


def as_string(raw: msgspec.Raw | None) -> str:
    """The value of a field that should be a string; ``""`` where it is absent or something else."""
    if not raw or not _begins(raw, b'"'):
        return ""
    value: str = msgspec.json.decode(text_of(raw))
    return value


def join(fields: Fields) -> str | None:
    """The JSON text of an object with these fields; ``None`` for no field."""
    if not fields:
        return None
    return msgspec.json.encode(fields).decode("utf-8", "replace")


def _begins(raw: msgspec.Raw | bytes, mark: bytes) -> bool:
    view = memoryview(raw)
    return view[0] == mark[0] or bytes(view[:64]).lstrip()[:1] == mark


def _utf8(raw: msgspec.Raw | bytes) -> msgspec.Raw | bytes:
    """The same bytes, with U+FFFD for those that are not UTF-8: the view did not look at them all."""
    try:
        str(memoryview(raw), "utf-8")
    except UnicodeDecodeError:
        return text_of(raw).encode()
    return raw


def camel_case(name: str) -> str:
    """A field's name as protobuf's JSON writes it."""
    if "_" not in name:
        return name
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
