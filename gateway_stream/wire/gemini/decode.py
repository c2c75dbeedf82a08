"""A Gemini answer as events.

Every frame is a whole GenerateContentResponse that adds to the ones before it. There is no event
type, no beginning and no end mark, and the answer to a request without streaming has the same form.
Fields of the answer (ids, counts, metadata) may stand in any frame. The rules:

- *Parts* become blocks (`blocks`, `calls`).
- *The stop* is the last ``finishReason`` told: some models tell one in every frame, and counts,
  grounding and text may come after it. It is held until the body ends, which is the only evidence
  that there is; ``[DONE]``, which is not of this dialect, stands for that end if a stop was told.
  ``STOP`` is told for both, so an answer that calls functions stops for ``tool_use``. Servers that
  imitate the dialect say ``FUNCTION_CALL``, which Google does not have, and mean the same.
- *A reason that says that the model failed* (a call that it could not write, a call that nobody
  offered) ends no answer: it is a `Failure`, for the same request may succeed the next time.
- *A blocked prompt* has a ``blockReason`` and no candidates. That is a proven end, as a refusal is:
  ``content_filter``, with the feedback in ``vendor``. What is told last holds here, too.
- *Counts* are cumulative and come with most frames, not always all of them: of each the last one
  told holds, and then they are added up. Thoughts are counted beside the candidates, and what tools
  read is beside the prompt; cached tokens are within the prompt.
- *Candidates* beside the first are dropped with a notice. One without ``index`` has its place.
- *Metadata* (safety, grounding, citations, fields of later versions) goes into `Start.vendor` and
  `Stop.vendor`; of each field the last one told holds, and an empty one tells nothing. It is read
  from the first frame, from those from the first stop on, and from those with metadata of a known
  name; frames in between are not searched for names nobody knows.
- *An error* may stand in place of a frame; what the frame says beside it is told first.
- An array in place of a frame is its items. An object without any known field is a notice.
- *Names in snake case and counts in quotes* are read as what they stand for, by a second look at a
  frame in which the first found no name that all frames of a camel-case service have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.events import Failure
from gateway_stream.wire.failures import read_stream_failure
from gateway_stream.wire.gemini.blocks import Blocks
from gateway_stream.wire.gemini.metadata import Metadata
from gateway_stream.wire.gemini.views import (
    Counts,
    Frame,
    PlainFrame,
    fields_of,
    in_snake_case,
    objects_of,
    read_usual,
    regular,
)
from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree, read_view

if TYPE_CHECKING:
    from gateway_stream.events import StopReason
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.gemini.views import Candidate, Part

__all__ = ["Translation"]

_REASONS: Final[dict[str, StopReason]] = {
    "STOP": "end_turn",
    "FUNCTION_CALL": "tool_use",
    "MAX_TOKENS": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
_FAILED: Final[dict[str, bool]] = {  # whether the same request may succeed
    "MALFORMED_FUNCTION_CALL": True,
    "MALFORMED_RESPONSE": True,
    "MISSING_THOUGHT_SIGNATURE": False,
    "TOO_MANY_TOOL_CALLS": True,
    "UNEXPECTED_TOOL_CALL": True,
}
_NOT_SAID: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"})

_decode = msgspec.json.Decoder(Frame).decode
_decode_plain = msgspec.json.Decoder(PlainFrame).decode
_OTHERS: Final = 8
"""So many frames in a row that bring more than text say that this service's always do."""


