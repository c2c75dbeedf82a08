"""Events to Anthropic Messages: the frames of a stream, and whole messages.

A stream is ``message_start``, each block's ``content_block_start``, deltas and ``content_block_stop``,
one ``message_delta`` with the reason and the counts, and ``message_stop``.

- *What a block is* may be known only when it ends: thinking that is hidden has no delta, and is told
  by its opaque data. So a block begins on the wire with its first delta or with its end, but for a
  call, which can be nothing else.
- *A block that goes back as it came* (server tools, their results, hidden thinking, kinds of later
  versions) is written whole, as the vendor writes results.
- *Opaque data comes with the end of a block.* Of a block that has begun the wire can still tell
  signatures and citations; a whole message tells all of it.
- *A block that was cut* is left open, for a ``content_block_stop`` would say that it is whole.
- *A refusal* has no kind of block here: it is text, and the stop reason tells it.
- *Counts* that are not known are null, as zero would say something else.
- *Arguments* in a whole message are an object; a call whose text is none is left out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from gateway_stream.events import Failure, Start, Usage
from gateway_stream.wire.anthropic.views import Texts, read_texts, write_object
from gateway_stream.wire.carries import TOLD_AS, Carries
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.events import (
        BlockEnd,
        BlockKind,
        BlockStart,
        FailureKind,
        Media,
        Opaque,
        Source,
        Stop,
        StopReason,
    )
    from gateway_stream.turn import Block, Turn

__all__ = ["STREAMED", "WHOLE", "Composer", "compose_answer"]

_FAMILY: Final = "anthropic"
_UNNAMED: Final = "msg_unnamed"

_WORDS: Final[dict[StopReason, str | None]] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
    "content_filter": "refusal",
    "unknown": None,
}
_ERRORS: Final[dict[FailureKind, str]] = {
    "auth": "authentication_error",
    "access_denied": "permission_error",
    "bad_request": "invalid_request_error",
    "model_not_found": "not_found_error",
    "rate_limited": "rate_limit_error",
    "overloaded": "overloaded_error",
    "stream_failed": "api_error",
}
_TYPES: Final[dict[BlockKind, str]] = {
    "text": "text",
    "refusal": "text",
    "reasoning": "thinking",
    "tool_call": "tool_use",
}
"""The vendor's type for each kind of block that anybody's answer may have."""

_EMPTY: Final[dict[str, dict[str, Any]]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
_LATE: Final = frozenset({"signature", "citations"})
"""The members of opaque data that a frame can bring when the block has begun."""


def _told_late(block: Block) -> Opaque | None:
    """What a stream tells of a block's opaque data."""
    opaque = block.opaque
    if opaque is None or (block.kind != "tool_call" and not block.text):
        return opaque
    members = read_texts(opaque.json)
    late = {name: text for name, text in members.items() if name in _LATE}
    if not late and block.kind != "reasoning":
        return None
    return replace(opaque, json=write_object({"type": members["type"], **late}))


WHOLE: Final = Carries(
    family=_FAMILY,
    blocks={"text": "text", "reasoning": "reasoning", "refusal": "text", "tool_call": "tool_call"},
    reasons={
        "end_turn": "end_turn",
        "max_tokens": "max_tokens",
        "stop_sequence": "stop_sequence",
        "tool_use": "tool_use",
        "pause": "pause",
        "refusal": "refusal",
        "content_filter": "refusal",
        "unknown": "unknown",
    },
    counts=frozenset({"input", "output", "cache_read", "cache_write", "reasoning"}),
    empty=frozenset({"text", "reasoning", "tool_call"}),
    broken_calls=False,
    unnamed=_UNNAMED,
)
STREAMED: Final = replace(WHOLE, broken_calls=True, keeps=_told_late)


