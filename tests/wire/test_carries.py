"""What an answer is once it has crossed a wire, in tables small enough to check by eye."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Notice,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.wire.canonical import canonical, joined
from gateway_stream.wire.carries import Carries

REASONS: dict[StopReason, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "tool_use": "end_turn",
    "stop_sequence": "end_turn",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "unknown",
    "unknown": "unknown",
}
PLAIN = Carries(
    family="plain",
    blocks={"text": "text", "refusal": "text", "tool_call": "tool_call"},
    reasons=REASONS,
    counts=frozenset({"input", "output"}),
    broken_calls=False,
    unnamed="unnamed",
)
DOCS = Path(__file__).parents[2] / "docs"


def text(index: int, *pieces: str) -> list[Event]:
    deltas = [TextDelta(index, piece) for piece in pieces]
    return [BlockStart(index, "text"), *deltas, BlockEnd(index)]


def call(index: int, arguments: str) -> list[Event]:
    return [
        *(BlockStart(index, "tool_call", "id", "look"), ToolCallDelta(index, arguments)),
        BlockEnd(index),
    ]


def carried(*events: Event) -> list[Event]:
    """What lies between start and stop."""
    return canonical(PLAIN, [Start("a"), *events, Stop("end_turn")])[1:-1]


def test_deltas_become_one_and_blocks_follow_each_other() -> None:
    mixed: list[Event] = [
        *(BlockStart(0, "text"), BlockStart(1, "text"), TextDelta(1, "c"), TextDelta(0, "a")),
        *(TextDelta(0, "b"), BlockEnd(1), BlockEnd(0)),
    ]
    assert carried(*mixed) == [*text(0, "ab"), *text(1, "c")]


def test_a_kind_that_the_wire_does_not_know_is_told_as_another_or_left_out() -> None:
    refused: list[Event] = [BlockStart(0, "refusal"), RefusalDelta(0, "No."), BlockEnd(0)]
    thought: list[Event] = [BlockStart(1, "reasoning"), ReasoningDelta(1, "Hm."), BlockEnd(1)]
    assert carried(*refused, *thought, *text(2, "a")) == [*text(0, "No."), *text(1, "a")]


def test_what_is_the_familys_own_stays_and_what_is_anothers_goes() -> None:
    own, strange = Opaque("plain", "plain", "{}"), Opaque("other", "other", "{}")
    tool: list[Event] = [BlockStart(0, "server_tool"), BlockEnd(0, opaque=own)]
    other: list[Event] = [BlockStart(1, "server_tool"), BlockEnd(1, opaque=strange)]
    assert carried(*tool, *other) == tool


def test_a_call_that_cannot_be_written_is_left_out_and_asks_for_nothing() -> None:
    broken: list[Event] = [*call(0, "[1]")[:-1], BlockEnd(0, "invalid")]
    events = canonical(PLAIN, [Start("a"), *broken, Stop("tool_use")])
    assert events == [Start("a"), Stop("end_turn")]


def test_no_arguments_and_an_empty_object_are_the_same() -> None:
    assert carried(*call(0, "{ }")) == [BlockStart(0, "tool_call", "id", "look"), BlockEnd(0)]


def test_blanks_around_arguments_are_none_of_them() -> None:
    assert carried(*call(0, ' {"a": 1}\n')) == call(0, '{"a": 1}')


def test_a_cut_call_that_a_reader_would_take_for_whole_is_invalid() -> None:
    loose = replace(PLAIN, broken_calls=True)
    marked = replace(loose, cut_calls=True)
    cut: list[Event] = [Start("a"), *call(0, '{"a":1}')[:-1], BlockEnd(0, "truncated")]
    growing: list[Event] = [Start("a"), *call(0, '{"a":')[:-1], BlockEnd(0, "truncated")]

    def status(carries: Carries, *events: Event) -> str:
        return next(e.status for e in canonical(carries, events) if isinstance(e, BlockEnd))

    assert status(loose, *cut, Stop("tool_use")) == "invalid"
    assert status(loose, *cut, *text(1, "b"), Stop("max_tokens")) == "invalid"
    assert status(loose, *cut, Stop("max_tokens")) == "truncated"
    assert status(loose, *growing, Stop("tool_use")) == "truncated"
    assert status(marked, *cut, Stop("tool_use")) == "truncated"


def test_a_call_makes_an_end_a_stop_for_tools() -> None:
    events = canonical(PLAIN, [Start("a"), *call(0, '{"a":1}'), Stop("stop_sequence")])
    assert events[-1] == Stop("tool_use")


@pytest.mark.parametrize(("told", "read"), REASONS.items())
def test_a_reason_is_read_back_as_the_table_says(told: StopReason, read: StopReason) -> None:
    assert canonical(PLAIN, [Start("a"), Stop(told, raw="word", vendor="{}")])[-1] == Stop(read)


def test_counts_without_a_field_are_not_told() -> None:
    told = Usage(input=9, output=8, cache_read=7, reasoning=6)
    assert carried(told) == [Usage(input=9, output=8)]
    assert carried(Usage(cache_read=7)) == []


def test_an_answer_without_an_id_has_the_one_that_the_family_gives() -> None:
    assert canonical(PLAIN, [Start(None, "m"), Stop("end_turn")])[0] == Start("unnamed", "m")


def test_a_failure_is_told_as_what_any_reader_reads() -> None:
    failure = Failure(kind="timed_out", message="Late.", code="x", hint="Wait.", retryable=True)
    events = canonical(PLAIN, [Start("a"), *text(0, "b"), failure])
    assert events[-1] == Failure(kind="stream_failed", message="Late.")


def test_a_block_that_nothing_closed_is_cut_where_the_answer_failed() -> None:
    loose = Carries(
        family="loose",
        blocks=PLAIN.blocks,
        reasons=REASONS,
        counts=PLAIN.counts,
        closing={"text": "next", "tool_call": "end"},
    )
    failed: list[Event] = [Start("a"), *text(0, "b"), *call(1, '{"a":1}'), *text(2, "c")]
    ends = [
        event.status
        for event in canonical(loose, [*failed, Failure(kind="overloaded", message="Full.")])
        if isinstance(event, BlockEnd)
    ]
    assert ends == ["complete", "truncated", "truncated"]


def test_joined_keeps_all_but_what_no_wire_carries() -> None:
    opaque = Opaque("other", "other", "{}")
    events: list[Event] = [
        *(Notice("heartbeat"), Start("a", "m", "request", 2, "{}"), Usage(input=1)),
        *(BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "b")),
        *(BlockEnd(0, opaque=opaque, vendor="{}"), Stop("end_turn", "stop", "{}")),
    ]
    assert joined(events) == [
        *(Start("a", "m"), BlockStart(0, "text"), TextDelta(0, "ab"), BlockEnd(0, opaque=opaque)),
        *(Usage(input=1), Stop("end_turn")),
    ]


def test_events_without_an_end_have_no_form() -> None:
    with pytest.raises(ValueError, match="no end"):
        canonical(PLAIN, [Start("a")])


def test_the_documented_table_is_the_one_that_holds() -> None:
    printed = runpy.run_path(str(DOCS / "make_carries.py"))
    assert printed["PAGE"].read_text() == printed["page"]()
