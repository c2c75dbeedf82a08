from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gateway_stream import Client, Message, Tool, ToolResultPart
from gateway_stream.errors import BadRequest
from gateway_stream.testing.simulation import SimulatedModel
from tests.testing.asking import FAMILIES, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from gateway_stream.testing import FakeGateway, FamilyName
    from gateway_stream.turn import Turn


class Answer(msgspec.Struct):
    colour: str
    wavelength: int


def weather(city: str, days: int, *, unit: str = "C") -> str:
    """The weather."""
    return f"{days} days of rain in {city}, 12 {unit}"


def other() -> str:
    """Another tool."""
    return ""


@pytest.fixture
async def client(fake_gateway: FakeGateway) -> AsyncIterator[Client]:
    fake_gateway.default = SimulatedModel()
    async with Client(host=fake_gateway.url, token="t") as client:
        yield client


def results(turn: Turn) -> Message:
    return Message(
        "user",
        tuple(
            ToolResultPart(call_id=call.id, content=weather(**cast("Any", call.arguments)))
            for call in turn.tool_calls
        ),
    )


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_loop_that_runs_tools_ends_in_prose_that_tells_their_results(
    client: Client, family: FamilyName
) -> None:
    conversation: list[str | Message | Turn] = ["What is the weather?"]
    tools = [Tool.from_function(weather), Tool.from_function(other)]
    first = await client.complete("m", conversation, family=family, tools=tools)
    (call,) = first.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris", "days": 1})
    assert (first.stop.reason, bool(first.reasoning), bool(first.text)) == ("tool_use", True, True)
    conversation += [first, results(first)]
    last = await client.complete("m", conversation, family=family, tools=tools)
    assert (last.tool_calls, last.stop.reason) == ((), "end_turn")
    assert "based on the tool's result: 1 days of rain in Paris, 12 C" in last.text
    conversation += [last, "And tomorrow?"]
    again = await client.complete("m", conversation, family=family, tools=tools)
    assert again.tool_calls[0].id != call.id


@pytest.mark.parametrize("family", FAMILIES)
async def test_an_answer_with_a_schema_can_be_parsed_after_tools_too(
    client: Client, family: FamilyName
) -> None:
    turn = await client.complete("m", "Which colour?", family=family, output=Answer)
    assert turn.parse(Answer) == Answer("blue", 1)
    tools = [Tool.from_function(weather)]
    first = await client.complete("m", "Which?", family=family, tools=tools, output=Answer)
    conversation: list[str | Message | Turn] = ["Which?", first, results(first)]
    last = await client.complete("m", conversation, family=family, tools=tools, output=Answer)
    assert last.parse(Answer) == Answer("blue", 1)


@pytest.mark.parametrize("family", FAMILIES)
async def test_without_tools_the_answer_is_prose_with_reasoning(
    client: Client, family: FamilyName
) -> None:
    turn = await client.complete("m", "Why is the sky blue?", family=family)
    assert (turn.tool_calls, turn.stop.reason) == ((), "end_turn")
    assert turn.reasoning
    assert "blue" in turn.text
    assert turn.usage.output is not None
    assert turn.usage.output > 50


async def test_no_more_than_the_start_of_a_long_result_is_told(client: Client) -> None:
    call = await client.complete("m", "?", family="anthropic", tools=[Tool(name="f")])
    told = ToolResultPart(call_id=call.tool_calls[0].id, content="x" * 10_000)
    turn = await client.complete("m", ["?", call, Message("user", (told,))], family="anthropic")
    assert len(turn.text) < 400


@pytest.mark.parametrize(
    "parameters",
    [{"properties": {"a": {"$ref": "#/none"}}, "required": ["a"]}, {"type": "string"}],
)
async def test_a_schema_that_nothing_fits_is_refused(
    client: Client, parameters: dict[str, Any]
) -> None:
    tool = Tool(name="f", parameters=parameters)
    with pytest.raises(BadRequest, match=r"does not define|are no object"):
        await client.complete("m", "?", family="openai_chat", tools=[tool])


async def test_every_answer_has_the_pace_and_no_path_of_no_family_has_one(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    async with ask(session, fake_gateway):
        pass
    (received,) = fake_gateway.requests
    reply = await SimulatedModel(pace=0.02)(received)
    assert reply is not None
    assert reply.pace == 0.02
    assert await SimulatedModel()(dataclasses.replace(received, family=None)) is None
