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
    RefusalDelta,
    Source,
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

FAMILY = FAMILIES["openai_chat"]
ANSWER: list[Event] = [
    Start("chat_1", "gpt"),
    *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm, "), ReasoningDelta(0, "stars.")),
    BlockEnd(0),
    *(BlockStart(1, "text"), TextDelta(1, "I "), TextDelta(1, "look 🎈.")),
    *(Source(1, "https://example.com/sky", "Sky", (2, 6)), BlockEnd(1)),
    *(BlockStart(2, "tool_call", "call_1", "look"), ToolCallDelta(2, '{"at": ')),
    *(ToolCallDelta(2, '"stars"}'), BlockEnd(2)),
    *(BlockStart(3, "tool_call", "call_2", "rest"), BlockEnd(3)),
    Usage(input=12, output=34, cache_read=2, reasoning=5),
    Stop("tool_use"),
]
REFUSED: list[Event] = [
    Start("chat_2", "gpt"),
    *(BlockStart(0, "refusal"), RefusalDelta(0, "I will "), RefusalDelta(0, "not.")),
    BlockEnd(0),
    Stop("end_turn"),
]
QUESTION: dict[str, Any] = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import openai

    return openai


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
async def vendor(sdk: ModuleType, gateway: FakeGateway) -> AsyncIterator[Any]:
    base = f"{gateway.url}/ai-gateway/mlflow/v1"
    async with sdk.AsyncOpenAI(base_url=base, api_key="test", max_retries=0) as vendor:
        yield vendor


def turn(events: list[Event]) -> Turn:
    answer = fold(events)
    assert isinstance(answer, Turn)
    return answer


def hold(completion: Any) -> None:
    """A completion, accumulated or whole, says all that `ANSWER` does."""
    (choice,) = completion.choices
    message = choice.message
    assert (message.role, message.content, message.refusal) == ("assistant", "I look 🎈.", None)
    assert message.reasoning_content == "Hm, stars."
    look, rest = message.tool_calls
    assert (look.type, look.id, look.function.name) == ("function", "call_1", "look")
    assert look.function.arguments == '{"at": "stars"}'
    assert (rest.id, rest.function.name, rest.function.arguments) == ("call_2", "rest", "{}")
    assert choice.finish_reason == "tool_calls"
    assert (completion.id, completion.model, completion.created) == ("chat_1", "gpt", 0)
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 34, 46)
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.completion_tokens_details.reasoning_tokens == 5


async def test_its_stream_gives_the_chunks(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)))
    said: list[str] = []
    reasoned: list[str] = []
    reasons: list[str] = []
    counted = []
    async for chunk in await vendor.chat.completions.create(**QUESTION, stream=True):
        assert chunk.object == "chat.completion.chunk"
        if chunk.usage:
            counted.append(chunk.usage.total_tokens)
        for choice in chunk.choices:
            said.append(choice.delta.content or "")
            reasoned.append(getattr(choice.delta, "reasoning_content", None) or "")
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert ("".join(said), "".join(reasoned)) == ("I look 🎈.", "Hm, stars.")
    assert (reasons, counted) == (["tool_calls"], [46])


async def test_it_accumulates_a_stream(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)))
    async with vendor.chat.completions.stream(**QUESTION) as stream:
        events = [event async for event in stream]
        hold(await stream.get_final_completion())
    pieces = [event.delta for event in events if event.type == "content.delta"]
    assert pieces == ["", "I ", "look 🎈."]  # the vendor's own streams begin with an empty one too
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.name for event in done] == ["look", "rest"]


async def test_it_reads_a_whole_answer_in_the_types_that_it_declares(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    body = encode_answer(FAMILY, turn(ANSWER))
    gateway.add(Reply.recorded(body))
    completion = await vendor.chat.completions.create(**QUESTION)
    hold(completion)
    (annotation,) = completion.choices[0].message.annotations
    cited = annotation.url_citation
    assert (cited.url, cited.title) == ("https://example.com/sky", "Sky")
    assert (cited.start_index, cited.end_index) == (2, 6)
    sdk.types.chat.ChatCompletion.model_validate_json(body, strict=True)


async def test_its_chunks_are_of_the_type_that_it_declares(sdk: ModuleType) -> None:
    chunk = sdk.types.chat.ChatCompletionChunk
    for events in (ANSWER, REFUSED):
        *frames, last, nothing = encode_stream(FAMILY, events).split(b"\n\n")
        assert (last, nothing) == (b"data: [DONE]", b"")
        for frame in frames:
            chunk.model_validate_json(frame.removeprefix(b"data: "), strict=True)


async def test_it_reads_a_refusal(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, REFUSED)))
    async with vendor.chat.completions.stream(**QUESTION) as stream:
        completion = await stream.get_final_completion()
    message = completion.choices[0].message
    assert (message.refusal, message.content or None) == ("I will not.", None)
    gateway.add(Reply.recorded(encode_answer(FAMILY, turn(REFUSED))))
    completion = await vendor.chat.completions.create(**QUESTION)
    assert completion.choices[0].message.refusal == "I will not."


