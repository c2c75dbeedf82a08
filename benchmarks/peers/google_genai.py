"""Google's SDK, over aiohttp (its default where that is installed) or httpx. Neither limits its pool here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from google import genai
from google.genai.types import HttpOptions

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
    transport = httpx2.AsyncHTTPTransport(limits=httpx2.Limits()) if variant == "httpx" else None
    options = HttpOptions(
        base_url=address, async_client_args={"transport": transport} if transport else None
    )
    client = genai.Client(api_key="made-up", http_options=options)
    closing.push_async_callback(client.aio.aclose)

    async def ask(model: str, tally: Tally) -> None:
        stream = await client.aio.models.generate_content_stream(model=model, contents=QUESTION)
        async for chunk in stream:
            if chunk.text:
                tally.tokens += 1

    return ask
