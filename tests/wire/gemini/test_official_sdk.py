"""The vendor's own SDK reads what is written here, and knows the types of what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Media,
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
    OpaquePart,
    OutputSchema,
    Reasoning,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    parts_of,
)
from gateway_stream.testing import FakeGateway, Reply
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import encode_answer, encode_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType

# The SDK derives a class of its own from aiohttp's session, which aiohttp does not like.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)

FAMILY = FAMILIES["gemini"]
SIGNED = Opaque("gemini", "google", '{"thoughtSignature":"c2ln"}')
CODE = Opaque(
    "gemini", "google", '{"executableCode": {"language": "PYTHON",\n "code": "print(1)"}}'
)
ANSWER: list[Event] = [
    Start("answer-1", "gemini"),
    Usage(input=12, cache_read=2),
    *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm, "), ReasoningDelta(0, "stars.")),
    BlockEnd(0),
    *(BlockStart(1, "text"), TextDelta(1, "I "), TextDelta(1, "look 🎈.\u2028"), BlockEnd(1)),
    *(BlockStart(2, "server_tool", None, "executableCode"), BlockEnd(2, opaque=CODE)),
    *(BlockStart(3, "media"), Media(3, "image/png", "aGk="), BlockEnd(3)),
    *(BlockStart(4, "tool_call", "call-1", "look"), ToolCallDelta(4, '{"at": ')),
    *(ToolCallDelta(4, '"stars"}'), BlockEnd(4, opaque=SIGNED)),
    *(BlockStart(5, "tool_call", "call-2", "rest"), BlockEnd(5)),
    Usage(input=12, output=34, cache_read=2, reasoning=5),
    Stop("tool_use"),
]
MODEL = "gemini"


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import google.genai

    return google.genai


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
async def vendor(sdk: ModuleType, gateway: FakeGateway) -> AsyncIterator[Any]:
    """The client of the SDK, which sends nothing again unless it is told to."""
    options = {"base_url": f"{gateway.url}/ai-gateway/gemini", "api_version": "v1beta"}
    client = sdk.Client(api_key="test", enterprise=False, http_options=options)
    async with client.aio as vendor:
        yield vendor
    client.close()


def hold(parts: list[Any], last: Any) -> None:
    thoughts = "".join(part.text for part in parts if part.text and part.thought)
    said = "".join(part.text for part in parts if part.text and not part.thought)
    assert (thoughts, said) == ("Hm, stars.", "I look 🎈.\u2028")
    code, drawn, look, rest = (part for part in parts if part.text is None)
    assert code.executable_code.code == "print(1)"
    assert (drawn.inline_data.mime_type, drawn.inline_data.data) == ("image/png", b"hi")
    call = look.function_call
    assert (call.id, call.name, call.args) == ("call-1", "look", {"at": "stars"})
    assert look.thought_signature == b"sig"
    assert (rest.function_call.id, rest.function_call.args) == ("call-2", {})
    assert last.candidates[0].finish_reason == "STOP"
    assert (last.response_id, last.model_version) == ("answer-1", "gemini")
    usage = last.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (12, 2)
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (29, 5)
    assert usage.total_token_count == 46


async def test_it_reads_a_stream(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)))
    stream = await vendor.models.generate_content_stream(model=MODEL, contents="hello")
    chunks = [chunk async for chunk in stream]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    hold([part for part in parts if part.text != ""], chunks[-1])


async def test_it_reads_a_whole_answer(vendor: Any, gateway: FakeGateway) -> None:
    answer = fold(ANSWER)
    assert isinstance(answer, Turn)
    gateway.add(Reply.recorded(encode_answer(FAMILY, answer)))
    response = await vendor.models.generate_content(model=MODEL, contents="hello")
    hold(response.candidates[0].content.parts, response)
    assert [call.name for call in response.function_calls] == ["look", "rest"]


async def test_its_chat_sends_back_what_it_was_given_and_that_is_read(
    vendor: Any, gateway: FakeGateway
) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)), Reply.scripted(text="Well."))
    chat = vendor.chats.create(model=MODEL)
    async for _ in await chat.send_message_stream("hello"):
        pass
    await chat.send_message("And?")
    body = gateway.requests[-1].body
    asked = FAMILY.decode_request(body, model=MODEL, stream=False)
    first, *answers, last = asked.messages
    assert (first, last) == (Message("user", "hello"), Message("user", "And?"))
    parts = [part for answer in answers for part in parts_of(answer)]
    look, rest = (part for part in parts if isinstance(part, ToolCallPart))
    assert (look.id, look.arguments, look.opaque) == ("call-1", '{"at":"stars"}', SIGNED)
    assert (rest.id, rest.arguments, rest.opaque) == ("call-2", "{}", None)
    written = FAMILY.encode_request(asked, "google").body["contents"]
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    assert code in written[1]["parts"]


async def test_a_failure_within_a_stream_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="overloaded", message="Too many.")
    gateway.add(Reply.recorded(encode_stream(FAMILY, [*ANSWER[:-1], failure])))
    with pytest.raises(sdk.errors.ServerError, match=r"503 UNAVAILABLE.*Too many"):
        async for _ in await vendor.models.generate_content_stream(model=MODEL, contents="hello"):
            pass


async def test_a_failure_in_place_of_an_answer_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="rate_limited", message="Slowly.")
    gateway.add(Reply.error(429, encode_answer(FAMILY, failure)))
    with pytest.raises(sdk.errors.ClientError) as caught:
        await vendor.models.generate_content(model=MODEL, contents="hello")
    error = caught.value
    assert (error.code, error.status, error.message) == (429, "RESOURCE_EXHAUSTED", "Slowly.")


@pytest.mark.parametrize("stream", [True, False])
async def test_it_reads_the_scripted_answers_of_the_fake_gateway(
    vendor: Any, gateway: FakeGateway, stream: bool
) -> None:
    gateway.add(Reply.scripted(reasoning="Hm.", text="Blue sky.", usage=Usage(input=4, output=9)))
    asked = {"model": MODEL, "contents": "hello"}
    if stream:
        chunks = [chunk async for chunk in await vendor.models.generate_content_stream(**asked)]
    else:
        chunks = [await vendor.models.generate_content(**asked)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts if part.text]
    assert "".join(part.text for part in parts if not part.thought) == "Blue sky."
    assert "".join(part.text for part in parts if part.thought) == "Hm."
    assert chunks[-1].usage_metadata.prompt_token_count == 4
    assert chunks[-1].candidates[0].finish_reason == "STOP"


HELLO = Message("user", "hello")
LOOK = Tool(name="look", description="Looks.", parameters={"properties": {"at": {}}})
ASKED = [
    Request(model=MODEL, messages=(HELLO,)),
    Request(
        model=MODEL,
        system=(TextPart("Be brief."), TextPart("Be kind.")),
        messages=(
            Message(
                "user",
                (
                    TextPart("What is it?"),
                    ImagePart(media_type="image/png", data="aGk="),
                    ImagePart(media_type="image/png", url="https://example.com/sky.png"),
                    DocumentPart(data="aGk="),
                    DocumentPart(media_type="text/plain", url="https://example.com/sky.txt"),
                ),
            ),
            Message(
                "assistant",
                (
                    ReasoningPart(text="Hm.", opaque=SIGNED),
                    TextPart("I look.", opaque=SIGNED),
                    OpaquePart(opaque=CODE),
                    ToolCallPart(id="c", name="look", arguments='{"at":"stars"}', opaque=SIGNED),
                ),
            ),
            Message(
                "user",
                (
                    ToolResultPart(
                        call_id="c",
                        content=(TextPart("Dark."), ImagePart(media_type="image/png", data="aGk=")),
                        is_error=True,
                    ),
                ),
            ),
        ),
        tools=(LOOK, Tool(name="rest")),
        tool_choice=ToolChoice("tool", "look"),
        max_tokens=5000,
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        seed=7,
        reasoning=Reasoning(budget=2000),
        output=OutputSchema(schema={"type": "object"}),
    ),
    Request(
        model=MODEL,
        messages=(HELLO,),
        tools=(LOOK,),
        tool_choice=ToolChoice("required"),
        reasoning=Reasoning(effort="high"),
    ),
    Request(model=MODEL, messages=(HELLO,), reasoning=Reasoning(effort="none")),
]


def check_types(types: Any, body: dict[str, Any]) -> None:
    """Every member of a body against its type; the types are closed.

    Raises:
        ValueError: a member has no type, or another.
    """
    from pydantic import TypeAdapter

    known = {
        "contents": list[types.Content],
        "systemInstruction": types.Content,
        "tools": list[types.Tool],
        "toolConfig": types.ToolConfig,
        "generationConfig": types.GenerationConfig,
    }
    if unknown := body.keys() - known.keys():
        raise ValueError(unknown)
    for name, value in body.items():
        TypeAdapter(known[name]).validate_python(value)


@pytest.mark.parametrize("request_", ASKED, ids=range(len(ASKED)))
def test_its_types_take_what_is_asked(sdk: ModuleType, request_: Request) -> None:
    check_types(sdk.types, FAMILY.encode_request(request_, "google").body)


@pytest.mark.parametrize(
    "extra",
    [
        {"maxTokens": 7},
        {"generationConfig": {"maxTokens": 7}},
        {"contents": [{"role": "user", "parts": [{"texts": "hello"}]}]},
        {"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": 7}}},
    ],
)
def test_its_types_refuse_what_is_wrong(sdk: ModuleType, extra: dict[str, Any]) -> None:
    wrong = Request(model=MODEL, messages=(HELLO,), extra=extra)
    with pytest.raises(ValueError, match=r"maxTokens|texts|allowedFunctionNames"):
        check_types(sdk.types, FAMILY.encode_request(wrong, "google").body)
