"""What a family's wire has a place for, and what an answer is once it has crossed that wire.

The families are not equal: one has no refusals, another counts no cache, a third sends the arguments
of a call only as a whole. `Carries` is the table of it, one for a family's streams and one for its
whole answers. `canonical` applies it: the events that an answer is read back as once a family has
written it. Encoders are held to it, ``decode(encode(events)) == canonical(events)``, and the table in
the documentation is printed from it, so that neither can drift from the other.

What no table changes:

- *Text is never lost.* A kind that a wire does not know (a refusal) becomes text, in its place.
- *Arguments* are the same JSON, or the call is left out, where a wire can hold whole objects only. No
  arguments and an empty object are the same. A call that must not be run stays one (`spoiled`).
- *A stop reason* that the wire has a word for.
- *Opaque data and what depends on it* (server tools, redacted thinking, signatures) of the family's
  own: it goes out as it came in. Of any other family it is left out, and a block with it that nothing
  else makes readable.

What no wire carries: notices (ours), ``vendor`` (what came beside an answer, for the log), how deltas
were cut, how blocks were mixed, and which request and attempt it was. So `canonical` gives each block's
deltas as one, block after block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    Event,
    Failure,
    FailureKind,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire.answer import CUT_SHORT
from gateway_stream.wire.arguments import spoiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping  # noqa: TC004  never decoded

    from gateway_stream.turn import Block  # noqa: TC004  the same

__all__ = ["TOLD_AS", "Carries", "Closing", "Count", "canonical", "joined"]

Count: TypeAlias = Literal["input", "output", "cache_read", "cache_write", "reasoning"]
"""A field of `Usage`."""

Closing: TypeAlias = Literal["marked", "next", "end"]
"""What tells that a block is closed: a mark of its own, the block after it, or the answer's end."""

TOLD_AS: Final[Mapping[FailureKind, FailureKind]] = {
    **dict.fromkeys(get_args(FailureKind), "stream_failed"),
    "auth": "auth",
    "access_denied": "access_denied",
    "bad_request": "bad_request",
    "config": "bad_request",
    "model_not_found": "model_not_found",
    "rate_limited": "rate_limited",
    "overloaded": "overloaded",
    "queue_full": "overloaded",
    "gateway_unavailable": "overloaded",
}
"""Kind of failure -> the kind as which any family's reader reads it: what went wrong between a client
and its gateway is, to the reader of what that client writes, a failure of the model."""

_NOTHING: Final = "{} \t\r\n"  # what an object without members is written in
_DELTAS: Final[dict[BlockKind, Callable[[int, str], Event]]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
    "tool_call": ToolCallDelta,
}


def _never(_before: Block, _after: Block) -> bool:
    return False


def _itself(block: Block) -> Iterable[Block]:
    return (block,)


def _as_they_are(usage: Usage) -> Usage:
    return usage


def _nowhere(_block: Block) -> int:
    return 0


def _not_it(_block: Block) -> bool:
    return False


def _is_call(block: Block) -> bool:
    return block.kind == "tool_call"


def _all(block: Block) -> Opaque | None:
    return block.opaque


class Carries(msgspec.Struct, frozen=True, kw_only=True):
    """What a family's wire has a place for.

    Attributes:
        family: the family's name, which marks opaque data as its own.
        blocks: kind of block -> the kind as which it is read back. A kind that is not here is left
            out, unless the block has opaque data of the family's own.
        reasons: stop reason -> the reason as which it is read back.
        counts: the counts of `Usage` that have a field.
        counts_as: the counts as which they are read back, where some are told as parts of others.
        media: whether images and files have a place of their own.
        sources: whether citations have.
        empty: kinds of block that are written even if nothing is in them.
        broken_calls: whether arguments that are no JSON object can be written.
        cut_texts: whether a whole answer can tell that a block which is no call was cut.
        closing: kind of block -> what closes it; kinds that are not here are ``"marked"``.
        closes_itself: whether a block is closed whatever its kind and whatever follows.
        keeps: what of a block's opaque data, which is the family's own, is written.
        asks_caller: whether a block that goes out asks its reader to run something.
        reads_as: the blocks as which one block that goes out is read back, where that is not one, or
            not the same.
        runs_on: whether two blocks that follow each other are read back as one.
        place: where a block stands, where the wire has places and not one row of blocks: they are
            read back in the order of their places.
        unnamed: the id of an answer that has none.
    """

    family: str
    blocks: Mapping[BlockKind, BlockKind]
    reasons: Mapping[StopReason, StopReason]
    counts: frozenset[Count]
    counts_as: Callable[[Usage], Usage] = _as_they_are
    media: bool = False
    sources: bool = False
    empty: frozenset[BlockKind] = frozenset()
    broken_calls: bool = True
    cut_texts: bool = False
    closing: Mapping[BlockKind, Closing] | None = None
    closes_itself: Callable[[Block], bool] = _not_it
    keeps: Callable[[Block], Opaque | None] = _all
    asks_caller: Callable[[Block], bool] = _is_call
    reads_as: Callable[[Block], Iterable[Block]] = _itself
    runs_on: Callable[[Block, Block], bool] = _never
    place: Callable[[Block], int] = _nowhere
    unnamed: str | None = None

    def owns(self, block: Block) -> bool:
        """Whether a block has opaque data that goes out as it came."""
        return block.opaque is not None and block.opaque.family == self.family


