"""One client, four families, the same events; every way to read them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from gateway_stream import (
    AuthError,
    Client,
    ConfigError,
    Event,
    GatewayError,
    Message,
    ModelNotFound,
    Overloaded,
    RateLimited,
    Request,
    Start,
    Stop,
    StreamFailed,
    StreamTruncated,
    TextDelta,
    ToolCallDelta,
    Turn,
    Usage,
)
from gateway_stream.testing import FakeGateway, FamilyName, Fault, Reply, ScriptedCall
from gateway_stream.wire.family import check_grammar

if TYPE_CHECKING:
    from collections.abc import Iterable

MODELS: dict[FamilyName, str] = {
    "openai_chat": "databricks-meta-llama-3-3-70b-instruct",
    "openai_responses": "databricks-gpt-5-4",
    "anthropic": "system.ai.claude-sonnet-4-6",
    "gemini": "databricks-gemini-3-flash",
}
EACH_FAMILY = pytest.mark.parametrize("family", MODELS)
ANSWER = Reply.scripted(
    text=["Because ", "of ", "the ", "air."],
    reasoning="Rayleigh.",
    tool_calls=[ScriptedCall("measure", {"what": "air"})],
    usage=Usage(input=11, output=7),
)


async def read(client: Client, model: str, **options: bool) -> list[Event]:
    async with client.stream(model, "why?", **options) as stream:  # type: ignore[arg-type]
        return [event async for event in stream]


def shape(events: Iterable[Event]) -> list[str]:
    """The kinds of the events, runs of one kind as one."""
    kinds: list[str] = []
    for event in events:
        name = type(event).__name__
        if not kinds or kinds[-1] != name:
            kinds.append(name)
    return kinds


@EACH_FAMILY
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "unary"])
async def test_a_family_speaks_through_the_client(
    client: Client, fake_gateway: FakeGateway, family: FamilyName, stream: bool
) -> None:
    fake_gateway.default = ANSWER
    events = await read(client, MODELS[family], stream=stream)
    check_grammar(events)
    (received,) = fake_gateway.requests
    assert received.family == family
    assert received.model == MODELS[family]
    assert received.stream is stream
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], Stop)
    assert events[-1].reason == "tool_use"
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    arguments = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    assert text == "Because of the air."
    assert arguments == '{"what":"air"}'


@EACH_FAMILY
async def test_streamed_and_unary_answers_are_the_same_turn(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.default = ANSWER
    streamed = await client.complete(MODELS[family], "why?")
    unary = await client.complete(MODELS[family], "why?", stream=False)
    for turn in (streamed, unary):
        assert turn.text == "Because of the air."
        assert turn.reasoning == "Rayleigh."
        assert [(call.name, call.arguments) for call in turn.tool_calls] == [
            ("measure", {"what": "air"})
        ]
        assert (turn.usage.input, turn.usage.output) == (11, 7)
        assert turn.stop.reason == "tool_use"
    assert [block.kind for block in streamed.blocks] == [block.kind for block in unary.blocks]


async def test_text_alone_can_be_read_and_the_turn_is_there_after(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODELS["anthropic"], "why?") as stream:
        pieces = [text async for text in stream.text()]
        turn = await stream.turn()
    assert pieces == ["Because ", "of ", "the ", "air."]
    assert turn.text == "".join(pieces)


async def test_batches_hold_every_event_once_and_frames_when_asked(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    events = await read(client, MODELS["anthropic"])
    async with client.stream(MODELS["anthropic"], "why?") as stream:
        batches = [batch async for batch in stream.batches(frames=True)]
    assert shape(event for batch in batches for event in batch.events) == shape(events)
    frames = [frame for batch in batches for frame in batch.frames]
    assert frames[0].event == "message_start"
    assert frames[-1].event == "message_stop"
    times = [batch.read_at for batch in batches]
    assert times == sorted(times)
    assert times[0] > 0


async def test_a_stream_can_be_read_without_entering_it(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    events = [event async for event in client.stream(MODELS["gemini"], "why?")]
    assert isinstance(events[-1], Stop)


async def test_nothing_is_sent_before_the_stream_is_entered(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    stream = client.stream(MODELS["anthropic"], "why?")
    assert fake_gateway.requests == []
    async with stream:
        assert len(fake_gateway.requests) == 1


async def test_a_closed_stream_gives_no_turn(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODELS["anthropic"], "why?") as stream:
        async for _ in stream.text():
            break
    assert [event async for event in stream] == []
    with pytest.raises(StreamTruncated) as caught:
        await stream.turn()
    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("Because ")


@EACH_FAMILY
@pytest.mark.parametrize("cut", ["clean", "close", "reset"])
async def test_a_cut_answer_is_an_error_with_what_came(
    client: Client, fake_gateway: FakeGateway, family: FamilyName, cut: str
) -> None:
    whole = await _body(client, fake_gateway, family)
    fault = Fault(cut_after=whole // 2, cut=cut)  # type: ignore[arg-type]
    fake_gateway.default = ANSWER.with_fault(fault)
    async with client.stream(MODELS[family], "why?") as stream:
        with pytest.raises(StreamTruncated) as caught:
            await stream.turn()
    assert caught.value.partial is not None
    assert caught.value.partial.reasoning
    assert not any(call.runnable for call in caught.value.partial.tool_calls)
    assert caught.value.retryable
    assert (caught.value.code == "connection_lost") is (cut != "clean")
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)


async def _body(client: Client, fake_gateway: FakeGateway, family: FamilyName) -> int:
    """How long the family's answer is."""
    fake_gateway.default = ANSWER
    before = fake_gateway.bytes_written
    await client.complete(MODELS[family], "why?")
    return fake_gateway.bytes_written - before


