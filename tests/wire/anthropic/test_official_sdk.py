"""The vendor's own SDK reads what is written here, and knows the types of what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Opaque,
    ReasoningDelta,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OutputSchema,
    Reasoning,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.testing import FakeGateway, Reply
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import encode_answer, encode_stream
from tests.support.parameter_types import misfits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType

FAMILY = FAMILIES["anthropic"]
SIGNED = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"c2ln"}')
ANSWER: list[Event] = [
    Start("msg_1", "claude"),
    Usage(input=12, output=1, cache_read=2, cache_write=3),
    *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm, "), ReasoningDelta(0, "stars.")),
    BlockEnd(0, opaque=SIGNED),
    *(BlockStart(1, "text"), TextDelta(1, "I "), TextDelta(1, "look 🎈."), BlockEnd(1)),
    *(BlockStart(2, "tool_call", "toolu_1", "look"), ToolCallDelta(2, '{"at": ')),
    *(ToolCallDelta(2, '"stars"}'), BlockEnd(2)),
    *(BlockStart(3, "tool_call", "toolu_2", "rest"), BlockEnd(3)),
    Usage(input=12, output=34, cache_read=2, cache_write=3, reasoning=5),
    Stop("tool_use"),
]
QUESTION: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import anthropic

    return anthropic


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
async def vendor(sdk: ModuleType, gateway: FakeGateway) -> AsyncIterator[Any]:
    base = f"{gateway.url}/ai-gateway/anthropic"
    async with sdk.AsyncAnthropic(base_url=base, api_key="test", max_retries=0) as vendor:
        yield vendor


def hold(message: Any) -> None:
    thinking, text, look, rest = message.content
    assert (thinking.thinking, thinking.signature) == ("Hm, stars.", "c2ln")
    assert text.text == "I look 🎈."
    assert (look.id, look.name, look.input) == ("toolu_1", "look", {"at": "stars"})
    assert (rest.id, rest.name, rest.input) == ("toolu_2", "rest", {})
    assert message.stop_reason == "tool_use"
    assert (message.id, message.model, message.role) == ("msg_1", "claude", "assistant")
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens) == (7, 34)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (2, 3)


async def test_it_accumulates_a_stream(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)))
    async with vendor.messages.stream(**QUESTION) as stream:
        said = [text async for text in stream.text_stream]
        hold(await stream.get_final_message())
    assert said == ["I ", "look 🎈."]


async def test_it_reads_a_whole_message(vendor: Any, gateway: FakeGateway) -> None:
    answer = fold(ANSWER)
    assert isinstance(answer, Turn)
    gateway.add(Reply.recorded(encode_answer(FAMILY, answer)))
    hold(await vendor.messages.create(**QUESTION))


async def test_a_failure_within_a_stream_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="overloaded", message="Too many.")
    gateway.add(Reply.recorded(encode_stream(FAMILY, [*ANSWER[:-1], failure])))
    with pytest.raises(sdk.APIStatusError, match="Too many"):
        async with vendor.messages.stream(**QUESTION) as stream:
            await stream.get_final_message()


async def test_a_failure_in_place_of_an_answer_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="rate_limited", message="Slowly.")
    gateway.add(Reply.error(429, encode_answer(FAMILY, failure)))
    with pytest.raises(sdk.RateLimitError) as caught:
        await vendor.messages.create(**QUESTION)
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Slowly."},
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_it_reads_the_scripted_answers_of_the_fake_gateway(
    vendor: Any, gateway: FakeGateway, stream: bool
) -> None:
    gateway.add(Reply.scripted(reasoning="Hm.", text="Blue sky.", usage=Usage(input=4, output=9)))
    if stream:
        async with vendor.messages.stream(**QUESTION) as answer:
            message = await answer.get_final_message()
    else:
        message = await vendor.messages.create(**QUESTION)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[1].text == "Blue sky."
    assert (message.usage.input_tokens, message.usage.output_tokens) == (4, 9)
    assert message.stop_reason == "end_turn"


LEFT_OUT = ("temperature", "top_p")
"""What the SDK's types have no more since its second version: newer models take no sampling."""

LOOK = Tool(name="look", description="Looks.", parameters={"properties": {"at": {}}}, cache="1h")
ASKED = [
    Request(model="claude", messages=(Message("user", "hello"),)),
    Request(
        model="claude",
        system=(TextPart("Be brief.", cache="5m"),),
        messages=(
            Message(
                "user",
                (
                    TextPart("What is it?"),
                    ImagePart(media_type="image/png", data="aGk="),
                    ImagePart(url="https://example.com/sky.png"),
                    DocumentPart(data="aGk=", name="sky.pdf"),
                    DocumentPart(media_type="text/plain", data="aGk="),
                    DocumentPart(url="https://example.com/sky.pdf", cache="1h"),
                ),
            ),
            Message(
                "assistant",
                (
                    ReasoningPart(text="Hm.", opaque=SIGNED),
                    TextPart("I look."),
                    ToolCallPart(id="toolu_1", name="look", arguments='{"at":"stars"}'),
                ),
            ),
            Message(
                "user",
                (
                    ToolResultPart(
                        call_id="toolu_1",
                        content=(TextPart("Dark."), ImagePart(media_type="image/png", data="aGk=")),
                        is_error=True,
                    ),
                ),
            ),
        ),
        tools=(LOOK, Tool(name="rest", strict=True)),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
        max_tokens=5000,
        stop=("END",),
        reasoning=Reasoning(budget=2000),
        output=OutputSchema(schema={"type": "object"}),
        metadata={"user_id": "u"},
        stream=False,
    ),
    Request(
        model="claude",
        messages=(Message("user", "hello"),),
        tools=(LOOK,),
        tool_choice=ToolChoice("tool", "look"),
        temperature=0.5,
        top_p=0.9,
        reasoning=Reasoning(effort="high"),
    ),
    Request(
        model="claude", messages=(Message("user", "hello"),), reasoning=Reasoning(effort="none")
    ),
]


@pytest.mark.parametrize("request_", ASKED, ids=range(len(ASKED)))
def test_its_parameter_types_take_what_is_asked(sdk: ModuleType, request_: Request) -> None:
    body = FAMILY.encode_request(request_, "anthropic").body
    for name in LEFT_OUT:
        body.pop(name, None)
    assert misfits(body, sdk.types.MessageCreateParams) == []


def test_its_parameter_types_refuse_what_is_wrong(sdk: ModuleType) -> None:
    body = FAMILY.encode_request(ASKED[1], "anthropic").body
    body["messages"][0]["content"][0]["texts"] = "no such member"
    body["max_token"] = 7
    body["messages"][2]["content"] = 7
    assert sorted(misfits(body, sdk.types.MessageCreateParams)) == [
        "$.messages[0].content[0]: texts is unknown",
        "$.messages[2].content: 7 is no <class 'str'>",
        "$: max_token is unknown",
    ]
