"""Events to a whole OpenAI Chat answer.

A message has a field for each sort of thing, and one row, the content.

- *Content* is a string wherever it is all text, and a list of parts where something must stand in it.
  A signature in ``extra_content`` is the message's where there is one text, else the part's.
- *Reasoning* under plain keys is joined under the key that came first. Lists have the texts as well,
  and then the plain key repeats them, for readers that know no lists. Where some of the reasoning is
  in lists and some is not, that is a part of the content, as the plain key would be taken for a copy.
- *Arguments* of a whole call without any are ``{}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway_stream.events import Failure, Source, Usage
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_chat.carried import FAMILY, joined_data, own_tree
from gateway_stream.wire.openai_chat.envelope import counts, error, finish_reason, head
from gateway_stream.wire.openai_chat.pieces import annotation, audio, call, image, members
from gateway_stream.wire.openai_chat.shapes import LISTS, PLAIN, field_of, filled, is_signed

if TYPE_CHECKING:
    from gateway_stream.events import Opaque
    from gateway_stream.turn import Block, Turn

__all__ = ["compose_answer"]


def compose_answer(answer: Turn | Failure) -> bytes:
    """A whole answer as one JSON object, or the error in its place."""
    if isinstance(answer, Failure):
        return compact(error(answer)).encode()
    message = _Message()
    for block in answer.blocks:
        message.add(block)
    reason = finish_reason(answer.stop.reason, calls=bool(answer.tool_calls))
    choice = {"index": 0, "message": message.tree(), "logprobs": None, "finish_reason": reason}
    written = {**head(answer.id, answer.model, "chat.completion"), "choices": [choice]}
    if answer.usage != Usage():
        written["usage"] = counts(answer.usage)
    return compact(written).encode()


class _Text:
    """A text of the content: what goes back with it, and what it cites."""

    def __init__(self, block: Block, opaque: Opaque | None) -> None:
        self.text = block.text
        self.members: dict[str, Any] = dict(members(opaque)) if opaque else {}
        self.sources: tuple[Source, ...] = block.sources

    def annotations(self, offset: int) -> list[dict[str, Any]]:
        return [annotation(source, offset) for source in self.sources]


class _Message:
    """A whole message while its blocks come."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._content: list[Any] = []
        self._refusal: list[str] = []
        self._plain: list[str] = []
        self._key: str | None = None
        self._listed: list[str] = []
        self._unsigned = False  # whether the lists have reasoning that nothing seals

    def add(self, block: Block) -> None:
        """Write a block."""
        opaque = block.opaque if block.opaque and block.opaque.family == FAMILY else None
        field = field_of(block.kind, own_tree(opaque)) if opaque else None
        match block.kind:
            case "text":
                if block.text or opaque:
                    self._content.append(_Text(block, opaque))
            case "refusal":
                self._refusal.append(block.text)
            case "tool_call":
                self._add_call(block, opaque)
            case "reasoning":
                self._add_reasoning(block, opaque, field)
            case _ if opaque is not None:
                self._add_own(block, opaque, field)
        if block.media and field != "audio":
            self._fields.setdefault("images", []).extend(map(image, block.media))

    def _add_call(self, block: Block, opaque: Opaque | None) -> None:
        calls = self._fields.setdefault("tool_calls", [])
        arguments = block.text or ("{}" if block.status == "complete" else "")
        written = call(block.id or f"call_{block.index}", block.name, arguments)
        calls.append({**written, **(members(opaque) if opaque else {})})

    def _add_own(self, block: Block, opaque: Opaque, field: str | None) -> None:
        if field == "tool_calls":
            self._fields.setdefault(field, []).extend(_entries(opaque, field))
        elif field == "audio":
            speech = {"data": joined_data(block.media), "expires_at": 0, "transcript": ""}
            self._fields[field] = {**audio(opaque), **speech}
        else:
            self._content.append(msgspec.Raw(opaque.json.encode()))

    def _add_reasoning(self, block: Block, opaque: Opaque | None, field: str | None) -> None:
        if opaque is None or field in PLAIN:
            self._plain.append(block.text)
            self._key = self._key or field
            return
        tree = filled(own_tree(opaque), block.text) if block.text else None
        if field is None:
            self._content.append(tree or msgspec.Raw(opaque.json.encode()))
            return
        self._fields.setdefault(field, []).extend(tree[field] if tree else _entries(opaque, field))
        self._listed.append(block.text)
        self._unsigned = self._unsigned or not is_signed(own_tree(opaque))

    def tree(self) -> dict[str, Any]:
        """The message."""
        lists = [field for field in LISTS if field in self._fields]
        plain = "".join(self._plain)
        if plain and lists:
            self._content.insert(0, {"type": "thinking", "thinking": plain})
        elif plain:
            self._fields[self._key or PLAIN[0]] = plain
        elif len(lists) == 1 and not self._unsigned and any(self._listed):
            self._fields[PLAIN[0]] = "".join(self._listed)
        content = self._written_content()
        refusal = "".join(self._refusal) or None
        return {"role": "assistant", **content, "refusal": refusal, **self._fields}

    def _written_content(self) -> dict[str, Any]:
        texts = [part for part in self._content if isinstance(part, _Text)]
        alone = len(texts) == 1 and texts[0].members.keys() == {"extra_content"}
        if len(texts) < len(self._content) or not (alone or not any(t.members for t in texts)):
            return {"content": self._parts()}
        written: dict[str, Any] = {"content": "".join(text.text for text in texts) or None}
        offset, annotations = 0, []
        for text in texts:
            annotations += text.annotations(offset)
            offset += len(text.text)
            written |= text.members
        return {**written, "annotations": annotations} if annotations else written

    def _parts(self) -> list[Any]:
        parts: list[Any] = []
        offset = 0
        for part in self._content:
            if not isinstance(part, _Text):
                parts.append(part)
                offset = 0
                continue
            cited = {"annotations": part.annotations(offset)} if part.sources else {}
            parts.append({"type": "text", "text": part.text, **part.members, **cited})
            offset = 0 if part.members else offset + len(part.text)
        return parts


def _entries(opaque: Opaque, field: str) -> list[msgspec.Raw]:
    """The entries of a list, as they came."""
    return msgspec.json.decode(members(opaque)[field], type=list[msgspec.Raw])
