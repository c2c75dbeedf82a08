"""Databricks' clients for OpenAI's SDK, with their defaults; their pool holds 100 connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks_openai import AsyncDatabricksOpenAI

from benchmarks.asked import QUESTION

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally


async def connect(
    address: str,
    family: str,
    variant: str,  # noqa: ARG001
    closing: AsyncExitStack,
) -> Ask:
    workspace = WorkspaceClient(host=address, token="made-up", auth_type="pat")  # noqa: S106
    client = AsyncDatabricksOpenAI(workspace_client=workspace, max_retries=0)
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
