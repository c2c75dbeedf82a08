"""Many answers, one after the other and all at once: nothing grows, and a crowd comes back spread out."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import Client, GatewayError, GatewayUnavailable, Retry, TimedOut, Timeouts
from gateway_stream.testing import Capacity, FakeGateway, Fault, Received, Reply
from tests.support.clock import HastyClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four five")
AT_ONCE = 20


async def answer(received: Received) -> Reply:
    """What the request's text asks for."""
    replies = {
        b"is cut": ANSWER.with_fault(Fault(cut_after_text=2, cut="close")),
        b"is refused": Reply.refused(500),
        b"never begins": ANSWER.with_fault(Fault(delay_headers=math.inf)),
        b"stalls": ANSWER.with_fault(Fault(stall_after=600)),
        b"never ends": ANSWER.with_fault(Fault(stall_after=10**6)),
    }
    return next((replies[text] for text in replies if text in received.raw), ANSWER)


# Ways in which an answer can end.


async def whole(client: Client) -> None:
    assert (await client.complete(MODEL, "hi")).text


async def whole_by_batches(client: Client) -> None:
    async with client.stream(MODEL, "hi") as stream:
        assert [batch async for batch in stream.batches(frames=True)]


async def cut(client: Client) -> None:
    with pytest.raises(GatewayError):
        await client.complete(MODEL, "is cut")


async def refused_and_asked_again(client: Client) -> None:
    with pytest.raises(GatewayUnavailable):
        await client.complete(MODEL, "is refused", retry=Retry(retries=2, first_wait=0))


async def cancelled(client: Client) -> None:
    with anyio.move_on_after(0.02):
        await client.complete(MODEL, "stalls")


async def cancelled_natively(client: Client) -> None:
    task = asyncio.create_task(client.complete(MODEL, "stalls"))
    await anyio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def dropped(client: Client) -> None:
    await anext(client.stream(MODEL, "stalls"))


async def closed_early(client: Client) -> None:
    async with client.stream(MODEL, "stalls") as stream:
        await anext(stream)


async def timed_out(client: Client) -> None:
    with pytest.raises(TimedOut):
        await client.complete(MODEL, "never begins", timeouts=Timeouts(first_content=0.02))


async def not_drained(client: Client) -> None:
    assert (await client.complete(MODEL, "never ends")).text


async def never_sent(client: Client) -> None:
    client.stream(MODEL, "hi")


ENDS: tuple[Callable[[Client], Coroutine[object, object, None]], ...] = (
    whole,
    cut,
    whole_by_batches,
    refused_and_asked_again,
    whole,
    cancelled,
    cancelled_natively,
    whole,
    dropped,
    closed_early,
    whole,
    timed_out,
    never_sent,
    whole,
    not_drained,
)


async def soak(client: Client, gateway: FakeGateway, count: int) -> None:
    """So many answers, some at a time, and then until nothing is under way."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a stream was dropped", ResourceWarning)
        for begun in range(0, count, AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for number in range(begun, min(begun + AT_ONCE, count)):
                    tasks.start_soon(ENDS[number % len(ENDS)], client)
            gateway.requests.clear()
        gc.collect()
    with anyio.fail_after(10):
        while client.stats().leased:
            await anyio.lowlevel.checkpoint()
    await gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    gc.collect()


def counted() -> Counter[str]:
    """How many objects there are of each type that a client's streams can be made of."""
    ours = ("gateway_stream.", "aiohttp.client", "aiohttp.connector", "aiohttp.streams", "asyncio")
    names: Counter[str] = Counter()
    for thing in gc.get_objects():
        module = str(type(thing).__module__)
        if module.startswith((*ours, "_asyncio", "anyio")) and ".testing" not in module:
            names[f"{module}.{type(thing).__qualname__}"] += 1
    return names


async def hold_still(gateway: FakeGateway, count: int) -> None:
    gateway.default = answer
    async with Client(host=gateway.url, token="dapi-x", pool_size=10, retry="never") as client:
        await soak(client, gateway, count // 4)
        before = counted()
        await soak(client, gateway, count)
        after = counted()
        grown = after - before
        del grown["asyncio.events.TimerHandle"]  # the loop keeps a hundred that were cancelled
        # Connections that are kept, of which there may be as many as slots, have a few objects each.
        assert not {name: more for name, more in grown.items() if more > AT_ONCE}
        assert not client._loops.ready().watchdog._watched  # type: ignore[union-attr]
        assert client.stats().open_circuits == 0


async def test_after_thousands_of_answers_however_they_ended_nothing_has_grown(
    fake_gateway: FakeGateway,
) -> None:
    await hold_still(fake_gateway, 2_000)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_after_tens_of_thousands_of_answers_nothing_has_grown(
    fake_gateway: FakeGateway,
) -> None:
    await hold_still(fake_gateway, 20_000)


class Gathering(HastyClock):
    """A clock on which nobody's sleep is over until so many sleep."""

    def __init__(self, crowd: int) -> None:
        super().__init__()
        self.crowd = crowd
        self.all_asleep = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if len(self.slept) >= self.crowd:
            self.all_asleep.set()
        await self.all_asleep.wait()


@pytest.mark.parametrize("seed", range(3))
async def test_hundreds_that_are_refused_at_once_come_back_spread_evenly(
    fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(random, "uniform", random.Random(seed).uniform)
    clock = Gathering(500 - 37)

    async def patient(received: Received) -> Reply:
        del received
        await clock.all_asleep.wait()
        return ANSWER

    capacity = Capacity(patient, concurrency=37)
    fake_gateway.default = capacity
    retry = Retry(retries=1000)
    texts: list[str] = []
    async with Client(host=fake_gateway.url, token="dapi-x", clock=clock, retry=retry) as client:

        async def ask() -> None:
            texts.append((await client.complete(MODEL, "hi")).text)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for _ in range(500):
                    tasks.start_soon(ask)
    assert len(texts) == 500
    assert capacity.most_in_flight == 37
    waits = sorted(clock.slept[: clock.crowd])
    size = len(waits)
    distance = max(
        max((place + 1) / size - wait, wait - place / size) for place, wait in enumerate(waits)
    )
    assert distance * math.sqrt(size) < 1.95  # Kolmogorov's and Smirnov's, at p = 0.001
