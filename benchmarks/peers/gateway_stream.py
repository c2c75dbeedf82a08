"""This client, by its public names: iterated for events, or for batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.asked import QUESTION
from gateway_stream import Client, TextDelta

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.child import Ask, Tally


async def connect(address: str, family: str, variant: str, closing: AsyncExitStack) -> Ask:
    client = Client(host=f"{address}/v1", token="made-up", family=family)  # noqa: S106
    await closing.enter_async_context(client)

    async def events(model: str, tally: Tally) -> None:
        async with client.stream(model, QUESTION, max_tokens=1000) as stream:
            async for event in stream:
                if type(event) is TextDelta:
                    tally.tokens += 1

    async def batches(model: str, tally: Tally) -> None:
        async with client.stream(model, QUESTION, max_tokens=1000) as stream:
            async for batch in stream.batches():
                for event in batch.events:
                    if type(event) is TextDelta:
                        tally.tokens += 1

    return batches if variant == "batches" else events
