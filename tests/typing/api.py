"""How the public names are typed, as their users' checkers see it. Checked, never run.

``make check`` has mypy and pyright read this file, both strict.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

import msgspec

from gateway_stream import (
    Batch,
    BlockEnd,
    BlockStart,
    Client,
    Event,
    EventStream,
    Failure,
    GatewayError,
    Media,
    Message,
    Notice,
    Opaque,
    PartialTurn,
    ReasoningDelta,
    RefusalDelta,
    Request,
    Reset,
    Source,
    Start,
    Stop,
    TextDelta,
    TextPart,
    Timings,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResultPart,
    Turn,
    Usage,
    decode_event,
    fold,
)


class Answer(msgspec.Struct):
    """What is asked for."""

    colour: str


def weather(city: str) -> str:
    """The weather in a city."""
    return city


async def streams(client: Client) -> None:
    """Every way to read an answer."""
    async with client.stream(
        "model", "hi", max_tokens=5, tools=[weather], reasoning="high"
    ) as stream:
        assert_type(stream, EventStream)
        async for event in stream:
            assert_type(describe(event), str)
        async for text in stream.text():
            assert_type(text, str)
        assert_type(stream.text(), AsyncIterator[str])
        async for batch in stream.batches(frames=True):
            assert_type(batch, Batch)
        turn = await stream.turn()
        assert_type(turn, Turn)
        assert_type(stream.partial, PartialTurn)
        assert_type(stream.timings, Timings)
    assert_type(turn.parse(Answer), Answer)
    assert_type(turn.parse(list[int]), list[int])
    assert_type(turn.usage, Usage)
    assert_type(turn.stop, Stop)
    assert_type(turn.tool_calls, tuple[ToolCall, ...])
    for call in turn.tool_calls:
        assert_type(call.arguments, dict[str, Any])
    again = await client.complete("model", ["hi", turn, Message("user", "and then?")], stop="END")
    assert_type(again, Turn)
    request = Request(model="model", messages=(Message("user", (TextPart("hi"),)), turn))
    assert_type(await client.complete(request), Turn)


async def options(client: Client) -> None:
    """Short and long forms are both typed."""
    tool = Tool.from_function(weather)
    result = ToolResultPart(call_id="call_0", content="sunny")
    await client.complete(
        "model", Message("user", (result,)), tools=[tool, weather], tool_choice="auto"
    )
    await client.complete("model", "hi", tool_choice=ToolChoice("tool", "weather"), output=Answer)
    await client.complete("model", "hi", temperture=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.complete("model", "hi", max_tokens="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def errors(error: GatewayError) -> None:
    """An error tells what a failure tells."""
    assert_type(error.failure(), Failure)
    assert_type(error.partial, PartialTurn | None)
    assert_type(error.retry_after, float | None)
    assert_type(fold([decode_event(b"{}")]), Turn | PartialTurn)


def describe(event: Event) -> str:  # noqa: C901, PLR0911  one case for each event is the point
    """The union of events is closed: a checker knows that no case is left."""
    match event:
        case Start():
            return event.id or ""
        case BlockStart():
            return event.kind
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return event.text
        case ToolCallDelta():
            return event.arguments
        case Media() | Source():
            return event.url or ""
        case BlockEnd():
            assert_type(event.opaque, Opaque | None)
            return event.status
        case Usage():
            return str(event.input)
        case Stop():
            return event.reason
        case Failure():
            return event.kind
        case Reset():
            return event.reason
        case Notice():
            return event.code
