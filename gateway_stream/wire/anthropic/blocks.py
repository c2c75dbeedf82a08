"""The content blocks of an answer while they are open.

What a block is when it ends is what must go back to the vendor with it. Everything of a block that
`Block.text`, its id or its name does not hold is its opaque data: the signature of thinking, the
citations of text, the caller of a tool, and the whole of a block that is the vendor's own business
(server tools, their results, redacted thinking, compaction, kinds that nobody has heard of yet).

Rules:

- What a block's start says already counts: text, thinking, a signature, a tool's input.
- A tool's input is what its deltas add up to; the input in its start counts where they add up to
  nothing. This is how the vendor's own SDK reads it.
- Pieces of a signature are joined. Thinking without a signature is not the vendor's own, which always
  signs: others who speak its dialect do not, and some refuse the next request without the thinking.
  So it keeps ``{"type":"thinking"}``, with `UNSIGNED` for its provider: it goes back to whoever is
  not known to want signatures.
- Deltas of a kind that nobody knows are merged, member by member, into a block that goes back whole:
  strings and lists grow, anything else is replaced. Blocks of known kinds keep them in ``vendor``,
  since it is not known that the vendor would take them back.
- A block that was cut, or whose input did not become a JSON object, has no opaque data: no vendor
  takes half of it back. What came of it is in ``vendor``.
- A tool call without a name cannot be run: it is invalid. So is one of which only deltas came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.wire.anthropic.views import VendorObject, write_object
from gateway_stream.wire.arguments import arguments_status
from gateway_stream.wire.surrogates import pair_up

if TYPE_CHECKING:
    from gateway_stream.events import BlockKind, BlockStatus
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.anthropic.views import Delta, Texts
    from gateway_stream.wire.open_block import Ending

    _Result: TypeAlias = tuple[BlockStatus | None, dict[str, Any], dict[str, Any]]

__all__ = ["OPENED_BY", "UNSIGNED", "Block", "open_block"]

UNSIGNED: Final = "unsigned"
"""The provider of thinking that nobody signed."""

_CITED: Final = "citations_delta"
_TEXT: Final = "text_delta"
_INPUT: Final = "input_json_delta"


class _Grown:
    """Members that deltas of unknown kinds add to, or to what was there before; joined when asked for."""

    def __init__(self, before: dict[str, Any]) -> None:
        self._before = before
        self._pieces: dict[str, list[Any]] = {}

    def add(self, addition: dict[str, Any]) -> None:
        """Add what a delta says: strings and lists grow, anything else is replaced."""
        for key, value in addition.items():
            if key == "type" or value is None:
                continue
            pieces = self._pieces.setdefault(key, [])
            known = pieces[-1] if pieces else self._before.get(key)
            if not isinstance(known, str | list) or type(known) is not type(value):
                pieces.clear()
            elif not pieces:
                pieces.append(known)
            pieces.append(value)

    def values(self) -> dict[str, Any]:
        """The members as they are by now."""
        return {key: _joined(pieces) for key, pieces in self._pieces.items()}


def _joined(pieces: list[Any]) -> Any:
    if len(pieces) == 1:
        return pieces[0]
    return "".join(pieces) if isinstance(pieces[0], str) else [*chain.from_iterable(pieces)]


class Block(ABC):
    """An open block: takes its deltas, and knows what its end carries.

    Attributes:
        index: its number among our blocks.
        kind: its kind among ours.
    """

    own: ClassVar[frozenset[str]] = frozenset()
    """Types of deltas that belong into such a block."""

    def __init__(
        self,
        writer: AnswerWriter,
        source: VendorObject,
        kind: BlockKind,
        *,
        id: str | None = None,
        name: str | None = None,
    ) -> None:
        self._writer = writer
        self._source = source
        self._strange = _Grown({})
        self._said_at_end: Texts = {}
        self._provider = "anthropic"
        self.kind = kind
        self.index = writer.open(kind, id=id, name=name, ending=self._ending)

    def accepts(self, delta: str) -> bool:
        """Whether a delta of this type continues the block; one of another block's types does not."""
        return delta in self.own or delta not in OPENED_BY

    def take(self, delta: Delta, data: bytes) -> None:
        """Take a delta that the block accepts; ``data`` is its whole frame."""
        if delta.type in self.own:
            self._take(delta, data)
            return
        unknown = VendorObject.read(data, self._writer).member("delta").values
        self._writer.notice("unknown_event", delta.type or "")
        self._strange.add(unknown)

    def end(self, said: Texts) -> None:
        """The wire says that the block is closed; ``said`` is what else it says there."""
        self._said_at_end = said
        self._writer.end(self.index)

    def _ending(self, cut: bool) -> Ending:  # noqa: FBT001
        status, going_back, staying = self._result()
        if cut or status not in (None, "complete"):
            told_by_kind = bool(self.own) and going_back.keys() == {"type"}
            staying, going_back = {**({} if told_by_kind else going_back), **staying}, {}
        staying = {**staying, **self._strange.values(), **self._said_at_end}
        return (
            status,
            Opaque("anthropic", self._provider, self._write(going_back)) if going_back else None,
            write_object(staying) if staying else None,
        )

    def _take(self, delta: Delta, data: bytes) -> None:  # noqa: B027
        """Take a delta of one of its `own` types; a kind without any takes none."""

    @abstractmethod
    def _result(self) -> _Result:
        """Its status where the writer is not to judge, what goes back, and what does not."""

    def _write(self, going_back: dict[str, Any]) -> str:
        return write_object(going_back)


