"""What runs behind a tee: one task that reads the stream into the journal, as fast as its readers go.

The task takes one read after the other and wakes who waits. Where the journal is full it lets go what those
have read that it waits for, and waits itself until there is room; `gateway_stream.tee` tells who they are.

The task belongs to the tee and ends with its stream: with the answer, when the tee or the client is closed,
or with the event loop. However it ends, the journal ends in a terminal event, so that no reader waits for
ever.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from gateway_stream.errors import GatewayError
from gateway_stream.events import Failure, Stop
from gateway_stream.net.bell import Bell
from gateway_stream.stream import Batch
from gateway_stream.tee.journal import closing

if TYPE_CHECKING:
    import asyncio

    from gateway_stream.events import Event
    from gateway_stream.net.clocks import Alarm, Timer
    from gateway_stream.stream import EventStream
    from gateway_stream.tee.journal import Journal, Kept

__all__ = ["Cursor", "NoReaders", "Pump", "Slow", "closed"]

Slow: TypeAlias = Literal["block", "drop_oldest", "detach"]
"""What happens when a reader is slow."""

NoReaders: TypeAlias = Literal["stop", "continue"]
"""What happens when nobody reads."""


class Cursor:
    """Where a reader is: ``position`` is the number of the event that it takes next."""

    __slots__ = ("detached", "left", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.left = False
        self.detached = False


class Pump:
    """Fills ``journal`` from ``stream``.

    Attributes:
        ended: whether all is in the journal that will come.
        end: the event in which the answer ended, if one did.
        read_at: when the last bytes came, as `Batch` tells it.
        cause: what lies behind the failure in which the answer ended.
    """

    def __init__(
        self,
        stream: EventStream,
        journal: Journal,
        slow: Slow,
        on_no_readers: NoReaders,
        grace: float,
        timer: Timer,
    ) -> None:
        self.stream = stream
        self.journal = journal
        self.ended = False
        self.end: Event | None = None
        self.read_at = 0.0
        self.cause: BaseException | None = None
        self._slow = slow
        self._on_no_readers = on_no_readers
        self._grace = grace
        self._timer = timer
        self._cursors: set[Cursor] = set()
        self._news = Bell()
        self._room = Bell()
        self._task: asyncio.Task[None] | None = None
        self._alarm: Alarm | None = None
        self._why = closed("the tee was closed before the answer's end", "closed")
        self._pid = os.getpid()

    # Readers.

    def join(self, cursor: Cursor) -> None:
        """One more reader."""
        self._cursors.add(cursor)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def leave(self, cursor: Cursor) -> None:
        """One reader fewer. Wakes it, if it waits."""
        cursor.left = True
        self._cursors.discard(cursor)
        self._news.ring()
        self._room.ring()
        self._look_for_readers()

    def dropped(self, cursor: Cursor) -> None:
        """A reader was collected as garbage: in any thread, at any moment, in a forked child too."""
        if self._pid != os.getpid():
            return
        if self._task is None:  # nobody looks at the readers yet, and no loop is known
            self._cursors.discard(cursor)
            return
        try:
            self._task.get_loop().call_soon_threadsafe(self.leave, cursor)
        except RuntimeError:  # the loop is closed
            return

    def _look_for_readers(self) -> None:
        alone = self._task is not None and not (self._cursors or self.ended)
        if alone and self._on_no_readers == "stop" and self._alarm is None:
            self._alarm = self._timer.call_later(self._grace, self._stop)

    def _stop(self) -> None:
        self._alarm = None
        if self._task is not None and not (self._cursors or self.ended):
            message = f"nobody read the answer for {self._grace:g} s, so its stream was closed"
            self._why = closed(message, "no_readers")
            self._task.cancel()

    async def take(self, cursor: Cursor) -> Kept | None:
        """Wait for what comes at ``cursor``, and move it on. ``None``: it is behind, or nothing will come."""
        self.begin()
        journal = self.journal
        while cursor.position == journal.end:
            if self.ended or cursor.left:
                return None
            await self._news.wait()
        if cursor.left or cursor.detached or cursor.position < journal.first:
            return None
        kept = journal.at(cursor.position)
        cursor.position = kept.end
        self._room.ring()
        return kept

    # The task.

    def begin(self) -> None:
        """Begin to read, once."""
        if self._task is None and not self.ended:
            from gateway_stream.net.loops import running_loop  # noqa: PLC0415  a client has loaded it

            self._task = running_loop().create_task(self._run(), name="gateway_stream: tee")
            self._look_for_readers()

    async def _run(self) -> None:
        try:
            await self._read()
        except GatewayError as error:
            self.cause = error.__cause__
            self._break_off(error.failure())
        except Exception as error:  # noqa: BLE001  it is told to every reader
            self.cause = error
            self._break_off(closed(f"the stream could not be read: {error!r}", "unread"))
        finally:
            if not self.ended:
                self._break_off(self._why)
            if type(self.end) is Failure:
                await self.stream.aclose()

    async def _read(self) -> None:
        async for batch in self.stream.batches():
            self._add(batch)
            while not self.ended and self._full():
                await self._room.wait()
        # Its end came, or had come before there was a tee, or it was closed: asking waits for nothing.
        try:
            await self.stream.turn()
        except GatewayError as error:
            if not self.ended:
                raise
            self.cause = error.__cause__
        else:
            self.ended = True
            self._news.ring()

    def _add(self, batch: Batch) -> None:
        self.read_at = batch.read_at
        self.journal.add(batch)
        if type(batch.events[-1]) in (Stop, Failure):
            self.end = batch.events[-1]
            self.ended = True
        self._news.ring()

    def _break_off(self, failure: Failure) -> None:
        journal = self.journal
        events = [*closing(journal.open_blocks(journal.end)), failure]
        self._add(Batch(events, self.read_at))

    def _full(self) -> bool:
        """Whether there is no room for more, once all has left that nobody is waited for."""
        journal = self.journal
        if journal.full:
            journal.forget(self._pace())
            if self._slow == "detach":
                self._detach()
        return journal.full

    def _pace(self) -> int:
        """The number of the first event that is needed yet."""
        positions = [cursor.position for cursor in self._cursors]
        if not positions:
            going_on = self._on_no_readers == "continue"
            return self.journal.end if going_on else self.journal.first
        return min(positions) if self._slow == "block" else max(positions)

    def _detach(self) -> None:
        for cursor in [c for c in self._cursors if c.position < self.journal.first]:
            cursor.detached = True
            self._cursors.discard(cursor)

    async def aclose(self) -> None:
        """End the task and close the stream."""
        import asyncio  # noqa: PLC0415

        import anyio  # noqa: PLC0415

        if self._alarm is not None:
            self._alarm.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])
        await self.stream.aclose()
        if not self.ended:
            self._break_off(self._why)


def closed(message: str, code: str) -> Failure:
    """The end of a stream that was closed before its answer was whole."""
    return Failure(
        kind="stream_truncated",
        message=message,
        code=code,
        phase="stream",
        hint="Read it to its end, or ask again.",
    )
