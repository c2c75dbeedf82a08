# ruff: noqa: PLC0415  each family loads only what it needs, as its users do
"""pydantic-ai, its direct model requests, which its agents are built on; over the vendors' SDKs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart

from benchmarks.asked import QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from pydantic_ai.models import Model

    from benchmarks.crowd import Ask, Tally


def _models(address: str, family: str) -> Callable[[str], Model[Any]]:
    if family == "gemini":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        google = GoogleProvider(api_key="made-up", base_url=address)
        return lambda name: GoogleModel(name, provider=google)
    if family == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(base_url=address, api_key="made-up", max_retries=0)
        anthropic = AnthropicProvider(anthropic_client=client)
        return lambda name: AnthropicModel(name, provider=anthropic)
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    openai = OpenAIProvider(
        openai_client=AsyncOpenAI(base_url=f"{address}/v1", api_key="made-up", max_retries=0)
    )
    kind = OpenAIChatModel if family == "openai_chat" else OpenAIResponsesModel
    return lambda name: kind(name, provider=openai)


async def connect(
    address: str,
    family: str,
    variant: str,  # noqa: ARG001
    closing: AsyncExitStack,  # noqa: ARG001  its clients are its own
) -> Ask:
    model_named = _models(address, family)

    async def ask(model: str, tally: Tally) -> None:
        messages = [ModelRequest.user_text_prompt(QUESTION)]
        async with model_request_stream(model_named(model), messages) as stream:
            async for event in stream:
                if isinstance(event, PartDeltaEvent) or (
                    # The first piece of a text comes with the part that it begins.
                    isinstance(event, PartStartEvent)
                    and isinstance(event.part, TextPart)
                    and event.part.content
                ):
                    tally.tokens += 1

    return ask
