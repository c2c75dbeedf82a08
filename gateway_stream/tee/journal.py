"""The last events of one answer, numbered, in a bounded piece of memory.

Events are numbered from 0 in the order in which they came. What one read of the socket brought stays
together, and leaves together: the oldest first, once the journal holds more than its limit.

**What counts.** Each event counts with the memory that it holds: its own object, its place in a list, and
its texts as Python keeps them (1, 2 or 4 bytes for each character). For plain text in small pieces that is
some six times the length of the text.

**What is kept of what has left.** A few events tell how an answer is built: its `Start`, where blocks
begin and end, and a `Reset`. Those stay, without the vendor's data in them, so that who lost events in
between still gets an answer that keeps to the grammar. A `Reset` makes all before it void.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Opaque,
    ReasoningDelta,
    Reset,
    Start,
    TextDelta,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.stream import Batch

__all__ = ["Journal", "Kept", "closing", "size_of"]

_PLACE: Final = 8
_DELTA: Final = getsizeof(TextDelta(0, "")) + _PLACE


def size_of(event: Event) -> int:
    """Bytes of memory that an event counts with."""
    if type(event) is TextDelta or type(event) is ReasoningDelta:
        return _DELTA + getsizeof(event.text)
    size = getsizeof(event) + _PLACE
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str):
            size += getsizeof(value)
        elif isinstance(value, Opaque):
            size += getsizeof(value) + getsizeof(value.json)
    return size


class Kept(NamedTuple):
    """What one read brought. Its events are ``number`` and those that follow."""

    number: int
    batch: Batch
    size: int

    @property
    def end(self) -> int:
        """The number of the event after its last."""
        return self.number + len(self.batch.events)


class Journal:
    """Holds ``limit`` bytes of events, or what one read brought where that is more.

    Attributes:
        first: the number of the oldest event in it.
        end: the number that the next event will have.
        begin: the number from which on the events make up the answer: that of the last `Reset`, else 0.
        held: bytes of the events in it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[int, Kept] = {}
        self._frame: list[tuple[int, Event]] = []
        self.first = 0
        self.end = 0
        self.begin = 0
        self.held = 0

    @property
    def full(self) -> bool:
        """Whether nothing should be added before something leaves."""
        return self.held >= self._limit

    def add(self, batch: Batch) -> None:
        """Take what was read: one event or more."""
        kept = Kept(self.end, batch, sum(map(size_of, batch.events)))
        self._kept[kept.number] = kept
        self.held += kept.size
        for number, event in enumerate(batch.events, self.end):
            if type(event) is Reset:
                self.begin = number
        self.end = kept.end

    def forget(self, before: int) -> None:
        """Let the oldest reads go while it is full, those that lie before ``before``."""
        while self.full and self._kept and self._kept[self.first].end <= before:
            kept = self._kept.pop(self.first)
            self.held -= kept.size
            self.first = kept.end
            for number, event in enumerate(kept.batch.events, kept.number):
                self._keep_frame(number, event)

    def _keep_frame(self, number: int, event: Event) -> None:
        match event:
            case Reset():
                self._frame = [(number, event)]
            case Start():
                self._frame.append((number, replace(event, vendor=None)))
            case BlockStart():
                self._frame.append((number, event))
            case BlockEnd():
                self._frame.append((number, BlockEnd(event.index, "truncated")))

    def at(self, number: int) -> Kept:
        """The read that event ``number`` came with; it is in the journal."""
        kept = self._kept.get(number)
        return kept or next(kept for kept in self._kept.values() if number < kept.end)

    def frame(self, after: int) -> list[Event]:
        """What is kept of the events from number ``after`` on that have left."""
        return [event for number, event in self._frame if number >= after]

    def open_blocks(self, before: int) -> set[int]:
        """The blocks that are open where event ``before`` comes."""
        blocks: set[int] = set()
        for number, event in self._structure():
            if number >= before:
                break
            match event:
                case Reset():
                    blocks.clear()
                case BlockStart():
                    blocks.add(event.index)
                case BlockEnd():
                    blocks.discard(event.index)
        return blocks

    def _structure(self) -> Iterator[tuple[int, Event]]:
        yield from self._frame
        for kept in self._kept.values():
            yield from enumerate(kept.batch.events, kept.number)


def closing(blocks: Iterable[int]) -> list[Event]:
    """The ends of blocks that will not be whole."""
    return [BlockEnd(index, "truncated") for index in sorted(blocks)]
