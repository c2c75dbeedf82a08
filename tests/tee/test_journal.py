"""The last events of an answer, numbered and bounded."""

from __future__ import annotations

from sys import getsizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import Batch, Event
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Notice,
    Opaque,
    ReasoningDelta,
    Reset,
    Start,
    Stop,
    TextDelta,
    Usage,
)
from gateway_stream.tee.journal import Journal, closing, size_of

SIGNED = BlockEnd(0, opaque=Opaque("anthropic", "anthropic", '{"signature":"c2ln"}'), vendor="{}")
READS: list[list[Event]] = [
    [Start(id="answer"), BlockStart(0, "reasoning")],
    [ReasoningDelta(0, "Rayleigh."), SIGNED, BlockStart(1, "text")],
    [TextDelta(1, "Because "), TextDelta(1, "of ")],
    [TextDelta(1, "the air."), BlockEnd(1)],
    [Usage(input=1, output=2), Stop("end_turn")],
]
EVENTS = [event for read in READS for event in read]


def filled(limit: int = 1_000_000) -> Journal:
    journal = Journal(limit)
    for read in READS:
        journal.add(Batch(read, 0.0))
    return journal


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_every_event_is_found_by_its_number_with_those_that_came_with_it(number: int) -> None:
    kept = filled().at(number)
    assert kept.number <= number < kept.end
    assert kept.batch.events[number - kept.number] == EVENTS[number]


@pytest.mark.parametrize("text", ["", "a", "ä", "日本", "🙂" * 5, "x" * 1000])
def test_a_text_counts_with_the_memory_it_takes(text: str) -> None:
    event = TextDelta(0, text)
    assert size_of(event) == getsizeof(event) + getsizeof(text) + 8
    assert size_of(Notice("heartbeat", text)) >= getsizeof(text)


def test_what_a_vendor_wants_back_counts_too() -> None:
    signature = '"' + "x" * 5000 + '"'
    assert size_of(BlockEnd(0, opaque=Opaque("anthropic", "anthropic", signature))) > 5000


def test_the_oldest_reads_leave_while_it_is_full_and_no_further_than_allowed() -> None:
    journal = filled(limit=1)
    journal.forget(4)
    assert journal.first == 2  # the second read goes up to event 4
    journal.forget(5)
    assert journal.first == 5
    journal.forget(len(EVENTS))
    assert (journal.first, journal.end, journal.held) == (len(EVENTS), len(EVENTS), 0)


def test_nothing_leaves_that_there_is_room_for() -> None:
    journal = filled()
    journal.forget(len(EVENTS))
    assert journal.first == 0
    assert journal.held == sum(map(size_of, EVENTS))


def test_how_the_answer_is_built_stays_without_the_vendors_data() -> None:
    journal = filled(limit=1)
    journal.forget(7)
    assert journal.frame(0) == [
        Start(id="answer"),
        BlockStart(0, "reasoning"),
        BlockEnd(0, "truncated"),
        BlockStart(1, "text"),
    ]
    assert journal.frame(2) == [BlockEnd(0, "truncated"), BlockStart(1, "text")]
    assert journal.open_blocks(2) == {0}
    assert journal.open_blocks(7) == {1}
    assert journal.open_blocks(len(EVENTS)) == set()


def test_what_a_vendor_told_at_the_start_leaves_with_it() -> None:
    journal = Journal(1)
    journal.add(Batch([Start(id="answer", vendor='{"a": 1}'), BlockStart(0, "text")], 0.0))
    journal.forget(journal.end)
    assert journal.frame(0) == [Start(id="answer"), BlockStart(0, "text")]


@pytest.mark.parametrize("limit", [1, 1_000_000])
def test_a_reset_makes_what_came_before_it_void(limit: int) -> None:
    journal = Journal(limit)
    journal.add(Batch([Start(), BlockStart(0, "text"), TextDelta(0, "No")], 0.0))
    journal.add(Batch([Reset("connection_lost", 2), Start(attempt=2)], 0.0))
    journal.add(Batch([BlockStart(0, "text")], 0.0))
    journal.forget(5)
    assert journal.begin == 3
    assert journal.open_blocks(5) == set()
    assert journal.open_blocks(6) == {0}
    if limit == 1:
        assert journal.frame(0) == [Reset("connection_lost", 2), Start(attempt=2)]


def test_the_ends_of_blocks_that_will_not_be_whole() -> None:
    assert closing({3, 1}) == [BlockEnd(1, "truncated"), BlockEnd(3, "truncated")]


@given(
    reads=st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=5), max_size=30),
    limit=st.integers(1, 3000),
    lag=st.integers(0, 20),
)
def test_it_holds_its_limit_and_one_read_for_a_reader_that_keeps_up(
    reads: list[list[int]], limit: int, lag: int
) -> None:
    journal = Journal(limit)
    largest = 0
    for read in reads:
        batch = Batch([TextDelta(0, "x" * length) for length in read], 0.0)
        largest = max(largest, sum(map(size_of, batch.events)))
        journal.add(batch)
        journal.forget(journal.end - lag)
        kept = [journal.at(number) for number in range(journal.first, journal.end)]
        assert journal.held == sum({one.number: one.size for one in kept}.values())
        if lag == 0:
            assert journal.held < limit + largest
