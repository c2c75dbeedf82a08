"""Events to frames: one answer written as a stream of any family.

Families write what they write; the order is seen to here, once for all:

- *Blocks one after another.* Blocks of an answer may be open side by side, but most readers of every
  family know one at a time. So of several open blocks the first is written as it grows, and what
  comes for the others waits until it has ended.
- *The start waits* for what follows it, because vendors tell the first counts in their first frame.
- *Counts* are snapshots, so only the last is written, with the end, but for those at the start.
- *Notices* are ours, and are not written.
- *A call that must not be run* though its text is a JSON object is written so that nobody runs it; see
  `gateway_stream.wire.carries.Carries.sent`. Whether one was cut by the end of the answer is known
  from what follows it, so the end of such a block waits for that.
- *A reset* takes back what nobody has seen. Once something was written it cannot be taken back.
- After the terminal event nothing is written.

A frame is what a reader gets at once; `encode_stream` gives a whole stream as bytes, `encode_answer` the
one JSON object that a request without streaming gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Media,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.turn import Block, Turn
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.events import BlockKind
    from gateway_stream.wire.family import Family
    from gateway_stream.wire.sse import Frame

__all__ = ["Encoder", "encode_answer", "encode_stream"]


class Encoder:
    """Encodes one answer. Give it the events of a stream in order; it gives the frames that are due.

    Args:
        family: the wire dialect to write.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._composer = family.composer()
        self._start: Start | None = None
        self._usage = Usage()
        self._written = False
        self._done = False
        self._open: int | None = None
        self._waiting: dict[int, list[Event]] = {}
        self._kind: BlockKind = "text"  # of the open block
        self._arguments: list[str] = []
        self._ended: tuple[BlockEnd, Block] | None = None  # whose end is not written yet

    def encode(self, event: Event) -> list[Frame]:
        """Give the frames that ``event`` completes.

        Raises:
            ValueError: a `Reset` after something was written.
        """
        if self._done or isinstance(event, Notice):
            return []
        match event:
            case Start():
                self._start = event
                return []
            case Usage():
                self._usage = event
                return []
            case Reset():
                return self._reset()
            case Stop() | Failure():
                return self._end(event)
            case _:
                return [*self._begin(), *self._block(event)]

    def _begin(self) -> list[Frame]:
        start, self._start = self._start, None
        if start is None:
            return []
        self._written = True
        return list(self._composer.start(start, self._usage))

    def _reset(self) -> list[Frame]:
        if self._written:
            message = (
                "a stream that was begun cannot be taken back: encode the answer when it is whole"
            )
            raise ValueError(message)
        self._start, self._usage = None, Usage()
        return []

    def _end(self, event: Stop | Failure) -> list[Frame]:
        cut = self._family.streamed.cuts(event)
        frames = [*self._begin(), *self._settle(cut_by_end=cut)]
        self._done = True
        if isinstance(event, Stop):
            return [*frames, *self._composer.stop(event, self._usage)]
        return [*frames, *self._composer.fail(event, self._usage)]

    def _block(self, event: Event) -> list[Frame]:
        """Write an event of the block whose turn it is, keep those of the others."""
        index: int = event.index  # type: ignore[union-attr]  # no other events come here
        if self._open is None:
            self._open = index
        if index != self._open:
            self._waiting.setdefault(index, []).append(event)
            return []
        frames = [*self._settle(cut_by_end=False), *self._compose(event)]
        while self._open is None and self._waiting:
            self._open = min(self._waiting)
            for waiting in self._waiting.pop(self._open):
                frames += self._compose(waiting)
        return frames

    def _compose(self, event: Event) -> Iterable[Frame]:
        composer = self._composer
        match event:
            case TextDelta(_, text) | ReasoningDelta(_, text) | RefusalDelta(_, text):
                yield from composer.delta(text)
            case ToolCallDelta(_, arguments):
                self._arguments.append(arguments)
                yield from composer.delta(arguments)
            case BlockStart():
                self._kind = event.kind
                yield from composer.open(event)
            case Media():
                yield from composer.media(event)
            case Source():
                yield from composer.source(event)
            case BlockEnd():
                yield from self._close(event)

    def _close(self, event: BlockEnd) -> Iterable[Frame]:
        self._open = None
        text, self._arguments = "".join(self._arguments), []
        block = Block(
            index=event.index, kind=self._kind, text=text, status=event.status, opaque=event.opaque
        )
        self._ended = event, block
        if self._waiting or block.kind != "tool_call" or block.status != "truncated":
            yield from self._settle(cut_by_end=False)

    def _settle(self, *, cut_by_end: bool) -> Iterable[Frame]:
        """Write the end of the block that has ended, if it waits."""
        if self._ended is None:
            return
        (event, block), self._ended = self._ended, None
        sent = self._family.streamed.sent(block, cut_by_end=cut_by_end)
        if sent.text != block.text:
            yield from self._composer.delta(sent.text[len(block.text) :])
        yield from self._composer.close(replace(event, status=sent.status))


def encode_stream(family: Family, events: Iterable[Event]) -> bytes:
    """A whole answer as the server-sent events of its stream.

    Raises:
        ValueError: there is a `Reset` after something was written.
    """
    encoder = Encoder(family)
    return b"".join(
        encode_frame(frame.data, frame.event) for event in events for frame in encoder.encode(event)
    )


def encode_answer(family: Family, answer: Turn | Failure) -> bytes:
    """A whole answer, or a failure in its place, as one JSON object.

    Raises:
        TypeError: the answer is not whole.
    """
    if isinstance(answer, Failure):
        return family.compose_answer(answer)
    if not isinstance(answer, Turn):
        message = "an answer that is not whole cannot be written as one: give its failure"
        raise TypeError(message)
    carries, last = family.whole, len(answer.blocks) - 1
    cut = carries.cuts(answer.stop)
    blocks = tuple(
        carries.sent(block, cut_by_end=cut and block.index == last) for block in answer.blocks
    )
    return family.compose_answer(replace(answer, blocks=blocks))
