"""Events to frames: one answer written as a stream of any family.

Families write what they write; the order is seen to here, once for all:

- *Blocks one after another.* Blocks of an answer may be open side by side, but most readers of every
  family know one at a time. So of several open blocks the first is written as it grows, and what
  comes for the others waits until it has ended.
- *The start waits* for what follows it, because vendors tell the first counts in their first frame.
- *Counts* are snapshots, so only the last is written, with the end, but for those at the start.
- *Notices* are ours, and are not written.
- *A call that must not be run* though its text is a JSON object is written so that nobody runs it; see
  `gateway_stream.wire.arguments`.
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
from gateway_stream.wire.arguments import spoiled
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.turn import Turn
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
        self._arguments: list[str] = []

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
        frames = self._begin()
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
        frames = list(self._compose(event))
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
                yield from composer.open(event)
            case Media():
                yield from composer.media(event)
            case Source():
                yield from composer.source(event)
            case BlockEnd():
                yield from self._close(event)

    def _close(self, event: BlockEnd) -> Iterable[Frame]:
        self._open = None
        arguments, self._arguments = "".join(self._arguments), []
        if not (event.opaque and event.opaque.family == self._family.name):
            spoiling = spoiled(arguments, event.status)
            if spoiling:
                yield from self._composer.delta(spoiling)
        yield from self._composer.close(event)


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
    """A whole answer, or a failure in its place, as one JSON object."""
    if isinstance(answer, Failure):
        return family.compose_answer(answer)
    blocks = []
    for block in answer.blocks:
        own = block.opaque and block.opaque.family == family.name
        if block.kind == "tool_call" and not own:
            block = replace(block, text=block.text + spoiled(block.text, block.status))  # noqa: PLW2901
        blocks.append(block)
    return family.compose_answer(replace(answer, blocks=tuple(blocks)))
