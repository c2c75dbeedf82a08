"""One place that requests go to: who waits for it, and whether the next may go.

A place is an endpoint of a host, as seen by one identity: that is what gateways count by. Four things can
hold its next request up: the pool, which is full; its concurrency, configured or learned; a pause or the
ramp after it; a budget for a minute. The last two end by themselves, and `PlaceQueue.wait` says when.

What is in flight is counted by what the server holds: a request that it refused is no longer there, though its
slot of the pool is in use until its connection is free.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import anyio
import msgspec

from gateway_stream.net.fair_queue import FairQueue
from gateway_stream.net.learned_limit import LearnedLimit
from gateway_stream.net.leases import Lease
from gateway_stream.net.minutes import Minutes, told_wait
from gateway_stream.net.pace import Pace
from gateway_stream.net.retry import LONGEST_STATED_WAIT

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from gateway_stream.events import Usage
    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.fair_queue import Flow
    from gateway_stream.net.minutes import Charge, Cost, Limits

__all__ = ["LONG_PAUSE", "Place", "PlaceQueue", "PlaceStats", "Waiter"]


LONG_PAUSE: Final = 1.0
"""Seconds of a pause that are not waited for by who can go elsewhere."""


class Place(NamedTuple):
    """Where a request goes, and for whom: what has a queue and limits of its own."""

    host: str
    endpoint: str
    identity: Hashable


class PlaceStats(msgspec.Struct, frozen=True, kw_only=True):
    """How a place is doing. Who asks there is not told: two places may differ in that alone.

    Attributes:
        host: the host.
        endpoint: the model or endpoint.
        in_use: requests in flight.
        queued: requests that wait.
        limit: how many may be in flight, configured or learned; ``None`` where nothing limits them.
        paused_for: seconds until the next may go where time holds it up: a pause, a ramp, a spent budget.
        admitted: requests sent.
        refused: requests that the server refused for its load.
        turned_away: requests that found the queue full.
    """

    host: str
    endpoint: str
    in_use: int
    queued: int
    limit: int | None
    paused_for: float
    admitted: int
    refused: int
    turned_away: int


class Waiter:
    """A request in line. Served, it has a lease; told without one, it has to leave.

    ``paused_for`` says why: a pause of so many seconds, or the pool was closed.
    """

    __slots__ = ("cost", "flow", "lease", "paused_for", "told")

    def __init__(self, flow: Flow, cost: Cost) -> None:
        self.flow = flow
        self.cost = cost
        self.lease: Lease | None = None
        self.paused_for: float | None = None
        self.told = anyio.Event()


class Owner(Protocol):
    """What all places share."""

    def freed(self, queue: PlaceQueue) -> None:
        """A slot of the pool is free."""

    def grown(self, queue: PlaceQueue) -> None:
        """More may go to a place than before."""


class PlaceQueue:
    """The queue before one place, and what is known of it.

    Attributes:
        in_flight: requests that the server holds, as far as is known.
        limit: how many it may hold, configured or learned; infinite if neither.
        restless: those in line who can go elsewhere, and so wait for no pause.
        timed: whether time can hold requests up, so that `wait` is worth asking.
        listed: whether the place stands in the row of those that may be served.
        wakes_at: when it is to be looked at again.
    """

    def __init__(self, place: Place, limits: Limits, owner: Owner, clock: Timer) -> None:
        self.place = place
        self.waiting: FairQueue[Waiter] = FairQueue()
        self.restless: set[Waiter] = set()
        self.in_flight = 0
        self.limit: float = inf
        self.timed = False
        self.listed = False
        self.wakes_at = inf
        self.admitted = 0
        self.refused = 0
        self.turned_away = 0
        self._held = 0  # accepted and in flight
        self._owner = owner
        self._clock = clock
        self._ceiling = inf if limits.concurrency is None else limits.concurrency
        self._learned = LearnedLimit()
        self._pace = Pace(clock.monotonic())
        self._minutes = Minutes(limits)
        self._update()

    def wait(self, now: float, cost: Cost) -> float:
        """Seconds until a request may go for which there is room; 0 or less where it may go now."""
        return max(self._pace.wait(now), self._minutes.wait(now, cost))

    def admit(self, now: float, flow: Flow, cost: Cost) -> Lease:
        """Let a request go."""
        self._pace.admitted(now)
        charge: Charge | None = None
        if self.timed:
            charge = self._minutes.spend(now, cost) if self._minutes.kept else None
            self._update()
        mark = self._learned.mark if self.in_flight + 1 >= self.limit else 0
        lease = Lease(self, flow, mark, charge)
        self.waiting.begun(flow)
        self.in_flight += 1
        self.admitted += 1
        return lease

    def give_back(self, lease: Lease) -> None:
        """A request is over."""
        self.waiting.ended(lease.flow)
        if lease.said is not False:
            self.in_flight -= 1
            self._held -= lease.said is True
        self._owner.freed(self)

    def withdraw(self, lease: Lease) -> None:
        """A request that was let go was not sent."""
        if lease.charge is not None:
            self._minutes.unused(lease.charge, self._clock.monotonic())
        lease.release()

    def accept(self, lease: Lease, headers: Mapping[str, str] | None) -> None:
        """The server took a request."""
        self._held += 1
        self._pace.accepted()
        now = self._clock.monotonic()
        before = self._learned.limit
        self._learned.accepted(lease.mark, self._held, now)
        if headers:
            wait = told_wait(headers, self._clock.time())
            if wait > 0:
                self._minutes.dry_until = max(self._minutes.dry_until, now + wait)
                self._update()
                self._send_elsewhere(now)
        if self._learned.limit != before:
            self._update()
            self._owner.grown(self)

    def refuse(self, lease: Lease, pause: float) -> None:
        """The server refused a request, which is no longer there."""
        self.in_flight -= 1
        self._held -= lease.said is True
        lease.said = False
        now = self._clock.monotonic()
        then = lease.others - (self.refused - lease.refusals)
        self.refused += 1
        if pause > LONGEST_STATED_WAIT:
            return  # an hour's or a day's quota: nothing of its load, and who asks next is to know at once
        self._learned.refused(max(self.in_flight, then), now, pause)
        if pause > 0:
            self._pace.pause(now, pause)
        elif not self.in_flight:
            self._pace.rest(now)
        self._update()
        self._send_elsewhere(now)

    def _send_elsewhere(self, now: float) -> None:
        """Tell who can go elsewhere that there is a pause."""
        if self.restless and (seconds := self.paused_for(now)) > LONG_PAUSE:
            for waiter in self.restless:
                waiter.paused_for = seconds
                self.waiting.discard(waiter, waiter.flow)
                waiter.told.set()
            self.restless.clear()  # they are told once, however many refusals come together

    def paused_for(self, now: float) -> float:
        """Seconds until a pause is over in which nobody may go; 0 or less if there is none."""
        return max(self._pace.until, self._minutes.dry_until) - now

    def correct(self, lease: Lease, usage: Usage) -> None:
        """What a request really cost is known."""
        if lease.charge is not None:
            lease.charge = self._minutes.used(lease.charge, usage, self._clock.monotonic())
            self._owner.grown(self)

    def idle_since(self) -> float:
        """When it last mattered, about; negative infinity where nothing is known of it."""
        if self.in_flight or self.waiting:
            return inf
        if self._learned.limit is None and not self.timed:
            return -inf
        return max(self._pace.since, self._pace.until, self._minutes.dry_until)

    def stats(self) -> PlaceStats:
        """How the place is doing."""
        now = self._clock.monotonic()
        paused = self.paused_for(now)
        if self.wakes_at < inf:
            paused = max(paused, self.wakes_at - now)
        return PlaceStats(
            host=self.place.host,
            endpoint=self.place.endpoint,
            in_use=self.in_flight,
            queued=len(self.waiting),
            limit=None if self.limit == inf else int(self.limit),
            paused_for=max(0.0, paused),
            admitted=self.admitted,
            refused=self.refused,
            turned_away=self.turned_away,
        )

    def _update(self) -> None:
        learned = self._learned.limit
        self.limit = self._ceiling if learned is None else min(self._ceiling, learned)
        minutes = self._minutes
        self.timed = (
            self._pace.active or minutes.kept or minutes.dry_until > self._clock.monotonic()
        )
