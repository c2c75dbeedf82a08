"""An agent's session: its conversation, what it has used, and the budget that ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import (
    BudgetExceeded,
    Client,
    ConfigError,
    ImagePart,
    Message,
    RateLimited,
    Retry,
    StreamTruncated,
    TextPart,
    ToolResultPart,
    Turn,
    Usage,
)
from gateway_stream.budget import Budget, Price
from gateway_stream.testing import Fault, Reply, ScriptedCall

if TYPE_CHECKING:
    from gateway_stream.session import Said, Session
    from gateway_stream.testing import FakeGateway, FamilyName

MODELS: dict[FamilyName, str] = {
    "openai_chat": "databricks-meta-llama-3-3-70b-instruct",
    "openai_responses": "databricks-gpt-5-4",
    "anthropic": "system.ai.claude-sonnet-4-6",
    "gemini": "databricks-gemini-3-flash",
}
CLAUDE = MODELS["anthropic"]
CHAT = MODELS["openai_chat"]
EACH_FAMILY = pytest.mark.parametrize("family", MODELS)
HELLO = Reply.scripted(text="Hello there.", usage=Usage(input=10, output=3))
CALLING = Reply.scripted(
    reasoning="I need a tool.",
    text="One moment.",
    tool_calls=[ScriptedCall("look", {"at": "sky"}), ScriptedCall("look", {"at": "sea"})],
)
CUT = HELLO.with_fault(Fault(cut_after_text=1))
LONG = Reply.scripted(text=["words " * 50] * 20_000, usage=Usage(input=10))
MUCH = 10_000_000


def results(turn: Turn) -> list[ToolResultPart]:
    return [ToolResultPart(call_id=call.id, content="blue") for call in turn.tool_calls]


# The conversation.


@EACH_FAMILY
async def test_a_question_comes_with_all_that_was_said(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    first = await session.answer(MODELS[family], "first question")
    second = await session.answer(MODELS[family], "second question")
    assert session.history == [
        Message("user", "first question"),
        first,
        Message("user", "second question"),
        second,
    ]
    sent = fake_gateway.requests[1].raw
    places = [sent.index(said) for said in (b"first question", b"Hello there.", b"second question")]
    assert places == sorted(places)
    assert b"second question" not in fake_gateway.requests[0].raw


async def test_a_streamed_answer_enters_the_history_as_the_turn_that_it_is(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = CALLING
    session = client.session()
    async with session.ask(CLAUDE, "How is it out there?") as stream:
        async for _ in stream.text():
            pass
        turn = await stream.turn()
    assert session.history[-1] == turn
    assert isinstance(session.history[-1], Turn)
    assert session.history[-1].timings is not None
    assert [call.runnable for call in session.history[-1].tool_calls] == [True, True]


@EACH_FAMILY
async def test_what_vendors_want_back_survives_json_byte_for_byte(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.add(CALLING)
    fake_gateway.default = HELLO
    session = client.session()
    turn = await session.answer(MODELS[family], "How is it out there?", reasoning="low")
    loaded = client.session()
    loaded.load(session.dump())
    assert loaded.history == session.history
    await session.answer(MODELS[family], results(turn), reasoning="low")
    await loaded.answer(MODELS[family], results(turn), reasoning="low")
    _, kept, restored = fake_gateway.requests
    assert restored.raw == kept.raw
    opaque = [block.opaque for block in turn.blocks if block.opaque]
    assert opaque or family == "openai_chat"


@EACH_FAMILY
async def test_results_of_tools_are_what_is_said_next(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.add(CALLING)
    fake_gateway.default = HELLO
    session = client.session()
    turn = await session.answer(MODELS[family], "How is it out there?")
    await session.answer(MODELS[family], [*results(turn), "Be brief."])
    said = session.history[2]
    assert said == Message("user", (*results(turn), TextPart("Be brief.")))
    assert fake_gateway.requests[1].raw.count(b"blue") == 2


async def test_an_answer_that_is_not_whole_leaves_the_history_as_it_was(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session()
    fake_gateway.add(HELLO)
    await session.answer(CHAT, "first")
    before = list(session.history)
    fake_gateway.add(CUT)
    with pytest.raises(StreamTruncated) as cut:
        await session.answer(CHAT, "second", retry="never")
    assert cut.value.partial is not None
    assert cut.value.partial.text == "Hello "
    fake_gateway.add(Reply.error(429))
    with pytest.raises(RateLimited):
        await session.answer(CHAT, "second", retry="never")
    fake_gateway.add(LONG)
    async with session.ask(CHAT, "second") as stream:
        async for _ in stream.text():
            break
    assert session.history == before
    fake_gateway.add(HELLO)
    await session.answer(CHAT, "second")
    assert session.history[:3] == [*before, Message("user", "second")]
    assert b"second" in fake_gateway.requests[-1].raw
    assert fake_gateway.requests[-1].raw.count(b"second") == 1


async def test_a_cancelled_question_can_be_asked_again(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session()
    fake_gateway.add(HELLO.with_fault(Fault(stall_after=200)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.answer, CHAT, "Is there anybody?")
        await fake_gateway.wait_for(lambda gateway: gateway.bytes_written >= 200)
        tasks.cancel_scope.cancel()
    assert session.history == []
    fake_gateway.add(HELLO)
    await session.answer(CHAT, "Is there anybody?")
    assert len(session.history) == 2


async def test_who_looks_at_why_a_question_was_cancelled_can_ask_again(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session(budget=Budget(tokens=1000))
    fake_gateway.add(HELLO.with_fault(Fault(delay_headers=60)))
    asking = asyncio.create_task(session.answer(CHAT, "Is there anybody?"))
    await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError) as why:
        await asking
    assert session.spent.input == 0
    fake_gateway.add(HELLO)
    await session.answer(CHAT, "Is there anybody?")
    assert len(session.history) == 2
    assert why.value.__traceback__ is not None  # which keeps alive what the error came through


async def test_who_looks_at_why_a_request_was_cancelled_has_its_budget_back(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session(budget=Budget(tokens=1000))
    fake_gateway.default = HELLO.with_fault(Fault(delay_headers=60))
    asking = asyncio.create_task(session.complete(CHAT, "Is there anybody?"))
    await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
    assert session.spent.input > 0
    asking.cancel()
    with pytest.raises(asyncio.CancelledError) as why:
        await asking
    assert session.spent.input == 0
    assert why.value.__traceback__ is not None


async def test_one_question_at_a_time(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    async with session.ask(CHAT, "first") as stream:
        with pytest.raises(ConfigError, match="not answered yet") as refused:
            session.ask(CHAT, "second")
        assert "session.stream()" in str(refused.value)
        await session.complete(CHAT, "beside it")
        await stream.turn()
        await session.answer(CHAT, "second")
    assert len(session.history) == 4
    assert len(fake_gateway.requests) == 3


async def test_a_question_that_was_never_sent_does_not_stand_in_the_way(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session(budget=Budget(tokens=1000))
    closed = session.ask(CHAT, "closed before it was sent")
    assert session.spent.input > 0
    await closed.aclose()
    assert session.spent.input == 0
    dropped = session.ask(CHAT, "dropped before it was sent")
    del dropped
    assert session.spent.input == 0
    await session.answer(CHAT, "sent")
    assert len(session.history) == 2


async def test_a_question_that_cannot_be_asked_does_not_stand_in_the_way(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session(budget=Budget(tokens=1000))
    with pytest.raises(ConfigError):
        session.ask(CHAT, "hello", family="morse")
    with pytest.raises(TypeError):
        session.ask(CHAT, "hello", tmperature=1)  # type: ignore[call-arg]
    assert (session.requests, session.spent.input) == (0, 0)
    await session.answer(CHAT, "hello")


async def test_single_requests_know_nothing_of_the_conversation(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    await session.answer(CHAT, "in the conversation")
    await session.complete(CHAT, "beside it")
    async with session.stream(CHAT, "beside it, too") as stream:
        await stream.turn()
    assert len(session.history) == 2
    assert all(b"in the" not in received.raw for received in fake_gateway.requests[1:])


async def test_the_history_is_the_callers_to_fill_and_to_cut(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    session.history += [Message("user", "long ago"), Message("assistant", "indeed")]
    await session.answer(CHAT, "now")
    assert b"long ago" in fake_gateway.requests[0].raw
    del session.history[:2]
    await session.answer(CHAT, "later")
    assert b"long ago" not in fake_gateway.requests[1].raw
    assert len(session.history) == 4


async def test_a_model_can_go_on_from_the_history_as_it_is(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(Reply.scripted(text="To be", stop="pause"))
    fake_gateway.default = HELLO
    session = client.session()
    with pytest.raises(ConfigError, match="at least one message"):
        session.ask(CLAUDE)
    await session.answer(CLAUDE, "Recite.")
    await session.answer(CLAUDE)
    assert [type(said) for said in session.history] == [Message, Turn, Turn]
    assert [said["role"] for said in fake_gateway.requests[1].body["messages"]] == [
        "user",
        "assistant",
    ]


IMAGE = ImagePart(url="https://example.com/sky.png")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("hello", Message("user", "hello")),
        (Message("assistant", "hello"), Message("assistant", "hello")),
        (IMAGE, Message("user", (IMAGE,))),
        (["What is this?", IMAGE], Message("user", (TextPart("What is this?"), IMAGE))),
        ((IMAGE,), Message("user", (IMAGE,))),
    ],
    ids=["text", "message", "part", "list", "tuple"],
)
async def test_what_is_said_has_short_forms(
    client: Client, fake_gateway: FakeGateway, said: Said, message: Message
) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    await session.answer(CHAT, said)
    assert session.history[0] == message


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ([], ConfigError, "nothing is said"),
        ({"role": "user", "content": "hello"}, TypeError, "text, a Message, or a list of parts"),
        ([Message("user", "hello")], TypeError, "session.history takes the rest"),
        (7, TypeError, "text, a Message"),
    ],
    ids=["nothing", "mapping", "messages", "number"],
)
async def test_what_cannot_be_said_is_refused(
    client: Client, said: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.session().ask(CHAT, said)


async def test_a_conversation_can_go_from_model_to_model(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session()
    for family, model in MODELS.items():
        await session.answer(model, f"Hello, {family}.")
    assert [received.family for received in fake_gateway.requests] == list(MODELS)
    assert len(session.history) == 8


# What was used.


async def test_usage_is_the_sum_of_all_that_was_told(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session()
    assert session.usage == Usage()
    fake_gateway.add(HELLO, HELLO)
    await session.answer(CHAT, "one")
    await session.complete(CHAT, "two")
    assert session.usage == Usage(input=20, output=6)
    fake_gateway.add(Reply.error(400))
    with pytest.raises(Exception, match="400"):
        await session.complete(CHAT, "refused")
    assert (session.requests, session.usage) == (3, Usage(input=20, output=6))


async def test_an_answer_that_was_cut_or_left_counts_as_far_as_it_told(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session()
    fake_gateway.add(CUT)
    with pytest.raises(StreamTruncated):
        await session.complete(CLAUDE, "hello", retry="never")
    assert session.usage.input == 10
    fake_gateway.add(LONG)
    async with session.stream(CLAUDE, "hello") as stream:
        async for _ in stream.text():
            break
        running = session.usage.input
    assert running is not None
    assert running > 10
    assert session.usage.input == running


async def test_an_answer_that_was_begun_anew_counts_twice_and_is_kept_once(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(CUT, HELLO)
    session = client.session()
    turn = await session.answer(CLAUDE, "hello", retry=Retry(policy="reset", first_wait=0.0))
    assert turn.attempt == 2
    assert session.history == [Message("user", "hello"), turn]
    assert turn.text == "Hello there."
    assert (turn.usage.input, session.usage.input, session.requests) == (10, 20, 1)


async def test_a_model_that_tells_no_usage_leaves_it_untold(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = Reply.scripted(text="Hello there.", usage=Usage())
    session = client.session(budget=Budget(tokens=MUCH))
    await session.answer(CHAT, "x" * 400)
    assert session.usage == Usage()
    assert (session.spent.input, session.spent.output) == (100, 3)


# The budget.


async def rest(session: Session, model: str = CHAT) -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as ended:
        await session.answer(model, "Tell me everything.")
    return ended.value


@EACH_FAMILY
async def test_an_answer_that_crosses_the_budget_is_ended_and_its_connection_closed(
    client: Client, fake_gateway: FakeGateway, family: FamilyName
) -> None:
    fake_gateway.default = LONG
    session = client.session(budget=Budget(output_tokens=2000))
    error = await rest(session, MODELS[family])
    assert error.partial is not None
    assert len(error.partial.text) > 4 * 1000
    assert error.delivered
    assert error.phase == "stream"
    await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 1)
    assert session.history == []
    assert session.spent.output > 2000


async def test_as_data_the_end_by_the_budget_is_the_last_event(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = LONG
    session = client.session(budget=Budget(output_tokens=2000))
    async with session.ask(CHAT, "Tell me everything.") as stream:
        kinds = [type(event).__name__ async for batch in stream.batches() for event in batch.events]
    assert kinds[-1] == "Failure"
    assert "Stop" not in kinds


async def test_nothing_is_sent_once_the_budget_is_used_up(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = Reply.scripted(text="Hello.", usage=Usage(input=100, output=50))
    session = client.session(budget=Budget(tokens=150))
    await session.answer(CHAT, "one")
    error = await rest(session)
    assert "is used up: tokens 150 of 150" in error.message
    assert error.partial is None
    for _ in range(3):
        with pytest.raises(BudgetExceeded):
            session.stream(CHAT, "more")
    assert len(fake_gateway.requests) == 1
    assert (session.requests, len(session.history)) == (1, 2)


async def test_a_request_that_the_budget_cannot_hold_is_not_sent(
    client: Client, fake_gateway: FakeGateway
) -> None:
    session = client.session(budget=Budget(tokens=100))
    with pytest.raises(BudgetExceeded, match="does not fit"):
        await session.complete(CHAT, "x" * 4000)
    assert fake_gateway.requests == []


async def test_money_is_counted_by_the_price_of_each_model(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = Reply.scripted(text="Hi.", usage=Usage(input=1000, output=100))
    prices = {CHAT: Price(input=1.0, output=10.0), CLAUDE: Price(input=3.0, output=15.0)}
    session = client.session(budget=Budget(cost=0.008, price=prices))
    await session.answer(CHAT, "one")
    assert session.spent.cost == pytest.approx(0.002)
    await session.answer(CLAUDE, "two")
    assert session.spent.cost == pytest.approx(0.0065)
    with pytest.raises(ConfigError, match="has no price"):
        session.ask(MODELS["gemini"], "three")
    await session.answer(CHAT, "four")
    assert "cost 0.0085 of 0.008" in (await rest(session)).message


async def test_requests_at_once_share_one_budget(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = LONG
    session = client.session(budget=Budget(output_tokens=200_000))
    ended: list[int] = []

    async def ask() -> None:
        with pytest.raises(BudgetExceeded) as error:
            await session.complete(CHAT, "Tell me everything.")
        assert error.value.partial is not None
        ended.append(len(error.value.partial.text) // 4)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
    assert len(ended) == 10
    assert max(ended) < 200_000
    assert sum(ended) == pytest.approx(session.spent.output, abs=10)
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)


async def test_of_many_requests_at_once_no_more_are_sent_than_the_budget_holds(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    session = client.session(budget=Budget(input_tokens=1000))
    refused = 0

    async def ask() -> None:
        nonlocal refused
        try:
            await session.complete(CHAT, "x" * 1200)
        except BudgetExceeded:
            refused += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert (len(fake_gateway.requests), refused) == (3, 47)


async def test_other_sessions_have_budgets_of_their_own(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    budget = Budget(tokens=13)
    one, other = client.session(budget=budget), client.session(budget=budget)
    await one.answer(CHAT, "hi")
    await rest(one)
    await other.answer(CHAT, "hi")
    await client.complete(CHAT, "hi")


# Keeping it.


async def test_a_session_goes_on_elsewhere_where_it_was_left(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    price = Price(input=1.0, output=1.0)
    session = client.session(budget=Budget(tokens=20, price=price))
    await session.answer(CHAT, "hi")
    saved = session.dump()
    assert b"dapi-test" not in saved
    loaded = client.session(budget=Budget(tokens=20, price=price))
    loaded.load(saved)
    assert (loaded.requests, loaded.usage) == (1, Usage(input=10, output=3))
    assert loaded.spent == session.spent
    assert loaded.dump() == saved
    await rest(loaded)
    larger = client.session(budget=Budget(tokens=1000))
    larger.load(saved.decode())
    await larger.answer(CHAT, "hi again")
    assert len(larger.history) == 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no saved session"),
        (b"\xff", "no saved session"),
        (b"[]", "no saved session"),
        (b"{}", "no saved session"),
        (b'{"history":[{"type":"message","role":"system","content":""}]}', "'system'"),
        (
            b'{"history":[{"type":"message","role":"user","content":[{"type":"image"}]}]}',
            "no saved session: an image needs",
        ),
        ("\ud800", "no saved session"),
        (b'{"history":[{"type":"parrot"}]}', "no saved session"),
        (b'{"format":2,"history":[]}', "has format 2"),
    ],
)
async def test_what_is_no_saved_session_is_refused(
    client: Client, data: bytes | str, words: str
) -> None:
    session = client.session()
    with pytest.raises(ConfigError, match=words) as refused:
        session.load(data)
    assert refused.value.hint
    assert session.history == []


async def test_a_session_that_was_used_takes_the_place_of_none(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = HELLO
    empty = client.session().dump()
    asked, filled = client.session(), client.session()
    await asked.complete(CHAT, "hi")
    filled.history.append(Message("user", "hi"))
    for session in (asked, filled):
        with pytest.raises(ConfigError, match="cannot load another"):
            session.load(empty)


async def test_what_a_later_version_adds_is_left_out(client: Client) -> None:
    session = client.session()
    session.load(b'{"format":1,"history":[],"requests":4,"mood":"good"}')
    assert session.requests == 4


# What they share with the client.


async def test_a_warning_names_the_place_that_asked(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = LONG
    session = client.session(budget=Budget(tokens=MUCH))
    for ask in (session.ask, session.stream):
        stream = ask(CLAUDE, "Tell me everything.")
        await stream.__anext__()
        with pytest.warns(ResourceWarning, match=r"test_session\.py"):
            del stream
        await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    session.ask(CLAUDE, "again")


async def test_a_greedy_session_does_not_keep_others_waiting(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO
    async with Client(host=fake_gateway.url, token="dapi-test", pool_size=1) as client:
        greedy, modest = client.session("greedy"), client.session("modest")
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(greedy.complete, CHAT, "greedy")
            tasks.start_soon(modest.answer, CHAT, "modest")
    order = [b"modest" in received.raw for received in fake_gateway.requests]
    assert order.index(True) <= 3


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_weight_that_is_no_share_is_refused(client: Client, weight: float) -> None:
    with pytest.raises(ConfigError, match="weight"):
        client.session("greedy", weight=weight)


async def test_who_is_cancelled_while_entering_a_question_may_ask_the_next(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(HELLO.with_fault(Fault(delay_headers=60)))
    fake_gateway.default = HELLO
    session = client.session()
    kept: list[BaseException] = []
    try:
        async with asyncio.timeout(0.05), session.ask(MODELS["anthropic"], "first question"):
            pass
    except TimeoutError as error:
        kept.append(error)  # its traceback keeps the stream alive
        turn = await session.answer(MODELS["anthropic"], "second question")
    assert kept
    assert turn.text == "Hello there."
    assert len(session.history) == 2


def test_a_session_shows_its_name() -> None:
    client = Client(host="http://127.0.0.1:1", token="dapi-x")
    assert repr(client.session("planner")) == "<Session 'planner': 0 in its history, 0 asked>"