@EACH_FAMILY
async def test_an_error_inside_a_stream_is_raised_with_what_came(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(error_after=7))
    seen: list[Event] = []

    async def read() -> None:
        async with client.stream(MODELS[family], "why?") as stream:
            async for event in stream:
                seen.append(event)  # noqa: PERF401  what came before the error counts

    with pytest.raises((StreamFailed, Overloaded)) as caught:
        await read()
    assert caught.value.partial is not None
    assert caught.value.delivered
    assert any(not isinstance(event, Start) for event in seen)


async def test_batches_give_a_failure_as_data(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(error_after=7))
    async with client.stream(MODELS["anthropic"], "why?") as stream:
        events = [event async for batch in stream.batches() for event in batch.events]
    assert type(events[-1]).__name__ == "Failure"


async def test_a_stream_that_failed_tells_its_failure_after_it_is_closed_too(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(error_after=7))
    async with client.stream(MODELS["anthropic"], "why?") as stream:
        with pytest.raises(Overloaded):
            await stream.turn()
    with pytest.raises(Overloaded):
        await stream.turn()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (
            Reply.error(429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}),
            RateLimited,
        ),
        (
            Reply.error(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}),
            Overloaded,
        ),
        (
            Reply.error(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}),
            ModelNotFound,
        ),
        (Reply.error(303, b"", headers={"Location": "/login"}), AuthError),
        (
            Reply.recorded(b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html"),
            AuthError,
        ),
    ],
    ids=["429", "503", "404", "redirect to a login", "login page under 200"],
)
async def test_a_refusal_is_a_typed_error_of_one_line(
    client: Client, fake_gateway: FakeGateway, reply: Reply, error: type[GatewayError]
) -> None:
    fake_gateway.default = reply
    with pytest.raises(error) as caught:
        await client.complete(MODELS["anthropic"], "why?")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert "dapi-test" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply.error(303, b"", headers={"Location": "/login"}),
        Reply.error(
            303, b"", headers={"Location": "https://accounts.cloud.databricks.com/login?x"}
        ),
        Reply.recorded(b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html"),
    ],
    ids=["a login", "an account's login", "a login page under 200"],
)
async def test_a_login_in_place_of_an_answer_tells_that_the_workspace_may_be_missing(
    client: Client, fake_gateway: FakeGateway, reply: Reply
) -> None:
    fake_gateway.default = reply
    with pytest.raises(AuthError) as caught:
        await client.complete(MODELS["anthropic"], "why?")
    assert "?o=<workspace id>" in (caught.value.hint or "")
    assert "credentials are for that workspace" in (caught.value.hint or "")


