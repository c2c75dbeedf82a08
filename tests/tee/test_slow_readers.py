"""What becomes of a reader that is slow, and of an answer that nobody reads."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import (
    Batch,
    ConfigError,
    Event,
    Failure,
    Notice,
    PartialTurn,
    Reset,
    Start,
    StreamTruncated,
    TextDelta,
    Turn,
    fold,
)
from gateway_stream.events import BlockEnd, BlockStart, Stop, ToolCallDelta
from gateway_stream.tee import tee
from gateway_stream.tee.journal import size_of
from gateway_stream.wire.family import check_grammar
from tests.support.clock import HandClock, settle
from tests.tee.told import Told

if TYPE_CHECKING:
    from gateway_stream.tee.pump import Slow
    from gateway_stream.tee.reader import Reader

LOST: str = "events_lost"
WORDS = [f"word {number} " for number in range(40)]
CALL: list[Event] = [
    BlockStart(1, "tool_call", "call_1", "delete"),
    ToolCallDelta(1, '{"n": 2'),
    ToolCallDelta(1, "5"),
    ToolCallDelta(1, "}"),
    BlockEnd(1),
]
EVENTS: list[Event] = [
    Start(id="answer"),
    BlockStart(0, "text"),
    *[TextDelta(0, word) for word in WORDS],
    BlockEnd(0),
    *CALL,
    Stop("end_turn"),
]
WORD = size_of(TextDelta(0, WORDS[0]))


def told(events: list[Event] = EVENTS) -> Told:
    stream = Told()
    for event in events:
        stream.tell(event)
    return stream


async def read(reader: Reader) -> list[Event]:
    return [event async for batch in reader.batches() for event in batch.events]


async def read_together(*readers: Reader) -> list[list[Event]]:
    """What each of some readers gets, all reading at once."""
    got: list[list[Event]] = [[] for _ in readers]

    async def go_on(place: int) -> None:
        got[place] += await read(readers[place])

    async with anyio.create_task_group() as tasks:
        for place in range(len(readers)):
            tasks.start_soon(go_on, place)
    return got


async def test_with_block_the_slowest_reader_is_the_pace_of_all() -> None:
    stream = told()
    got: list[Event] = []
    async with tee(stream.stream, 2, journal=10 * WORD) as answer:
        quick, stuck = answer.readers

        async def go_on() -> None:
            async for event in quick:
                got.append(event)  # noqa: PERF401  it is looked at meanwhile

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            await settle()
            assert got == EVENTS[: len(got)]
            assert 8 < len(got) < 14
            assert stream.waiting == len(EVENTS) - len(got)
            assert await read(stuck) == EVENTS
        assert got == EVENTS


@pytest.mark.parametrize("slow", ["block", "drop_oldest", "detach"])
async def test_a_reader_that_leaves_is_waited_for_no_longer(slow: Slow) -> None:
    stream = told()
    async with tee(stream.stream, 2, slow=slow, journal=10 * WORD) as answer:
        stuck, quick = answer.readers
        got: list[Event] = []

        async def go_on() -> None:
            got.extend(await read(quick))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            await settle()
            await stuck.aclose()
        assert got == EVENTS


@pytest.mark.parametrize("slow", ["block", "drop_oldest", "detach"])
async def test_readers_that_are_slow_together_make_the_stream_wait_and_lose_nothing(
    slow: Slow,
) -> None:
    stream = told()
    async with tee(stream.stream, 2, slow=slow, journal=10 * WORD) as answer:
        await settle()
        assert 8 < stream.reads < 14
        assert await read_together(*answer.readers) == [EVENTS, EVENTS]


async def dropped(journal: int = 10 * WORD, events: list[Event] = EVENTS) -> tuple[Reader, Any]:
    """A reader that took one read and fell behind, and what is to be left afterwards."""
    stream = told(events)
    answer = tee(stream.stream, 2, slow="drop_oldest", journal=journal)
    await answer.__aenter__()
    slow, fast = answer.readers
    assert await anext(slow) == events[0]
    assert await read(fast) == events
    return slow, answer


async def test_with_drop_oldest_a_slow_reader_is_told_what_it_lost() -> None:
    slow, answer = await dropped()
    got = await read(slow)
    notice = got[0]
    assert isinstance(notice, Notice)
    assert notice.code == LOST
    kept = len(EVENTS) - 1 - slow.lost
    assert notice.detail == f"this reader was slow and lost {slow.lost} events, 1 to {slow.lost}"
    assert 8 < kept < 14
    assert got[-kept : -len(CALL) - 2] == EVENTS[-kept : -len(CALL) - 2]
    assert slow.position == len(EVENTS)
    await answer.aclose()


async def test_what_a_slow_reader_gets_keeps_to_the_grammar_and_is_no_whole_answer() -> None:
    slow, answer = await dropped()
    got = [EVENTS[0], *await read(slow)]
    check_grammar(got)
    folded = fold(got)
    assert isinstance(folded, PartialTurn)
    assert folded.blocks[0].status == "truncated"
    assert isinstance(got[-1], Failure)
    assert (got[-1].kind, got[-1].code) == ("stream_truncated", LOST)
    with pytest.raises(StreamTruncated, match="lost"):
        await slow.turn()
    await answer.aclose()


async def test_a_slow_reader_is_where_what_is_left_begins_while_it_is_told_what_it_lost() -> None:
    slow, answer = await dropped()
    while slow.position < len(EVENTS):
        event = await anext(slow)
        if isinstance(event, Notice):
            assert slow.position == slow.lost + 1
            assert await anext(answer.reader(slow.position)) == EVENTS[slow.position]
            break
    await answer.aclose()


async def test_a_slow_readers_loop_ends_in_an_error() -> None:
    slow, answer = await dropped()
    with pytest.raises(StreamTruncated, match="but this reader was slow") as told_of:
        async for _ in slow:
            pass
    assert isinstance(told_of.value.partial, PartialTurn)
    assert [event async for event in slow] == []
    await answer.aclose()


@pytest.mark.parametrize("holds", range(1, 9))
async def test_a_tool_call_with_a_hole_in_it_never_passes_for_whole(holds: int) -> None:
    slow, answer = await dropped(holds * WORD)
    got = [EVENTS[0], *await read(slow)]
    check_grammar(got)
    folded = fold(got)
    (call,) = folded.tool_calls
    assert not call.runnable
    whole = call.json == '{"n": 25}'
    assert (call.status == "complete") == (whole and BlockEnd(1) in got)
    assert whole or call.status == "truncated"
    await answer.aclose()


async def test_a_reader_that_lost_what_a_reset_made_void_is_whole_again() -> None:
    again: list[Event] = [Start(attempt=2), BlockStart(0, "text"), TextDelta(0, "all"), BlockEnd(0)]
    events = [*EVENTS[:30], Reset("connection_lost", 2), *again, Stop("end_turn")]
    for holds in range(1, 12):
        slow, answer = await dropped(holds * WORD, events)
        got = [events[0], *await read(slow)]
        check_grammar(got)
        folded = fold(got)
        lost_of_the_second = slow.lost > 30
        assert isinstance(folded, PartialTurn if lost_of_the_second else Turn)
        assert lost_of_the_second or folded.text == "all"
        await answer.aclose()


async def test_with_detach_a_slow_reader_gets_an_error_and_the_others_go_on() -> None:
    stream = told()
    async with tee(stream.stream, 3, slow="detach", journal=10 * WORD) as answer:
        slow, *fast = answer.readers
        for reader in answer.readers:
            got = [await anext(reader), await anext(reader)]
        assert await read_together(*fast) == [EVENTS[2:], EVENTS[2:]]
        got += await read(slow)
        check_grammar(got)
        assert [type(event) for event in got[2:]] == [BlockEnd, Failure]
        with pytest.raises(StreamTruncated, match="fell behind") as told_of:
            await slow.turn()
        assert told_of.value.code == "detached"
        assert not stream.closed


async def test_a_reader_that_was_detached_is_waited_for_no_longer() -> None:
    stream = told()
    clock = HandClock()
    async with tee(
        stream.stream, 2, slow="detach", journal=5 * WORD, grace=1, timer=clock
    ) as answer:
        _slow, fast = answer.readers
        for _ in range(20):
            await anext(fast)
        await fast.aclose()
        await clock.advance(1.5)
        assert stream.closed


@pytest.mark.parametrize("slow", ["block", "drop_oldest", "detach"])
@given(data=st.data())
async def test_however_readers_take_turns_each_gets_every_event_once_or_is_told(
    slow: Slow, data: st.DataObject
) -> None:
    stream = Told()
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=12, max_size=12))
    rest = list(EVENTS)
    while rest:
        size = sizes.pop() if sizes else len(rest)
        stream.tell(*rest[:size])
        rest = rest[size:]
    holds = data.draw(st.integers(1, 60))
    async with tee(stream.stream, 3, slow=slow, journal=holds * WORD) as answer:
        got: list[list[Event]] = [[] for _ in answer.readers]
        iterators = [reader.batches() for reader in answer.readers]
        going = {0, 1, 2}
        for turn in data.draw(st.lists(st.integers(0, 2), max_size=40)):
            if turn in going and not _waits(answer.readers[turn]):
                await _step(iterators, turn, got, going)
        async with anyio.create_task_group() as tasks:
            for turn in going:
                tasks.start_soon(_to_the_end, iterators, turn, got, going)
    for reader, events in zip(answer.readers, got, strict=True):
        if events[-1] == EVENTS[-1]:
            assert events == EVENTS
            assert reader.lost == 0
        else:
            assert slow != "block"
            assert isinstance(events[-1], Failure)
            check_grammar(events)


def _waits(reader: Reader) -> bool:
    pump = reader._pump
    return reader._cursor.position == pump.journal.end and not pump.ended


async def _step(iterators: Any, turn: int, got: list[list[Event]], going: set[int]) -> None:
    batch: Batch | None = await anext(iterators[turn], None)
    if batch is None:
        going.discard(turn)
    else:
        got[turn] += batch.events
    await settle()


async def _to_the_end(iterators: Any, turn: int, got: list[list[Event]], going: set[int]) -> None:
    while turn in going:
        await _step(iterators, turn, got, going)


# Nobody reads.


async def test_a_stream_that_nobody_reads_is_closed_after_a_grace() -> None:
    stream, clock = Told(), HandClock()
    stream.tell(*EVENTS[:5])
    async with tee(stream.stream, 1, grace=5, timer=clock) as answer:
        (reader,) = answer.readers
        await anext(reader)
        await reader.aclose()
        await clock.advance(4.9)
        assert not stream.closed
        await clock.advance(0.2)
        assert stream.closed
        late = await read(answer.reader())
        check_grammar(late)
        assert isinstance(late[-1], Failure)
        assert late[-1].code == "no_readers"
        assert late[:5] == EVENTS[:5]


async def test_a_reader_that_comes_within_the_grace_misses_nothing() -> None:
    stream, clock = told(), HandClock()
    async with tee(stream.stream, 1, journal=10 * WORD, grace=5, timer=clock) as answer:
        (reader,) = answer.readers
        for _ in range(4):
            await anext(reader)
        await reader.aclose()
        await clock.advance(4)
        assert stream.waiting  # the journal is full, and holds what was not read
        late = answer.reader(reader.position)
        await clock.advance(10)
        assert await read(late) == EVENTS[4:]
        assert not stream.closed


async def test_a_tee_that_is_closed_waits_for_no_reader() -> None:
    stream, clock = Told(), HandClock()
    async with tee(stream.stream, 0, grace=3600, timer=clock):
        await settle()
    assert not [alarm for *_, alarm in clock._alarms if alarm._work is not None]


async def test_the_grace_begins_anew_each_time_the_last_reader_leaves() -> None:
    stream, clock = Told(), HandClock()
    async with tee(stream.stream, 1, grace=5, timer=clock) as answer:
        await answer.readers[0].aclose()
        await clock.advance(3)
        await answer.reader().aclose()
        await clock.advance(4)
        assert not stream.closed
        await clock.advance(1.5)
        assert stream.closed


async def test_a_tee_that_had_no_reader_from_the_start_waits_for_one_as_long() -> None:
    stream, clock = Told(), HandClock()
    async with tee(stream.stream, 0, grace=5, timer=clock):
        await clock.advance(4.9)
        assert not stream.closed
        await clock.advance(0.2)
        assert stream.closed


async def test_an_answer_that_is_to_go_on_is_read_to_its_end_without_readers() -> None:
    stream, clock = told(), HandClock()
    async with tee(
        stream.stream, 0, journal=10 * WORD, on_no_readers="continue", timer=clock
    ) as answer:
        while stream.waiting:
            await clock.advance(60)
        assert not stream.closed
        with pytest.raises(ConfigError, match="no reader can start at event 0"):
            answer.reader()
        late = answer.reader(len(EVENTS) - 5)
        assert await read(late) == EVENTS[-5:]
        assert (await late.turn()).text == "".join(WORDS)


async def test_a_reader_that_was_dropped_has_left() -> None:
    stream, clock = told(), HandClock()
    async with tee(stream.stream, 0, journal=10 * WORD, grace=5, timer=clock) as answer:
        await anext(answer.reader())
        gc.collect()
        await clock.advance(5.1)
        assert stream.closed


@pytest.mark.parametrize("slow", ["block", "drop_oldest", "detach"])
async def test_a_reader_that_was_dropped_before_anything_was_read_is_not_waited_for(
    slow: Slow,
) -> None:
    stream, clock = told(), HandClock()
    answer = tee(stream.stream, 1, slow=slow, journal=10 * WORD, timer=clock)
    answer.reader()
    gc.collect()
    async with answer:
        with anyio.fail_after(5):
            assert await read(answer.readers[0]) == EVENTS


async def test_a_tee_whose_readers_were_all_dropped_before_it_began_waits_for_one_as_long() -> None:
    stream, clock = Told(), HandClock()
    answer = tee(stream.stream, 0, grace=5, timer=clock)
    answer.reader()
    gc.collect()
    async with answer:
        await clock.advance(5.1)
        assert stream.closed


async def test_a_dropped_tee_closes_its_stream() -> None:
    stream, clock = told(), HandClock()
    answer = tee(stream.stream, 2, journal=10 * WORD, grace=5, timer=clock)
    await anext(answer.readers[0])
    del answer
    gc.collect()
    await clock.advance(5.1)
    assert stream.closed
