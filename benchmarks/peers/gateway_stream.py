"""This client, by its public names: iterated for events, or for batches of them.

Its pool is as large as what is measured with thousands of streams needs; nothing else is set.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.asked import QUESTION
from gateway_stream import Client, TextDelta

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally

_POOL = 10_000


async def connect(address: str, family: str, variant: str, closing: AsyncExitStack) -> Ask:
    client = Client(host=f"{address}/v1", token="made-up", family=family, pool_size=_POOL)  # noqa: S106
    await closing.enter_async_context(client)
    ways = {"events": _events, "batches": _batches, "stamped": _stamped}
    return partial(ways[variant], client)


async def _events(client: Client, model: str, tally: Tally) -> None:
    async with client.stream(model, QUESTION, max_tokens=1000) as stream:
        async for event in stream:
            if type(event) is TextDelta:
                tally.tokens += 1


async def _batches(client: Client, model: str, tally: Tally) -> None:
    async with client.stream(model, QUESTION, max_tokens=1000) as stream:
        async for batch in stream.batches():
            for event in batch.events:
                if type(event) is TextDelta:
                    tally.tokens += 1


async def _stamped(client: Client, model: str, tally: Tally) -> None:
    async with client.stream(model, QUESTION, max_tokens=1000) as stream:
        async for event in stream:
            if type(event) is TextDelta:
                tally.came(event.text)
