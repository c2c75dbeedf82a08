"""One answer, many readers: over sockets."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import (
    Batch,
    Client,
    ConfigError,
    ConnectError,
    ConnectionLost,
    Event,
    Failure,
    ModelNotFound,
    PartialTurn,
    Stop,
    StreamTruncated,
    fold,
)
from gateway_stream.events import BlockStart, Start
from gateway_stream.tee import tee
from gateway_stream.testing import FakeGateway, Fault, Reply, ScriptedCall
from gateway_stream.wire.family import check_grammar
from tests.support.clock import settle
from tests.tee.told import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.tee import Tee
    from gateway_stream.tee.reader import Reader

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(
    text="one two three four five six seven eight",
    reasoning="Count.",
    tool_calls=[ScriptedCall("count", {"to": 8})],
)
STALLS = ANSWER.with_fault(Fault(stall_after=900))
TEXT = "one two three four five six seven eight"


def asked(client: Client, readers: int, **how: Any) -> Tee:
    return tee(client.stream(MODEL, "count"), readers, **how)


async def read(reader: Reader) -> list[Event]:
    return [event async for event in reader]


async def read_all(readers: tuple[Reader, ...]) -> list[list[Event]]:
    return await asyncio.gather(*map(read, readers))


async def test_every_reader_gets_every_event_once_from_one_request(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODEL, "count") as stream:
        alone = [event async for event in stream]
    async with asked(client, 3) as answer:
        got = await read_all(answer.readers)
        turns = [await reader.turn() for reader in answer.readers]
    assert len(fake_gateway.requests) == 2
    for events, turn in zip(got, turns, strict=True):
        check_grammar(events)
        assert events[1:] == alone[1:]  # the first has the request's id
        assert turn.text == TEXT
        assert turn.tool_calls[0].runnable
    assert [reader.position for reader in answer.readers] == [len(alone)] * 3


async def test_readers_read_as_streams_are_read(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = ANSWER
    async with asked(client, 4) as answer:
        by_event, by_text, by_batch, by_turn = answer.readers
        assert "".join([text async for text in by_text.text()]) == TEXT
        batches = [batch async for batch in by_batch.batches()]
        assert [event for batch in batches for event in batch.events] == await read(by_event)
        assert batches[0].read_at <= batches[-1].read_at
        assert batches[0].read_at > 0
        assert (await by_turn.turn()).text == TEXT
        assert await read(by_turn) == []


async def test_nothing_is_sent_before_a_tee_is_entered_or_read(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    answer = asked(client, 2)
    await settle()
    assert not fake_gateway.requests
    assert [len(events) > 5 for events in await read_all(answer.readers)] == [True, True]
    assert len(fake_gateway.requests) == 1
    await answer.aclose()


async def test_the_stream_may_have_been_entered_before(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODEL, "count") as stream, tee(stream, 1) as answer:
        assert (await answer.readers[0].turn()).text == TEXT
    assert len(fake_gateway.requests) == 1


async def test_a_late_reader_gets_every_later_event_once_from_any_number(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.chopped(every=333)
    async with asked(client, 1) as answer:
        events = await read(answer.readers[0])
        for number in range(len(events) + 1):
            late = answer.reader(number)
            assert late.position == number
            got = []
            for expected in events[number:]:
                got.append(await anext(late))
                assert got[-1] == expected
                assert late.position == number + len(got)
            assert [event async for event in late] == []
            assert (await late.turn()).text == TEXT
        assert await read(answer.reader()) == events


async def test_a_reader_that_joins_in_the_middle_of_an_answer_gets_what_comes_later_too(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    async with asked(client, 1) as answer:
        (reader,) = answer.readers
        before = [await anext(reader) for _ in range(6)]
        late = answer.reader(2)
        assert [await anext(late) for _ in range(4)] == before[2:]


@pytest.mark.parametrize("number", [-1, 1])
async def test_no_reader_starts_where_nothing_is(client: Client, number: int) -> None:
    with pytest.raises(ConfigError, match=f"no reader can start at event {number}"):
        asked(client, 1).reader(number)


async def test_a_reader_that_is_cancelled_disturbs_nobody_and_can_go_on(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=0.05))
    answer = asked(client, 2)
    first, second = answer.readers
    cancelled = anyio.CancelScope()
    got: list[list[Event]] = []

    async def be_cancelled() -> None:
        with cancelled:
            await read(first)

    async def go_on() -> None:
        got.append(await read(second))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_cancelled)
        tasks.start_soon(go_on)
        await fake_gateway.wait_for(lambda gateway: gateway.in_flight)
        cancelled.cancel()
    assert cancelled.cancelled_caught
    assert await read(first) == got[0]
    assert len(fake_gateway.requests) == 1
    await answer.aclose()


async def test_a_refused_request_is_refused_to_who_enters(
    client: Client, fake_gateway: FakeGateway
) -> None:
    with pytest.raises(ModelNotFound):
        async with asked(client, 2):
            pytest.fail("it was entered")
    assert fake_gateway.in_flight == 0


async def test_a_refused_request_is_refused_to_every_reader_and_sent_once(
    client: Client, fake_gateway: FakeGateway
) -> None:
    answer = asked(client, 4)
    first, second, third, fourth = answer.readers
    for reading in (read(first), second.turn()):
        with pytest.raises(ModelNotFound) as told:
            await reading
        assert told.value.status == 404
    (batch,) = [batch async for batch in third.batches()]
    assert [type(event) for event in batch.events] == [Failure]
    with pytest.raises(ModelNotFound):
        await anext(fourth.text())
    late = answer.reader(answer.readers[0].position)
    assert await read(late) == []
    with pytest.raises(ModelNotFound):
        await late.turn()
    assert len(fake_gateway.requests) == 1
    await answer.aclose()


async def test_what_lies_behind_a_refusal_is_told_to_every_reader() -> None:
    behind = OSError("no way there")
    refusal = ConnectError("no connection", phase="connect")

    class Unreachable(Told):
        async def batches(self) -> AsyncIterator[Batch]:
            raise refusal from behind
            yield

    async with tee(Unreachable().stream, 2) as answer:
        for reader in answer.readers:
            with pytest.raises(ConnectError) as told:
                await anext(reader)
            assert told.value.__cause__ is behind


async def test_an_answer_that_breaks_off_fails_every_reader_with_what_came(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(cut_after=1500, cut="reset"))
    async with asked(client, 3) as answer:
        errors = []
        for reading in (read(answer.readers[0]), answer.readers[1].turn()):
            with pytest.raises(StreamTruncated) as told:
                await reading
            errors.append(told.value)
        batches = [batch async for batch in answer.readers[2].batches()]
    events = [event for batch in batches for event in batch.events]
    check_grammar(events)
    assert isinstance(fold(events), PartialTurn)
    assert errors[0] is not errors[1]
    for error in errors:
        assert isinstance(error.partial, PartialTurn)
        assert error.partial.text.startswith("one two")
        assert isinstance(error.__cause__, ConnectionLost)


async def test_closing_a_tee_closes_its_stream_and_tells_who_waits(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    told: list[StreamTruncated] = []
    events: list[Event] = []

    async def wait(reader: Reader) -> None:
        try:
            await read(reader)
        except StreamTruncated as error:
            told.append(error)

    async with asked(client, 3) as answer:
        unread = answer.readers[2]
        async with anyio.create_task_group() as tasks:
            for reader in answer.readers[:2]:
                tasks.start_soon(wait, reader)
            await fake_gateway.wait_for(lambda gateway: gateway.bytes_written >= 900)
            await settle()
            await answer.aclose()
            await answer.aclose()
    assert [error.code for error in told] == ["closed", "closed"]
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    async for batch in unread.batches():
        events += batch.events
    check_grammar(events)
    assert isinstance(events[-1], Failure)
    assert len(events) > 5


async def test_closing_a_tee_whose_answer_is_whole_takes_nothing_away(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with asked(client, 2) as answer:
        first, second = answer.readers
        events = await read(first)
    assert await read(second) == events
    assert (await second.turn()).text == TEXT


async def test_a_tee_that_is_closed_unused_sends_nothing(
    client: Client, fake_gateway: FakeGateway
) -> None:
    answer = asked(client, 1)
    await answer.aclose()
    with pytest.raises(StreamTruncated, match="closed before"):
        await anext(answer.readers[0])
    assert not fake_gateway.requests


async def test_a_tee_that_is_closed_unread_closes_a_stream_that_was_entered(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    stream = client.stream(MODEL, "count")
    await stream.__aenter__()
    await tee(stream, 1).aclose()
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_leaving_a_tee_by_being_cancelled_closes_its_connection(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    with anyio.move_on_after(0.05):
        async with asked(client, 1) as answer:
            await answer.readers[0].turn()
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_closing_the_client_tells_the_readers(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    async with asked(client, 1) as answer:
        (reader,) = answer.readers
        await anext(reader)
        await client.aclose()
        with pytest.raises(StreamTruncated):
            await reader.turn()


async def test_a_reader_that_leaves_gets_no_more_and_keeps_nobody_waiting(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with asked(client, 2, journal=1) as answer:
        first, second = answer.readers
        async with first:
            await anext(first)
        assert await read(first) == []
        with pytest.raises(StreamTruncated, match="this reader was closed"):
            await first.turn()
        assert (await second.turn()).text == TEXT


async def test_a_reader_that_is_closed_while_it_waits_is_told() -> None:
    stream = Told()
    async with tee(stream.stream, 2) as answer:
        reader = answer.readers[0]
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(StreamTruncated, match="this reader was closed"):
                    await anext(reader)

            tasks.start_soon(wait)
            await settle()
            await reader.aclose()
        assert not stream.closed


async def test_a_reader_that_is_closed_as_news_come_gets_none_of_them() -> None:
    stream = Told()
    async with tee(stream.stream, 2) as answer:
        reader, other = answer.readers
        stream.tell(Start())
        assert await anext(reader) == await anext(other) == Start()

        async def close_it() -> None:
            await anext(other)  # who waits is woken by the same news, and has not run since
            await reader.aclose()

        closing = asyncio.create_task(close_it())
        await settle()
        waiting = asyncio.ensure_future(anext(reader))
        await settle()
        stream.tell(BlockStart(0, "text"))
        await closing
        with pytest.raises(StreamTruncated, match="this reader was closed"):
            await waiting
        assert reader.position == 1


async def test_one_task_reads_a_reader() -> None:
    async with tee(Told().stream, 1) as answer:
        (reader,) = answer.readers
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, reader)
            await settle()
            with pytest.raises(RuntimeError, match="by another task"):
                await anext(reader)
            tasks.cancel_scope.cancel()


async def test_a_stream_that_somebody_else_reads_is_told_to_the_readers(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = STALLS
    stream = client.stream(MODEL, "count")

    async def read_beside() -> None:
        with pytest.raises(StreamTruncated):
            await stream.turn()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_beside)
        await fake_gateway.wait_for(lambda gateway: gateway.bytes_written >= 900)
        await settle()
        async with tee(stream, 1) as answer:
            with pytest.raises(StreamTruncated, match="by another task") as told:
                await answer.readers[0].turn()
        assert isinstance(told.value.__cause__, RuntimeError)


async def test_an_answer_that_had_ended_before_its_tee_has_no_more_events_and_a_turn(
    client: Client, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with client.stream(MODEL, "count") as stream:
        turn = await stream.turn()
        async with tee(stream, 1) as answer:
            assert await read(answer.readers[0]) == []
            assert await answer.readers[0].turn() == turn


async def test_text_is_given_once_though_the_answer_began_anew() -> None:
    from gateway_stream import Reset, Start, TextDelta
    from gateway_stream.events import BlockEnd, BlockStart

    stream = Told()
    stream.tell(Start(), BlockStart(0, "text"), TextDelta(0, "On"))
    stream.tell(Reset("connection_lost", 2), Start(attempt=2), BlockStart(0, "text"))
    stream.tell(TextDelta(0, "Once"), BlockEnd(0), Stop("end_turn"))
    async with tee(stream.stream, 2) as answer:
        first, second = answer.readers
        assert fold(await read(first)).text == "Once"
        assert not stream.keeps_text
        assert [text async for text in second.text()] == ["Once"]
        assert stream.keeps_text
        assert fold(await read(answer.reader())).text == "Once"
        assert answer.reader().position == 3


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"readers": -1}, "readers is -1"),
        ({"journal": 0}, "journal is 0"),
        ({"grace": -0.5}, "grace is -0.5"),
        ({"readers": math.nan}, "readers is nan"),
        ({"journal": math.nan}, "journal is nan"),
        ({"grace": math.nan}, "grace is nan"),
        ({"slow": "wait"}, "slow is 'wait'"),
        ({"on_no_readers": "go"}, "on_no_readers is 'go'"),
    ],
)
def test_what_cannot_work_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tee(Told().stream, how.pop("readers", 1), **how)
