"""Whatever happens in whatever order: no limit is exceeded, no slot is lost, nobody waits for nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway_stream.net.admission import Admissions, Flow, Limits, Place
from gateway_stream.net.place import LONG_PAUSE
from tests.support.clock import HandClock, settle

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway_stream.net.admission import Lease

POOL, CONCURRENCY, QUEUE = 5, 3, 6
PLACES = [Place("gateway.test", f"model {number}", None) for number in range(3)]
INDEX = st.integers(0, 1000)
ENDS = ["accepted", "dry", "refused", "paused", "failed", "silent"]
NOTHING_LEFT = {"X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "5s"}


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock(1000.0)
        self.admissions = Admissions(
            POOL, queue_size=QUEUE, limits=Limits(concurrency=CONCURRENCY), clock=self.clock
        )
        self.flows = [Flow(weight=weight) for weight in (0.5, 1.0, 2.0)]
        self.waiting: list[asyncio.Task[None]] = []
        self.leases: list[Lease] = []

    def run(self, work: Coroutine[None, None, None]) -> None:
        self.loop.run_until_complete(work)

    async def wait(self, place: Place, flow: Flow | None, *, again: bool, elsewhere: bool) -> None:
        lease = await self.admissions.admit(place, flow=flow, again=again, elsewhere=elsewhere)
        self.leases.append(lease)

    @rule(
        place=st.sampled_from(PLACES),
        flow=st.sampled_from([None, 0, 1, 2]),
        again=st.booleans(),
        elsewhere=st.booleans(),
    )
    def ask(self, place: Place, flow: int | None, again: bool, elsewhere: bool) -> None:
        whose = None if flow is None else self.flows[flow]
        asking = self.wait(place, whose, again=again, elsewhere=elsewhere)
        self.waiting.append(self.loop.create_task(asking))
        self.run(settle())

    @rule(which=INDEX, end=st.sampled_from(ENDS))
    def release(self, which: int, end: str) -> None:
        if self.leases:
            lease = self.leases.pop(which % len(self.leases))
            if end in {"accepted", "dry", "failed"}:
                lease.accepted(NOTHING_LEFT if end == "dry" else None)
            if end in {"refused", "paused", "failed"}:
                lease.refused(3.0 if end == "paused" else None)
            lease.release()
            self.run(settle())

    @rule(which=INDEX)
    def accept(self, which: int) -> None:
        if self.leases:
            self.leases[which % len(self.leases)].accepted()
            self.run(settle())

    @rule(which=INDEX)
    def cancel(self, which: int) -> None:
        if self.waiting:
            self.waiting[which % len(self.waiting)].cancel()
            self.run(settle())

    @rule(whom=INDEX, which=INDEX)
    def cancel_as_a_slot_is_freed(self, whom: int, which: int) -> None:
        if self.waiting and self.leases:
            self.leases.pop(which % len(self.leases)).release()
            self.waiting[whom % len(self.waiting)].cancel()
            self.run(settle())

    @rule(seconds=st.sampled_from([0.05, 1.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            if not task.cancelled():
                task.exception()
        stats = self.admissions.stats()
        assert self.admissions.in_use == len(self.leases) <= POOL
        assert self.admissions.queued == len(self.waiting) == sum(place.queued for place in stats)
        assert sum(place.in_use for place in stats) == self.admissions.in_use
        for place in stats:
            assert place.in_use <= CONCURRENCY
            assert place.queued <= QUEUE

    @invariant()
    def what_was_accepted_is_in_flight(self) -> None:
        for queue in self.admissions._queues.values():
            said = [lease.said for lease in self.leases if lease.queue is queue]
            assert queue._held == said.count(True)

    @invariant()
    def who_can_go_elsewhere_waits_for_no_pause(self) -> None:
        for place, queue in self.admissions._queues.items():
            assert len(queue.restless) <= len(queue.waiting)
            paused = queue.paused_for(self.clock.monotonic())
            assert paused <= LONG_PAUSE or not queue.restless, place

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if self.admissions.in_use < POOL:
            for place in self.admissions.stats():
                assert place.limit is not None
                held_up = place.in_use >= place.limit or place.paused_for > 0
                assert not place.queued or held_up or self.admissions._alarm is not None

    def teardown(self) -> None:
        while self.leases or self.waiting:
            for lease in self.leases:
                lease.release()
            self.leases.clear()
            self.run(self.clock.advance(60))
            self.no_limit_is_exceeded()
        assert (self.admissions.in_use, self.admissions.queued) == (0, 0)
        self.loop.close()


Machine.TestCase.settings = hypothesis.settings(deadline=None, stateful_step_count=60)
TestAdmissions = Machine.TestCase
