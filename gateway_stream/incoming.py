"""One answer as it comes in: opened, read, decoded, folded, and tried again where it failed early.

This is the half of a stream that nobody sees. It pulls: nothing is read from the socket until the next events
are asked for.

**Held until it counts.** What an answer says before its first content (`Start`, the opening of a block, the
first counts) is held back until content, a block's end or a proved stop follows. So a try that fails before
that has shown nothing, and another may take its place unseen but for a `Notice`. Notices are never held.

**One read, one look.** Each read stamps the answer's `Watch` and is over: there is no timer, task or queue
between the socket and the reader. A clock that runs out ends the read that waits, or the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gateway_stream.errors import ConfigError, GatewayError, StreamTruncated
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Notice,
    Start,
    Stop,
    Usage,
)
from gateway_stream.net.interruption import Interruption
from gateway_stream.net.leases import CLOSED
from gateway_stream.turn import Accumulator, PartialTurn, Timings, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from gateway_stream.attempts import Attempts, Opened
    from gateway_stream.net.watchdog import Watch
    from gateway_stream.wire.sse import Frame

__all__ = ["Incoming", "Observer"]

Result = TypeVar("Result")

_TERMINAL: Final = (Stop, Failure)
_NO_CONTENT: Final = frozenset((Start, BlockStart, BlockEnd, Usage, Notice, Stop, Failure))


class Observer(Protocol):
    """Looks at an answer while it comes, for whoever shares a limit between answers."""

    def saw(self, events: Sequence[Event]) -> Failure | None:
        """Take the events of one read; a failure ends the answer."""

    def ended(self, answer: Turn | PartialTurn) -> None:
        """The answer is over, however it ended. Called once."""


class Incoming:
    """Reads one answer. One task at a time opens and reads it; any may close it."""

    def __init__(self, attempts: Attempts, observer: Observer | None = None) -> None:
        self.accumulator = Accumulator()
        self.opened: Opened | None = None
        self.watch: Watch | None = None
        self.closed = False
        self.cause: GatewayError | None = None
        self.keeps_text = False
        """Whether the reader cannot take back what it was given."""
        self._keeps_frames = False
        self.timer = attempts.timer
        self._attempts = attempts
        self._observer = observer
        self._held: list[Event] | None = []
        self._reading = False
        self._scope: Interruption | None = None
        self._refused: GatewayError | None = None
        self.over = False

    @property
    def timings(self) -> Timings:
        """How long the answer took so far."""
        return self.watch.timings() if self.watch is not None else Timings()

    @property
    def read_at(self) -> float:
        """When the last bytes came."""
        return self.watch.read_at if self.watch is not None else 0.0

    async def open(self) -> list[Event]:
        """Send the request, if it is not sent yet; give what is to be told of it.

        Raises:
            GatewayError: no try brought a response that is an answer.
        """
        if self.opened is not None:
            return []
        if self._refused is not None:
            raise self._refused
        if self._reading:
            raise _two_readers()
        if self.closed:
            raise self._closed_before()
        self._reading = True
        try:
            if self.watch is None:
                self.watch = await self._attempts.watch()
            told = await self._open(self.watch)
        except GatewayError as error:
            self._refused = error
            self._over()
            raise
        except Exception:
            self.close()  # after what nobody foresaw there is nothing to go on with
            raise
        except BaseException:
            if self.watch is not None:  # who is cancelled may ask again
                self.watch.leave()
                self.watch = None
            raise
        finally:
            self._reading = False
        self.accumulator.extend(told)
        return told

    async def read(self) -> list[Event]:
        """Read once, and give what is told by then: a terminal event last, if that came.

        Raises:
            GatewayError: the request was refused. What goes wrong later is a `Failure`.
        """
        opened, watch = self.opened, self.watch
        if opened is None or watch is None:
            return await self.open()
        if self.closed and opened.decoder.done:  # nothing comes any more, not even its end
            raise self.closed_early()
        if self._reading:
            raise _two_readers()
        self._reading = True
        exchange = opened.exchange
        chunk: bytes | None = None
        watch.waiting = True
        watch.waited_from = watch.now()
        try:
            try:
                chunk = await exchange.receive()
            except exchange.broken as error:
                lost = exchange.lost(error)
                self.cause = None if self.closed else lost
            finally:
                watch.waiting = False
            events = self._decoded(opened, watch, chunk)
            if events and type(events[-1]) in _TERMINAL:
                events = await self._end(opened, events)
        finally:
            self._reading = False
        self.accumulator.extend(events)
        if events and type(events[-1]) in _TERMINAL:
            exchange.lease.used(self.accumulator.usage)
            self._over()
        return events

    def _decoded(self, opened: Opened, watch: Watch, chunk: bytes | None) -> list[Event]:
        """The events that a read brought: bytes, an end (no bytes), or a break (``None``)."""
        decoder = opened.decoder
        if self.closed:
            return decoder.fail(self.closed_early().failure())
        if chunk:
            watch.read()
            events = decoder.feed(chunk)
        elif watch.error is not None:
            self.cause = None
            events = decoder.fail(watch.error.failure())
        else:
            events = decoder.close(clean=chunk is not None)
        content = False
        for event in events:
            if type(event) not in _NO_CONTENT:
                content = True
                break
        if content and watch.content:
            watch.idle = 0.0
        else:
            watch.came(content=content)
        if self._observer is not None and events:
            events = self._observed(self._observer, opened, events)
        return events if self._held is None else self._sifted(opened, events, content=content)

    def _observed(self, observer: Observer, opened: Opened, events: list[Event]) -> list[Event]:
        failure = observer.saw(events)
        if failure is None or opened.decoder.done:
            return events
        return [*events, *opened.decoder.fail(failure)]

    def _sifted(self, opened: Opened, events: list[Event], *, content: bool) -> list[Event]:
        """Hold back what shows nothing yet, or give all that was held."""
        held = self._held or []
        if content or any(map(_shows_something, events)):
            self._held = None
            opened.answered()
            return [*held, *events]
        if events and type(events[-1]) is Failure:
            return events
        self._held = [*held, *(event for event in events if type(event) is not Notice)]
        return [event for event in events if type(event) is Notice]

    # Ends, and other tries.

    async def _end(self, opened: Opened, events: list[Event]) -> list[Event]:
        """The terminal event came: the answer ends, or is tried again."""
        failure = events[-1]
        if type(failure) is not Failure:
            opened.ended(None)
            return events
        opened.ended(failure)
        held = self._held or []
        error = GatewayError.from_failure(failure)
        try:
            told = await self._another(error, opened, delivered=self._held is None)
            if told is None:
                return [*held, *events]
        except GatewayError as last:
            return [*held, *events[:-1], last.failure()]
        except BaseException:
            self.close()  # between two tries there is nothing to go on with
            raise
        given = [*(event for event in events if type(event) is Notice), *told]
        self.opened, self._held, self.cause = None, [], None
        try:
            return given + await self._open(self._watching)
        except GatewayError as last:
            self.cause = last.__cause__ if isinstance(last.__cause__, GatewayError) else None
            return [*given, last.failure()]
        except BaseException:
            self.close()
            raise

    async def _open(self, watch: Watch) -> list[Event]:
        """Try until a response is an answer."""
        if self.closed:  # while its pool was made
            raise self.closed_early()
        said: list[Event] = []
        while True:
            try:
                opened = await self._interruptible(self._attempts.begin(watch))
                break
            except GatewayError as error:
                told = await self._another(error, None, delivered=False)
                if told is None:
                    raise
                said += told
        why = self._ended(watch)
        if why is not None:
            opened.left()
            raise why
        if self._keeps_frames:
            opened.decoder.keep_frames()
        self.opened = opened
        watch.exchange = opened.exchange
        watch.enter("reading")
        return [*said, *opened.notices]

    def _ended(self, watch: Watch) -> GatewayError | None:
        """Why nothing more is to be done, if there is a reason."""
        if watch.error is not None:
            return watch.error
        return self.closed_early() if self.closed else None

    async def _another(
        self, error: GatewayError, opened: Opened | None, *, delivered: bool
    ) -> list[Event] | None:
        if self.closed or (delivered and self.keeps_text):
            return None
        watch = self._watching
        watch.error = None
        watch.enter("idle")
        return await self._interruptible(
            self._attempts.another(
                error, opened, delivered=delivered, left=watch.due_at - watch.now()
            )
        )

    @property
    def _watching(self) -> Watch:
        assert self.watch is not None  # noqa: S101  it is made before anything is sent
        return self.watch

    async def _interruptible(self, work: Awaitable[Result]) -> Result:
        """Do what ends when the answer is closed, or when one of its clocks runs out."""
        import asyncio  # noqa: PLC0415  a client has loaded it, an import need not

        task = asyncio.current_task()
        assert task is not None  # noqa: S101  only a task awaits
        scope = self._scope = Interruption(task)
        if self.watch is not None:
            self.watch.scope = scope
        try:
            with scope:
                return await work
        finally:
            self._scope = None
            if self.watch is not None:
                self.watch.scope = None
        if self.closed or self.watch is None or self.watch.error is None:
            raise self.closed_early()
        raise self.watch.error

    # Leaving.

    def close(self) -> None:
        """Read no more, and close the connection if the answer has not ended."""
        self.closed = True
        if self._scope is not None:
            self._scope.cancel()
        if self.opened is not None:
            self.opened.left()
        self._over()

    def _over(self) -> None:
        if self.watch is not None:
            self.watch.leave()
        if not self.over:
            self.over = True
            if self._observer is not None:
                self._observer.ended(self.answer())

    def keep_frames(self) -> None:
        """Keep the raw frames from here on, for `take_frames`."""
        self._keeps_frames = True
        if self.opened is not None:
            self.opened.decoder.keep_frames()

    def take_frames(self) -> list[Frame]:
        """The raw frames since the last call."""
        return self.opened.decoder.take_frames() if self.opened is not None else []

    def turn(self) -> Turn:
        """The whole answer, once it has ended.

        Raises:
            GatewayError: it is not whole.
        """
        if self.closed and not (self.opened is not None and self.opened.decoder.done):
            raise self.closed_early()
        try:
            return self.accumulator.turn(stop_seen=self.stop_seen, timings=self.timings)
        except GatewayError as error:
            raise error from self.cause

    def answer(self) -> Turn | PartialTurn:
        """What came, folded: whole only if its end was proved."""
        whole = self.accumulator.whole
        fold = self.accumulator.turn if whole else self.accumulator.partial
        return fold(stop_seen=self.stop_seen, timings=self.timings)

    @property
    def partial(self) -> PartialTurn:
        """What came so far."""
        return self.accumulator.partial(stop_seen=self.stop_seen, timings=self.timings)

    @property
    def stop_seen(self) -> Stop | None:
        """A stop that the wire named, proved or not."""
        return self.opened.decoder.stop_seen if self.opened is not None else None

    def _closed_before(self) -> GatewayError:
        """The error of who would open what was closed: between two tries, or before the first."""
        if self.watch is not None:
            return self.closed_early()
        message = "this stream was closed before its request was sent"
        return ConfigError(message, hint="Make another with client.stream().")

    def closed_early(self) -> StreamTruncated:
        """The error of who waits for an answer that was closed."""
        return StreamTruncated(
            "the stream was closed before the answer's end",
            code=CLOSED,
            phase="stream",
            hint="Read it to its end, or call turn(), before leaving its block.",
            partial=self.partial,
        )


def _shows_something(event: Event) -> bool:
    """Whether an event that is no content ends the holding: a proved end, or a block that came whole."""
    return isinstance(event, Stop) or (isinstance(event, BlockEnd) and event.status == "complete")


def _two_readers() -> RuntimeError:
    """The error of a second task: one at a time opens and reads."""
    return RuntimeError("this stream is being read by another task")
