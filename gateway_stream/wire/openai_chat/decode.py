"""OpenAI Chat frames to events.

The dialect has one shape and dozens of speakers. What holds for all of them:

- *A chunk* adds to choice 0; other choices are dropped, with one notice each. A choice without an
  ``index`` has its place in the list for one. Where a choice has a ``delta``, a ``message`` or
  ``text`` beside it is a copy; where it has only a ``message``, that is read by the same code, and
  where it has only ``text`` (the older completions), that is the text.
- *Agents* put one ``delta`` on the chunk itself, and whole ``messages`` in unary answers, with the
  finish reason beside them; the tools that they call are theirs, and run already.
- *Order within a chunk*: reasoning, content with its sources and signature, refusal, media, tools
  that the vendor ran, tool calls. All of them count.
- *The finish reason* may come in several chunks, with content, before more content, before usage,
  or never; absent, null and ``""`` mean "not yet". It is held, and the last one holds.
- *The end*: ``[DONE]`` proves it, with or without a reason; a reason and a clean end of the body do
  too. A finish reason ``error`` says that the model failed, and is a failure.
- *Errors* come as a frame, beside choices or in one: ``error`` (an object or a text), ``error_code``.
  An error in which nothing stands (``{"message":""}``) is none.
  What the same frame adds is taken first; the error wins over a reason that is held.
- *Tags for reasoning inside the text* (``<think>``) stay text: the bytes are the model's.

The id, model and counts are given as soon as they are told; what else frames hold is collected by
`Leftovers` and given at the start, with the blocks and at the stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.events import Failure, StopReason
from gateway_stream.wire.failures import read_stream_failure
from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree, read_view
from gateway_stream.wire.openai_chat.blocks import Blocks
from gateway_stream.wire.openai_chat.leftovers import Leftovers
from gateway_stream.wire.openai_chat.parts import Parts
from gateway_stream.wire.openai_chat.place import FrameText, Place
from gateway_stream.wire.openai_chat.reasoning import Reasoning
from gateway_stream.wire.openai_chat.tools import ToolCalls
from gateway_stream.wire.openai_chat.usage import tell_usage
from gateway_stream.wire.openai_chat.views import Chunk, PlainChunk

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.views import Choice, Counts, Delta

__all__ = ["Translation"]

_decode = msgspec.json.Decoder(Chunk).decode
_decode_plain = msgspec.json.Decoder(PlainChunk).decode
_OTHERS: Final = 8
"""So many frames in a row that bring more than text say that this speaker's always do."""

