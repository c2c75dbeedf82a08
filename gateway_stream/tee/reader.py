"""One of the readers of a tee. It looks like the stream itself.

What a reader lost by being slow, `gateway_stream.tee` tells what becomes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

import msgspec

from gateway_stream.errors import GatewayError
from gateway_stream.events import (
    BlockEnd,
    Event,
    Failure,
    Notice,
    NoticeCode,
    Reset,
    Stop,
    TextDelta,
)
from gateway_stream.stream import Batch
from gateway_stream.tee.journal import closing
from gateway_stream.tee.pump import Cursor, closed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from types import TracebackType

    from gateway_stream.tee.journal import Kept
    from gateway_stream.tee.pump import Pump
    from gateway_stream.turn import Turn

__all__ = ["Reader"]

T = TypeVar("T")

_LOST: Final[NoticeCode] = "events_lost"


class Reader:
    """One reader of a `Tee`: iterate it for events, or use `text`, `batches` or `turn`.

    One task reads it at a time. Leave it by `aclose` or ``async with``; one that is dropped has left.

    Attributes:
        lost: how many events of the answer it lost by being slow.
    """

    def __init__(self, pump: Pump, position: int) -> None:
        self.lost = 0
        self._pump = pump
        self._start = position
        self._cursor = Cursor(position)
        self._events: Sequence[Event] = ()  # what was taken
        self._given = 0  # how many of them
        self._numbered = 0  # how many of them, the last ones, have numbers
        self._holes: set[int] | None = None  # blocks that lost something, once something was lost
        self._end: Event | None = None
        self._reading = False
        self._read_at = 0.0
        pump.join(self._cursor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def position(self) -> int:
        """The number of the next event: where another reader would have to start to go on from here."""
        return self._cursor.position - min(len(self._events) - self._given, self._numbered)

    # Reading.

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            GatewayError: the answer failed.
            StreamTruncated: this reader lost events and the answer is at its end, or it was detached.
        """
        while self._given == len(self._events):
            await self._take()
        event = self._events[self._given]
        self._given += 1
        if type(event) is Failure:
            raise self._error(event)
        return event

    def text(self) -> AsyncIterator[str]:
        """The prose of the answer, piece by piece. Raises as iterating does.

        What was given cannot be taken back, so from here on an answer that fails is not begun anew.
        """
        pump = self._pump
        pump.stream.text()  # tells it so
        if self.position < pump.journal.begin:  # what is void is not given
            self._events, self._given = (), 0
            self._cursor.position = max(self._cursor.position, pump.journal.begin)
        return _Steps(self._next_text)

    def batches(self) -> AsyncIterator[Batch]:
        """The events as they were read, failures as data, a refused request too."""
        return _Steps(self._next_batch)

    async def turn(self) -> Turn:
        """Read to the end and give the whole answer.

        It is the answer as the tee read it, so a reader that joined late gets it whole.

        Raises:
            GatewayError: the answer is not whole, or this reader lost events of it.
        """
        try:
            while self._end is None:
                await self._take()
        except StopAsyncIteration:
            if self._cursor.left:
                raise self._error(_left()) from None
        self._events, self._given = (), 0
        end = self._end or self._pump.end
        if type(end) is Failure:
            raise self._error(end)
        return await self._pump.stream.turn()

    async def _next_text(self) -> str:
        while True:
            event = await self.__anext__()
            if type(event) is TextDelta:
                return event.text

    async def _next_batch(self) -> Batch:
        if self._given == len(self._events):
            await self._take()
        events = self._events[self._given :]
        self._given = len(self._events)
        return Batch(events, self._read_at)

    def _error(self, failure: Failure) -> GatewayError:
        error = GatewayError.from_failure(failure, self._pump.stream.partial)
        error.__cause__ = self._pump.cause
        return error

    # Taking.

    async def _take(self) -> None:
        """Take what one read brought, or what is to be told instead."""
        if self._reading:
            message = "this reader is being read by another task"
            raise RuntimeError(message)
        if self._end is not None or self._cursor.left:
            raise StopAsyncIteration
        self._reading = True
        try:
            kept = await self._pump.take(self._cursor)
        finally:
            self._reading = False
        events = self._told_instead() if kept is None else self._of(kept)
        self._events, self._given = events, 0
        self._numbered = 0 if kept is None else len(events)
        self._read_at = self._pump.read_at if kept is None else kept.batch.read_at
        if type(events[-1]) in (Stop, Failure):
            self._end = events[-1]

    def _of(self, kept: Kept) -> Sequence[Event]:
        events = kept.batch.events
        if kept.number < self._start:  # it joined in the middle of a read
            events = events[self._start - kept.number :]
        return events if self._holes is None else [self._mended(event) for event in events]

    def _mended(self, event: Event) -> Event:
        """The event as it must be for who lost some of those before it."""
        match event:
            case BlockEnd() if self._holes and event.index in self._holes:
                return BlockEnd(event.index, "truncated")
            case Reset():
                self._holes = None
            case Stop() if self._holes is not None:
                return _holed(self.lost)
        return event

    def _told_instead(self) -> Sequence[Event]:
        """What is told where nothing can be taken."""
        cursor, journal = self._cursor, self._pump.journal
        if cursor.left:
            return [_left()]
        if cursor.detached:
            return [*closing(journal.open_blocks(cursor.position)), _detached()]
        if cursor.position >= journal.first:
            raise StopAsyncIteration
        return self._lose(cursor.position)

    def _lose(self, number: int) -> list[Event]:
        """Move on to what is still there, and tell what is not."""
        journal = self._pump.journal
        last = journal.first - 1
        lost = last + 1 - number
        self._cursor.position = journal.first
        frame = journal.frame(number)
        void = bool(frame) and type(frame[0]) is Reset and journal.begin == last
        self._holes = None if void else journal.open_blocks(journal.first)
        self.lost += lost
        detail = f"this reader was slow and lost {lost} events, {number} to {last}"
        return [Notice(_LOST, detail), *frame]

    # Leaving.

    async def aclose(self) -> None:
        """Leave: get no more events, and keep the others waiting no longer."""
        self._events, self._given = (), 0
        if not self._cursor.left:
            self._pump.leave(self._cursor)

    def __del__(self) -> None:
        cursor = getattr(self, "_cursor", None)
        if cursor is not None and not cursor.left:
            self._pump.dropped(cursor)


def _left() -> Failure:
    return closed("this reader was closed before the answer's end", "closed")


def _detached() -> Failure:
    return msgspec.structs.replace(
        closed("this reader fell behind the others by more than the journal holds", "detached"),
        delivered=True,
        hint="Read faster, or give the tee a larger journal.",
    )


def _holed(lost: int) -> Failure:
    return msgspec.structs.replace(
        closed(
            f"the answer is whole, but this reader was slow and lost {lost} events of it", _LOST
        ),
        delivered=True,
        hint="Read faster, or give the tee a larger journal.",
    )


class _Steps(Generic[T]):
    """An async iterator that is one method, called until it raises. Needs no closing."""

    def __init__(self, step: Callable[[], Awaitable[T]]) -> None:
        self._step = step

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self._step()