def canonical(carries: Carries, events: Iterable[Event]) -> list[Event]:
    """The events that ``events`` are read back as, `joined`.

    Raises:
        ValueError: the events have no end.
    """
    answer = fold(events)
    end = _end_of(answer)
    blocks = _run_together(carries, sorted(_carried(carries, answer), key=carries.place))
    if isinstance(end, Failure):
        blocks = _cut(carries, blocks)
        end = replace(end, kind=TOLD_AS[end.kind])
    else:
        blocks = blocks if carries.cut_texts else [_uncut(block) for block in blocks]
        end = Stop(_reason(carries, end.reason, blocks))
        blocks = _cut_short(carries, end.reason, blocks)
    start = Start(answer.id or carries.unnamed, answer.model)
    return _written(start, blocks, _counted(carries, answer.usage), end)


def joined(events: Iterable[Event]) -> list[Event]:
    """The same answer without what no wire carries: each block's deltas as one, block after block.

    Counts come last before the end, `Start` has an id and a model, `Stop` a reason, `Failure` a kind
    and a message.

    Raises:
        ValueError: the events have no end.
    """
    answer = fold(events)
    return _written(Start(answer.id, answer.model), answer.blocks, answer.usage, _end_of(answer))


def _end_of(answer: Turn | PartialTurn) -> Stop | Failure:
    end = answer.stop if isinstance(answer, Turn) else answer.failure
    if end is None:
        message = "the events have no end: give those of a whole or a failed answer"
        raise ValueError(message)
    return end


def _written(
    start: Start, blocks: Iterable[Block], usage: Usage, end: Stop | Failure
) -> list[Event]:
    written: list[Event] = [
        event for index, block in enumerate(blocks) for event in _block_events(block, index)
    ]
    if usage != Usage():
        written.append(usage)
    if written or isinstance(end, Stop):
        written.insert(0, start)
    if isinstance(end, Stop):
        written.append(Stop(end.reason))
    else:
        written.append(Failure(kind=end.kind, message=end.message))
    return written


def _carried(carries: Carries, answer: Turn | PartialTurn) -> Iterator[Block]:
    for block in answer.blocks:
        broken = block.kind == "tool_call" and block.status != "complete"
        if broken and not carries.broken_calls:
            continue
        if carries.owns(block):
            yield from carries.reads_as(replace(block, opaque=carries.keeps(block)))
            continue
        kind = carries.blocks.get(block.kind)
        if kind is None:
            continue
        media = block.media if carries.media else ()
        if not block.text and not media and kind not in carries.empty:
            continue
        text = block.text
        if kind == "tool_call":
            text += spoiled(text, block.status)
        carried = replace(
            block,
            kind=kind,
            text=text,
            id=block.id if kind == "tool_call" else None,
            name=block.name if kind == "tool_call" else None,
            media=media,
            sources=block.sources if carries.sources else (),
            opaque=None,
        )
        yield from carries.reads_as(carried)


def _run_together(carries: Carries, blocks: list[Block]) -> list[Block]:
    joined: list[Block] = []
    for block in blocks:
        before = joined[-1] if joined else None
        if before is None or not carries.runs_on(before, block):
            joined.append(block)
            continue
        joined[-1] = replace(
            before,
            text=before.text + block.text,
            media=before.media + block.media,
            sources=before.sources + tuple(_shifted(block.sources, len(before.text))),
            opaque=before.opaque or block.opaque,
            status=block.status,
        )
    return joined


def _shifted(sources: Iterable[Source], by: int) -> Iterator[Source]:
    """Citations of a text that follows another: spans count from where the block begins."""
    for source in sources:
        span = source.span
        yield replace(source, span=(span[0] + by, span[1] + by)) if span else source


def _cut(carries: Carries, blocks: list[Block]) -> list[Block]:
    """The blocks of an answer that failed: those that nothing closed before are cut, and only those."""
    closing = carries.closing or {}
    cut = []
    for place, block in enumerate(blocks):
        how = "marked" if carries.closes_itself(block) else closing.get(block.kind, "marked")
        if how == "marked":
            cut.append(block)
        else:
            last = how == "end" or place == len(blocks) - 1
            cut.append(replace(block, status="truncated" if last else "complete"))
    return cut


def _cut_short(carries: Carries, reason: StopReason, blocks: list[Block]) -> list[Block]:
    """A last call that only the end closes is cut where the model was: nobody said that it was whole."""
    until_the_end = (carries.closing or {}).get("tool_call") == "end"
    if until_the_end and reason in CUT_SHORT and blocks and blocks[-1].kind == "tool_call":
        return [*blocks[:-1], replace(blocks[-1], status="truncated")]
    return blocks


def _uncut(block: Block) -> Block:
    return block if block.kind == "tool_call" else replace(block, status="complete")


def _block_events(block: Block, index: int) -> Iterator[Event]:
    yield BlockStart(index, block.kind, block.id, block.name)
    nothing = block.status == "complete" and not block.text.strip(_NOTHING)
    if block.text and not (block.kind == "tool_call" and nothing):
        yield _DELTAS[block.kind](index, block.text)
    yield from (replace(media, index=index) for media in block.media)
    yield from (replace(source, index=index) for source in block.sources)
    yield BlockEnd(index, block.status, block.opaque)


def _counted(carries: Carries, usage: Usage) -> Usage:
    unknown = {name: None for name in get_args(Count) if name not in carries.counts}
    return carries.counts_as(replace(usage, **unknown))


def _reason(carries: Carries, told: StopReason, blocks: list[Block]) -> StopReason:
    """Why the answer stopped: one that asks for tools, and ends for no other reason, stops for them.

    What the answer answers itself asks nobody.
    """
    reason = carries.reasons[told]
    answered = {block.id for block in blocks if block.kind == "server_result"}
    asking = (block for block in blocks if block.id not in answered)
    if reason == "end_turn" and any(map(carries.asks_caller, asking)):
        return "tool_use"
    return reason
