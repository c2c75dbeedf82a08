"""Events to Responses: the frames of a stream, and whole responses.

A stream is ``response.created``, ``response.in_progress``, each item's ``output_item.added``, its parts, deltas,
their ``done`` frames and ``output_item.done``, and ``response.completed``, ``.incomplete`` or ``.failed``, which tells
all of it once more. Frames are numbered.

- *Ids hold.* Strict readers refuse an item whose id changes, or that comes twice. So an item begins
  under the id that its block was announced with, or one that is made here.
- *Parts of one message* are known by that id too: a message that may go on ends with what follows it.
- *What has no text to hurry* comes whole, with its block's end: all that this family alone can say, its
  own calls among it, for only their end tells whether they are a function's or a custom tool's.
- *Reasoning* streams as a summary of one part, whatever its item says in the end.
- *A block that was cut* is left open, for readers run what is done. The last frame tells it, as incomplete.
- *A call that the answer itself answers* comes only as done, as those who run calls send it, and so does
  what stands between it and its output: to begin anything there is to say that no output comes.
- *Media and citations* are written as part of this family's own items; those of others have no place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from gateway_stream.events import Failure
from gateway_stream.turn import Block
from gateway_stream.wire.carries import Carries
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_responses.envelope import (
    REASONS,
    UNNAMED,
    all_counts,
    error_inside,
    error_of,
    response_of,
    stopped,
)
from gateway_stream.wire.openai_responses.frames import Frames, Text
from gateway_stream.wire.openai_responses.items import FAMILY
from gateway_stream.wire.openai_responses.outgoing import (
    TYPES,
    asks_caller,
    dressed,
    item_of,
    made_id,
    message_of,
    not_to_be_run,
    own_item,
    part_of,
    parts_told,
    read_as_whole,
    read_from_stream,
    says_incomplete,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gateway_stream.events import BlockEnd, BlockStart, Media, Source, Start, Stop, Usage
    from gateway_stream.turn import Turn
    from gateway_stream.wire.openai_responses.views import Fields
    from gateway_stream.wire.sse import Frame

__all__ = ["STREAMED", "WHOLE", "Composer", "compose_answer"]

_IN_MESSAGES: Final = frozenset({"text", "refusal", "other"})
_TEXTS: Final = {
    "text": Text("output_text", "text", "content_part", "content_index", logprobs=[]),
    "refusal": Text("refusal", "refusal", "content_part", "content_index"),
    "other": Text("", "", "content_part", "content_index"),
    "reasoning": Text("reasoning_summary_text", "text", "reasoning_summary_part", "summary_index"),
    "function_call": Text("function_call_arguments", "arguments"),
    "custom_tool_call": Text("custom_tool_call_input", "input"),
}
_EMPTY_PARTS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    "refusal": {"type": "refusal", "refusal": ""},
    "reasoning": {"type": "summary_text", "text": ""},
}

STREAMED: Final = Carries(
    family=FAMILY,
    blocks={kind: kind for kind in TYPES},
    reasons=REASONS,
    counts=frozenset({"input", "output", "cache_read", "cache_write", "reasoning"}),
    counts_as=all_counts,
    empty=frozenset({"tool_call"}),
    cut_texts=True,
    cut_calls=True,
    keeps=dressed,
    asks_caller=asks_caller,
    reads_as=read_from_stream,
    unnamed=UNNAMED,
)
WHOLE: Final = replace(STREAMED, reads_as=read_as_whole)


class _Message:
    """A message that is being written. ``own`` are its members once they are known."""

    def __init__(self, id: str, announced: str | None = None) -> None:
        self.id = id
        self.own: Fields = {}
        self.parts: list[object] = []
        self.cut = False
        self._announced = announced

    def goes_on(self, block: BlockStart) -> bool:
        """Whether ``block`` is its next part."""
        return block.kind in _IN_MESSAGES and bool(block.item) and block.item == self._announced

    def add(self, block: Block, own: Fields) -> Mapping[str, object] | None:
        """Take a block; gives the part that it is, if it is one."""
        self.own = self.own or own
        self.cut = self.cut or block.status == "truncated"
        if not block.text and not parts_told(own):
            return None
        part = part_of(block, own)
        self.parts.append(part)
        return part

    def item(self) -> Mapping[str, object]:
        """The message whole."""
        return message_of(self.own, self.parts, id=self.id, cut=self.cut)


class Composer:
    """Writes one response as a stream. See `gateway_stream.wire.family.Composer`."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._message: _Message | None = None
        self._block: BlockStart | None = None
        self._texts: list[str] = []
        self._begun = False
        self._unanswered: set[str] = set()  # calls that the answer will answer

    def start(self, start: Start, usage: Usage) -> Iterator[Frame]:  # noqa: ARG002
        """The response begins; it is counted at its end."""
        self._frames.start = start
        yield self._frames.response("created", "in_progress")
        yield self._frames.response("in_progress", "in_progress")

    def open(self, block: BlockStart) -> Iterator[Frame]:
        """A block begins."""
        if self._message is not None and not self._message.goes_on(block):
            yield from self._end_message()
        self._block, self._texts, self._begun = block, [], False
        if block.kind == "tool_call" and block.item is None:
            yield from self._begin(block)

    def delta(self, text: str) -> Iterator[Frame]:
        """More of the block."""
        self._texts.append(text)
        block = self._block
        if block is None or (block.kind == "tool_call" and block.item is not None):
            return
        yield from self._begin(block)
        yield self._frames.delta(*self._text(block), text)

    def media(self, media: Media) -> Iterable[Frame]:  # noqa: ARG002
        """Files are in items of this family, and have no place of their own."""
        return ()

    def source(self, source: Source) -> Iterable[Frame]:  # noqa: ARG002
        """Citations are in items of this family, and have no place of their own."""
        return ()

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        """The block ends."""
        start, self._block = self._block, None
        if start is None:
            return
        block = Block(
            index=start.index,
            kind=start.kind,
            id=start.id,
            name=start.name,
            text="".join(self._texts),
            status=end.status,
            opaque=end.opaque,
        )
        own = own_item(block)
        if block.kind in _IN_MESSAGES and word(own, "type") in ("message", ""):
            yield from self._close_part(start, block, own)
        elif block.kind == "reasoning":
            yield from self._close_reasoning(start, block, own)
        elif block.kind == "tool_call":
            yield from self._close_call(start, block, own)
        elif own:
            yield from self._close_whole(block, own)

    def _close_whole(self, block: Block, own: Fields) -> Iterator[Frame]:
        type_ = word(own, "type")
        if type_ == "function_call":
            self._unanswered.add(word(own, "call_id"))
        elif type_ == "function_call_output":
            self._unanswered.discard(word(own, "call_id"))
        else:
            yield self._frames.added(own, "")
        yield from self._frames.done(own, left_open=_is_left_open(block, own))

    def stop(self, stop: Stop, usage: Usage) -> Iterator[Frame]:
        """The response is whole."""
        yield from self._end_message()
        status, details = stopped(stop.reason)
        yield self._frames.response(status, status, usage=usage, incomplete_details=details)

    def fail(self, failure: Failure, usage: Usage) -> Iterator[Frame]:
        """The response failed; what it has cost is told."""
        yield from self._end_message()
        if self._frames.begun:
            error = error_inside(failure)
            yield self._frames.response("failed", "failed", usage=usage, error=error)
        error = error_of(failure)
        flat = {name: error[name] for name in ("code", "message", "param")}
        yield self._frames.frame("error", **flat, error=error)

    # Blocks that have a text.

    def _begin(self, block: BlockStart) -> Iterator[Frame]:
        """Begin the block on the wire, if it has not begun."""
        if self._begun:
            return
        self._begun = True
        if block.kind in _IN_MESSAGES:
            yield from self._begin_message(block)
        elif block.kind == "reasoning":
            yield self._added(block, {"type": "reasoning", "summary": []})
        else:
            call = {"call_id": block.id or "", "name": block.name or "", "arguments": ""}
            yield self._added(block, {"type": "function_call", "status": "in_progress", **call})
        if block.kind in _EMPTY_PARTS:
            yield self._frames.part(*self._text(block), "added", _EMPTY_PARTS[block.kind])

    def _begin_message(self, block: BlockStart) -> Iterator[Frame]:
        if self._message is None:
            self._message = _Message(self._id(block), block.item)
            head = {"type": "message", "status": "in_progress", "role": "assistant"}
            yield self._added(block, {**head, "content": []})

    def _added(self, block: BlockStart, item: Mapping[str, object]) -> Frame:
        """An item begins, under its id unless it is known to have none."""
        named = {} if block.item == "" else {"id": self._id(block)}
        return self._frames.added({**named, **item}, self._id(block))

    def _close_part(self, start: BlockStart, block: Block, own: Fields) -> Iterator[Frame]:
        if not block.text and not own:
            return
        yield from self._begin_message(start)
        message: _Message = self._message  # type: ignore[assignment]  # it has begun
        if block.text or (parts_told(own) and block.kind != "other"):
            yield from self._begin(start)
        text = self._text(start)
        part = message.add(block, own)
        if part is not None and not message.cut:
            if block.kind == "other":
                yield self._frames.part(*text, "added", part)
            else:
                yield self._frames.whole(*text, block.text)
            yield self._frames.part(*text, "done", part)
        if not own:
            yield from self._end_message()

    def _end_message(self) -> Iterator[Frame]:
        message, self._message = self._message, None
        if message is not None:
            left_open = message.cut and not says_incomplete(message.own)
            yield from self._frames.done(message.item(), left_open=left_open)

    def _close_reasoning(self, start: BlockStart, block: Block, own: Fields) -> Iterator[Frame]:
        if not block.text and not own:
            return
        if not block.text:
            yield self._added(start, {"type": "reasoning", "summary": []})
        elif block.status != "truncated":
            text = self._text(start)
            yield self._frames.whole(*text, block.text)
            part = {"type": "summary_text", "text": block.text}
            yield self._frames.part(*text, "done", part)
        item = item_of(block, own, self._id(start))
        yield from self._frames.done(item, left_open=_is_left_open(block, own))

    def _close_call(self, start: BlockStart, block: Block, own: Fields) -> Iterator[Frame]:
        block = not_to_be_run(block, own)
        item = item_of(block, own, self._id(start))
        cut = block.status == "truncated"
        if own and self._unanswered and not cut:
            yield from self._frames.done(item)
            return
        text = _TEXTS[word(own, "type") or "function_call"]
        said = "".join(self._texts) if self._begun else ""
        if not self._begun:
            yield self._added(start, {**item, text.whole: ""})
        if block.text != said:
            yield self._frames.delta(text, 0, block.text[len(said) :])
        if not cut:
            yield self._frames.whole(text, 0, item.get(text.whole))
        yield from self._frames.done(item, left_open=cut)

    def _text(self, block: BlockStart) -> tuple[Text, int]:
        """The text of a block that has begun, and its place in the item."""
        at = len(self._message.parts) if self._message is not None else 0
        return _TEXTS["function_call" if block.kind == "tool_call" else block.kind], at

    def _id(self, block: BlockStart) -> str:
        """The id that the block's item begins under."""
        return block.item or made_id(block.kind, self._frames.start.id, self._frames.place)


