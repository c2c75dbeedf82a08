"""Events to the chunks of an OpenAI Chat stream.

A stream is a chunk with the role, chunks with what each delta adds, one with the finish reason, one
without choices that has the counts if there are any, and ``[DONE]``.

- *Blocks* have no beginning or end here: text, reasoning and refusals are runs of their field
  (`gateway_stream.wire.openai_chat.carried`). Only calls begin, with their id and name.
- *Reasoning* is ``reasoning_content``, whoever it is from, as that is what most readers know.
- *Opaque data* goes out in the field that it came in, when its block ends.
- *Citations* follow the text that they are about; their span counts from where the run began, as what
  a reader sees is one text.
- *Entries of lists* that come in several chunks are numbered, and each piece of a call says that it is
  a function's: readers that add chunks up refuse others.
- *Arguments* that are ``{}`` go out in two pieces where more may come, as readers take a first piece
  ``{}`` for a mere placeholder. A call that ends without any has them written out, as there are
  readers that parse what they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.events import Usage
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_chat.carried import FAMILY, own_tree
from gateway_stream.wire.openai_chat.envelope import counts, error, finish_reason, head
from gateway_stream.wire.openai_chat.pieces import annotation, audio, call, image, members
from gateway_stream.wire.openai_chat.shapes import PLAIN, field_of, filled, holds_text
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.events import (
        BlockEnd,
        BlockKind,
        BlockStart,
        Failure,
        Media,
        Opaque,
        Source,
        Start,
        Stop,
    )

__all__ = ["Composer"]

_TEXT_FIELDS: Final[dict[BlockKind, str]] = {
    "text": "content",
    "reasoning": PLAIN[0],
    "refusal": "refusal",
}


class Composer:
    """Writes one answer as a stream. See `gateway_stream.wire.family.Composer`."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._kind: BlockKind = "other"  # of the open block
        self._calls = 0
        self._run: list[str] = []  # the reasoning that runs
        self._length = 0  # of what runs
        self._runs: BlockKind | None = None
        self._offset = 0  # of the open block in the text that runs
        self._begun = False  # whether the open block has text
        self._sources: list[Source] = []
        self._media: list[Media] = []
        self._cited = 0
        self._images = 0
        self._asks = False
        self._bare = False  # whether the open call has no arguments yet

    def start(self, start: Start, usage: Usage) -> Iterator[Frame]:  # noqa: ARG002  counts come last
        """The answer begins."""
        self._head = head(start.id, start.model, "chat.completion.chunk")
        yield self._chunk({"role": "assistant", "content": ""})

    def open(self, block: BlockStart) -> Iterator[Frame]:
        """A block begins."""
        self._kind = block.kind
        self._begun = False
        self._media, self._sources = [], []
        self._offset = self._length if self._runs == block.kind else 0
        if block.kind == "tool_call":
            self._runs = None
            self._asks = True
            self._bare = True
            yield self._call(call(block.id or f"call_{block.index}", block.name, ""))

    def delta(self, text: str) -> Iterator[Frame]:
        """More of the block."""
        if self._kind == "tool_call":
            self._bare = False
            for piece in ("{", "}") if text == "{}" else (text,):
                yield self._call({"function": {"arguments": piece}})
            return
        if self._runs != self._kind:
            self._runs, self._run, self._length = self._kind, [], 0
        self._length += len(text)
        if self._kind == "reasoning":
            self._run.append(text)
        self._begun = True
        yield self._chunk({_TEXT_FIELDS[self._kind]: text})
        yield from self._cite()

    def media(self, media: Media) -> Iterable[Frame]:
        """A file, which may turn out to be speech."""
        self._media.append(media)
        return ()

    def source(self, source: Source) -> Iterator[Frame]:
        """A citation, which is told as soon as there is a text to which it belongs."""
        self._sources.append(source)
        if self._begun:
            yield from self._cite()

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        """The block ends."""
        opaque = end.opaque if end.opaque and end.opaque.family == FAMILY else None
        if self._kind == "tool_call":
            yield from self._end_call(opaque, whole=end.status == "complete")
            return
        field = field_of(self._kind, own_tree(opaque)) if opaque else None
        if opaque is not None and field not in PLAIN and field != "audio":
            yield from self._keep(opaque, field)
            if self._kind == "text":
                yield from self._cite()
        for delta in self._files(opaque if field == "audio" else None):
            self._runs = None
            yield self._chunk(delta)

    def stop(self, stop: Stop, usage: Usage) -> Iterator[Frame]:
        """The answer is whole."""
        yield self._chunk({}, finish_reason(stop.reason, calls=self._asks))
        yield from self._counts(usage)
        yield Frame(b"[DONE]")

    def fail(self, failure: Failure, usage: Usage) -> Iterator[Frame]:
        """The answer will not become whole; what it has cost is told."""
        if self._head:
            yield from self._counts(usage)
        yield _frame(error(failure))

    def _cite(self) -> Iterator[Frame]:
        sources, self._sources = self._sources, []
        for source in sources:
            cited = annotation(source, self._offset)
            yield self._chunk({"annotations": [{"index": self._cited, **cited}]})
            self._cited += 1

    def _end_call(self, opaque: Opaque | None, *, whole: bool) -> Iterator[Frame]:
        if self._bare and whole:
            yield self._call({"function": {"arguments": "{}"}})
        if opaque is not None:
            yield self._call({"function": {"arguments": ""}, **members(opaque)})
        self._calls += 1

    def _keep(self, opaque: Opaque, field: str | None) -> Iterator[Frame]:
        """What goes back with the block, and ends the run."""
        said = bool(self._run) and self._runs == self._kind == "reasoning"
        self._runs = None
        if field == "tool_calls":
            for entry in msgspec.json.decode(opaque.json)[field]:
                yield self._call(entry)
                self._calls += 1
            return
        written: Any = msgspec.Raw(opaque.json.encode())
        if said and holds_text(own_tree(opaque)):
            written = filled(own_tree(opaque), "".join(self._run))
        elif field == "thoughtSignature":
            written = {"type": "text", "text": "", **members(opaque)}
            field = None
        yield self._chunk(written if field else {"content": [written]})

    def _files(self, speech: Opaque | None) -> Iterator[dict[str, Any]]:
        if speech is None:
            for media in self._media:
                yield {"images": [{"index": self._images, **image(media)}]}
                self._images += 1
            return
        yield {"audio": audio(speech)}
        yield from ({"audio": {"data": media.data}} for media in self._media)

    def _counts(self, usage: Usage) -> Iterator[Frame]:
        if usage != Usage():
            yield _frame({**self._head, "choices": [], "usage": counts(usage)})

    def _call(self, piece: dict[str, Any]) -> Frame:
        return self._chunk({"tool_calls": [{"index": self._calls, **piece}]})

    def _chunk(self, delta: object, finish: str | None = None) -> Frame:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _frame({**self._head, "choices": [choice]})


def _frame(tree: dict[str, Any]) -> Frame:
    return Frame(compact(tree).encode())