async def test_a_failure_within_a_stream_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="overloaded", message="Too many.")
    gateway.add(Reply.recorded(encode_stream(FAMILY, [*ANSWER[:-1], failure])))
    with pytest.raises(sdk.APIError, match="Too many") as caught:
        async for _ in await vendor.chat.completions.create(**QUESTION, stream=True):
            pass
    assert (caught.value.type, caught.value.code) == ("service_unavailable_error", "overloaded")


async def test_a_failure_in_place_of_an_answer_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="rate_limited", message="Slowly.")
    gateway.add(Reply.error(429, encode_answer(FAMILY, failure)))
    with pytest.raises(sdk.RateLimitError) as caught:
        await vendor.chat.completions.create(**QUESTION)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_it_reads_the_scripted_answers_of_the_fake_gateway(
    vendor: Any, gateway: FakeGateway, stream: bool
) -> None:
    gateway.add(Reply.scripted(reasoning="Hm.", text="Blue sky.", usage=Usage(input=4, output=9)))
    if stream:
        asked = {**QUESTION, "stream_options": {"include_usage": True}}
        async with vendor.chat.completions.stream(**asked) as answer:
            completion = await answer.get_final_completion()
    else:
        completion = await vendor.chat.completions.create(**QUESTION)
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Blue sky.", "stop")
    assert choice.message.reasoning_content == "Hm."
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (4, 9)


PLAIN = Opaque("openai_chat", "reasoning_content", '{"reasoning_content":""}')
LOOK = Tool(name="look", description="Looks.", parameters={"properties": {"at": {}}})
HELLO = (Message("user", "hello"),)
ASKED = [
    Request(model="gpt", messages=HELLO),
    Request(
        model="gpt",
        system=(TextPart("Be brief."), TextPart("Be kind.")),
        messages=(
            Message(
                "user",
                (
                    TextPart("What is it?"),
                    ImagePart(media_type="image/png", data="aGk="),
                    ImagePart(url="https://example.com/sky.png"),
                    DocumentPart(data="aGk=", name="sky.pdf"),
                ),
            ),
            Message(
                "assistant",
                (
                    TextPart("I look."),
                    ToolCallPart(id="call_1", name="look", arguments='{"at":"stars"}'),
                ),
            ),
            Message(
                "user",
                (
                    ToolResultPart(
                        call_id="call_1",
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
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        seed=7,
        reasoning=Reasoning(effort="high"),
        output=OutputSchema(schema={"type": "object"}),
        metadata={"team": "sky"},
        stream=False,
    ),
    Request(model="gpt", messages=HELLO, tools=(LOOK,), tool_choice=ToolChoice("tool", "look")),
]


@pytest.mark.parametrize("request_", ASKED, ids=range(len(ASKED)))
def test_its_parameter_types_take_what_is_asked(sdk: ModuleType, request_: Request) -> None:
    body = FAMILY.encode_request(request_, "openai").body
    types = sdk.types.chat.completion_create_params
    kind = (
        types.CompletionCreateParamsStreaming
        if request_.stream
        else types.CompletionCreateParamsNonStreaming
    )
    assert misfits(body, kind) == []


def test_its_parameter_types_refuse_what_is_wrong(sdk: ModuleType) -> None:
    body = FAMILY.encode_request(ASKED[1], "openai").body
    body["messages"][1]["content"][0]["texts"] = "no such member"
    body["max_token"] = 7
    types = sdk.types.chat.completion_create_params
    found = misfits(body, types.CompletionCreateParamsNonStreaming)
    assert sorted(found) == [
        "$.messages[1].content[0]: texts is unknown",
        "$: max_token is unknown",
    ]


def test_other_vendors_members_are_all_that_its_types_do_not_know(sdk: ModuleType) -> None:
    spoken = (ReasoningPart(text="Hm.", opaque=PLAIN), TextPart("a"))
    request = Request(model="m", messages=(*HELLO, Message("assistant", spoken), *HELLO))
    body = FAMILY.encode_request(request, None).body
    types = sdk.types.chat.completion_create_params
    assert misfits(body, types.CompletionCreateParamsStreaming) == [
        "$.messages[1]: reasoning_content is unknown"
    ]
