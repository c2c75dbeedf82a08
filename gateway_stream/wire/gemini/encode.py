"""Events to Gemini's generateContent: the frames of a stream, and whole answers, which are one frame.

Every frame is a GenerateContentResponse with the answer's id and model. There is no beginning, so the
first frame is that of the first part, and no end mark: the last frame tells the stop and the counts,
and then the body ends.

- *Text and thoughts* go out as they come. A signature comes with the end of its block, when the text
  is out, so it follows in an empty part of the same sort, as the vendor's own streams have it. In a
  whole answer it stands beside its text.
- *A call* is written when it ends, for arguments are an object here. One whose arguments are none, or
  that has no name, cannot be written.
- *A part that goes back as it came* (server tools, their results, files, kinds of later versions) is
  written byte for byte, but for the line ends between its tokens: readers of this dialect take one
  line as one frame.
- *Files* of other families are parts of their own, after the text of their block. So is what a tool on
  the vendor's side has drawn.
- *Thoughts are counted* beside the candidates, not in them. Both are the output, which is what is paid
  for: of vendors that count more thoughts than output, no more thoughts than that are told.
- *Reasons.* ``STOP`` is also told for calls and stop sequences. The vendor has no word for a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from gateway_stream.events import BlockStart, Failure, Start, Usage
from gateway_stream.turn import Block, Turn
from gateway_stream.wire.carries import TOLD_AS, Carries
from gateway_stream.wire.gemini.views import fields_of
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.events import (
        BlockEnd,
        FailureKind,
        Media,
        Opaque,
        Source,
        Stop,
        StopReason,
    )

__all__ = ["STREAMED", "WHOLE", "Composer", "compose_answer"]

_FAMILY: Final = "gemini"
_PROSE: Final = frozenset({"text", "reasoning", "refusal"})
_SIGNED: Final = frozenset({"thoughtSignature"})

_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": "STOP",
    "tool_use": "STOP",
    "stop_sequence": "STOP",
    "max_tokens": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
    "unknown": "OTHER",
}
_ERRORS: Final[dict[FailureKind, tuple[int, str]]] = {
    "auth": (401, "UNAUTHENTICATED"),
    "access_denied": (403, "PERMISSION_DENIED"),
    "bad_request": (400, "INVALID_ARGUMENT"),
    "model_not_found": (404, "NOT_FOUND"),
    "rate_limited": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "stream_failed": (500, "INTERNAL"),
}


def _own(opaque: Opaque | None) -> Opaque | None:
    return opaque if opaque is not None and opaque.family == _FAMILY else None


def _is_part(opaque: Opaque) -> bool:
    """Whether opaque data is a whole part and not what stands beside a text."""
    return not fields_of(opaque.json.encode()).keys() <= _SIGNED


def _parted(block: Block) -> Iterator[Block]:
    """The blocks as which one is read back from a whole answer."""
    if block.kind == "tool_call":
        if block.name:
            yield replace(block, text=_one_line(block.text))
        return
    whole = block.status == "complete"
    opaque = _own(block.opaque)
    if not whole and (block.kind not in _PROSE or (opaque and _is_part(opaque))):
        return
    if not block.media or opaque:
        yield replace(block, sources=())
        return
    if block.text:
        yield replace(block, media=())
    kind = "reasoning" if block.kind == "reasoning" else "media"
    for media in block.media if whole else ():
        yield replace(block, kind=kind, text="", media=(media,))


def _parted_in_time(block: Block) -> Iterator[Block]:
    """The blocks as which one is read back from a stream: its text is out before its signature is known."""
    if block.text and block.kind in _PROSE and _own(block.opaque):
        yield replace(block, opaque=None, sources=())
        block = replace(block, text="", status="complete")
    yield from _parted(block)


def _is_sealed(block: Block) -> bool:
    return block.opaque is not None


def _runs_on(before: Block, after: Block) -> bool:
    plain = not (before.opaque or after.opaque or before.media or after.media)
    return plain and before.kind == after.kind and before.kind in _PROSE


def _beside_thoughts(usage: Usage) -> Usage:
    if usage.output is None or usage.reasoning is None:
        return replace(usage, reasoning=None)
    return replace(usage, reasoning=min(usage.reasoning, usage.output))


WHOLE: Final = Carries(
    family=_FAMILY,
    blocks={
        "text": "text",
        "reasoning": "reasoning",
        "refusal": "text",
        "tool_call": "tool_call",
        **dict.fromkeys(("media", "server_tool", "server_result", "other"), "media"),
    },
    reasons={
        "end_turn": "end_turn",
        "tool_use": "end_turn",
        "stop_sequence": "end_turn",
        "max_tokens": "max_tokens",
        "content_filter": "content_filter",
        "refusal": "content_filter",
        "pause": "unknown",
        "unknown": "unknown",
    },
    counts=frozenset({"input", "output", "cache_read", "reasoning"}),
    counts_as=_beside_thoughts,
    media=True,
    empty=frozenset({"tool_call"}),
    broken_calls=False,
    closing={"text": "next", "reasoning": "next"},
    closes_itself=_is_sealed,
    runs_on=_runs_on,
    reads_as=_parted,
)
STREAMED: Final = replace(WHOLE, reads_as=_parted_in_time)


class Composer:
    """Writes one answer as a stream. See `gateway_stream.wire.family.Composer`."""

    def __init__(self) -> None:
        self._start = Start()
        self._untold = Usage()
        self._block = BlockStart(0, "text")
        self._arguments: list[str] = []
        self._media: list[Media] = []

    def start(self, start: Start, usage: Usage) -> Iterable[Frame]:
        """The answer begins, with the first part: a frame of its own would say nothing."""
        self._start = start
        self._untold = usage
        return ()

    def open(self, block: BlockStart) -> Iterable[Frame]:
        """A block begins."""
        self._block = block
        self._arguments, self._media = [], []
        return ()

    def delta(self, text: str) -> Iterable[Frame]:
        """More of the block."""
        if self._block.kind == "tool_call":
            self._arguments.append(text)
            return ()
        return (self._parts(_prose(text, thought=self._block.kind == "reasoning")),)

    def media(self, media: Media) -> Iterable[Frame]:
        """A file, which may turn out to be part of what goes back as it came."""
        self._media.append(media)
        return ()

    def source(self, source: Source) -> Iterable[Frame]:  # noqa: ARG002
        """The vendor tells citations beside the answer, and so does not get those of others."""
        return ()

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        """The block ends."""
        rest = Block(
            index=end.index,
            kind=self._block.kind,
            id=self._block.id,
            name=self._block.name,
            text="".join(self._arguments),
            status=end.status,
            media=tuple(self._media),
            opaque=end.opaque,
        )
        for part in _written(rest):
            yield self._parts(part)

    def stop(self, stop: Stop, usage: Usage) -> Iterator[Frame]:
        """The answer is whole, if the body ends here."""
        yield _frame(_response(self._start, [{"text": ""}], usage, stop.reason))

    def fail(self, failure: Failure, usage: Usage) -> Iterator[Frame]:
        """The answer will not become whole; what it has cost is told."""
        if usage != Usage():
            yield _frame({**_told(usage), **_named(self._start)})
        yield _frame(_error(failure))

    def _parts(self, part: object) -> Frame:
        usage, self._untold = self._untold, Usage()
        return _frame(_response(self._start, [part], usage, None))


def compose_answer(answer: Turn | Failure) -> bytes:
    """A whole answer as one JSON object, or the error in its place."""
    if isinstance(answer, Failure):
        return compact(_error(answer)).encode()
    parts = [part for block in answer.blocks for part in _written(block)]
    start = Start(answer.id, answer.model)
    return compact(_response(start, parts, answer.usage, answer.stop.reason)).encode()


def _written(block: Block) -> Iterator[object]:
    """The parts of a block, or of what is left of it when its text is out."""
    opaque = _own(block.opaque)
    thought = block.kind == "reasoning"
    whole = block.status == "complete"
    if block.kind == "tool_call":
        if whole and block.name:
            yield _call(block.id, block.name, block.text, opaque)
    elif opaque is not None and _is_part(opaque):
        if whole:
            yield _raw(opaque.json)
    else:
        if block.text or opaque:
            yield {**_prose(block.text, thought=thought), **_beside(opaque)}
        if whole:
            yield from _files(block.media, thought=thought)


def _prose(text: str, *, thought: bool) -> dict[str, Any]:
    return {"text": text, "thought": True} if thought else {"text": text}


def _call(call_id: str | None, name: str, arguments: str, opaque: Opaque | None) -> dict[str, Any]:
    named = {"id": call_id, "name": name} if call_id else {"name": name}
    return {"functionCall": {**named, "args": _raw(arguments or "{}")}, **_beside(opaque)}


def _files(files: Iterable[Media], *, thought: bool) -> Iterator[dict[str, Any]]:
    mark = {"thought": True} if thought else {}
    for file in files:
        kind = {"mimeType": file.media_type} if file.media_type else {}
        if file.data is not None:
            yield {"inlineData": {**kind, "data": file.data}, **mark}
        elif file.url is not None:
            yield {"fileData": {**kind, "fileUri": file.url}, **mark}


def _beside(opaque: Opaque | None) -> dict[str, Any]:
    return dict(fields_of(_one_line(opaque.json).encode())) if opaque else {}


def _raw(json: str) -> msgspec.Raw:
    return msgspec.Raw(_one_line(json).encode())


def _one_line(json: str) -> str:
    """The same JSON: in its strings, line ends are escaped."""
    return json.replace("\r", " ").replace("\n", " ")


def _response(
    start: Start, parts: list[Any], usage: Usage, reason: StopReason | None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = _WORDS[reason]
    return {"candidates": [candidate], **_told(usage), **_named(start)}


def _named(start: Start) -> dict[str, Any]:
    names = {"modelVersion": start.model, "responseId": start.id}
    return {name: value for name, value in names.items() if value is not None}


def _told(usage: Usage) -> dict[str, Any]:
    if usage == Usage():
        return {}
    prompt, output, thoughts = usage.input, usage.output, _beside_thoughts(usage).reasoning
    known = prompt is not None and output is not None
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": None if output is None else output - (thoughts or 0),
        "totalTokenCount": (prompt or 0) + (output or 0) if known else None,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": usage.cache_read,
    }
    return {"usageMetadata": {name: n for name, n in counts.items() if n is not None}}


def _error(failure: Failure) -> dict[str, Any]:
    code, status = _ERRORS[TOLD_AS[failure.kind]]
    return {"error": {"code": code, "message": failure.message, "status": status}}


def _frame(tree: dict[str, Any]) -> Frame:
    return Frame(compact(tree).encode())