_REASONS: Final[dict[str, StopReason]] = {
    "stop": "end_turn",
    "end_turn": "end_turn",
    "eos": "end_turn",
    "eos_token": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "max_output_tokens": "max_tokens",
    "tool_calls": "tool_use",
    "tool_call": "tool_use",
    "tool_use": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_FAILED: Final = "error"
_EXCERPT: Final = 300


class Translation:
    """Reads one Chat answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._blocks = Blocks(writer, self._start)
        self._tools = ToolCalls(writer, self._blocks)
        self._reasoning = Reasoning(writer, self._blocks)
        self._parts = Parts(writer, self._blocks, self._reasoning)
        self._leftovers = Leftovers()
        self._finish_reason: str | None = None
        self._counts: Counts | None = None
        self._others = 0  # frames in a row, within a text, that brought more than text
        self._error: Any = None  # of a choice or an envelope, not of the frame itself

    def frame(self, data: bytes, event: str) -> None:
        """Take one frame."""
        index = self._blocks.text
        if index is not None and event != "error" and self._goes_on(index, data):
            return
        try:
            chunk = _decode(data)
        except UNREADABLE:
            read = read_view(Chunk, data, self._writer)
            if read is None:
                return
            chunk = read
        failed = event == "error" or _tells_error(chunk)
        self._take(chunk, data, failed=failed)

    def _goes_on(self, index: int, data: bytes) -> bool:
        """Take more of the text of block ``index``, if the frame brings nothing else; tells whether it did."""
        if self._others > _OTHERS:
            return False
        try:
            chunk = _decode_plain(data)
        except UNREADABLE:
            self._others += 1
            return False
        text: str = chunk.choices[0].delta.content
        if not text:
            return False
        self._others = 0
        self._writer.delta(index, text)
        if chunk.usage is not None:
            self._tell_usage(chunk.usage)
        return True

    def answer(self, data: bytes) -> None:
        """Take a whole answer: the end of its JSON proves it, with or without a finish reason."""
        chunk = read_view(Chunk, data, self._writer)
        self._reasoning.whole = True
        if chunk is not None:
            self._take(chunk, data, failed=_tells_error(chunk), whole=True)
            if chunk.choices or chunk.messages:
                self.done()
            elif not self._writer.done:
                self._writer.broken("the body holds no answer", data)

    def done(self) -> None:
        """The end is proved."""
        writer = self._writer
        if writer.done:
            return
        self._tools.settle()
        self._start()
        if self._finish_reason is None:
            writer.notice("missing_reason", "the answer ended without a reason")
            writer.stop("unknown", None, self._leftovers.ending)
        writer.finish()

    def _take(self, chunk: Chunk, data: bytes, *, failed: bool, whole: bool = False) -> None:
        writer = self._writer
        choices = chunk.choices
        if choices is None and not failed and self._says_nothing(chunk):
            failed = self._take_unknown(data)
        begins = not writer.started and not (failed and not choices)
        if begins:
            self._leftovers.start(data, whole=whole)
            writer.start(model=_text(chunk.model))
            if chunk.id:
                self._start(_text(chunk.id))
        before = len(writer.out)
        frame = FrameText(data)
        if choices:
            for number, choice in enumerate(choices):
                self._take_choice(choice, data, frame, number, whole=whole)
        else:
            self._take_bare(chunk, data, frame, whole=whole)
        quiet = len(writer.out) == before
        if chunk.usage is not None or chunk.x_groq is not None:
            self._take_envelope(chunk)
        if not begins and (quiet or self._blocks.fresh is not None):
            self._keep_rest(data)
        self._blocks.fresh = None
        if failed or self._error or self._finish_reason == _FAILED:
            self._fail(data)

    def _start(self, id: str | None = None) -> None:
        """Something is about to begin the answer: its id, or what comes without one."""
        if not self._writer.started:
            self._writer.start(id=id, vendor=self._leftovers.beginning())

    def _take_envelope(self, chunk: Chunk) -> None:
        """Counts, and what may come for them in an envelope of the vendor."""
        counts, envelope = chunk.usage, chunk.x_groq
        if envelope is not None:
            counts = counts or envelope.usage
            if _says_something(envelope.error):
                self._error = envelope.error
        if counts is not None:
            self._tell_usage(counts)

    def _take_choice(
        self, choice: Choice, data: bytes, frame: FrameText, number: int, *, whole: bool
    ) -> None:
        position = number if choice.index is None else choice.index
        if position:
            self._writer.notice("dropped_choice", f"choice {position} of several")
            return
        if choice.delta is not None:
            place = Place(frame, "choices", number, "delta")
            self._take_delta(choice.delta, place, whole=whole)
        elif choice.message is not None:
            place = Place(frame, "choices", number, "message")
            self._take_delta(choice.message, place, whole=whole)
        elif choice.text and isinstance(choice.text, str):
            self._blocks.write("text", choice.text)
        if _says_something(choice.error):
            self._error = choice.error
        if choice.usage is not None:
            self._tell_usage(choice.usage)
        if choice.finish_reason:
            self._take_reason(choice.finish_reason, data)
        else:
            self._tell_stop()

    def _take_delta(self, delta: Delta, place: Place, *, whole: bool) -> None:
        blocks, parts = self._blocks, self._parts
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.thinking_blocks
            or delta.reasoning_text
            or delta.thinking
        ):
            self._reasoning.take(delta, place)
        content = delta.content
        if content:
            if type(content) is str:
                blocks.write("text", content)
            else:
                parts.content(content if isinstance(content, list) else [content], place)
        if delta.annotations:
            parts.sources(delta.annotations, "annotations")
        if delta.extra_content:
            parts.extra_content(delta.extra_content, place)
        if delta.refusal and isinstance(delta.refusal, str):
            blocks.write("refusal", delta.refusal)
        if delta.images or delta.audio or delta.executed_tools:
            self._take_rare(delta, place)
        if delta.tool_calls:
            self._tools.take(delta.tool_calls, place, whole=whole)
        if delta.function_call is not None:
            self._tools.take_legacy(delta.function_call, place)

    def _take_rare(self, delta: Delta, place: Place) -> None:
        for image in delta.images or ():
            self._parts.image(image)
        if delta.audio:
            self._parts.audio(delta.audio, place)
        if delta.executed_tools:
            self._parts.executed_tools(delta.executed_tools, place)

    def _take_bare(self, chunk: Chunk, data: bytes, frame: FrameText, *, whole: bool) -> None:
        """A frame without choices: an agent's message, or counts alone."""
        if chunk.delta is not None:
            self._take_agent(chunk.delta, Place(frame, "delta"), whole=whole)
        for number, message in enumerate(chunk.messages or ()):
            self._take_agent(message, Place(frame, "messages", number), whole=True)
        if chunk.finish_reason and (chunk.delta is not None or chunk.messages is not None):
            self._take_reason(chunk.finish_reason, data)

    @staticmethod
    def _says_nothing(chunk: Chunk) -> bool:
        return chunk.delta is None and chunk.messages is None and chunk.usage is None

    def _take_unknown(self, data: bytes) -> bool:
        """A frame of no known shape; tells whether it is an error after all."""
        if read_stream_failure(data) is not None:
            return True
        tree = read_tree(data)
        name = tree.get("type") or tree.get("object") or "a frame without choices"
        self._writer.notice("unknown_event", str(name))
        return False

    def _take_agent(self, delta: Delta, place: Place, *, whole: bool) -> None:
        """What an agent says itself, and what the tools that it ran have said to it."""
        if delta.role == "tool":
            self._blocks.single("server_result", vendor=place.cut(delta))
            self._blocks.fresh = None
            return
        calls, delta.tool_calls = delta.tool_calls, None
        self._take_delta(delta, place, whole=whole)
        for number, call in enumerate(calls or ()):
            name = _text(call.function.name) if call.function else None
            json = place.cut(call, "tool_calls", number)
            self._blocks.single("server_tool", id=_text(call.id), name=name, vendor=json)

    def _take_reason(self, reason: Any, data: bytes) -> None:
        raw = reason if isinstance(reason, str) else compact(reason)
        self._finish_reason = raw
        self._start()
        self._tools.settle()
        self._leftovers.end(data)
        self._blocks.fresh = None
        self._tell_stop()

    def _tell_stop(self) -> None:
        raw = self._finish_reason
        if raw is None:
            return
        reason = _REASONS.get(raw.lower(), "unknown")
        if reason == "end_turn" and self._writer.has_tool_calls:
            reason = "tool_use"
        self._writer.stop(reason, raw, self._leftovers.ending)

    def _keep_rest(self, data: bytes) -> None:
        fresh = self._blocks.fresh
        if fresh is not None and self._writer.is_open(fresh):
            self._blocks.note(fresh, self._leftovers.new(data))
        else:
            self._leftovers.end(data)

    def _tell_usage(self, counts: Counts) -> None:
        if counts != self._counts:
            self._counts = counts
            self._start()
            tell_usage(counts, self._writer)

    def _fail(self, data: bytes) -> None:
        failure = read_stream_failure(data)
        if failure is None and self._error:
            failure = read_stream_failure(compact({"error": self._error}).encode())
        excerpt = data[:_EXCERPT].decode("utf-8", "replace")
        self._writer.fail(
            failure
            or Failure(
                kind="stream_failed",
                message=f"the model ended the answer with an error: {excerpt}",
                retryable=True,
                hint="Send the request again; what came before is kept.",
            )
        )


def _tells_error(chunk: Chunk) -> bool:
    return bool(chunk.error_code) or (chunk.error is not None and _says_something(chunk.error))


def _says_something(error: Any) -> bool:
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
