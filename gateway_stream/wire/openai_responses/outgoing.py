"""Blocks to items: what an answer of any family is made of, in this dialect's words.

A block whose opaque data is an item of this family goes out as that item: its own JSON, with the text
that the block holds put back where it was taken out. Texts that say to be parts of one message are one
item again. Everything else is an item that is made here, with all that strict readers ask for:

- *Text and refusals* are messages of one part, *reasoning* is a summary of one part.
- *A call* is a function call. Without arguments it has an empty object, for readers parse the text.
- *Ids* are made from the answer's id and the item's place, as the vendor's look: letters, digits,
  underscores and dashes, 64 at most.
- *A block that was cut* says so by its status, ``incomplete``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from gateway_stream.wire.arguments import spoiled
from gateway_stream.wire.openai_responses.items import FAMILY, WireItem
from gateway_stream.wire.openai_responses.views import Fields, read_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway_stream.events import BlockKind, Opaque
    from gateway_stream.turn import Block

__all__ = [
    "TYPES",
    "asks_caller",
    "dressed",
    "item_of",
    "made_id",
    "message_of",
    "not_to_be_run",
    "own_item",
    "part_of",
    "parts_told",
    "read_as_whole",
    "read_from_stream",
    "says_incomplete",
    "word",
]

TYPES: Final[dict[BlockKind, str]] = {
    "text": "message",
    "refusal": "message",
    "reasoning": "reasoning",
    "tool_call": "function_call",
}
"""The type of item for each kind of block that anybody's answer may have."""

_PREFIXES: Final = {"reasoning": "rs", "tool_call": "fc"}
_ID_TAIL: Final = 48
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_-]")


def own_item(block: Block) -> Fields:
    """The item that a block's opaque data is; no members for a block of another family's.

    A message or function call that has no status gets one, as strict readers ask for it.
    """
    opaque = block.opaque
    if opaque is None or opaque.family != FAMILY:
        return {}
    item = read_fields(opaque.json.encode())
    if word(item, "type") in ("message", "function_call") and not word(item, "status"):
        status = b'"incomplete"' if block.status == "truncated" else b'"completed"'
        item["status"] = msgspec.Raw(status)
    return item


def dressed(block: Block) -> Opaque | None:
    """What is told of a block's opaque data: the item as it goes out."""
    item = own_item(block)
    if item and block.text and block.kind in ("text", "refusal") and not parts_told(item):
        part = {k: v for k, v in part_of(block, {}).items() if k not in ("text", "refusal")}
        item["content"] = msgspec.Raw(msgspec.json.encode([part]))
    return replace(block.opaque, json=msgspec.json.encode(item).decode()) if block.opaque else None


def not_to_be_run(block: Block, own: Fields) -> Block:
    """A function call of this family's such that nobody runs it who must not.

    Its text may be an object though it is invalid, where its vendor told it in two ways.
    """
    if word(own, "type") != "function_call" or block.kind != "tool_call" or "arguments" in own:
        return block
    return replace(block, text=block.text + spoiled(block.text, block.status))


def read_from_stream(block: Block) -> Iterator[Block]:
    """A block as it is read back: with the id and name of its item's last form."""
    item = WireItem(block.opaque.json.encode()) if block.opaque else None
    if item is None or item.type in ("message", "reasoning"):
        yield block
    else:
        block = not_to_be_run(block, own_item(block))
        yield replace(block, id=item.call_id or item.id, name=item.name or item.type)


def read_as_whole(block: Block) -> Iterator[Block]:
    """The same, where calls do not stream: one that the answer answers is its server's."""
    own = own_item(block)
    answered = word(own, "type") == "function_call" and "arguments" in own
    if answered and block.kind == "tool_call":
        block = replace(block, kind="server_tool", text="", status="complete")
    yield from read_from_stream(block)


def asks_caller(block: Block) -> bool:
    """Whether a block asks the client to run something, unless the answer answers it itself."""
    item = WireItem(block.opaque.json.encode()) if block.opaque else None
    return block.kind == "tool_call" or (item is not None and item.waits_for_client)


def word(item: Fields, name: str) -> str:
    """A member that is a string; empty where there is none."""
    value = msgspec.json.decode(item.get(name, b"null"))
    return value if isinstance(value, str) else ""


def says_incomplete(item: Fields) -> bool:
    """Whether an item says itself that it was cut."""
    return word(item, "status") == "incomplete"


def made_id(kind: BlockKind, answer: str | None, place: int) -> str:
    """An id for the item at ``place`` that has none."""
    prefix = _PREFIXES.get(kind, "msg")
    return f"{prefix}_{_NO_ID.sub('_', answer or 'unnamed')[-_ID_TAIL:]}_{place}"


def parts_told(item: Fields) -> list[msgspec.Raw]:
    """The parts of a message as they came."""
    try:
        return msgspec.json.decode(item.get("content", b"[]"), type=list[msgspec.Raw])
    except msgspec.DecodeError:
        return []


def part_of(block: Block, own: Fields) -> Mapping[str, object]:
    """The part of a message that a block is."""
    told = parts_told(own)
    if block.kind == "other":
        return read_fields(told[0])
    if block.kind == "refusal":
        known: dict[str, object] = {"type": "refusal"}
        name = "refusal"
    else:
        known = {"type": "output_text", "annotations": []}
        name = "text"
    return {**(read_fields(told[0]) if told else known), name: block.text}


def message_of(own: Fields, parts: Sequence[object], *, id: str, cut: bool) -> Mapping[str, object]:
    """A message whole: its own members, or those that it must have."""
    if own:
        return {**own, "content": parts}
    status = "incomplete" if cut else "completed"
    head = {"id": id, "type": "message", "role": "assistant", "status": status}
    return {**head, "content": parts}


def item_of(block: Block, own: Fields, id: str) -> Mapping[str, object]:
    """Any other item whole; ``id`` is for one that is made here."""
    if block.kind == "tool_call" and own:
        if word(own, "type") != "function_call" or "arguments" in own:
            return own
        return {**own, "arguments": block.text or "{}"}
    if own:
        return own
    cut = block.status == "truncated"
    status = "incomplete" if cut else "completed"
    if block.kind == "reasoning":
        summary = [{"type": "summary_text", "text": block.text}]
        return {"id": id, "type": "reasoning", "summary": summary, "status": status}
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": block.id or "",
        "name": block.name or "",
        "arguments": block.text if block.text or cut else "{}",
    }
