"""Requests that are left at random moments, hundreds at a time, leave nothing behind."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import Client, GatewayError, Retry
from gateway_stream.testing import FakeGateway, Fault, Received, Reply
from tests.support.leaks import anyio_backend, nothing_is_left, pending

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["anyio_backend"]

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five six seven eight nine ten")
IN_TIME = 10


class Storm:
    """Requests of which many are left at random moments.

    Attributes:
        left: how many were.
        ended: how many came to an end of their own.
    """

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.chance = random.Random(seed)
        self.left = 0
        self.ended = 0
        self.still = 0
        self.turns = 0
        self.leave_at: dict[int, list[Callable[[], object]]] = {}

    async def reply(self, received: Received) -> Reply:
        del received
        late = self.chance.choice([0.0] * 9 + [0.001])
        if self.chance.random() < 0.15:  # a refusal from which nothing is learned
            again = Reply.refused(400, headers={"x-should-retry": "true"})
            return again.with_fault(Fault(delay_headers=late))
        stall = self.chance.choice([None] * 27 + [0, 600, 10**6])
        return ANSWER.with_fault(Fault(delay_headers=late, stall_after=stall))

    async def ask(self) -> None:
        try:
            async with self.client.stream(MODEL, "hi") as stream:
                async for _ in stream:
                    await anyio.lowlevel.checkpoint()
        except GatewayError as error:
            if error.status != 400:
                raise

    async def cancelled(self, scope: anyio.CancelScope) -> None:
        with scope:
            await self.ask()
        assert pending() == 0
        self.count(left=scope.cancelled_caught)

    async def timed_out(self, limit: asyncio.Timeout) -> None:
        with suppress(TimeoutError):
            async with limit:
                await self.ask()
        assert pending() == 0
        self.count(left=limit.expired())

    async def natively(self) -> None:
        left = True
        try:
            await self.ask()
            left = False
        finally:
            self.count(left=left)

    def count(self, *, left: bool) -> None:
        self.still -= 1
        self.left += left
        self.ended += not left

    def begin(self) -> asyncio.Task[None]:
        """Begin a request, and plan when and how it is left."""
        way = self.chance.randrange(4)
        leave: Callable[[], object]
        self.still += 1
        if way == 0:
            scope = anyio.CancelScope()
            task, leave = asyncio.create_task(self.cancelled(scope)), scope.cancel
        elif way == 1:
            timeout = asyncio.timeout(None)
            task = asyncio.create_task(self.timed_out(timeout))
            leave = partial(run_out, timeout)
        else:
            task = asyncio.create_task(self.natively())
            leave = task.cancel
        turn = self.chance.randrange(1, self.turns)
        self.leave_at.setdefault(turn, []).append(leave)
        if way == 3:  # and once more while it is being left
            self.leave_at.setdefault(turn + self.chance.randrange(3), []).append(leave)
        return task

    async def round(self, size: int) -> None:
        """Begin so many, and leave each at its turn of the loop."""
        self.leave_at.clear()
        self.turns = 150 + 20 * size
        tasks = [self.begin() for _ in range(size)]
        turn = 0
        while self.still:
            for leave in self.leave_at.pop(turn, ()):
                leave()
            stats = self.client.stats()
            assert 0 <= stats.draining <= stats.live <= stats.leased <= 10
            assert stats.leased == stats.sending + stats.live
            turn += 1
            await asyncio.sleep(0 if turn < self.turns else 0.001)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [end for end in ends if not isinstance(end, asyncio.CancelledError | None)]
        assert not wrong, wrong[0]


def run_out(timeout: asyncio.Timeout) -> None:
    """Have a timeout run out now, unless it has, or its block was left."""
    with suppress(RuntimeError):
        timeout.reschedule(asyncio.get_running_loop().time())


async def hold_through_a_storm(gateway: FakeGateway, count: int, seed: int) -> None:
    retry = Retry(retries=3, first_wait=0.002)
    async with Client(host=gateway.url, token="dapi-x", pool_size=10, retry=retry) as client:
        storm = Storm(client, seed)
        gateway.default = storm.reply
        while storm.left < count:
            await storm.round(storm.chance.choice([10, 10, 10, 20, 200]))
        assert storm.ended
        assert len(gateway.requests) > count / 5, "most were left before they were sent"
        gateway.default = ANSWER
        await nothing_is_left(client)
        with anyio.fail_after(IN_TIME):
            turns = await asyncio.gather(*(client.complete(MODEL, "hi") for _ in range(10)))
        assert len({turn.text for turn in turns}) == 1
        await nothing_is_left(client)
        await gateway.wait_for(lambda gateway: gateway.connections_open <= 10)
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)


@pytest.mark.parametrize("seed", range(3))
async def test_hundreds_that_are_left_at_random_leave_nothing(
    fake_gateway: FakeGateway, seed: int
) -> None:
    await hold_through_a_storm(fake_gateway, 500, seed)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_thousands_that_are_left_at_random_leave_nothing(
    fake_gateway: FakeGateway, seed: int
) -> None:
    await hold_through_a_storm(fake_gateway, 10_000, seed)
