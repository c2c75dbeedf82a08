"""Many answers, one reader."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import (
    Batch,
    Client,
    ConfigError,
    Event,
    Failure,
    Message,
    PartialTurn,
    Request,
    Start,
    Stop,
    StreamTruncated,
    Turn,
    fold,
)
from gateway_stream.fanout import FanOut, Part, fan_out
from gateway_stream.testing import FakeGateway, Fault, Received, Reply
from gateway_stream.wire.family import check_grammar
from tests.client.conftest import _no_settings, client, fake_gateway
from tests.support.clock import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway_stream import EventStream

__all__ = ["_no_settings", "client", "fake_gateway"]

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three four")
STALLS = ANSWER.with_fault(Fault(stall_after=700))


def ask(text: object, model: str = MODEL) -> Request:
    return Request(model=model, messages=(Message("user", str(text)),))


async def echo(received: Received) -> Reply:
    """An answer that says what was asked, in three pieces."""
    said = received.body["messages"][0]["content"]
    text = said if isinstance(said, str) else said[0]["text"]
    return Reply.scripted(text=["you ", "said ", text])


class Gathered:
    """What came of each request, by its key."""

    def __init__(self) -> None:
        self.events: dict[Any, list[Event]] = {}
        self.answers: dict[Any, Turn | PartialTurn] = {}

    def add(self, part: Part[Any]) -> None:
        assert part.key not in self.answers, "nothing comes after an answer's end"
        self.events.setdefault(part.key, []).extend(part.batch.events)
        if part.answer is not None:
            self.answers[part.key] = part.answer
            assert type(part.batch.events[-1]) in (Stop, Failure)
            whole = isinstance(part.batch.events[-1], Stop)
            assert isinstance(part.answer, Turn if whole else PartialTurn)


async def gather(client: Client, requests: Any, **how: int) -> Gathered:
    gathered = Gathered()
    async with fan_out(client, requests, **how) as parts:
        async for part in parts:
            gathered.add(part)
    assert set(gathered.answers) == set(gathered.events)
    return gathered


async def test_every_answer_comes_whole_and_in_its_own_order(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = echo
    got = await gather(client, map(ask, range(30)), concurrency=7, buffer=3)
    assert sorted(got.answers) == list(range(30))
    for number, answer in got.answers.items():
        assert answer.text == f"you said {number}"
        check_grammar(got.events[number])
        folded = fold(got.events[number])
        assert isinstance(answer, Turn)
        assert isinstance(folded, Turn)
        assert folded.blocks == answer.blocks
        assert answer.timings is not None


async def test_requests_may_have_keys_of_their_own(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = echo
    got = await gather(client, [("red", ask(1)), (("a", "tuple"), ask(2))])
    assert {key: answer.text for key, answer in got.answers.items()} == {
        "red": "you said 1",
        ("a", "tuple"): "you said 2",
    }


async def test_streams_of_sessions_and_what_makes_them_are_asked_as_they_are() -> None:
    async def another() -> str:
        return "another-token"

    async with FakeGateway(default=echo, keep_credentials=True) as gateway:
        async with Client(host=gateway.url, token="dapi-test") as client:
            session = client.session(auth=another)
            asked = [
                session.stream(MODEL, "first"),
                lambda: session.stream(MODEL, "second"),
                ask("third"),
            ]
            got = await gather(client, asked)
        as_whom = [received.headers["authorization"] for received in gateway.requests]
    assert [got.answers[key].text for key in range(3)] == [
        "you said first",
        "you said second",
        "you said third",
    ]
    assert sorted(as_whom) == ["Bearer another-token"] * 2 + ["Bearer dapi-test"]


async def test_no_more_are_in_flight_than_may_and_none_is_taken_before_its_turn(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_end=0.01))
    taken, most, ended = 0, 0, 0

    def requests() -> Iterator[Request]:
        nonlocal taken, most
        for number in range(20):
            taken += 1
            most = max(most, fake_gateway.in_flight)
            assert taken - ended <= 4
            yield ask(number)

    async with fan_out(client, requests(), concurrency=4) as parts:
        async for part in parts:
            most = max(most, fake_gateway.in_flight)
            ended += part.answer is not None
    assert ended == 20
    assert most >= 4


async def test_many_that_are_there_at_once_leave_the_loop_to_others(client: Client) -> None:
    steps = 0
    seen: set[int] = set()

    async def others() -> None:
        nonlocal steps
        while True:
            steps += 1
            await anyio.lowlevel.checkpoint()

    def requests() -> Iterator[Request]:
        for number in range(200):
            seen.add(steps)
            yield ask(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        async with fan_out(client, requests(), concurrency=1000):
            for _ in range(500):
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert len(seen) > 100


async def test_requests_may_come_in_their_own_time(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = echo
    ready = anyio.Event()

    async def requests() -> AsyncIterator[Request]:
        yield ask("now")
        await ready.wait()
        yield ask("later")

    gathered = Gathered()
    async with fan_out(client, requests()) as parts:
        async for part in parts:
            gathered.add(part)
            if part.answer is not None:
                ready.set()
    assert [answer.text for answer in gathered.answers.values()] == [
        "you said now",
        "you said later",
    ]


async def test_no_requests_give_no_parts(client: Client) -> None:
    assert (await gather(client, [])).answers == {}


async def test_what_fails_is_data_and_the_others_go_on(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(ANSWER.with_fault(Fault(cut_after=700, cut="reset")), model="claude-cut")
    fake_gateway.default = ANSWER
    fake_gateway.add(Reply.refused(429), model="claude-busy")

    def unmade() -> EventStream:
        return client.stream(MODEL, "hi", max_token=5)  # type: ignore[call-arg]

    def not_a_stream() -> EventStream:
        return "hi"  # type: ignore[return-value]

    got = await gather(
        client,
        {
            "good": ask("hi"),
            "refused": ask("hi", "claude-busy"),
            "cut": ask("hi", "claude-cut"),
            "unsendable": Request(
                model=MODEL, messages=(Message("user", "hi"),), extra={"a": object()}
            ),
            "unmade": unmade,
            "wrong": 5,
            "not a stream": not_a_stream,
        }.items(),
    )
    kinds = {}
    for key, answer in got.answers.items():
        check_grammar(got.events[key])
        kinds[key] = (
            answer.failure.kind if isinstance(answer, PartialTurn) and answer.failure else ""
        )
    assert kinds == {
        "good": "",
        "refused": "rate_limited",
        "cut": "stream_truncated",
        "unsendable": "config",
        "unmade": "config",
        "wrong": "config",
        "not a stream": "config",
    }
    assert got.answers["cut"].text.startswith("one")
    last = got.events["unmade"][-1]
    assert isinstance(last, Failure)
    assert "did you mean 'max_tokens'" in last.message
    last = got.events["wrong"][-1]
    assert isinstance(last, Failure)
    assert "not int" in last.message


async def test_an_error_of_the_iterable_is_raised_as_it_is_after_what_came(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    broken = ZeroDivisionError("of the iterable")

    def requests() -> Iterator[Request]:
        yield ask(1)
        yield ask(2)
        raise broken

    gathered = Gathered()

    async def read() -> None:
        async with fan_out(client, requests()) as parts:
            async for part in parts:
                gathered.add(part)

    with pytest.raises(ZeroDivisionError) as told:
        await read()
    assert told.value is broken
    assert [type(answer) for answer in gathered.answers.values()] == [Turn, Turn]


async def test_an_error_of_the_iterable_is_told_once(client: Client) -> None:
    def requests() -> Iterator[Request]:
        raise ZeroDivisionError
        yield

    async with fan_out(client, requests()) as parts:
        with pytest.raises(ZeroDivisionError):
            await anext(parts)
        assert [part async for part in parts] == []


async def test_leaving_early_ends_all_and_closes_their_connections(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    closed = False

    async def requests() -> AsyncIterator[Request]:
        nonlocal closed
        try:
            while True:
                yield ask("hi")
        finally:
            await anyio.lowlevel.checkpoint()
            closed = True

    async with fan_out(client, requests(), concurrency=10) as parts:
        async for _ in parts:
            if len(fake_gateway.requests) == 10:
                break
        assert fake_gateway.connections_open == 10
    assert closed
    assert [part async for part in parts] == []
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 10)
    assert not [task for task in asyncio.all_tasks() if "fan-out" in task.get_name()]


async def test_an_error_in_the_block_comes_out_as_it_is(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    mine = KeyError("mine")

    async def read() -> None:
        async with fan_out(client, map(ask, range(5))) as parts:
            await anext(parts)
            raise mine

    with pytest.raises(KeyError) as told:
        await read()
    assert told.value is mine
    assert told.value.__context__ is None
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_a_reader_that_is_cancelled_is_cancelled_and_all_is_closed(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS

    async def read() -> None:
        async with fan_out(client, map(ask, range(5))) as parts:
            async for _ in parts:
                pass

    reading = asyncio.create_task(read())
    await fake_gateway.wait_for(lambda gateway: gateway.bytes_written >= 5 * 700)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    with anyio.move_on_after(0.1) as scope:
        await read()
    assert scope.cancelled_caught
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_all_has_ended_when_a_cancelled_reader_has_left(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    ended = False

    async def requests() -> AsyncIterator[Request]:
        nonlocal ended
        try:
            yield ask("hi")
            await anyio.sleep_forever()
        finally:
            await settle()
            ended = True

    with anyio.CancelScope() as scope:
        async with fan_out(client, requests()) as parts:
            await anext(parts)
            scope.cancel()
            await anyio.sleep_forever()
    assert ended
    assert not parts._tasks


async def test_a_cancelled_wait_loses_no_part(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=0.05))
    gathered = Gathered()
    async with fan_out(client, map(ask, range(3))) as parts:
        with anyio.move_on_after(0):
            await anext(parts)
        async for part in parts:
            gathered.add(part)
    assert [answer.text for answer in gathered.answers.values()] == ["one two three four"] * 3


async def test_closing_the_client_inside_the_block_is_a_failure_of_each(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    gathered = Gathered()
    async with fan_out(client, map(ask, range(4))) as parts:
        gathered.add(await anext(parts))
        await fake_gateway.wait_for(lambda gateway: gateway.bytes_written >= 4 * 700)
        await client.aclose()
        async for part in parts:
            gathered.add(part)
    assert [type(answer) for answer in gathered.answers.values()] == [PartialTurn] * 4


async def test_a_request_whose_task_somebody_cancels_is_told(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    gathered = Gathered()
    async with fan_out(client, [("one", ask("hi"))]) as parts:
        gathered.add(await anext(parts))
        (asking,) = [task for task in asyncio.all_tasks() if "asking" in task.get_name()]
        asking.cancel()
        async for part in parts:
            gathered.add(part)
    (answer,) = gathered.answers.values()
    assert isinstance(answer, PartialTurn)
    assert answer.failure
    assert answer.failure.code == "cancelled"


async def test_a_stream_that_had_ended_gives_its_answer(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODEL, "hi") as stream:
        turn = await stream.turn()
    async with client.stream(MODEL, "hi") as left:
        assert await anext(left.text()) == "one "
    got = await gather(client, [stream, left])
    assert got.answers[0] == turn
    assert got.events[0] == [turn.stop]
    assert isinstance(got.answers[1], PartialTurn)
    assert got.answers[1].text.startswith("one ")


async def test_what_waits_is_bounded_while_nobody_reads(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = Reply.long(size=400_000, piece=100)
    gathered = Gathered()
    async with fan_out(client, map(ask, range(12)), concurrency=12, buffer=5) as parts:
        gathered.add(await anext(parts))
        await anyio.wait_all_tasks_blocked()
        waiting = len(parts._parts)
        assert 5 <= waiting <= 5 + 12
        written = fake_gateway.bytes_written
        await settle()
        assert (len(parts._parts), fake_gateway.bytes_written) == (waiting, written)
        async for part in parts:
            assert len(parts._parts) <= 5 + 12
            gathered.add(part)
    assert [type(answer) for answer in gathered.answers.values()] == [Turn] * 12


async def test_a_slow_reader_leaves_no_stream_behind(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = Reply.long(size=None, piece=2000)
    parts_of = dict.fromkeys(range(10), 0)
    async with fan_out(client, map(ask, range(10)), concurrency=10, buffer=2) as parts:
        async for part in parts:
            parts_of[part.key] += 1
            await settle()  # all streams have something by now
            if sum(parts_of.values()) == 200:
                break
    assert min(parts_of.values()) >= 10


async def test_streams_that_wait_to_be_read_are_read_in_the_order_in_which_they_came(
    client: Client,
) -> None:
    parts: FanOut[int] = fan_out(client, [], buffer=1)
    parts._parts.append(Part(0, Batch([Start()], 0.0), None))
    served: list[str] = []

    async def stand_in_line(name: str) -> None:
        await parts._room()
        served.append(name)

    waiting = [asyncio.create_task(stand_in_line(name)) for name in ("first", "gone", "second")]
    await settle()
    waiting[1].cancel()
    await settle()
    assert served == []
    parts._parts.clear()
    parts._next_in_line()
    waiting.append(asyncio.create_task(stand_in_line("newcomer")))
    await settle()
    assert served == ["first", "second", "newcomer"]


async def test_one_task_reads_a_fan_out_inside_its_block(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS.with_fault(Fault(delay_headers=60))
    outside = fan_out(client, [ask("hi")])
    with pytest.raises(RuntimeError, match="enter a fan_out"):
        await anext(outside)
    async with outside as parts, anyio.create_task_group() as tasks:
        tasks.start_soon(anext, parts)
        await settle()
        with pytest.raises(RuntimeError, match="by another task"):
            await anext(parts)
        tasks.cancel_scope.cancel()
    with pytest.raises(RuntimeError, match="entered once"):
        async with outside:
            pass


@pytest.mark.parametrize("name", ["concurrency", "buffer"])
@pytest.mark.parametrize("number", [0, math.nan])
async def test_a_number_that_cannot_work_is_refused(
    client: Client, name: str, number: float
) -> None:
    how: dict[str, Any] = {name: number}
    with pytest.raises(ConfigError, match=f"{name} is {number}"):
        fan_out(client, [ask("hi")], **how)


async def test_an_iterable_that_is_cancelled_is_no_end_of_what_is_asked(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER

    async def requests() -> AsyncIterator[Request]:
        yield ask(1)
        lost = asyncio.get_running_loop().create_future()
        lost.cancel()
        await lost
        yield ask(2)

    gathered = Gathered()

    async def read() -> None:
        async with fan_out(client, requests()) as parts:
            async for part in parts:
                gathered.add(part)

    with pytest.raises(StreamTruncated, match="not all were asked"):
        await read()
    assert [type(answer) for answer in gathered.answers.values()] == [Turn]


@pytest.mark.parametrize("when", ["before its turn", "as it is sent"])
async def test_a_stream_of_somebodys_is_closed_though_it_was_left_before_it_began(
    client: Client, fake_gateway: FakeGateway, when: str
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=60))
    session = client.session()
    kept = session.ask(MODEL, "left")
    buffer = 5 if when == "as it is sent" else 1
    async with fan_out(client, [kept], buffer=buffer) as parts:
        if when == "before its turn":
            parts._parts.append(Part(1, Batch([Start()], 0.0), None))
            await settle()
        else:
            await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
    fake_gateway.default = ANSWER
    await session.answer(MODEL, "asked again, though somebody keeps the first")
    assert len(session.history) == 2
    assert kept.partial.text == ""
