"""What an answer is once it has crossed a wire: a family's `Carries`, applied.

What no wire carries: notices (ours), ``vendor`` (what came beside an answer, for the log), how deltas
were cut, how blocks were mixed, and which request and attempt it was. So `canonical` gives each block's
deltas as one, block after block, and arguments without the blanks around them and without what says
that they must not be run: a block's status says that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Source,
    Start,
    Stop,
    StopReason,
    Usage,
)
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire.answer import CUT_SHORT
from gateway_stream.wire.arguments import unspoiled
from gateway_stream.wire.carries import TOLD_AS, Carries, Count
from gateway_stream.wire.open_block import DELTAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.turn import Block

__all__ = ["canonical", "joined"]

_BLANKS: Final = " \t\r\n"
_NOTHING: Final = "{}" + _BLANKS  # what an object without members is written in


def canonical(carries: Carries, events: Iterable[Event]) -> list[Event]:
    """The events that ``events`` are read back as, `joined`.

    Raises:
        ValueError: the events have no end.
    """
    answer = fold(events)
    end = _end_of(answer)
    sent = [
        carries.sent(block, cut_by_end=block is answer.blocks[-1] and carries.cuts(end))
        for block in answer.blocks
    ]
    blocks = _run_together(carries, sorted(_carried(carries, sent), key=carries.place))
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


def _carried(carries: Carries, blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
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
        carried = replace(
            block,
            kind=kind,
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
    text = block.text
    if block.kind == "tool_call" and block.status != "complete":
        text = unspoiled(text)
    elif block.kind == "tool_call":
        text = text.strip(_BLANKS) if text.strip(_NOTHING) else ""
    if text:
        yield DELTAS[block.kind](index, text)
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
