"""Servers that hold so many requests at a time and refuse the rest, in a time that is moved by hand."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from gateway_stream.net.admission import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway_stream.net.admission import Admissions, Flow
    from tests.support.clock import HandClock

PLACE: Final = Place("gateway.test", "model", None)


@dataclass
class Server:
    """Refuses what exceeds its capacity.

    Attributes:
        capacity: requests at a time.
        answer: how long an answer takes.
        refusal: how long a refusal takes.
        late: whether it says yes when the answer is whole, and not when it begins.
        retry_after: what a refusal says.
        accidents: whether it refuses this one though it has room.
        log: when each request came, and whether it was taken.
        most: the most that it held, second by second.
        taken: how many it took, by the name of their session.
    """

    clock: HandClock
    capacity: int = 37
    answer: Callable[[], float] = lambda: 0.2
    refusal: float = 0.001
    late: bool = False
    retry_after: float | None = None
    accidents: Callable[[], bool] = lambda: False
    held: int = 0
    log: list[tuple[float, bool]] = field(default_factory=list)
    most: dict[int, int] = field(default_factory=dict)
    taken: Counter[str | None] = field(default_factory=Counter)
    begun: float = 0.0

    def __post_init__(self) -> None:
        self.begun = self.clock.now

    def second(self) -> int:
        return int(self.clock.now - self.begun)

    def count(self) -> None:
        second = self.second()
        self.most[second] = max(self.most.get(second, 0), self.held)

    def share_refused(self, since: float = 0.0) -> float:
        later = [taken for at, taken in self.log if at >= self.begun + since]
        return later.count(False) / max(1, len(later))

    def throughput(self, since: float, until: float) -> float:
        """Answers begun a second."""
        from_, to = self.begun + since, self.begun + until
        return sum(taken for at, taken in self.log if from_ <= at < to) / (until - since)


async def ask(
    admissions: Admissions,
    server: Server,
    *,
    flow: Flow | None = None,
    place: Place = PLACE,
    chance: random.Random | None = None,
) -> None:
    """Ask until there is an answer, as a client does that retries."""
    chance = chance or random.Random(0)
    again = False
    while True:
        lease = await admissions.admit(place, flow=flow, again=again)
        try:
            taken = server.held < server.capacity and not server.accidents()
            server.log.append((server.clock.now, taken))
            if not taken:
                await server.clock.sleep(server.refusal)
                lease.refused(server.retry_after)
            else:
                server.held += 1
                server.taken[flow.name if flow else None] += 1
                server.count()
                if not server.late:
                    lease.accepted()
                try:
                    await server.clock.sleep(server.answer())
                finally:
                    server.held -= 1
                    server.count()
                if server.late:
                    lease.accepted()
                return
        finally:
            lease.release()
        await server.clock.sleep(chance.uniform(0, 1))
        again = True


async def keep_asking(admissions: Admissions, server: Server, flow: Flow | None, seed: int) -> None:
    chance = random.Random(seed)
    while True:
        await ask(admissions, server, flow=flow, chance=chance)


async def run(
    admissions: Admissions, server: Server, clients: Sequence[Flow | None], seconds: float
) -> None:
    """Have each client ask one request after the other, for so long."""
    async with anyio.create_task_group() as tasks:
        for seed, flow in enumerate(clients):
            tasks.start_soon(keep_asking, admissions, server, flow, seed)
        await server.clock.advance(seconds)
        tasks.cancel_scope.cancel()
