"""What Chat answers carry, streamed and whole: the tables, and what they say of single blocks.

- *Runs.* Blocks are not named, so two of a kind that follow each other are one, unless something seals
  the first.
- *Reasoning* whose opaque data is no more than its key goes under the most common key in a stream,
  where the text is out before the data is known. What else goes back with it comes when it ends, says
  the text again as a whole, for clients that collect such entries, and seals it.
- *Places.* A whole message has a field for each sort of thing, and is read in the order of these.
- *Files* of other families are images, each a block of its own; so is what a tool on a vendor's side
  has drawn.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from gateway_stream.wire.carries import Carries
from gateway_stream.wire.json_text import compact, read_object
from gateway_stream.wire.openai_chat.envelope import UNNAMED
from gateway_stream.wire.openai_chat.pieces import span_of
from gateway_stream.wire.openai_chat.shapes import (
    LISTS,
    PLAIN,
    emptied,
    field_of,
    holds_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.events import Media, Opaque, Source
    from gateway_stream.turn import Block

__all__ = ["FAMILY", "STREAMED", "WHOLE", "joined_data", "own_tree"]

FAMILY: Final = "openai_chat"

_PROSE: Final = frozenset({"text", "reasoning", "refusal"})
_PLACES: Final = (*LISTS, "plain", "content", "refusal", "media", "audio", "tool_calls")


def own_tree(opaque: Opaque | None) -> dict[str, Any]:
    """Opaque data of the family's own; empty where there is none."""
    return read_object(opaque.json) if opaque is not None and opaque.family == FAMILY else {}


def _field(block: Block) -> str | None:
    """The field that carries a block's opaque data; ``None``: a part, or there is none."""
    tree = own_tree(block.opaque)
    return field_of(block.kind, tree) if tree else None


def _written(block: Block) -> Opaque | None:
    """What of a block's opaque data is read back: names of keys are dress, texts are the block's."""
    if block.kind != "reasoning" or not block.text or block.opaque is None:
        return block.opaque
    tree = own_tree(block.opaque)
    if _field(block) in PLAIN:
        return None
    return replace(block.opaque, json=compact(emptied(tree)))


def _comes_whole(block: Block) -> bool:
    """Whether what carries a block also closes it."""
    field = _field(block)
    if block.kind == "media":
        return field != "audio"
    if block.kind == "reasoning":
        tree = own_tree(block.opaque)
        return bool(tree) and not block.text and not holds_text(tree)
    return block.kind not in ("text", "refusal", "tool_call") and field != "tool_calls"


def _follows_on(before: Block, after: Block) -> bool:
    return before.kind == after.kind and before.kind in _PROSE and not _comes_whole(after)


def _runs_on(before: Block, after: Block) -> bool:
    told_again = before.opaque == after.opaque and not after.text
    return (before.opaque is None or told_again) and _follows_on(before, after)


def _runs_on_whole(before: Block, after: Block) -> bool:
    if before.kind == "reasoning":
        return before.opaque is None and _follows_on(before, after) and after.opaque is None
    return before.opaque in (None, after.opaque) and _follows_on(before, after)


def _parted(block: Block) -> Iterator[Block]:
    """The blocks as which one is read back: prose, and then each image."""
    if block.kind == "tool_call" and block.status == "complete":
        block = replace(block, text=block.text or "{}")
    if block.sources:
        block = replace(block, sources=tuple(map(_cited, block.sources)))
    if not block.media or _field(block) == "audio":
        yield block
        return
    if block.text or block.opaque:
        yield replace(block, media=())
    for image in block.media:
        yield replace(
            block, kind="media", text="", media=(image,), sources=(), opaque=None, status="complete"
        )


def _cited(source: Source) -> Source:
    return source if span_of(source) else replace(source, span=None)


def _parted_whole(block: Block) -> Iterator[Block]:
    if _field(block) == "audio" and block.media:
        joined = replace(block.media[0], data=joined_data(block.media))
        block = replace(block, media=(joined,))
    return _parted(block)


def joined_data(pieces: Iterable[Media]) -> str:
    """The data of a file that came in pieces, in base64."""
    encoded = [piece.data or "" for piece in pieces]
    if len(encoded) == 1:
        return encoded[0]
    try:
        return b64encode(b"".join(map(b64decode, encoded))).decode()
    except ValueError:
        return "".join(encoded)


def _place(block: Block) -> int:
    field = _field(block)
    if block.kind == "reasoning" and (block.opaque is None or field in PLAIN):
        return _PLACES.index("plain")
    if field in _PLACES:
        return _PLACES.index(field)
    if block.kind == "tool_call":
        return _PLACES.index("tool_calls")
    return _PLACES.index(block.kind if block.kind in ("refusal", "media") else "content")


STREAMED: Final = Carries(
    family=FAMILY,
    blocks={
        **{kind: kind for kind in ("text", "reasoning", "refusal", "tool_call", "media")},
        **dict.fromkeys(("server_tool", "server_result", "other"), "media"),
    },
    reasons={
        "end_turn": "end_turn",
        "max_tokens": "max_tokens",
        "stop_sequence": "end_turn",
        "tool_use": "tool_use",
        "pause": "end_turn",
        "refusal": "content_filter",
        "content_filter": "content_filter",
        "unknown": "end_turn",
    },
    counts=frozenset({"input", "output", "cache_read", "cache_write", "reasoning"}),
    media=True,
    sources=True,
    empty=frozenset({"tool_call"}),
    closing={
        "text": "next",
        "reasoning": "next",
        "refusal": "next",
        "tool_call": "end",
        "media": "end",
        "other": "end",
    },
    closes_itself=_comes_whole,
    keeps=_written,
    reads_as=_parted,
    runs_on=_runs_on,
    unnamed=UNNAMED,
)
WHOLE: Final = replace(STREAMED, reads_as=_parted_whole, runs_on=_runs_on_whole, place=_place)
