"""Answers made up at random, as any family's decoder could give them.

They are *coherent*: what a decoder never says is not in them. A call that is not complete was cut or
is no JSON object; an answer that asks for tools stops for them; counts that include others are not
smaller; texts can be written as UTF-8. Beyond that anything goes: blocks of all kinds, side by side,
empty, with every character that means something to some framing; calls that were cut in the middle of
an answer, though their text happens to be whole; servers' tools that failed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    FailureKind,
    Media,
    Notice,
    Opaque,
    Source,
    Start,
    Stop,
    StopReason,
    ToolCallDelta,
    Usage,
)
from gateway_stream.wire.open_block import DELTAS

if TYPE_CHECKING:
    from random import Random

    from gateway_stream.events import BlockKind, BlockStatus

__all__ = ["make_answer"]

_KINDS: Final[tuple[BlockKind, ...]] = (
    *("text", "text", "text", "reasoning", "reasoning", "tool_call", "tool_call"),
    *("refusal", "media", "server_tool", "server_result", "other"),
)
_PIECES: Final = (
    *("Why", " is", " the sky", " blue?", "\n", "\n\n", "\r\n", " ", "data: x\n\n", "[DONE]"),
    *('"', "\\", "{", "}", "<b>", "é", "日本", "🎈", "\u2028", "\x00", "\u00a0", "event: error\n"),
)
_REASONS: Final[tuple[StopReason, ...]] = (
    *("end_turn", "end_turn", "max_tokens", "stop_sequence", "content_filter", "refusal"),
    *("pause", "unknown"),
)
_CUT: Final = frozenset[StopReason]({"max_tokens", "content_filter", "refusal"})
_FAILURES: Final[tuple[FailureKind, ...]] = (
    *("stream_failed", "stream_truncated", "rate_limited", "overloaded", "bad_request", "auth"),
    *("access_denied", "model_not_found", "protocol", "timed_out", "connection_lost"),
)
_NOT_OBJECTS: Final = ("[1]", "nothing", '{"a": 1} {"b": 2}', '"text"')
_PIXEL: Final = "iVBORw0KGgo="
_BLANKS: Final = ("", "", "", "\n")
_FAILED_SHARE: Final = 0.2
_ODD_SHARE: Final = 0.1


def make_answer(random: Random) -> list[Event]:
    """The events of one answer, whole or failed; equal for equal states of ``random``."""
    failed = random.random() < _FAILED_SHARE
    reason = random.choice(_REASONS)
    count = random.randrange(6)
    kinds = [random.choice(_KINDS) for _ in range(count)]
    blocks = [
        _block(random, index, kind, cut=(failed or reason in _CUT) and index == count - 1)
        for index, kind in enumerate(kinds)
    ]
    if "tool_call" in kinds and reason == "end_turn":
        reason = "tool_use"
    events: list[Event] = [
        Start(random.choice(("answer-1", None)), random.choice(("model-1", None))),
        *_mixed(random, blocks),
    ]
    usage = _usage(random)
    if usage != Usage():
        events.insert(random.randrange(1, len(events) + 1), usage)
    if random.random() < _FAILED_SHARE:
        events.insert(random.randrange(len(events) + 1), Notice("heartbeat"))
    if failed:
        return [*events, Failure(kind=random.choice(_FAILURES), message="It came to nothing.")]
    return [*events, Stop(reason)]


def _block(random: Random, index: int, kind: BlockKind, *, cut: bool) -> list[Event]:
    named = kind in ("tool_call", "server_tool")
    start = BlockStart(index, kind, f"call-{index}" if named else None, "look" if named else None)
    if kind == "tool_call":
        arguments, end = _arguments(random, index, cut=cut)
        return [start, *(ToolCallDelta(index, piece) for piece in arguments), end]
    if kind == "media":
        return [start, Media(index, "image/png", _PIXEL), BlockEnd(index)]
    make = DELTAS.get(kind)
    if make is None:
        if random.random() < _ODD_SHARE:
            return [start, BlockEnd(index, "invalid")]
        return [start, BlockEnd(index, opaque=_strange(kind))]
    pieces = [random.choice(_PIECES) for _ in range(random.randrange(5))]
    body = [make(index, piece) for piece in pieces]
    if kind == "text" and pieces and random.random() < _FAILED_SHARE:
        body.append(Source(index, "https://example.com/sky", "Sky"))
    opaque = _strange(kind) if random.random() < _FAILED_SHARE else None
    return [start, *body, BlockEnd(index, opaque=opaque)]


def _strange(kind: str) -> Opaque:
    """Opaque data of a family that does not exist, so that every family has to leave it out."""
    return Opaque(
        "semaphore", "harbour", json.dumps({"type": kind, "flags": ["red-over-white-half-mast"]})
    )


def _arguments(random: Random, index: int, *, cut: bool) -> tuple[list[str], BlockEnd]:
    value: dict[str, Any] = {
        random.choice(_PIECES): random.choice((1, -2.5, True, None, "Paris 🎈", [1, {"a": []}]))
        for _ in range(random.randrange(3))
    }
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)  # noqa: PLR2004  half of them
    if cut and len(text) > len("{}"):
        return _fragments(random, text[: random.randrange(1, len(text))]), BlockEnd(
            index, "truncated"
        )
    if random.random() < _FAILED_SHARE:
        return _fragments(random, random.choice(_NOT_OBJECTS)), BlockEnd(index, "invalid")
    status: BlockStatus = "truncated" if random.random() < _ODD_SHARE else "complete"
    blanks = random.choice(_BLANKS) if value else ""
    return _fragments(random, blanks + text + blanks if value else ""), BlockEnd(index, status)


def _fragments(random: Random, text: str) -> list[str]:
    cuts = sorted(random.randrange(len(text) + 1) for _ in range(random.randrange(4)))
    return [
        piece for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if (piece := text[a:b])
    ]


def _mixed(random: Random, blocks: list[list[Event]]) -> list[Event]:
    """The blocks one after another or, sometimes, side by side: each still begins after the one before."""
    if random.random() < 0.6:  # noqa: PLR2004  most of them
        return [event for block in blocks for event in block]
    mixed: list[Event] = []
    begun: list[list[Event]] = []
    left = list(blocks)
    while left or begun:
        if left and (not begun or random.random() < 0.5):  # noqa: PLR2004  as often as not
            block = left.pop(0)
            mixed.append(block[0])
            begun.append(block[1:])
        else:
            block = random.choice(begun)
            mixed.append(block.pop(0))
        begun = [block for block in begun if block]
    return mixed


def _usage(random: Random) -> Usage:
    counts: dict[str, int] = {}
    if random.random() < 0.8:  # noqa: PLR2004  most of them
        counts["input"] = random.randrange(1000)
        counts["output"] = random.randrange(1000)
    if counts and random.random() < 0.5:  # noqa: PLR2004  half of them
        counts["cache_read"] = counts["input"] // 3
        counts["cache_write"] = counts["input"] // 5
        counts["reasoning"] = counts["output"] // 2
    return Usage(**counts)
