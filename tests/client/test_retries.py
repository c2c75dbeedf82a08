"""What is sent again, what is not, and that nothing of an answer is given twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import (
    AccessDenied,
    AuthError,
    BadRequest,
    Client,
    ConfigError,
    Event,
    Failure,
    GatewayError,
    GatewayUnavailable,
    Limits,
    ModelNotFound,
    Notice,
    Overloaded,
    PartialTurn,
    RateLimited,
    Reset,
    Retry,
    Start,
    StreamTruncated,
    TextDelta,
    TimedOut,
    Timeouts,
    Turn,
    fold,
)
from gateway_stream.testing import FakeGateway, Fault, Received, Reply
from gateway_stream.wire.family import check_grammar
from tests.support.clock import HandClock, HastyClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.net.retry import RetryPolicy

MODELS = {
    "anthropic": "databricks-claude-sonnet-4-6",
    "openai_chat": "databricks-gpt-oss-20b",
    "openai_responses": "databricks-gpt-5",
    "gemini": "databricks-gemini-2-5-pro",
}
WORDS = [f"word-{number} " for number in range(20)]
TEXT = "".join(WORDS)
ANSWER = Reply.scripted(text=WORDS)
HTML = Reply.recorded(
    b"<html><head><title>502 Bad Gateway</title></head></html>", content_type="text/html"
)
EMPTY = Reply.recorded(b"", content_type="text/event-stream")

each_family = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def client(fake_gateway: FakeGateway, clock: HastyClock) -> AsyncIterator[Client]:
    async with Client(host=fake_gateway.url, token="dapi-x", clock=clock, retry=Retry()) as client:
        yield client


async def events_of(stream: Any) -> list[Event]:
    """All events, as batches give them."""
    with contextlib.suppress(GatewayError):
        return [event async for batch in stream.batches() for event in batch.events]
    return []


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Notice)]


# What begins well and is none.

BROKEN_BEGINNINGS = {
    "an error as the first event": ANSWER.with_fault(Fault(error_after=0)),
    "an immediate end": EMPTY,
    "a connection that breaks at once": ANSWER.with_fault(Fault(cut_after=1, cut="reset")),
    "an end after the beginning": ANSWER.with_fault(Fault(cut_after_text=0)),
    "a page": HTML,
    "a 503": Reply.error(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}),
    "a 500": Reply.error(500, b"oops"),
    "a 429": Reply.error(429, {"error_code": "REQUEST_LIMIT_EXCEEDED"}),
    "a 499": Reply.error(499, {"error_code": "CANCELLED", "message": "gave up"}),
    "no response": ANSWER.with_fault(Fault(no_response=True)),
}


@each_family
@pytest.mark.parametrize("beginning", BROKEN_BEGINNINGS.values(), ids=BROKEN_BEGINNINGS)
async def test_what_is_no_answer_is_asked_again_unseen_but_for_a_notice(
    client: Client, fake_gateway: FakeGateway, model: str, beginning: Reply
) -> None:
    fake_gateway.add(beginning)
    fake_gateway.default = ANSWER
    events = await events_of(client.stream(model, "why?"))
    check_grammar(events)
    assert codes(events).count("retry") == 1
    assert [event.attempt for event in events if isinstance(event, Start)] == [2]
    turn = fold(events)
    assert isinstance(turn, Turn)
    assert (turn.text, turn.attempt) == (TEXT, 2)
    assert len(fake_gateway.requests) == 2


@each_family
@pytest.mark.parametrize("policy", ["before_first_content", "never", "reset"])
@pytest.mark.parametrize("cut", ["clean", "close", "reset"])
@pytest.mark.parametrize("k", range(0, 21, 4))
async def test_a_text_is_never_given_twice_wherever_it_breaks(
    client: Client,
    fake_gateway: FakeGateway,
    model: str,
    policy: RetryPolicy,
    cut: Any,
    k: int,
) -> None:
    await hold_to_one_copy(client, fake_gateway, model, policy, Fault(cut_after_text=k, cut=cut))


@pytest.mark.slow
@each_family
@pytest.mark.parametrize("policy", ["before_first_content", "never", "reset"])
@pytest.mark.parametrize("k", range(21))
async def test_a_text_is_never_given_twice_whatever_event_it_fails_at(
    client: Client, fake_gateway: FakeGateway, model: str, policy: RetryPolicy, k: int
) -> None:
    for fault in (
        Fault(error_after=k),
        *(Fault(cut_after_text=k, cut=cut) for cut in ("clean", "close", "reset")),
        *(Fault(cut_after_events=k, cut=cut) for cut in ("clean", "close", "reset")),
    ):
        fake_gateway.requests.clear()
        await hold_to_one_copy(client, fake_gateway, model, policy, fault)


async def hold_to_one_copy(
    client: Client, gateway: FakeGateway, model: str, policy: RetryPolicy, fault: Fault
) -> None:
    gateway.add(ANSWER.with_fault(fault))
    gateway.default = ANSWER
    sent = len(gateway.requests)
    stream = client.stream(model, "why?", retry=policy)
    events = await events_of(stream)
    check_grammar(events)
    resets = [place for place, event in enumerate(events) if isinstance(event, Reset)]
    seen = "".join(event.text for event in events if isinstance(event, TextDelta))
    turn = fold(events)
    asked = len(gateway.requests) - sent
    if policy != "reset":
        assert not resets
        assert TEXT.startswith(seen)
    if isinstance(turn, Turn):
        assert turn.text == TEXT  # one copy, for who obeys the reset
        assert asked == (1 if turn.attempt == 1 else 2)
    else:
        assert isinstance(turn, PartialTurn)
        assert policy == "never" or seen  # what had shown nothing was tried again
        assert asked == 1


async def test_a_reader_of_text_is_given_nothing_twice_even_under_reset(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(ANSWER.with_fault(Fault(cut_after_text=3)))
    fake_gateway.default = ANSWER
    pieces: list[str] = []
    async with client.stream(MODELS["anthropic"], "why?", retry="reset") as stream:
        with pytest.raises(StreamTruncated):  # noqa: PT012  what came before the error counts
            async for text in stream.text():
                pieces.append(text)  # noqa: PERF401
    assert "".join(pieces) == "".join(WORDS[:3])
    assert len(fake_gateway.requests) == 1


async def test_under_reset_a_reader_is_told_to_forget_and_then_to_begin_anew(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(ANSWER.with_fault(Fault(cut_after_text=3, cut="close")))
    fake_gateway.default = ANSWER
    async with client.stream(MODELS["openai_chat"], "why?", retry="reset") as stream:
        kinds = [type(event).__name__ async for event in stream]
        turn = await stream.turn()
    reset = kinds.index("Reset")
    assert kinds[:reset].count("Start") == kinds[reset:].count("Start") == 1
    assert (turn.text, turn.attempt) == (TEXT, 2)


async def test_a_reset_that_leads_nowhere_ends_in_the_last_failure(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(ANSWER.with_fault(Fault(cut_after_text=3)))
    fake_gateway.default = Reply.error(400, {"error_code": "BAD_REQUEST", "message": "no"})
    events = await events_of(client.stream(MODELS["gemini"], "why?", retry="reset"))
    check_grammar(events)
    assert any(isinstance(event, Reset) for event in events)
    assert isinstance(events[-1], Failure)
    assert events[-1].kind == "bad_request"
    assert fold(events).text == ""


# What is not sent again.

NOT_AGAIN = {
    "a bad request": (Reply.error(400, {"error_code": "BAD_REQUEST"}), BadRequest),
    "a model that is not there": (
        Reply.error(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model x"}),
        GatewayError,
    ),
    "no permission": (Reply.error(403, {"error_code": "PERMISSION_DENIED"}), AccessDenied),
    "a daily limit": (
        Reply.error(
            429,
            {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Daily limit exceeded"},
            headers={"Retry-After": "43200"},
        ),
        RateLimited,
    ),
    "a spend limit": (
        Reply.error(
            429, {"error": {"type": "insufficient_quota", "message": "You exceeded your quota"}}
        ),
        RateLimited,
    ),
    "a header that says no": (
        Reply.error(503, b"busy", headers={"x-should-retry": "false"}),
        Overloaded,
    ),
}


@pytest.mark.parametrize(("reply", "error"), NOT_AGAIN.values(), ids=NOT_AGAIN)
async def test_what_would_fail_again_is_not_sent_again(
    client: Client, fake_gateway: FakeGateway, reply: Reply, error: type[GatewayError]
) -> None:
    fake_gateway.default = reply
    with pytest.raises(error):
        await client.complete("claude", "why?")
    assert len(fake_gateway.requests) == 1


async def test_retries_end_and_the_last_error_is_told(
    client: Client, fake_gateway: FakeGateway, clock: HastyClock
) -> None:
    fake_gateway.add(*[Reply.error(503, b"busy")] * 3, Reply.error(504, b"late"))
    with pytest.raises(GatewayUnavailable) as caught:
        await client.complete("claude", "why?")
    assert caught.value.status == 504
    assert len(fake_gateway.requests) == 4
    assert len(clock.slept) == 3
    assert all(0 <= slept <= most for slept, most in zip(clock.slept, (1, 2, 4), strict=True))


async def test_the_wait_that_an_answer_asks_for_comes_before_the_drawn_one(
    client: Client, fake_gateway: FakeGateway, clock: HastyClock
) -> None:
    fake_gateway.add(Reply.error(429, b"", headers={"Retry-After": "7"}))
    fake_gateway.default = ANSWER
    await client.complete("claude", "why?")
    assert 7 <= clock.slept[0] <= 8


@pytest.mark.parametrize("way", ["stream", "client"])
async def test_a_policy_is_a_word_or_a_value_of_a_request_or_a_client(
    fake_gateway: FakeGateway, way: str
) -> None:
    fake_gateway.default = Reply.error(503, b"busy")
    mine: Any = {"retry": "never"} if way == "client" else {}
    its: Any = {"retry": Retry(retries=0)} if way == "stream" else {}
    async with Client(host=fake_gateway.url, token="dapi-x", **mine) as client:
        with pytest.raises(Overloaded):
            await client.complete("claude", "why?", **its)
    assert len(fake_gateway.requests) == 1


async def test_a_caller_who_leaves_while_it_waits_to_ask_again_is_let_go(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = Reply.error(503, b"busy", headers={"Retry-After": "60"})
    async with Client(host=fake_gateway.url, token="dapi-x", retry=Retry()) as client:
        with anyio.move_on_after(0.2) as scope:
            await client.complete("claude", "why?")
        assert scope.cancelled_caught
        assert client.stats().leased == client.stats().queued == 0
    assert len(fake_gateway.requests) == 1


async def test_a_stream_that_is_closed_while_it_waits_to_ask_again_says_so(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = Reply.error(503, b"busy", headers={"Retry-After": "60"})
    async with Client(host=fake_gateway.url, token="dapi-x", retry=Retry()) as client:
        stream = client.stream("claude", "why?")

        async def read() -> None:
            with pytest.raises(StreamTruncated) as caught:
                await stream.turn()
            assert caught.value.code == "closed"

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()


async def test_credentials_refused_inside_a_stream_are_replaced_once(
    fake_gateway: FakeGateway,
) -> None:
    refusal = b'data: {"error_code":"403","message":"Invalid access token"}\n\n'
    tokens = iter(["first", "second", "third"])

    async def token() -> str:
        return next(tokens)

    fake_gateway.add(Reply.recorded(refusal, content_type="text/event-stream"))
    fake_gateway.default = ANSWER
    async with Client(host=fake_gateway.url, auth=token) as client:
        assert (await client.complete(MODELS["openai_chat"], "why?")).text == TEXT
        fake_gateway.default = Reply.recorded(refusal, content_type="text/event-stream")
        with pytest.raises(AuthError):
            await client.complete(MODELS["openai_chat"], "why?")
    assert len(fake_gateway.requests) <= 4


# Other models.


def by_model(**replies: Reply) -> Any:
    async def answer(received: Received) -> Reply:
        return replies[(received.model or "").partition("-")[0]]

    return answer


async def test_another_model_takes_over_where_one_fails_for_good(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = by_model(
        claude=Reply.error(503, b"busy"),
        gpt=ANSWER.with_fault(Fault(error_after=0)),
        gemini=ANSWER,
    )
    turn = await client.complete("claude-x", "why?", fallback=["gpt-5", "gemini-x"])
    assert turn.text == TEXT
    assert [received.model for received in fake_gateway.requests] == [
        *["claude-x"] * 4,
        *["gpt-5"] * 4,
        "gemini-x",
    ]
    assert [notice.code for notice in turn.notices].count("fallback") == 2
    (first, second) = [notice for notice in turn.notices if notice.code == "fallback"]
    assert first.detail.startswith("gpt-5 instead of claude-x: ")
    assert second.detail.startswith("gemini-x instead of gpt-5: ")


async def test_another_model_is_asked_by_class_of_error(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = by_model(
        claude=Reply.error(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model"}),
        gpt=ANSWER,
    )
    by_class = {ModelNotFound: ["gpt-5"], RateLimited: ["llama"]}
    turn = await client.complete("claude-x", "why?", fallback=by_class)
    assert turn.text == TEXT
    fake_gateway.default = by_model(claude=Reply.error(500, b"oops"), gpt=ANSWER)
    with pytest.raises(GatewayUnavailable):
        await client.complete("claude-x", "why?", fallback=by_class)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_another_model_is_not_asked_for_what_the_request_did_wrong(
    client: Client, fake_gateway: FakeGateway, status: int
) -> None:
    fake_gateway.default = by_model(claude=Reply.error(status, b"{}"), gpt=ANSWER)
    with pytest.raises(GatewayError):
        await client.complete("claude-x", "why?", fallback=["gpt-5"])
    assert {received.model for received in fake_gateway.requests} == {"claude-x"}


async def test_another_model_is_not_asked_once_content_was_seen(
    client: Client, fake_gateway: FakeGateway
) -> None:
    cut = ANSWER.with_fault(Fault(cut_after_text=2))
    fake_gateway.default = by_model(claude=cut, gpt=ANSWER)
    with pytest.raises(StreamTruncated) as caught:
        await client.complete("claude-x", "why?", fallback=["gpt-5"])
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(WORDS[:2])
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize(
    "fallback",
    [
        "gpt-5",
        {"rate_limited": ["gpt-5"]},
        {RateLimited: "gpt"},
        {AuthError: ["gpt-5"]},
        {ConfigError: ["gpt-5"]},
    ],
)
def test_a_fallback_that_names_no_models_is_refused_at_once(fallback: Any) -> None:
    client = Client(host="http://127.0.0.1:1", token="dapi-x")
    with pytest.raises(ConfigError):
        client.stream("claude", "why?", fallback=fallback)


async def test_the_fast_model_answers_where_it_can(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = by_model(gpt=ANSWER)
    turn = await client.complete_fast("claude-x", "why?", fast_model="gpt-5-nano")
    assert turn.text == TEXT
    assert not turn.notices
    assert [received.model for received in fake_gateway.requests] == ["gpt-5-nano"]


@pytest.mark.parametrize("status", [429, 500, 503, 400, 404])
async def test_a_fast_model_that_fails_is_not_asked_again_but_the_given_one_once(
    client: Client, fake_gateway: FakeGateway, status: int
) -> None:
    fake_gateway.default = by_model(gpt=Reply.error(status, b"{}"), claude=ANSWER)
    turn = await client.complete_fast("claude-x", "why?", fast_model="gpt-5-nano")
    assert turn.text == TEXT
    assert [notice.code for notice in turn.notices] == ["fast_model_failed"]
    assert [received.model for received in fake_gateway.requests] == ["gpt-5-nano", "claude-x"]
    fake_gateway.default = Reply.error(503, b"busy")
    fake_gateway.requests.clear()
    with pytest.raises(Overloaded):
        await client.complete_fast("claude-x", "why?", fast_model="gpt-5-nano")
    assert len(fake_gateway.requests) == 2


async def test_a_fast_model_that_breaks_off_midway_is_followed_by_the_given_one(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = by_model(gpt=ANSWER.with_fault(Fault(cut_after_text=3)), claude=ANSWER)
    turn = await client.complete_fast("claude-x", "why?", fast_model="gpt-5-nano")
    assert turn.text == TEXT
    assert [notice.code for notice in turn.notices] == ["fast_model_failed"]


async def test_without_a_fast_model_nothing_is_asked(client: Client) -> None:
    with pytest.raises(ConfigError, match="no fast model"):
        await client.complete_fast("claude-x", "why?")


async def test_an_endpoint_that_only_fails_is_left_alone_and_probed_by_one(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = Reply.error(500, b"oops")
    async with Client(host=fake_gateway.url, token="dapi-x", retry="never") as client:
        for _ in range(10):
            with pytest.raises(GatewayUnavailable):
                await client.complete("claude-x", "why?")
        with pytest.raises(GatewayUnavailable) as caught:
            await client.complete("claude-x", "why?")
        assert caught.value.code == "circuit_open"
        assert caught.value.retry_after
        assert client.stats().open_circuits == 1
        assert len(fake_gateway.requests) == 10
        fake_gateway.default = ANSWER
        turn = await client.complete("claude-x", "why?", fallback=["gpt-5"])
        assert turn.text == TEXT  # another endpoint is another matter
        assert fake_gateway.requests[-1].model == "gpt-5"


async def test_a_pause_is_not_waited_for_where_another_model_may_be_asked(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = by_model(
        claude=Reply.error(429, b"{}", headers={"Retry-After": "60"}), gpt=ANSWER
    )
    async with Client(host=fake_gateway.url, token="dapi-x", retry=Retry(retries=0)) as client:
        with anyio.fail_after(5):
            first = await client.complete("claude-x", "why?", fallback=["gpt-5"])
            second = await client.complete("claude-x", "why?", fallback=["gpt-5"])
    assert first.text == second.text == TEXT
    assert [received.model for received in fake_gateway.requests] == ["claude-x", "gpt-5", "gpt-5"]


async def test_who_stands_in_line_when_a_pause_begins_goes_to_another_model(
    fake_gateway: FakeGateway,
) -> None:
    slow = Reply.error(429, b"{}", headers={"Retry-After": "60"})
    slow = slow.with_fault(Fault(delay_headers=0.2))
    fake_gateway.default = by_model(claude=slow, gpt=ANSWER)
    limits = Limits(concurrency=1)
    async with Client(
        host=fake_gateway.url, token="dapi-x", retry=Retry(retries=0), limits=limits
    ) as client:
        texts: list[str] = []

        async def ask() -> None:
            turn = await client.complete("claude-x", "why?", fallback=["gpt-5"])
            texts.append(turn.text)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(ask)
    assert texts == [TEXT] * 5
    asked = [received.model for received in fake_gateway.requests]
    assert asked.count("claude-x") == 1


async def test_an_endpoint_that_never_answers_is_left_alone_too(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=60))
    timeouts = Timeouts(first_content=0.02)
    async with Client(
        host=fake_gateway.url, token="dapi-x", retry="never", timeouts=timeouts
    ) as client:
        for _ in range(10):
            with pytest.raises(TimedOut):
                await client.complete("claude-x", "why?")
        with pytest.raises(GatewayUnavailable) as caught:
            await client.complete("claude-x", "why?")
        assert caught.value.code == "circuit_open"


async def test_the_time_to_the_first_token_is_that_of_the_try_that_answered(
    fake_gateway: FakeGateway,
) -> None:
    clock = HandClock()
    fake_gateway.add(Reply.error(503, b"busy", headers={"Retry-After": "60"}))
    fake_gateway.default = ANSWER
    async with Client(host=fake_gateway.url, token="dapi-x", clock=clock) as client:
        turns: list[Turn] = []

        async def ask() -> None:
            turns.append(await client.complete("claude-x", "why?", retry=Retry(first_wait=0)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
            while not turns:
                await anyio.sleep(0.002)
                await clock.advance(1)
    timings = turns[0].timings
    assert timings is not None
    assert timings.sent is not None
    assert timings.first_content is not None
    assert timings.sent >= 60
    assert timings.first_content - timings.sent < 60


@pytest.mark.parametrize("given", [5, "30", {"deadline": 30}])
def test_what_is_no_timeouts_is_refused_at_once(given: Any) -> None:
    with pytest.raises(ConfigError, match="no Timeouts"):
        Client(host="http://127.0.0.1:1", token="dapi-x", timeouts=given)
    client = Client(host="http://127.0.0.1:1", token="dapi-x")
    with pytest.raises(ConfigError, match="no Timeouts"):
        client.stream("claude", "why?", timeouts=given)
    with pytest.raises(ConfigError, match="no Retry"):
        client.stream("claude", "why?", retry=5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no Limits"):
        Client(host="http://127.0.0.1:1", token="dapi-x", limits=given)
    with pytest.raises(ConfigError, match="deadline"):
        Timeouts(deadline="5")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="retries"):
        Retry(retries="5")  # type: ignore[arg-type]