async def test_a_retry_after_reaches_the_caller(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = Reply.error(
        429, {"error_code": "REQUEST_LIMIT_EXCEEDED"}, headers={"Retry-After": "7"}
    )
    with pytest.raises(RateLimited) as caught:
        await client.complete(MODELS["anthropic"], "why?")
    assert caught.value.retry_after == 7
    assert caught.value.request_id == "fake-1"


async def test_the_request_id_is_in_the_start(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER
    turn = await client.complete(MODELS["anthropic"], "why?")
    assert turn.request_id == "fake-1"


async def test_the_family_can_be_named_for_a_call_and_for_a_client(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    await client.complete("main.llm.fast", "why?", family="gemini")
    async with Client(host=fake_gateway.url, family="anthropic") as other:
        await other.complete("main.llm.fast", "why?")
        await other.complete("main.llm.fast", "why?", family="openai_chat")
    assert [received.family for received in fake_gateway.requests] == [
        "gemini",
        "anthropic",
        "openai_chat",
    ]
    with pytest.raises(ConfigError, match="no wire family 'antropic'"):
        client.stream("m", "why?", family="antropic")


async def test_what_the_family_cannot_carry_is_told_before_the_answer(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODELS["anthropic"], "why?", seed=7) as stream:
        events = [event async for event in stream]
    assert [type(event).__name__ for event in events[:2]] == ["Notice", "Start"]
    check_grammar(events)
    turn = await stream.turn()
    assert [notice.code for notice in turn.notices] == ["dropped_part"]


async def test_a_turn_goes_back_into_the_next_request(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    turn = await client.complete(MODELS["anthropic"], "why?")
    await client.complete(MODELS["anthropic"], ["why?", turn, "and then?"])
    sent = fake_gateway.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent[1]["content"]] == ["thinking", "text", "tool_use"]
    assert sent[1]["content"][0]["signature"] == "c2NyaXB0ZWQgc2lnbmF0dXJl"


async def test_a_request_may_be_given_whole(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER
    request = Request(model=MODELS["anthropic"], messages=(Message("user", "why?"),), max_tokens=9)
    assert isinstance(await client.complete(request), Turn)
    assert fake_gateway.requests[0].body["max_tokens"] == 9
    with pytest.raises(TypeError, match="already holds"):
        client.stream(request, max_tokens=3)


async def test_the_times_of_an_answer_add_up(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = dataclasses.replace(ANSWER, pace=0.002)
    turn = await client.complete(MODELS["anthropic"], "why?")
    times = turn.timings
    assert times is not None
    assert times.first_byte is not None
    assert times.first_content is not None
    assert times.last is not None
    assert 0 <= times.queued < times.first_byte <= times.first_content < times.last
    assert 0 < times.connect <= times.first_byte
    assert 0 < times.longest_gap <= times.last - times.first_byte
    assert times.reads > 3
    again = (await client.complete(MODELS["anthropic"], "why?")).timings
    assert again is not None
    assert again.connect == 0


async def test_two_readers_of_one_stream_are_told_so(
    client: Client, fake_gateway: FakeGateway
) -> None:
    import anyio

    fake_gateway.default = ANSWER.with_fault(Fault(stall_after=0))
    async with (
        client.stream(MODELS["anthropic"], "why?") as stream,
        anyio.create_task_group() as tasks,
    ):

        async def wait() -> None:
            async for _ in stream:
                pass

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="being read by another task"):
            await stream.turn()
        tasks.cancel_scope.cancel()
