"""One answer while it comes.

An `EventStream` is a class and not a generator: it can be closed from anywhere, twice, and by the
garbage collector, and it never suspends inside somebody's cancel scope. It pulls: nothing is read
from the socket until the reader asks, so a slow reader slows the model's host down and not this
process's memory.

This is the reader's half; `gateway_stream.incoming` is the other. What is read is folded as it comes, so `turn`, `partial` and the timings are there however the
events are read. The terminal event frees the connection at once; leaving earlier closes it.

A stream that is dropped unclosed is closed by its finalizer, which runs in any thread and may run
anywhere: it only schedules the close on the stream's own loop, and does nothing where that loop is
closed or belongs to another process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import msgspec

from gateway_stream.errors import GatewayError
from gateway_stream.events import Event, Failure, Stop, TextDelta
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from gateway_stream.attempts import Opened
    from gateway_stream.incoming import Incoming
    from gateway_stream.tee import Tee
    from gateway_stream.tee.pump import NoReaders, Slow
    from gateway_stream.turn import PartialTurn, Timings, Turn

T = TypeVar("T")

__all__ = ["Batch", "EventStream"]

_TERMINAL = (Stop, Failure)


class Batch(msgspec.Struct, frozen=True):
    """What one read of the socket brought.

    ``read_at`` is when the bytes came, in seconds of ``time.perf_counter``. ``frames`` holds the
    raw frames that were read, where `EventStream.batches` was asked for them.
    """

    events: Sequence[Event]
    read_at: float
    frames: Sequence[Frame] = ()


class EventStream:
    """The events of one answer. Made by `Client.stream`; sends its request when entered or first read.

    Iterate it for events, or read it by `text`, `batches` or `turn`. Use it in ``async with``, so
    that leaving early closes the connection at once. One task reads it at a time.
    """

    def __init__(self, incoming: Incoming, place: str) -> None:
        self._incoming = incoming
        self._read = incoming.read
        self._place = place
        self._ready: Iterator[Event] = iter(())
        self._ended = False

    # Reading.

    async def __aenter__(self) -> Self:
        try:
            self._ready = iter(await self._incoming.open())
        except Exception:
            raise
        except BaseException:
            await self.aclose()  # whoever is cancelled while entering is not asked to leave
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            GatewayError: the answer failed; the error's ``partial`` holds what came.
        """
        while True:
            for event in self._ready:
                if type(event) is Failure:
                    raise self._error(event)
                return event
            if self._ended:
                raise StopAsyncIteration
            self._take(await self._read())

    def _take(self, events: list[Event]) -> None:
        self._ready = iter(events)
        if events and type(events[-1]) in _TERMINAL:
            self._ended = True

    def text(self) -> AsyncIterator[str]:
        """The prose of the answer, piece by piece. Raises as iterating does.

        What was given cannot be taken back, so from here on an answer that fails is not begun anew.
        """
        self._incoming.keeps_text = True
        return _Steps(self._next_text)

    def batches(self, *, frames: bool = False) -> AsyncIterator[Batch]:
        """The events as they were read, failures as data; ``frames`` adds the raw frames.

        Ask for frames before anything is read.

        Raises:
            GatewayError: while the first is read: the request was refused, or no connection came
                about. What goes wrong later is a `Failure`, the last event.
        """
        return _Steps(partial(self._next_batch, frames=frames))

    async def _next_text(self) -> str:
        while True:
            event = await self.__anext__()
            if type(event) is TextDelta:
                return event.text

    async def _next_batch(self, *, frames: bool) -> Batch:
        incoming = self._incoming
        if frames:
            incoming.keep_frames()
        while not (events := list(self._ready)):
            if self._ended:
                raise StopAsyncIteration
            self._take(await self._read())
        return Batch(events, incoming.read_at, incoming.take_frames() if frames else ())

    async def turn(self) -> Turn:
        """Read to the end and give the whole answer.

        Raises:
            GatewayError: the answer is not whole; the error's ``partial`` holds what came.
        """
        while not self._ended:
            self._take(await self._read())
        self._ready = iter(())  # a turn is all events: none is left to iterate
        return self._incoming.turn()

    def tee(
        self,
        readers: int,
        *,
        slow: Slow = "block",
        journal: int = 1024 * 1024,
        on_no_readers: NoReaders = "stop",
        grace: float = 5.0,
    ) -> Tee:
        """Let many read this answer, each at its own pace; see `gateway_stream.tee`.

        Args:
            readers: how many there are from the beginning; more may join later.
            slow: who gives way when one is slow: ``"block"`` waits for all, ``"drop_oldest"`` has the slow
                one lose the oldest events, ``"detach"`` puts it out with an error.
            journal: bytes of events that are held for who is slow or joins late.
            on_no_readers: whether to ``"continue"`` or ``"stop"`` when nobody reads.
            grace: seconds without a reader before ``"stop"`` stops.

        Raises:
            ConfigError: a number or word that cannot work.
        """
        from gateway_stream.tee import tee  # noqa: PLC0415  it names this module in its types

        return tee(
            self,
            readers,
            slow=slow,
            journal=journal,
            on_no_readers=on_no_readers,
            grace=grace,
            timer=self._incoming.timer,
        )

    @property
    def partial(self) -> PartialTurn:
        """What came so far."""
        return self._incoming.partial

    @property
    def timings(self) -> Timings:
        """How long the answer took so far, from when its request was made."""
        return self._incoming.timings

    def _error(self, failure: Failure) -> GatewayError:
        error = GatewayError.from_failure(failure, self.partial)
        error.__cause__ = self._incoming.cause
        return error

    # Leaving.

    async def aclose(self) -> None:
        """Give no more events, and close the connection if the answer has not ended.

        A task that waits for the answer just then gets `StreamTruncated`: it was no whole one.
        """
        self._ended = True
        self._ready = iter(())
        self._incoming.close()

    def __del__(self) -> None:
        incoming = getattr(self, "_incoming", None)
        if incoming is None or incoming.over:
            return
        opened: Opened | None = incoming.opened
        if opened is None or opened.over:
            return
        state = opened.state
        if state.pid != os.getpid() or state.loop.is_closed():
            return
        _schedule(state.loop, incoming.close)
        warnings.warn(
            f"a stream was dropped before its end; use 'async with' at {self._place}",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )


def _schedule(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(work)
    except RuntimeError:  # it closed since it was asked
        return


class _Steps(Generic[T]):
    """An async iterator that is one method, called until it raises. Needs no closing."""

    def __init__(self, step: Callable[[], Awaitable[T]]) -> None:
        self._step = step

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self._step()
