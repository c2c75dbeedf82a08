"""What a GenerateContentResponse says: a flat view for every frame, raw fields for the rare ones.

Most frames are one text part and counts, and the view reads them in one pass. Whatever else a part
or an answer holds (calls, media, signatures, metadata, fields of later versions) is read a second
time with `fields_of`, which knows no names at all: it gives every field as the vendor's own bytes,
so that arguments, signatures and whole parts go on as they came.

The dialect is protobuf's JSON. A field may be written in camel case or, by gateways that keep the
names of the definition, in snake case; in parts both are read. A null is an absent field.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "Candidate",
    "Counts",
    "Fields",
    "Frame",
    "Part",
    "as_string",
    "fields_of",
    "is_true",
    "join",
    "members_of",
    "objects_of",
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


Fields = dict[str, msgspec.Raw]

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def fields_of(raw: msgspec.Raw | bytes | None) -> Fields:
    """Every field of an object that is not null, by its camel-case name; nothing for no object."""
    if not raw or not _begins(raw, b"{"):
        return {}
    return {
        _camel(name) if "_" in name else name: value
        for name, value in _decode_fields(_utf8(raw)).items()
        if not _is(value, b"null")
    }


def members_of(raw: msgspec.Raw | None) -> list[tuple[str, str]]:
    """The members of an object under their own names, each as JSON text; nothing for no object."""
    if not raw or not _begins(raw, b"{"):
        return []
    return [(name, text_of(value)) for name, value in _decode_fields(raw).items()]


def is_true(raw: msgspec.Raw | None) -> bool:
    """Whether a field says ``true``."""
    return raw is not None and _is(raw, b"true")


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
    return "{" + ",".join(f"{_quoted(name)}:{text_of(raw)}" for name, raw in fields.items()) + "}"


def _is(raw: msgspec.Raw, word: bytes) -> bool:
    return bytes(memoryview(raw)[: len(word) + 1]) == word


def _begins(raw: msgspec.Raw | bytes, mark: bytes) -> bool:
    return bytes(memoryview(raw)[:64]).lstrip()[:1] == mark


def _utf8(raw: msgspec.Raw | bytes) -> msgspec.Raw | bytes:
    """The same bytes, with U+FFFD for those that are not UTF-8: the view did not look at them all."""
    try:
        str(memoryview(raw), "utf-8")
    except UnicodeDecodeError:
        return text_of(raw).encode()
    return raw


def _quoted(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
