"""litellm, with its defaults; its limit of 500 connections for each host is not reached here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else importing it asks the network

import litellm

from benchmarks.asked import QUESTION

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally

_PREFIXES = {"openai_chat": "openai", "anthropic": "anthropic", "gemini": "gemini"}


async def connect(
    address: str,
    family: str,
    variant: str,  # noqa: ARG001
    closing: AsyncExitStack,  # noqa: ARG001  its clients are its own
) -> Ask:
    litellm.telemetry = False
    given = {"api_key": "made-up", "num_retries": 0, "max_retries": 0, "stream": True}

    async def completion(model: str, tally: Tally) -> None:
        base = {
            "openai_chat": f"{address}/v1",
            "anthropic": address,
            "gemini": f"{address}/v1beta/models/{model}",
        }[family]
        stream = await litellm.acompletion(
            model=f"{_PREFIXES[family]}/{model}",
            messages=[{"role": "user", "content": QUESTION}],
            api_base=base,
            **given,
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                tally.tokens += 1

    async def responses(model: str, tally: Tally) -> None:
        stream = await litellm.aresponses(
            # Of a model that it does not know it reads no stream, so what to play is the question.
            model="openai/gpt-4o",
            input=model,
            api_base=f"{address}/v1",
            **given,
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                tally.tokens += 1

    return responses if family == "openai_responses" else completion
