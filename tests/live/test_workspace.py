"""Against a real workspace: text, a tool loop and usage, for each wire family.

``make live`` runs these. They need a host, and credentials in the environment, in
``~/.databrickscfg`` or from a login, and skip where there are none. Which model stands for a family can be named:
``GATEWAY_STREAM_LIVE_ANTHROPIC=databricks-claude-...`` and so on. Each test leaves a cassette under
``live-cassettes/`` (or ``GATEWAY_STREAM_LIVE_CASSETTES``), in a folder of its name: each request, and its
response read by read. Credentials are masked, so it can be attached to a bug report; read it first, since
it holds the model's words.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway_stream import AuthError, Client, ConfigError, Message, ToolResultPart, Turn
from gateway_stream.apps.auth_check import fetch, gather, open_desk_for
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.testing import Recorder
from gateway_stream.wire.family import check_grammar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.events import Event

pytestmark = pytest.mark.live

MODELS = {
    "openai_chat": "databricks-meta-llama-3-3-70b-instruct",
    "openai_responses": "databricks-gpt-5-mini",
    "anthropic": "databricks-claude-haiku-4-5",
    "gemini": "databricks-gemini-2-5-flash",
}
LOGINS = StoredOrCLI | StoredOrNothing | StoredLoginSource
EACH_FAMILY = pytest.mark.parametrize("family", MODELS)


def weather(city: str) -> str:
    """The weather in a city, now."""
    return f"It is sunny in {city}."


async def somebody_is_there() -> None:
    """Skip a test that nobody would authorize. A login that is there and does not work fails it."""
    from gateway_stream.apps.auth_status import entry_of

    settings = gather(None, None)
    source = settings.source
    if isinstance(source, LOGINS) and await entry_of(source) is not None:
        return
    if source is None or isinstance(source, LOGINS):
        try:
            async with open_desk_for(settings) as desk:
                await fetch(settings, desk)
        except (AuthError, ConfigError) as error:
            pytest.skip(f"no credentials to ask with: {error}")


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    folder = Path(os.environ.get("GATEWAY_STREAM_LIVE_CASSETTES", "live-cassettes"))
    recorder = Recorder(folder / request.node.name)
    try:
        client = Client(recorder=recorder)
    except ConfigError as error:
        pytest.skip(f"no workspace to ask: {error}")
    await somebody_is_there()
    async with client:
        yield client
        await recorder.saved()


def model_of(family: str) -> str:
    return os.environ.get(f"GATEWAY_STREAM_LIVE_{family.upper()}") or MODELS[family]


async def ask(
    client: Client,
    family: str,
    conversation: list[str | Message | Turn],
    **options: object,
) -> tuple[list[Event], Turn]:
    """One request, its events held against the grammar."""
    model = model_of(family)
    async with client.stream(model, conversation, family=family, **options) as stream:  # type: ignore[arg-type]
        events: list[Event] = []
        async for batch in stream.batches():
            events += batch.events
        check_grammar(events)
        return events, await stream.turn()


@EACH_FAMILY
async def test_a_model_answers_in_text_with_usage(client: Client, family: str) -> None:
    _, turn = await ask(client, family, ["Reply with the single word: pong"], max_tokens=500)
    assert "pong" in turn.text.lower()
    assert turn.usage.input
    assert turn.usage.output
    assert turn.stop.reason == "end_turn"


@EACH_FAMILY
async def test_a_model_calls_a_tool_and_reads_its_result(client: Client, family: str) -> None:
    conversation: list[str | Message | Turn] = ["What is the weather in Paris? Use the tool."]
    _, turn = await ask(client, family, conversation, tools=[weather], max_tokens=1000)
    assert turn.stop.reason == "tool_use"
    (call,) = turn.tool_calls
    assert "paris" in json.dumps(call.arguments).lower()
    result = ToolResultPart(call_id=call.id, content=weather(**call.arguments))
    conversation += [turn, Message("user", (result,))]
    _, turn = await ask(client, family, conversation, tools=[weather], max_tokens=1000)
    assert "sunny" in turn.text.lower()
