"""The vendor's own SDK reads what is written here, and knows the types of what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing import FakeGateway, Reply
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.encoder import encode_answer, encode_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import ModuleType

from tests.wire.openai_responses.written import FAMILY, OWN, OWN_ITEMS

ANSWER: list[Event] = [
    Start("resp_1", "gpt"),
    *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm, "), ReasoningDelta(0, "stars.")),
    BlockEnd(0),
    *(BlockStart(1, "text"), TextDelta(1, "I "), TextDelta(1, "look 🎈."), BlockEnd(1)),
    *(BlockStart(2, "refusal"), RefusalDelta(2, "Not "), RefusalDelta(2, "there."), BlockEnd(2)),
    *(BlockStart(3, "tool_call", "c1", "look"), ToolCallDelta(3, '{"at": ')),
    *(ToolCallDelta(3, '"stars"}'), BlockEnd(3)),
    *(BlockStart(4, "tool_call", "c2", "rest"), BlockEnd(4)),
    Usage(input=12, output=34, cache_read=2, cache_write=3, reasoning=5),
    Stop("tool_use"),
]
CUT: list[Event] = [
    *(Start("resp_1", "gpt"), BlockStart(0, "text"), TextDelta(0, "Once"), BlockEnd(0)),
    *(BlockStart(1, "tool_call", "c1", "look"), ToolCallDelta(1, '{"at": "st')),
    *(BlockEnd(1, "truncated"), Usage(input=1, output=2), Stop("max_tokens")),
]
QUESTION: dict[str, Any] = {"model": "gpt", "input": "hello"}


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
    base = f"{gateway.url}/ai-gateway/openai/v1"
    async with sdk.AsyncOpenAI(base_url=base, api_key="test", max_retries=0) as vendor:
        yield vendor


def hold(answer: Any) -> None:
    reasoning, text, refusal, look, rest = answer.output
    assert [part.text for part in reasoning.summary] == ["Hm, stars."]
    assert text.content[0].text == answer.output_text == "I look 🎈."
    assert refusal.content[0].refusal == "Not there."
    assert (look.call_id, look.name, look.arguments) == ("c1", "look", '{"at": "stars"}')
    assert (rest.call_id, rest.name, rest.arguments) == ("c2", "rest", "{}")
    assert (answer.id, answer.model, answer.status) == ("resp_1", "gpt", "completed")
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 34, 46)
    assert usage.input_tokens_details.cached_tokens == 2
    assert usage.input_tokens_details.cache_write_tokens == 3
    assert usage.output_tokens_details.reasoning_tokens == 5


def whole(events: Iterable[Event]) -> bytes:
    answer = fold(events)
    assert isinstance(answer, Turn)
    return encode_answer(FAMILY, answer)


async def test_it_accumulates_a_stream(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, ANSWER)))
    async with vendor.responses.stream(**QUESTION) as stream:
        events = [event async for event in stream]
        hold(await stream.get_final_response())
    told = {kind: [e for e in events if e.type == kind] for kind in {e.type for e in events}}
    texts = told["response.output_text.delta"]
    assert [(e.delta, e.snapshot) for e in texts] == [("I ", "I "), ("look 🎈.", "I look 🎈.")]
    arguments = told["response.function_call_arguments.delta"]
    assert [e.snapshot for e in arguments] == ['{"at": ', '{"at": "stars"}']
    thoughts = told["response.reasoning_summary_text.delta"]
    assert "".join(e.delta for e in thoughts) == "Hm, stars."


async def test_it_reads_a_whole_response(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(whole(ANSWER)))
    hold(await vendor.responses.create(**QUESTION))


async def test_an_answer_that_was_cut_is_incomplete_and_has_no_call_that_is_done(
    vendor: Any, gateway: FakeGateway
) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, CUT)))
    async with vendor.responses.stream(**QUESTION) as stream:
        events = [event async for event in stream]
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"
    finished = [e.item.type for e in events if e.type == "response.output_item.done"]
    assert finished == ["message"]


async def test_items_of_its_own_come_out_as_they_went_in(vendor: Any, gateway: FakeGateway) -> None:
    gateway.add(Reply.recorded(encode_stream(FAMILY, OWN)))
    async with vendor.responses.stream(**QUESTION) as stream:
        async for event in stream:
            assert event.type
        answer = await stream.get_final_response()
    assert [without_nulls(item.to_dict()) for item in answer.output] == OWN_ITEMS


def without_nulls(tree: Any) -> Any:
    """A tree without the members that the SDK adds for what it parses when it is asked to."""
    if isinstance(tree, dict):
        return {name: without_nulls(value) for name, value in tree.items() if value is not None}
    return [without_nulls(one) for one in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("begun", [True, False])
async def test_a_failure_within_a_stream_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway, begun: bool
) -> None:
    failure = Failure(kind="overloaded", message="Too many.")
    events = [*ANSWER[:-1], failure] if begun else [failure]
    gateway.add(Reply.recorded(encode_stream(FAMILY, events), content_type="text/event-stream"))
    with pytest.raises(sdk.APIError, match="Too many") as caught:
        async with vendor.responses.stream(**QUESTION) as stream:
            await stream.get_final_response()
    assert caught.value.code == "slow_down"


async def test_a_failure_in_place_of_an_answer_is_its_error(
    sdk: ModuleType, vendor: Any, gateway: FakeGateway
) -> None:
    failure = Failure(kind="rate_limited", message="Slowly.")
    gateway.add(Reply.error(429, encode_answer(FAMILY, failure)))
    with pytest.raises(sdk.RateLimitError) as caught:
        await vendor.responses.create(**QUESTION)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_it_reads_the_scripted_answers_of_the_fake_gateway(
    vendor: Any, gateway: FakeGateway, stream: bool
) -> None:
    gateway.add(Reply.scripted(reasoning="Hm.", text="Blue sky.", usage=Usage(input=4, output=9)))
    if stream:
        async with vendor.responses.stream(**QUESTION) as answer:
            told = await answer.get_final_response()
    else:
        told = await vendor.responses.create(**QUESTION)
    assert [item.type for item in told.output] == ["reasoning", "message"]
    assert told.output_text == "Blue sky."
    assert (told.usage.input_tokens, told.usage.output_tokens) == (4, 9)
