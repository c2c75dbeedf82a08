"""An answer that a test tells, read by read, where a stream would read it from a socket."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from gateway_stream import Batch
from gateway_stream.events import Failure, Stop
from gateway_stream.net.bell import Bell
from gateway_stream.turn import Accumulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream import Event, EventStream, PartialTurn, Turn


class Told:
    """What a tee asks of a stream. ``reads`` counts what was taken of what was told; ``keeps_text`` says that
    somebody reads text, which cannot be taken back.
    """

    def __init__(self) -> None:
        self.reads = 0
        self.closed = False
        self.keeps_text = False
        self._accumulator = Accumulator()
        self._told: deque[list[Event]] = deque()
        self._bell = Bell()

    @property
    def stream(self) -> EventStream:
        return cast("EventStream", self)

    def tell(self, *events: Event) -> None:
        """One more read."""
        self._told.append(list(events))
        self._bell.ring()

    @property
    def waiting(self) -> int:
        """How much of what was told nobody took."""
        return len(self._told)

    async def batches(self) -> AsyncIterator[Batch]:
        end = None
        while type(end) not in (Stop, Failure):
            while not self._told:
                await self._bell.wait()
            events = self._told.popleft()
            self.reads += 1
            self._accumulator.extend(events)
            end = events[-1]
            yield Batch(events, float(self.reads))

    def text(self) -> None:
        self.keeps_text = True

    async def turn(self) -> Turn:
        return self._accumulator.turn()

    @property
    def partial(self) -> PartialTurn:
        return self._accumulator.partial()

    async def __aenter__(self) -> None:
        """Nothing is to be sent."""

    async def aclose(self) -> None:
        self.closed = True