class Composer:
    """Writes one message as a stream. See `gateway_stream.wire.family.Composer`."""

    def __init__(self) -> None:
        self._told = Usage()
        self._count = 0
        self._block: BlockStart | None = None
        self._type: str | None = None  # of the block, once it has begun on the wire

    def start(self, start: Start, usage: Usage) -> Iterator[Frame]:
        """The message begins."""
        self._told = usage
        message = _message(start, [], None)
        yield _frame({"type": "message_start", "message": {**message, "usage": _counts(usage)}})

    def open(self, block: BlockStart) -> Iterable[Frame]:
        """A block begins."""
        self._block = block
        self._type = None
        return self._begin({}) if block.kind == "tool_call" else ()

    def delta(self, text: str) -> Iterator[Frame]:
        """More of the block."""
        yield from self._begin({})
        name, field = _DELTAS[self._type or "text"]
        yield self._delta({"type": name, field: text})

    def media(self, media: Media) -> Iterable[Frame]:  # noqa: ARG002
        """Files have no place here."""
        return ()

    def source(self, source: Source) -> Iterable[Frame]:  # noqa: ARG002
        """Citations of this vendor are opaque data, and those of others have no place here."""
        return ()

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        """The block ends."""
        opaque = end.opaque if end.opaque and end.opaque.family == _FAMILY else None
        members = read_texts(opaque.json) if opaque else {}
        if opaque and self._type is None and _type_of(members) not in _EMPTY:
            yield self._start(_type_of(members), msgspec.Raw(opaque.json.encode()))
            members = {}
        yield from self._begin({k: v for k, v in members.items() if k not in _LATE})
        if self._type is None:
            return
        if "signature" in members:
            yield self._delta({"type": "signature_delta", "signature": members["signature"]})
        for citation in msgspec.json.decode(
            members.get("citations", b"[]"), type=list[msgspec.Raw]
        ):
            yield self._delta({"type": "citations_delta", "citation": citation})
        if end.status != "truncated":
            yield _frame({"type": "content_block_stop", "index": self._count - 1})

    def stop(self, stop: Stop, usage: Usage) -> Iterator[Frame]:
        """The message is whole."""
        told = {"type": "message_delta", "delta": _stopped(stop.reason), "usage": _counts(usage)}
        yield _frame(told)
        yield _frame({"type": "message_stop"})

    def fail(self, failure: Failure, usage: Usage) -> Iterator[Frame]:
        """The message will not become whole; what it has cost is told."""
        if usage not in (Usage(), self._told):
            told = {"type": "message_delta", "delta": _stopped(None), "usage": _counts(usage)}
            yield _frame(told)
        yield _frame(_error(failure))

    def _begin(self, members: Texts) -> Iterator[Frame]:
        """Begin the block on the wire, if it has not begun and is of a kind that has a type here."""
        block = self._block
        type_ = _TYPES.get(block.kind) if block else None
        if self._type is None and block and type_:
            named = {"id": block.id, "name": block.name or ""} if type_ == "tool_use" else {}
            yield self._start(type_, {"type": type_, **named, **_EMPTY[type_], **members})

    def _start(self, type_: str, content: object) -> Frame:
        self._type = type_
        self._count += 1
        place = {"type": "content_block_start", "index": self._count - 1}
        return _frame({**place, "content_block": content})

    def _delta(self, delta: dict[str, Any]) -> Frame:
        return _frame({"type": "content_block_delta", "index": self._count - 1, "delta": delta})


def compose_answer(answer: Turn | Failure) -> bytes:
    """A whole message as one JSON object, or the error in its place."""
    if isinstance(answer, Failure):
        return compact(_error(answer)).encode()
    content = [written for block in answer.blocks for written in _content(block)]
    start = Start(answer.id, answer.model)
    message = _message(start, content, answer.stop.reason)
    return compact({**message, "usage": _counts(answer.usage)}).encode()


def _content(block: Block) -> Iterator[object]:
    opaque = block.opaque if block.opaque and block.opaque.family == _FAMILY else None
    members = read_texts(opaque.json) if opaque else {}
    type_ = _TYPES.get(block.kind)
    if opaque and _type_of(members) not in _EMPTY:
        yield msgspec.Raw(opaque.json.encode())
    elif type_ == "tool_use":
        if block.status == "complete":
            call = {"type": type_, "id": block.id, "name": block.name or "", **members}
            yield {**call, "input": msgspec.Raw(block.text.encode() or b"{}")}
    elif type_:
        yield {"type": type_, **_EMPTY[type_], _DELTAS[type_][1]: block.text, **members}


def _message(start: Start, content: list[object], reason: StopReason | None) -> dict[str, Any]:
    return {
        "id": start.id or _UNNAMED,
        "type": "message",
        "role": "assistant",
        "model": start.model or "",
        "content": content,
        **_stopped(reason),
    }


def _stopped(reason: StopReason | None) -> dict[str, Any]:
    return {"stop_reason": _WORDS[reason] if reason else None, "stop_sequence": None}


def _counts(usage: Usage) -> dict[str, Any]:
    """The vendor counts cached tokens beside the input, not in it."""
    fresh = usage.input
    if fresh is not None:
        fresh = max(0, fresh - (usage.cache_read or 0) - (usage.cache_write or 0))
    counts: dict[str, Any] = {"input_tokens": fresh}
    if usage.cache_write is not None:
        counts["cache_creation_input_tokens"] = usage.cache_write
    if usage.cache_read is not None:
        counts["cache_read_input_tokens"] = usage.cache_read
    counts["output_tokens"] = usage.output
    if usage.reasoning is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def _error(failure: Failure) -> dict[str, Any]:
    error = {"type": _ERRORS[TOLD_AS[failure.kind]], "message": failure.message}
    return {"type": "error", "error": error}


def _type_of(members: Texts) -> str:
    return str(msgspec.json.decode(members.get("type", b'""')))


def _frame(tree: dict[str, Any]) -> Frame:
    return Frame(compact(tree).encode(), tree["type"])
