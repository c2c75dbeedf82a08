"""A request that can go elsewhere stands in line as any other, and waits for no pause."""

from __future__ import annotations

import asyncio
from typing import Final

import anyio
import pytest

from gateway_stream.errors import Overloaded
from gateway_stream.net.admission import PAUSED, Admissions, Lease, Limits, Place
from tests.support.clock import HandClock, settle

HERE: Final = Place("gateway.test", "model", None)
ONE: Final = Limits(concurrency=1)
NOTHING_LEFT: Final = {
    "X-Ratelimit-Remaining-Requests": "0",
    "X-Ratelimit-Reset-Requests": "9s",
}


def ask(admissions: Admissions, *, elsewhere: bool = True) -> asyncio.Task[Lease]:
    return asyncio.create_task(admissions.admit(HERE, elsewhere=elsewhere))


async def refused_with(admissions: Admissions, pause: float) -> None:
    lease = await admissions.admit(HERE)
    lease.refused(pause)
    lease.release()


async def test_who_comes_in_a_pause_is_told_at_once_how_long_it_is() -> None:
    admissions = Admissions(10, clock=HandClock())
    await refused_with(admissions, 7.0)
    with pytest.raises(Overloaded, match=r"model asked .* another 7\.0 s") as told:
        await admissions.admit(HERE, elsewhere=True)
    error = told.value
    assert (error.code, error.phase, error.retryable) == (PAUSED, "queue", True)
    assert error.retry_after == pytest.approx(7.0)
    assert (admissions.in_use, admissions.queued) == (0, 0)
    assert admissions.stats()[0].turned_away == 0


@pytest.mark.parametrize("how", ["a refusal", "a header"])
async def test_who_stands_in_line_as_a_pause_begins_is_told_and_the_others_stay(how: str) -> None:
    clock = HandClock()
    admissions = Admissions(10, limits=ONE, clock=clock)
    held = await admissions.admit(HERE)
    restless = [ask(admissions) for _ in range(3)]
    patient = ask(admissions, elsewhere=False)
    await settle()
    if how == "a refusal":
        held.refused(9.0)
    else:
        held.accepted(NOTHING_LEFT)
    await settle()
    for task in restless:
        error = task.exception()
        assert isinstance(error, Overloaded)
        assert error.retry_after == pytest.approx(9.0)
    assert admissions.queued == 1
    held.release()
    await clock.advance(9.1)
    (await patient).release()
    assert admissions.in_use == 0


async def test_a_pause_that_is_soon_over_is_waited_for() -> None:
    clock = HandClock()
    admissions = Admissions(10, limits=ONE, clock=clock)
    held = await admissions.admit(HERE)
    waits = ask(admissions)
    await settle()
    held.refused(1.0)
    held.release()
    late = ask(admissions)
    await clock.advance(0.9)
    assert not waits.done()
    await clock.advance(5)
    (await waits).release()
    (await late).release()


async def test_who_was_served_as_a_pause_begins_goes() -> None:
    admissions = Admissions(10, limits=Limits(concurrency=2), clock=HandClock())
    first, second = await admissions.admit(HERE), await admissions.admit(HERE)
    waits = ask(admissions)
    await settle()
    first.release()  # who waits is served here, and has not run since
    second.refused(9.0)
    second.release()
    (await waits).release()
    assert (admissions.in_use, admissions.queued) == (0, 0)


@pytest.mark.parametrize("end", ["served", "cancelled", "paused", "closed"])
async def test_however_the_wait_ends_nothing_is_kept_of_it(end: str) -> None:
    admissions = Admissions(10, limits=ONE, clock=HandClock())
    held = await admissions.admit(HERE)
    waits = ask(admissions)
    await settle()
    (queue,) = admissions._queues.values()
    assert len(queue.restless) == 1
    if end == "served":
        held.release()
    elif end == "cancelled":
        waits.cancel()
    elif end == "paused":
        held.refused(9.0)
        assert not queue.restless  # the next refusal need not tell them again
    else:
        admissions.close()
    with anyio.fail_after(5):
        await asyncio.gather(waits, return_exceptions=True)
    assert not queue.restless
    assert not queue.waiting
