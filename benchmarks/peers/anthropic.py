"""Anthropic's SDK, its raw events: over httpx (its default) or aiohttp. Its own pool limit is 1000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import AsyncAnthropic, DefaultAioHttpClient

from benchmarks.asked import QUESTION

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally


async def connect(
    address: str,
    family: str,  # noqa: ARG001  it has one
    variant: str,
    closing: AsyncExitStack,
) -> Ask:
    client = AsyncAnthropic(
        base_url=address,
        api_key="made-up",
        max_retries=0,
        http_client=DefaultAioHttpClient() if variant == "aiohttp" else None,
    )
    await closing.enter_async_context(client)

    async def ask(model: str, tally: Tally) -> None:
        stream = await client.messages.create(
            model=model,
            max_tokens=1000,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                tally.tokens += 1

    return ask
