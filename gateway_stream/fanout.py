"""Many answers, one reader.

A `FanOut` sends many requests, at most so many at once, and gives what comes of all of them as one stream
of parts: what one read of one socket brought, with the key of its request. The parts of one request keep
their order; between requests there is none.

**What fails is data.** A request that is refused, breaks off or cannot even be made ends in a part like any
other, whose last event is a `Failure`; the others go on. Only an error of the iterable that gives the
requests is raised, as it is, once all that was asked has come.

**Bounded on both sides.** The requests are taken from their iterable one at a time, when there is a place
for one. What came waits for the reader: while ``buffer`` parts wait, no socket is read, so a slow reader slows
the models' hosts down. Each open stream may add the one part that it was waiting for just then. Streams
that wait to be read stand in line, each for one read at a time, so that none is left behind.

**Nobody else's tasks.** Each request has a task of its own, which belongs to the `FanOut` and ends with its
block at the latest, connection and all. No task group or cancel scope encloses the reader's code: what is
raised in the block leaves it as it is, and a reader that is cancelled is cancelled, no more.

A part is handed over through a deque and one bell for the reader, woken once for all that came together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial
from itertools import count
from time import perf_counter
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NamedTuple,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

import msgspec

from gateway_stream.errors import ConfigError, GatewayError, StreamTruncated
from gateway_stream.events import Failure, Stop
from gateway_stream.net.bell import Bell
from gateway_stream.request import Request
from gateway_stream.stream import Batch, EventStream
from gateway_stream.turn import PartialTurn

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from gateway_stream.client import Client
    from gateway_stream.turn import Turn

__all__ = ["BUFFER", "CONCURRENCY", "Asked", "FanOut", "Part", "fan_out"]

Key = TypeVar("Key")

CONCURRENCY: Final = 100
BUFFER: Final = 64

Asked: TypeAlias = Request | EventStream | Callable[[], EventStream]
"""What is asked: a `Request`, a stream that was not entered yet, such as `Session.stream` gives, or a
function that makes one when its turn has come."""


class Part(NamedTuple, Generic[Key]):
    """What one read of one answer brought.

    Attributes:
        key: which request it belongs to: its own key, or its number, counted from 0.
        batch: the events. The last of a request's last batch is `Stop` or `Failure`.
        answer: with the last batch, the answer: whole, or what came of it. ``None`` before.
    """

    key: Key
    batch: Batch
    answer: Turn | PartialTurn | None


@overload
def fan_out(
    client: Client,
    requests: Iterable[tuple[Key, Asked]] | AsyncIterable[tuple[Key, Asked]],
    *,
    concurrency: int = ...,
    buffer: int = ...,
) -> FanOut[Key]: ...


@overload
def fan_out(
    client: Client,
    requests: Iterable[Asked] | AsyncIterable[Asked],
    *,
    concurrency: int = ...,
    buffer: int = ...,
) -> FanOut[int]: ...


def fan_out(
    client: Client,
    requests: Iterable[Any] | AsyncIterable[Any],
    *,
    concurrency: int = CONCURRENCY,
    buffer: int = BUFFER,
) -> FanOut[Any]:
    """Ask many, and read what comes of all of them in one loop.

    Args:
        client: what sends the requests.
        requests: an iterable or async iterable of requests, streams or functions that make one
            (`Asked`), or of pairs of a key and one of those. One is taken when there is a place for
            it. An async generator is closed in the end.
        concurrency: how many are in flight at once, 100 unless given.
        buffer: how many parts may wait for the reader before sockets do, 64 unless given.

    Raises:
        ConfigError: a number that cannot work.
    """
    for name, number in (("concurrency", concurrency), ("buffer", buffer)):
        if not number >= 1:  # which is how NaN is caught
            message = f"{name} is {number}"
            raise ConfigError(message, hint="Give 1 or more.")
    return FanOut(client, requests, concurrency=concurrency, buffer=buffer)


class FanOut(Generic[Key]):
    """Many answers in one stream of parts. Made by `fan_out`; use it in ``async with`` and iterate it.

    Leaving the block ends all requests and closes their connections. One task reads it at a time.
    """

    def __init__(
        self,
        client: Client,
        requests: Iterable[Any] | AsyncIterable[Any],
        *,
        concurrency: int,
        buffer: int,
    ) -> None:
        self._client = client
        self._requests = requests
        self._concurrency = concurrency
        self._buffer = buffer
        self._parts: deque[Part[Key]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._entered = self._leaving = self._reading = False
        self._came = Bell()
        self._place = Bell()
        self._line: deque[Bell] = deque()

    async def __aenter__(self) -> Self:
        """Begin to ask."""
        from gateway_stream.net.loops import running_loop  # noqa: PLC0415  a client has loaded it

        if self._entered:
            message = "a fan_out can be entered once: make another"
            raise RuntimeError(message)
        self._entered = True
        self._loop = running_loop()
        feeding = self._loop.create_task(self._feed(), name="gateway_stream: fan-out")
        self._tasks.add(feeding)
        feeding.add_done_callback(self._fed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import asyncio  # noqa: PLC0415

        import anyio  # noqa: PLC0415

        self._leaving = True
        for task in self._tasks:
            task.cancel()
        with anyio.CancelScope(shield=True):
            while self._tasks:
                await asyncio.wait(self._tasks)
        self._parts.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part[Key]:
        """The next part of any answer; at the end, all have come.

        Raises:
            Exception: what the iterable of requests raised, after all that was asked before has come.
            StreamTruncated: the iterable was cancelled, likewise.
        """
        parts = self._parts
        if not parts:
            await self._wait()
        part = parts.popleft()
        if self._line:
            self._next_in_line()
        return part

    async def _wait(self) -> None:
        if not self._entered:
            message = "enter a fan_out before reading it: async with fan_out(...) as parts"
            raise RuntimeError(message)
        if self._reading:
            message = "this fan_out is being read by another task"
            raise RuntimeError(message)
        self._reading = True
        try:
            while not self._parts:
                if not self._tasks or self._leaving:
                    error, self._error = self._error, None
                    raise error or StopAsyncIteration
                await self._came.wait()
        finally:
            self._reading = False

    # What is asked.

    async def _feed(self) -> None:
        """Take the requests from their iterable, each when there is a place for it."""
        from anyio.lowlevel import checkpoint  # noqa: PLC0415

        given = self._requests
        items: Any = aiter(given) if isinstance(given, AsyncIterable) else iter(given)
        try:
            for number in count():
                while len(self._tasks) > self._concurrency:  # this one is among them
                    await self._place.wait()
                await checkpoint()  # many that come at once leave the loop to others
                try:
                    item = await anext(items) if isinstance(items, AsyncIterator) else next(items)
                except (StopIteration, StopAsyncIteration):
                    return
                key, asked = item if isinstance(item, tuple) else (number, item)
                asking = self._loop.create_task(
                    self._ask(key, asked), name="gateway_stream: asking"
                )
                self._tasks.add(asking)
                asking.add_done_callback(partial(self._asked, key))
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    def _fed(self, feeding: asyncio.Task[None]) -> None:
        self._tasks.discard(feeding)
        if not feeding.cancelled():
            self._error = feeding.exception()
        elif not self._leaving:
            self._error = _lost("what gives the requests was cancelled, so not all were asked")
        self._came.ring()

    def _asked(self, key: Key, asking: asyncio.Task[None]) -> None:
        self._tasks.discard(asking)
        if asking.cancelled():
            error: BaseException | None = _lost("the task that read the answer was cancelled")
        else:
            error = asking.exception()
        if error is not None:
            self._put_failure(key, error)
        self._place.ring()
        self._came.ring()

    async def _ask(self, key: Key, asked: Asked) -> None:
        """Send one request and pass on what comes. Whatever is raised becomes its `Failure`."""
        try:
            await self._room()
            asked = self._made(asked)
            await self._pass_on(key, asked)
        finally:  # which ``async with`` does not reach where entering is cancelled
            if isinstance(asked, EventStream):
                await asked.aclose()

    async def _pass_on(self, key: Key, stream: EventStream) -> None:
        async for batch in stream.batches():
            if type(batch.events[-1]) is Stop:
                self._put(Part(key, batch, await stream.turn()))
            elif type(batch.events[-1]) is Failure:
                self._put(Part(key, batch, stream.partial))
            else:
                self._put(Part(key, batch, None))
                await self._room()
                continue
            return
        turn = await stream.turn()  # its end had come before it was ours
        self._put(Part(key, Batch([turn.stop], perf_counter()), turn))

    def _made(self, asked: Asked) -> EventStream:
        stream: object = self._client.stream(asked) if isinstance(asked, Request) else asked
        if not isinstance(stream, EventStream) and callable(stream):
            stream = stream()
        if isinstance(stream, EventStream):
            return stream
        message = (
            f"what is asked is a Request, a stream or what makes one, not {type(stream).__name__}"
        )
        raise TypeError(message)

    # Handing over.

    def _put(self, part: Part[Key]) -> None:
        self._parts.append(part)
        self._came.ring()

    def _put_failure(self, key: Key, error: BaseException) -> None:
        if not isinstance(error, GatewayError):
            message = f"the request could not be made, or its answer not read: {error!r}"
            hint = "Look at what makes the request."
            error = ConfigError(message, code=type(error).__name__, hint=hint)
        failure = error.failure()
        answer = msgspec.structs.replace(error.partial or PartialTurn(), failure=failure)
        self._put(Part(key, Batch([failure], perf_counter()), answer))

    async def _room(self) -> None:
        """Wait in line until there is room for another part."""
        if len(self._parts) < self._buffer and not self._line:
            return
        bell = Bell()
        self._line.append(bell)
        try:
            while self._line[0] is not bell or len(self._parts) >= self._buffer:
                await bell.wait()
        finally:
            self._line.remove(bell)
            self._next_in_line()

    def _next_in_line(self) -> None:
        if self._line and len(self._parts) < self._buffer:
            self._line[0].ring()


def _lost(message: str) -> GatewayError:
    return StreamTruncated(message, code="cancelled", phase="stream", hint="Ask again.")
