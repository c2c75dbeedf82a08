"""OpenAI's SDK, over httpx (its default) or aiohttp. Its own pool limit is 1000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.asked import QUESTION

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally


async def connect(address: str, family: str, variant: str, closing: AsyncExitStack) -> Ask:
    client = AsyncOpenAI(
        base_url=f"{address}/v1",
        api_key="made-up",
        max_retries=0,
        http_client=DefaultAioHttpClient() if variant == "aiohttp" else None,
    )
    await closing.enter_async_context(client)

    async def chat(model: str, tally: Tally) -> None:
        stream = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                tally.tokens += 1

    async def responses(model: str, tally: Tally) -> None:
        stream = await client.responses.create(model=model, input=QUESTION, stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                tally.tokens += 1

    return chat if family == "openai_chat" else responses