class Translation:
    """Reads the frames of one answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._blocks = Blocks(writer)
        self._metadata = Metadata()
        self._counts: Counts | None = None
        self._begun = False
        self._others = 0  # frames in a row that brought more than text
        self._told: str | None = None  # the vendor's word for why the answer stopped
        self._reason: StopReason = "unknown"
        self._message: str | None = None

    def frame(self, data: bytes, event: str) -> None:
        """Take one frame: a GenerateContentResponse, or an error in its place."""
        if self._begun and self._told is None and self._others <= _OTHERS and self._goes_on(data):
            return
        try:
            view = _decode(data)
        except UNREADABLE:
            self._take_irregular(data, event)
            return
        told = view.usage is not None or view.model is not None or view.id is not None
        if told or not in_snake_case(data):
            self._take(view, data)
        else:
            self._take_irregular(data, event)

    def _goes_on(self, data: bytes) -> bool:
        """Take more of an answer that has begun, if the frame brings only text; tells whether it did."""
        try:
            frame = _decode_plain(data)
        except UNREADABLE:
            self._others += 1
            return False
        part = frame.candidates[0].content.parts[0]
        if not part.text:
            return False
        self._others = 0
        self._count(frame.usage)
        self._blocks.prose(part.text, thought=part.thought is True)
        return True

    def answer(self, data: bytes) -> None:
        """Take a whole answer: the same object as a frame, and the only one."""
        self.frame(data, "message")

    def done(self) -> None:
        """Take the sentinel of another dialect: the body ends here, if the answer did."""
        if self._writer.stop_seen is not None:
            self._writer.finish()

    def _take_irregular(self, data: bytes, event: str) -> None:
        try:
            tree: Any = read_tree(data)
        except ValueError:
            tree = None
        if isinstance(tree, list) and all(isinstance(item, dict) for item in tree):
            for item in tree:
                if not self._writer.done:
                    self.frame(compact(item).encode(), event)
            return
        if isinstance(tree, dict):
            given = json.dumps(tree)
            tree = regular(tree)
            regularly = json.dumps(tree)
            if regularly != given:
                data = regularly.encode()
        view = read_view(Frame, data, self._writer)
        if view is not None:
            self._take(view, compact(tree).encode())

    def _take(self, view: Frame, data: bytes) -> None:
        if not view.candidates and not self._take_bare(view, data):
            return
        if not self._begun:
            self._begun = True
            self._metadata.begin(data)
            self._writer.start(id=view.id, model=view.model, vendor=self._metadata.start)
        if view.usage is not None:
            self._count(view.usage)
        for place, candidate in enumerate(view.candidates or ()):
            if place if candidate.index is None else candidate.index:
                self._writer.notice("dropped_choice", "only the first candidate is read")
            else:
                self._take_candidate(candidate, place, data)
        if self._told is not None:
            self._hold_stop(data)
        if view.error:
            self._writer.fail(read_stream_failure(data) or _failed("the gateway reports an error"))

    def _take_bare(self, view: Frame, data: bytes) -> bool:
        """Take a frame without candidates. False where it has nothing else that is known, either."""
        feedback = view.feedback
        if feedback is not None and feedback.block_reason not in (None, *_NOT_SAID):
            self._told = feedback.block_reason
            self._reason = "content_filter"
        if view != _NOTHING:
            return True
        failure = read_stream_failure(data)
        names = ", ".join(fields_of(data))
        if failure is not None:
            self._writer.fail(failure)
        elif names:
            self._writer.notice("unknown_event", f"an object with the fields {names}")
        return False

    def _take_candidate(self, candidate: Candidate, place: int, data: bytes) -> None:
        told = candidate.finish_reason
        if told is None:
            told = candidate.snake_reason
        if told is not None and str(told) not in _NOT_SAID:
            self._told = str(told)
            self._reason = _REASONS.get(self._told, "unknown")
            self._message = candidate.finish_message
        grounded = candidate.grounding or candidate.citations
        if grounded:
            self._blocks.hear(candidate.grounding or {}, candidate.citations or {})
        if candidate.content is not None and candidate.content.parts:
            self._take_parts(candidate.content.parts, place, data)
        if grounded:
            self._blocks.flush()
        if grounded or candidate.url_context or candidate.safety_ratings:
            self._metadata.read(data)

    def _take_parts(self, parts: list[Part], place: int, data: bytes) -> None:
        raws: list[msgspec.Raw] = []
        plain: bool | None = None
        for number, part in enumerate(parts):
            text = part.text
            if (
                text
                and part.signature is None
                and part.call is None
                and part.snake_signature is None
            ):
                self._blocks.prose(text, thought=part.thought is True)
                continue
            if not text and plain is not False:
                plain = plain or read_usual(data) is not None
                if plain:
                    continue
            if not raws:
                candidate = objects_of(fields_of(data)["candidates"])[place]
                content = fields_of(fields_of(candidate)["content"])
                raws = objects_of(content["parts"])
            self._blocks.part(raws[number])

    def _count(self, told: Counts) -> None:
        known = self._counts
        if known is None and told == _UNCOUNTED:
            return
        self._counts = told
        if known is None:
            self._writer.counting = self._tell_counts
            self._tell_counts()
            return
        if told.prompt is None:
            told.prompt = known.prompt
        if told.tool_prompt is None:
            told.tool_prompt = known.tool_prompt
        if told.candidates is None:
            told.candidates = known.candidates
        if told.thoughts is None:
            told.thoughts = known.thoughts
        if told.cached is None:
            told.cached = known.cached

    def _tell_counts(self) -> None:
        told = self._counts or Counts()
        self._writer.usage(
            input=_sum(told.prompt, told.tool_prompt),
            output=_sum(told.candidates, told.thoughts),
            cache_read=told.cached,
            reasoning=told.thoughts,
        )

    def _hold_stop(self, data: bytes) -> None:
        """The answer has stopped, as far as this frame knows."""
        self._metadata.read(data)
        reason, told = self._reason, self._told or ""
        if reason == "end_turn" and self._writer.has_tool_calls:
            reason = "tool_use"
        self._writer.stop(reason, told, self._metadata.stop)  # made once: frames may go on
        if told in _FAILED:
            message = self._message or f"the model gave up with {told}"
            self._writer.fail(_failed(message, told, retryable=_FAILED[told]))


_NOTHING: Final = Frame()
_UNCOUNTED: Final = Counts()


def _failed(message: str, code: str | None = None, *, retryable: bool = True) -> Failure:
    """A failure of the model itself."""
    again = "Send the request again; if it repeats, change the tools or the conversation."
    return Failure(
        kind="stream_failed",
        message=message,
        code=code,
        phase="stream",
        retryable=retryable,
        hint=again
        if retryable
        else "Send earlier answers back as they came, with their signatures.",
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
