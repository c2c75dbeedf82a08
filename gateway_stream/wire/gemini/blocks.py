"""Parts of an answer as blocks.

Text parts that follow each other are one block, and so are thoughts; a part of another kind ends
it. A signature belongs to the exact part it came with, so a signed text part is a block of its own,
merged with nothing before or after it. That holds for an empty one, too: it carries the signature
of the turn, and becomes a block of a start and an end. An empty part without a signature is nothing.

Files are media blocks, or reasoning blocks where the part is marked as a thought (drafts of an
image). What the service runs on its own and says it did, and parts of kinds not known here, are
blocks without deltas. All of these go back as they came: their opaque data is the whole part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.wire.gemini.calls import Calls, opaque_of
from gateway_stream.wire.gemini.grounding import Said, sources_in
from gateway_stream.wire.gemini.views import Fields, as_string, fields_of, is_true, join, text_of

if TYPE_CHECKING:
    import msgspec

    from gateway_stream.events import BlockKind, Opaque
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.gemini.grounding import SourceFacts

__all__ = ["Blocks"]

_PROSE: Final = frozenset({"text", "thought", "thoughtSignature"})
_FILES: Final = frozenset({"inlineData", "fileData"})
_KINDS: Final[dict[str, BlockKind]] = {
    "executableCode": "server_tool",
    "codeExecutionResult": "server_result",
    "functionResponse": "other",
}


class Blocks:
    """The blocks of one answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._calls = Calls(writer)
        self._index = -1  # of the text or thought block that is open
        self._thought = False
        self._said = Said()  # of the open text block
        self._said_before = 0  # bytes of text in the blocks before it
        self._metadata: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._sources: set[SourceFacts] = set()

    def prose(self, text: str, *, thought: bool) -> None:
        """More text, or more of a thought."""
        if self._index < 0 or thought is not self._thought:
            self._begin(thought=thought)
        if not thought:
            self._said.add(text)
        self._writer.delta(self._index, text)

    def part(self, raw: msgspec.Raw) -> None:
        """A part that is more than plain text."""
        part = fields_of(raw)
        if not as_string(part.get("thoughtSignature")):
            part.pop("thoughtSignature", None)
        payload = next((name for name in part if name not in _PROSE), None)
        text = as_string(part.get("text"))
        thought = is_true(part.get("thought"))
        if payload == "functionCall":
            if text:
                self.prose(text, thought=thought)
            self._end_prose()
            self._calls.take(part)
        elif payload is None or text:
            self._prose_part(part, text, thought=thought)
        else:
            self._end_prose()
            self._whole_part(payload, part, raw)

    def hear(self, grounding: dict[str, Any], citations: dict[str, Any]) -> None:
        """Where the text comes from; written before the text block ends, at the latest by `flush`."""
        self._metadata = (grounding, citations)

    def flush(self) -> None:
        """All parts of a frame were taken."""
        if self._metadata is not None:
            self._write_sources()
            self._metadata = None

    def _begin(self, *, thought: bool) -> None:
        self._end_prose()
        self._thought = thought
        self._index = self._writer.open("reasoning" if thought else "text")

    def _end_prose(self, opaque: Opaque | None = None) -> None:
        if self._index < 0:
            return
        self._write_sources()
        self._writer.end(self._index, opaque=opaque)
        self._index = -1
        if self._said:
            self._said_before += len(self._said.read())
            self._said = Said()

    def _prose_part(self, part: Fields, text: str, *, thought: bool) -> None:
        signature = part.get("thoughtSignature")
        if signature is None:
            if text:
                self.prose(text, thought=thought)
            return
        self._begin(thought=thought)
        if text:
            self.prose(text, thought=thought)
        self._end_prose(opaque_of(join({"thoughtSignature": signature})))

    def _whole_part(self, payload: str, part: Fields, raw: msgspec.Raw) -> None:
        writer = self._writer
        inner = fields_of(part[payload])
        opaque = opaque_of(text_of(raw))
        if payload in _FILES:
            index = writer.open("reasoning" if is_true(part.get("thought")) else "media")
            writer.media(
                index,
                media_type=as_string(inner.get("mimeType")) or None,
                data=as_string(inner.get("data")) or None,
                url=as_string(inner.get("fileUri")) or None,
            )
        else:
            index = writer.open(
                _kind_of(payload),
                id=as_string(inner.get("id")) or None,
                name=as_string(inner.get("toolType")) or as_string(inner.get("name")) or payload,
            )
        writer.end(index, opaque=opaque)

    def _write_sources(self) -> None:
        """The sources of the open text block, so far as they are new."""
        if self._metadata is None or not self._said:
            return
        for facts in sources_in(*self._metadata, self._said, self._said_before):
            if facts not in self._sources:
                self._sources.add(facts)
                url, title, span = facts
                self._writer.source(self._index, url=url, title=title, span=span)


def _kind_of(payload: str) -> BlockKind:
    """What a part without deltas is, by its name: names of later versions end alike."""
    if payload in _KINDS:
        return _KINDS[payload]
    if payload.endswith("Call"):
        return "server_tool"
    return "server_result" if payload.endswith(("Response", "Result")) else "other"
