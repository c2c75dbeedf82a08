"""One answer while it comes.

An `EventStream` is a class and not a generator: it can be closed from anywhere, twice, and by the
garbage collector, and it never suspends inside somebody's cancel scope. It pulls: nothing is read
from the socket until the reader asks, so a slow reader slows the model's host down and not this
process's memory.

What is read is folded as it comes, so `turn`, `partial` and the timings are there however the
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
from time import perf_counter
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar

import msgspec

from gateway_stream.errors import ConfigError, GatewayError, StreamTruncated
from gateway_stream.events import Event, Failure, Notice, Stop, TextDelta
from gateway_stream.turn import Accumulator, PartialTurn, Timings, Turn
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from anyio import CancelScope

    from gateway_stream.net.loops import LoopState
    from gateway_stream.net.transport import Exchange
    from gateway_stream.wire.decoder import Decoder

T = TypeVar("T")

__all__ = ["Batch", "EventStream", "Opened"]

_TERMINAL = (Stop, Failure)


class Batch(msgspec.Struct, frozen=True):
    """What one read of the socket brought.

    ``read_at`` is when the bytes came, in seconds of ``time.perf_counter``. ``frames`` holds the
    raw frames that were read, where `EventStream.batches` was asked for them.
    """

    events: Sequence[Event]
    read_at: float
    frames: Sequence[Frame] = ()


class Opened(NamedTuple):
    """A response that began well, and what reads it."""

    state: LoopState
    exchange: Exchange
    decoder: Decoder
    notices: Sequence[Notice]


class EventStream:
    """The events of one answer. Made by `Client.stream`; sends its request when entered or first read.

    Iterate it for events, or read it by `text`, `batches` or `turn`. Use it in ``async with``, so
    that leaving early closes the connection at once. One task reads it at a time.
    """

    def __init__(self, open_: Callable[[], Awaitable[Opened]], place: str) -> None:
        self._open = open_
        self._place = place
        self._opened: Opened | None = None
        self._accumulator = Accumulator()
        self._ready: Iterator[Event] = iter(())
        self._read_at = 0.0
        self._called = 0.0
        self._first_byte: float | None = None
        self._first_content: float | None = None
        self._longest_gap = 0.0
        self._reads = 0
        self._reading = False
        self._ended = False
        self._closed = False
        self._free = True  # whether no connection is held
        self._sending: CancelScope | None = None
        self._cause: GatewayError | None = None

    # Reading.

    async def __aenter__(self) -> Self:
        await self._ensure_open()
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
            await self._fill()

    def text(self) -> AsyncIterator[str]:
        """The prose of the answer, piece by piece. Raises as iterating does."""
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
        decoder = (await self._ensure_open()).decoder
        if frames:
            decoder.keep_frames()
        while not (events := list(self._ready)):
            if self._ended:
                raise StopAsyncIteration
            await self._fill()
        return Batch(events, self._read_at, decoder.take_frames() if frames else ())

    async def turn(self) -> Turn:
        """Read to the end and give the whole answer.

        Raises:
            GatewayError: the answer is not whole; the error's ``partial`` holds what came.
        """
        while not self._ended:
            self._ready = iter(())
            await self._fill()
        self._ready = iter(())  # a turn is all events: none is left to iterate
        if self._closed and not (self._opened and self._opened.decoder.done):
            raise self._closed_early()
        try:
            return self._accumulator.turn(stop_seen=self._stop_seen, timings=self.timings)
        except GatewayError as error:
            raise error from self._cause

    @property
    def partial(self) -> PartialTurn:
        """What came so far."""
        return self._accumulator.partial(stop_seen=self._stop_seen, timings=self.timings)

    @property
    def timings(self) -> Timings:
        """How long the answer took so far, from when its request was made."""
        exchange = self._opened.exchange if self._opened else None
        return Timings(
            queued=exchange.queued if exchange else 0.0,
            connect=exchange.connect if exchange else 0.0,
            first_byte=self._first_byte,
            first_content=self._first_content,
            last=self._read_at - self._called if self._reads else None,
            longest_gap=self._longest_gap,
            reads=self._reads,
        )

    @property
    def _stop_seen(self) -> Stop | None:
        return self._opened.decoder.stop_seen if self._opened else None

    def _error(self, failure: Failure) -> GatewayError:
        error = GatewayError.from_failure(failure, self.partial)
        error.__cause__ = self._cause
        return error

    # Filling.

    async def _ensure_open(self) -> Opened:
        opened = self._opened
        if opened is None:
            self._claim()
            try:
                opened = await self._send()
            finally:
                self._reading = False
        return opened

    async def _send(self) -> Opened:
        if self._closed:
            message = "this stream was closed before its request was sent"
            raise ConfigError(message, hint="Make another with client.stream().")
        import anyio  # noqa: PLC0415  a client has loaded both, an import need not

        from gateway_stream.net.loops import running_loop  # noqa: PLC0415

        running_loop()
        self._called = self._read_at = perf_counter()
        with anyio.CancelScope() as self._sending:
            self._opened = await self._open()
        self._sending, opened = None, self._opened
        if opened is None:  # closed by another task, while this one waited
            raise self._closed_early()
        if self._closed:
            opened.exchange.abort()
            raise self._closed_early()
        self._free = False
        self._ready = iter(opened.notices)
        self._accumulator.extend(opened.notices)
        return opened

    def _claim(self) -> None:
        """One task at a time opens and reads."""
        if self._reading:
            message = "this stream is being read by another task"
            raise RuntimeError(message)
        self._reading = True

    def _closed_early(self) -> StreamTruncated:
        return StreamTruncated(
            "the stream was closed before the answer's end",
            code="closed",
            phase="stream",
            hint="Read it to its end, or call turn(), before leaving its block.",
            partial=self.partial,
        )

    async def _fill(self) -> None:
        """Read once and decode what came."""
        opened = self._opened
        if opened is None:
            opened = await self._ensure_open()
            if opened.notices:
                return
        self._claim()
        chunk: bytes | None = None
        exchange = opened.exchange
        try:
            chunk = await exchange.receive()
        except exchange.broken as error:
            lost = exchange.lost(error)
            self._cause = None if self._closed else lost
        finally:
            self._reading = False
        if not chunk or self._closed:
            events = self._close_off(opened.decoder, clean=chunk is not None)
        else:
            now = perf_counter()
            if not self._reads:
                self._first_byte = now - self._called
            elif now - self._read_at > self._longest_gap:
                self._longest_gap = now - self._read_at
            self._reads += 1
            self._read_at = now
            events = opened.decoder.feed(chunk)
        if self._first_content is None and opened.decoder.delivered:
            self._first_content = self._read_at - self._called
        self._accumulator.extend(events)
        self._ready = iter(events)
        if events and type(events[-1]) in _TERMINAL:
            self._end(opened, whole=type(events[-1]) is Stop)

    def _close_off(self, decoder: Decoder, *, clean: bool) -> list[Event]:
        """The last events: the body has ended, or another task closed the stream while this one waited."""
        if self._closed:
            return decoder.fail(self._closed_early().failure())
        return decoder.close(clean=clean)

    def _end(self, opened: Opened, *, whole: bool) -> None:
        self._ended = True
        if not self._free:
            self._free = True
            if whole or opened.exchange.at_end:
                opened.state.finish(opened.exchange)
            else:
                opened.exchange.abort()

    # Leaving.

    async def aclose(self) -> None:
        """Give no more events, and close the connection if the answer has not ended.

        A task that waits for the answer just then gets `StreamTruncated`: it was no whole one.
        """
        self._closed = self._ended = True
        self._ready = iter(())
        if self._sending is not None:
            self._sending.cancel()
        if self._opened is not None and not self._free:
            self._free = True
            self._opened.exchange.abort()

    def __del__(self) -> None:
        if getattr(self, "_free", True) or self._opened is None:
            return
        state = self._opened.state
        if state.pid != os.getpid() or state.loop.is_closed():
            return
        _schedule(state.loop, self._opened.exchange.abort)
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
