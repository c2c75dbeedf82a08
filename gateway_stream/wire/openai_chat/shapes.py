"""The shapes that opaque data has in this dialect: where it stands, and the text that it leaves out.

The field that carried opaque data tells where it belongs. Without one of the fields below it is a part
of the content. What seals reasoning has a place for that reasoning's text, which the block holds; so
the text is taken out of it, and put in again where it goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway_stream.events import BlockKind

__all__ = [
    "LISTS",
    "PLAIN",
    "emptied",
    "field_of",
    "filled",
    "filled_entry",
    "filled_part",
    "holds_text",
    "is_signed",
]

PLAIN: Final = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""The keys of plain reasoning, the most common first."""

LISTS: Final = ("reasoning_details", "thinking_blocks")
"""The lists of reasoning, in the order in which they are read."""

_FIELDS: Final[dict[BlockKind, tuple[str, ...]]] = {
    "text": ("thoughtSignature", "extra_content"),
    "tool_call": ("thoughtSignature", "extra_content"),
    "reasoning": (*LISTS, *PLAIN),
    "media": ("audio",),
    "other": ("tool_calls",),
}
_ENTRY_TEXT: Final = {
    "reasoning.text": "text",
    "reasoning.summary": "summary",
    "thinking": "thinking",
}


def field_of(kind: BlockKind, tree: dict[str, Any]) -> str | None:
    """The field of the message that carries a block's opaque data; ``None``: a part of the content."""
    if "type" in tree:
        return None
    return next((field for field in _FIELDS.get(kind, ()) if field in tree), None)


def holds_text(tree: dict[str, Any]) -> bool:
    """Whether opaque data of reasoning has a place for the text of its block."""
    for field in LISTS:
        entry = _first(tree.get(field))
        if entry:
            return str(entry.get("type")) in _ENTRY_TEXT
    summary = _first(tree.get("summary"))
    if tree.get("type") == "reasoning" and summary:
        return not ("data" in summary or summary.get("type") == "summary_encrypted_text")
    return tree.get("type") == "thinking" and "thinking" in tree


def is_signed(tree: dict[str, Any]) -> bool:
    """Whether no more reasoning can belong to what opaque data of reasoning seals."""
    if "reasoning_details" in tree:
        return True
    entry = _first(tree.get("thinking_blocks")) or _first(tree.get("summary")) or tree
    return bool(entry.get("signature")) or not holds_text(tree)


def filled(tree: dict[str, Any], text: str) -> dict[str, Any]:
    """Opaque data of reasoning with the text of its block in it again."""
    for field in LISTS:
        if field in tree:
            return {field: [filled_entry(entry, text) for entry in tree[field]]}
    return filled_part(tree, text)


def emptied(tree: dict[str, Any]) -> dict[str, Any]:
    """Opaque data of reasoning as it is read from where it is `filled`."""
    details = tree.get("reasoning_details")
    if details:
        return {"reasoning_details": [_textless(entry) for entry in details]}
    summary = _first(tree.get("summary"))
    if summary:
        return {**tree, "summary": [{**summary, "text": ""}]}
    if "thinking" in tree:
        nested = isinstance(tree["thinking"], list)
        return {**tree, "thinking": [{"type": "text", "text": ""}] if nested else ""}
    return filled(tree, "")


def filled_part(tree: dict[str, Any], text: str) -> dict[str, Any]:
    """A part of reasoning with its text in it again."""
    summary = tree.get("summary")
    if tree.get("type") == "reasoning" and isinstance(summary, list) and summary:
        entry = summary[0]
        if text or "text" in entry:
            return {**tree, "summary": [{**entry, "text": text or entry.get("text", "")}]}
    if text and "thinking" in tree:
        nested = isinstance(tree["thinking"], list)
        return {**tree, "thinking": [{"type": "text", "text": text}] if nested else text}
    return tree


def filled_entry(entry: Any, text: str) -> Any:
    """An entry of a list of reasoning with its text in it again."""
    field = _ENTRY_TEXT.get(str(entry.get("type"))) if isinstance(entry, dict) else None
    return {**entry, field: text} if field else entry


def _textless(entry: Any) -> Any:
    field = _ENTRY_TEXT.get(str(entry.get("type"))) if isinstance(entry, dict) else None
    return {key: value for key, value in entry.items() if key != field} if field else entry


def _first(entries: Any) -> dict[str, Any]:
    """The first entry of a list, if it is an object."""
    entry = entries[0] if isinstance(entries, list) and entries else None
    return entry if isinstance(entry, dict) else {}