class _Text(Block):
    own = frozenset({_TEXT, _CITED})

    def __init__(self, writer: AnswerWriter, source: VendorObject) -> None:
        super().__init__(writer, source, "text")
        self._citations: list[msgspec.Raw] = []
        writer.delta(self.index, source.text_of("text") or "")
        for citation in source.members("citations"):
            self._cite(citation)

    def _take(self, delta: Delta, data: bytes) -> None:
        if delta.type == _CITED:
            self._cite(VendorObject.read(data, self._writer).member("delta").member("citation"))
        else:
            self._writer.delta(self.index, delta.text or "")

    def _cite(self, citation: VendorObject) -> None:
        self._citations.append(msgspec.Raw(citation.json.encode()))
        self._writer.source(
            self.index,
            url=citation.text_of("url") or citation.text_of("source"),
            title=citation.text_of("title") or citation.text_of("document_title"),
        )

    def _result(self) -> _Result:
        going_back: dict[str, Any] = {**self._source.rest({"type", "text", "citations"})}
        if self._citations:
            going_back["citations"] = self._citations
        return None, {"type": "text", **going_back} if going_back else {}, {}


class _Thinking(Block):
    own = frozenset({"thinking_delta", "signature_delta"})

    def __init__(self, writer: AnswerWriter, source: VendorObject) -> None:
        super().__init__(writer, source, "reasoning")
        self._signature = [source.text_of("signature") or ""]
        writer.delta(self.index, source.text_of("thinking") or "")

    def _take(self, delta: Delta, data: bytes) -> None:  # noqa: ARG002
        self._signature.append(delta.signature or "")
        self._writer.delta(self.index, delta.thinking or "")

    def _result(self) -> _Result:
        rest = self._source.rest({"type", "thinking", "signature"})
        signature = pair_up("".join(self._signature))
        if not signature:
            self._provider = UNSIGNED
            return None, {"type": "thinking", **rest}, {}
        return None, {"type": "thinking", **rest, "signature": signature}, {}


class _ToolUse(Block):
    own = frozenset({_INPUT})

    def __init__(self, writer: AnswerWriter, source: VendorObject) -> None:
        self._name = source.text_of("name")
        self._fed = False
        super().__init__(writer, source, "tool_call", id=source.text_of("id"), name=self._name)

    def _take(self, delta: Delta, data: bytes) -> None:  # noqa: ARG002
        if delta.partial_json:
            self._fed = True
            self._writer.delta(self.index, delta.partial_json)

    def _result(self) -> _Result:
        if not self._fed:
            self._writer.delta(self.index, self._input_at_start())
        rest = self._source.rest({"type", "id", "name", "input"})
        return None if self._name else "invalid", {"type": "tool_use", **rest} if rest else {}, {}

    def _input_at_start(self) -> str:
        value = self._source.values.get("input")
        if not value:
            return ""
        if isinstance(value, str):
            return value
        return bytes(self._source.texts["input"]).decode("utf-8", "replace")


class _Whole(Block):
    """A block that goes back as it came."""

    def __init__(self, writer: AnswerWriter, source: VendorObject, kind: BlockKind) -> None:
        self._input: list[str] = []
        self._grown = _Grown(source.values)
        super().__init__(
            writer,
            source,
            kind,
            id=source.text_of("id") or source.text_of("tool_use_id"),
            name=source.text_of("name"),
        )

    def accepts(self, delta: str) -> bool:  # noqa: ARG002
        return True

    def take(self, delta: Delta, data: bytes) -> None:
        if delta.type == _INPUT:
            self._input.append(delta.partial_json or "")
        else:
            self._grown.add(VendorObject.read(data, self._writer).member("delta").values)

    def _result(self) -> _Result:
        whole = {**self._source.texts, **self._grown.values()}
        text = pair_up("".join(self._input))
        if not text:
            return None, whole, {}
        status = arguments_status(text)
        if status == "complete":
            return status, {**whole, "input": msgspec.Raw(text.encode())}, {}
        return status, {}, {**whole, "partial_json": text}

    def _write(self, going_back: dict[str, Any]) -> str:
        untouched = not self._grown.values() and not any(self._input)
        return self._source.json if untouched else write_object(going_back)


_OPENED_AS: Final[dict[str, type[_Text | _Thinking | _ToolUse]]] = {
    "text": _Text,
    "thinking": _Thinking,
    "tool_use": _ToolUse,
}
OPENED_BY: Final[dict[str, str]] = {
    delta: name for name, block in _OPENED_AS.items() for delta in block.own
}
"""The type of block that a delta belongs into where none was begun."""


def open_block(writer: AnswerWriter, source: VendorObject) -> Block:
    """Open the block that a content block begins."""
    name = source.text_of("type") or ""
    block = _OPENED_AS.get(name)
    if block is not None:
        return block(writer, source)
    kind: BlockKind = "other"
    if name == "redacted_thinking":
        kind = "reasoning"
    elif name.endswith("tool_use"):
        kind = "server_tool"
    elif name.endswith("tool_result"):
        kind = "server_result"
    return _Whole(writer, source, kind)
