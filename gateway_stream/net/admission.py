"""Who may send next.

A request takes a slot of the pool and stands for its place (host, endpoint, identity) in line. It may go
when the pool has a slot and nothing holds its place up (`gateway_stream.net.place`). These are the only queues there
are: the connector's own limit is off.

- *Bounded.* A queue that is full turns a request away at once; it does not hide how long the wait would be.
- *Fair.* Inside a session, first come is first served, and what is sent again goes before what was asked later. Between
  sessions, turns are shared by weight (`gateway_stream.net.fair_queue`). Between places that wait for the pool, slots
  go round.
- *Learned.* What a server refuses tells how many it takes at a time (`gateway_stream.net.learned_limit`), a pause that it
  asks for is everybody's (`gateway_stream.net.pace`), and configured budgets are kept (`gateway_stream.net.minutes`).

Whoever gives a slot back serves the next one in the same step. So there is no task that hands slots out, nothing to
wake but the one that is served, and a waiter that is cancelled in the very moment it is served passes its slot on. What
waits for a time, waits for the one alarm that rings at the earliest of them.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final

from gateway_stream.errors import Overloaded, QueueFull
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.fair_queue import Flow
from gateway_stream.net.leases import Lease, closed
from gateway_stream.net.minutes import NOTHING, Cost, Limits
from gateway_stream.net.place import LONG_PAUSE, Place, PlaceQueue, PlaceStats, Waiter

if TYPE_CHECKING:
    from gateway_stream.net.clocks import Alarm, Timer

__all__ = ["Admissions", "Cost", "Flow", "Lease", "Limits", "Place", "PlaceStats"]

PAUSED: Final = "paused"
"""The code of the error of a request that does not wait for a pause."""

QUEUE_SIZE: Final = 10_000
NO_LIMITS: Final = Limits()
_NO_SESSION: Final = Flow("no session")
_AT_ONCE: Final = 0.001
"""Seconds that are not worth an alarm, which rings no more exactly than that."""
_SWEEP: Final = 256
_REMEMBERED: Final = 600.0
"""Seconds that what was learned of a place is kept when nobody asks there, once there are many places."""


class Admissions:
    """The slots of one event loop's pool, and the queues before them.

    Args:
        pool_size: how many requests may be in flight, all places together.
        queue_size: how many may wait for one place.
        limits: what to keep to at every place.
        clock: what tells the time and rings.
    """

    def __init__(
        self,
        pool_size: int,
        *,
        queue_size: int = QUEUE_SIZE,
        limits: Limits = NO_LIMITS,
        clock: Timer = SYSTEM,
    ) -> None:
        self.pool_size = pool_size
        self.in_use = 0
        self._queue_size = queue_size
        self._limits = limits
        self._clock = clock
        self._queues: dict[Place, PlaceQueue] = {}
        self._sweep_at = _SWEEP
        self._row: deque[PlaceQueue] = deque()  # places that may be served
        self._sleeping: list[tuple[float, int, PlaceQueue]] = []
        self._numbers = count()
        self._alarm: Alarm | None = None
        self._alarm_at = inf
        self._closed = False

    @property
    def queued(self) -> int:
        """How many wait, for whatever place."""
        return sum(len(queue.waiting) for queue in self._known())

    async def admit(
        self,
        place: Place,
        *,
        flow: Flow | None = None,
        cost: Cost = NOTHING,
        again: bool = False,
        elsewhere: bool = False,
    ) -> Lease:
        """Wait until a request may go, and take its slot.

        Args:
            place: where it goes.
            flow: whose it is; requests without one share one.
            cost: the tokens that it is charged.
            again: whether it was sent before: it goes before what its flow asked for later.
            elsewhere: whether it can go to another place, and so waits for no pause.

        Raises:
            QueueFull: too many wait for that place.
            Overloaded: the place asked for a pause, and the request can go elsewhere.
            ConnectionLost: the pool was closed.
        """
        if self._closed:
            raise closed()
        queue = self._queues.get(place) or self._open(place)
        flow = flow or _NO_SESSION
        now = self._clock.monotonic()
        if (
            self.in_use < self.pool_size
            and queue.in_flight < queue.limit
            and not queue.waiting
            and not (queue.timed and queue.wait(now, cost) > _AT_ONCE)
        ):
            self.in_use += 1
            return queue.admit(now, flow, cost)
        if elsewhere and (paused := queue.paused_for(now)) > LONG_PAUSE:
            raise _paused(place, paused)
        if len(queue.waiting) >= self._queue_size:
            queue.turned_away += 1
            raise _full(place, self._queue_size)
        waiter = Waiter(flow, cost)
        if not elsewhere:
            return await self._wait(queue, waiter, again=again)
        queue.restless.add(waiter)
        try:
            return await self._wait(queue, waiter, again=again)
        finally:
            queue.restless.discard(waiter)

    async def _wait(self, queue: PlaceQueue, waiter: Waiter, *, again: bool) -> Lease:
        queue.waiting.put(waiter, waiter.flow, first=again)
        self.grown(queue)  # so that an alarm is set if it waits for a time
        try:
            await waiter.told.wait()
        except BaseException:
            if waiter.lease is not None:
                queue.withdraw(waiter.lease)
            else:
                queue.waiting.discard(waiter, waiter.flow)
                self.grown(queue)  # the next one may be cheaper
            raise
        if waiter.lease is not None:
            return waiter.lease
        raise closed() if waiter.paused_for is None else _paused(queue.place, waiter.paused_for)

    def close(self) -> None:
        """Give no more slots; whoever waits for one is told."""
        self._closed = True
        for queue in self._queues.values():
            while queue.waiting:
                queue.waiting.take().told.set()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def stats(self) -> tuple[PlaceStats, ...]:
        """How each place is doing that was asked lately."""
        return tuple(queue.stats() for queue in self._known())

    def _known(self) -> list[PlaceQueue]:
        """The queues there are, for whoever looks from another thread while places come and go."""
        return list(
            self._queues.copy().values()
        )  # copying a dict is one step, going over it is not

    def freed(self, queue: PlaceQueue) -> None:
        """A slot of the pool is free, by a request to this place."""
        self.in_use -= 1
        self.grown(queue)

    def grown(self, queue: PlaceQueue) -> None:
        """More may go to this place than before; serve whoever may go."""
        if queue.waiting and not queue.listed:
            queue.listed = True
            self._row.append(queue)
        if self._row:
            self._serve()

    def _serve(self) -> None:
        """Give free slots to those who may go, one place after the other."""
        row = self._row
        now = self._clock.monotonic()
        while row and self.in_use < self.pool_size:
            queue = row.popleft()
            queue.listed = False
            waiter = queue.waiting.peek()
            if waiter is None or queue.in_flight >= queue.limit:
                continue  # it comes back with a release, or when its limit grows
            wait = queue.wait(now, waiter.cost) if queue.timed else 0.0
            if wait > _AT_ONCE:
                self._wake(queue, now + wait)
                continue
            queue.waiting.take()
            self.in_use += 1
            waiter.lease = queue.admit(now, waiter.flow, waiter.cost)
            waiter.told.set()
            if queue.waiting:
                queue.listed = True
                row.append(queue)

    def _wake(self, queue: PlaceQueue, when: float) -> None:
        """Look at a place again at that time."""
        if when < queue.wakes_at:
            queue.wakes_at = when
            heappush(self._sleeping, (when, next(self._numbers), queue))
            self._set_alarm()

    def _set_alarm(self) -> None:
        when = self._sleeping[0][0] if self._sleeping else inf
        if when >= self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = when
        self._alarm = self._clock.call_later(when - self._clock.monotonic(), self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, inf
        now = self._clock.monotonic() + _AT_ONCE
        while self._sleeping and self._sleeping[0][0] <= now:
            queue = heappop(self._sleeping)[2]
            queue.wakes_at = inf
            if queue.waiting and not queue.listed:
                queue.listed = True
                self._row.append(queue)
        self._serve()
        self._set_alarm()

    def _open(self, place: Place) -> PlaceQueue:
        if len(self._queues) >= self._sweep_at:
            before = self._clock.monotonic() - _REMEMBERED
            kept = {p: queue for p, queue in self._queues.items() if queue.idle_since() > before}
            self._queues = kept
            self._sweep_at = 2 * len(kept) + _SWEEP
        queue = self._queues[place] = PlaceQueue(place, self._limits, self, self._clock)
        return queue


def _paused(place: Place, seconds: float) -> Overloaded:
    return Overloaded(
        f"{place.endpoint} asked to be left alone for another {seconds:.1f} s",
        code=PAUSED,
        phase="queue",
        retryable=True,
        retry_after=seconds,
        hint="Try again then, or another model.",
    )


def _full(place: Place, size: int) -> QueueFull:
    return QueueFull(
        f"{size} requests wait for {place.endpoint} already",
        code="queue_full",
        phase="queue",
        hint="Ask for less at a time, or make the client with a larger queue_size=.",
    )