def compose_answer(answer: Turn | Failure) -> bytes:
    """A whole response as one JSON object, or the error in its place."""
    if isinstance(answer, Failure):
        return compact({"error": error_of(answer)}).encode()
    status, details = stopped(answer.stop.reason)
    response = response_of(
        answer.id,
        answer.model,
        status,
        output=_items(answer),
        usage=answer.usage,
        incomplete_details=details,
    )
    return compact(response).encode()


def _items(answer: Turn) -> list[Mapping[str, object]]:
    items: list[Mapping[str, object] | _Message] = []
    for block in answer.blocks:
        own = own_item(block)
        id_ = word(own, "id")
        if block.kind in _IN_MESSAGES and word(own, "type") in ("message", ""):
            if not block.text and not own:
                continue
            last = items[-1] if items else None
            if not (isinstance(last, _Message) and id_ and word(last.own, "id") == id_):
                last = _Message(made_id(block.kind, answer.id, len(items)))
                items.append(last)
            last.add(block, own)
        elif own or block.kind == "tool_call" or (block.kind in TYPES and block.text):
            block = not_to_be_run(block, own)  # noqa: PLW2901
            items.append(item_of(block, own, made_id(block.kind, answer.id, len(items))))
    return [item.item() if isinstance(item, _Message) else item for item in items]


def _is_left_open(block: Block, own: Fields) -> bool:
    """Whether an item must not be told as done: it was cut, and would not say so."""
    return block.status == "truncated" and not says_incomplete(own)
