"""The order in which any family's frames are written."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Notice,
    Opaque,
    Reset,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing import check_answer
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import Encoder, encode_answer, encode_stream
from tests.support.decoding import decode

ANTHROPIC = FAMILIES["anthropic"]
EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)

CALL: list[Event] = [
    Start("answer", "model"),
    BlockStart(0, "tool_call", "call", "look"),
    ToolCallDelta(0, '{"at":'),
    ToolCallDelta(0, '"stars"}'),
]


def types(encoder: Encoder, *events: Event) -> list[str]:
    return [frame.event for event in events for frame in encoder.encode(event)]


def test_the_start_waits_for_what_follows_it_and_takes_the_first_counts_with_it() -> None:
    encoder = Encoder(ANTHROPIC)
    assert types(encoder, Start("answer"), Usage(input=7, output=1)) == []
    begun = encoder.encode(BlockStart(0, "tool_call", "call", "look"))
    assert [frame.event for frame in begun] == ["message_start", "content_block_start"]
    assert b'"input_tokens":7' in begun[0].data


def test_a_block_beside_an_open_one_waits_until_that_has_ended() -> None:
    encoder = Encoder(ANTHROPIC)
    types(encoder, Start("answer"), BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text"))
    assert encoder.encode(TextDelta(1, "b")) == []
    assert types(encoder, TextDelta(0, "c")) == ["content_block_delta"]
    released = types(encoder, BlockEnd(0))
    assert released == ["content_block_stop", "content_block_start", "content_block_delta"]
    assert types(encoder, TextDelta(1, "d")) == ["content_block_delta"]


def test_blocks_that_ended_while_they_waited_are_written_in_their_order() -> None:
    events: list[Event] = [
        Start("answer"),
        *(BlockStart(index, "text") for index in range(3)),
        *(TextDelta(index, str(index)) for index in (2, 1, 0)),
        *(BlockEnd(index) for index in (2, 1, 0)),
        Stop("end_turn"),
    ]
    answer = fold(decode("anthropic", encode_stream(ANTHROPIC, events)))
    assert [block.text for block in answer.blocks] == ["0", "1", "2"]


def test_notices_are_not_written() -> None:
    encoder = Encoder(ANTHROPIC)
    assert encoder.encode(Notice("heartbeat")) == []
    types(encoder, Start("answer"))
    assert encoder.encode(Notice("retry")) == []


def test_nothing_is_written_after_the_end() -> None:
    encoder = Encoder(ANTHROPIC)
    types(encoder, Start("answer"), Stop("end_turn"))
    assert types(encoder, Stop("end_turn"), Start("again"), BlockStart(0, "text")) == []


def test_a_reset_before_anything_was_written_is_forgotten() -> None:
    encoder = Encoder(ANTHROPIC)
    types(encoder, Start("first"), Usage(input=1, output=1), Reset("overloaded", 2))
    frames = [*encoder.encode(Start("second")), *encoder.encode(Stop("end_turn"))]
    assert b'"second"' in frames[0].data
    assert b"first" not in b"".join(frame.data for frame in frames)
    assert b'"input_tokens":1' not in b"".join(frame.data for frame in frames)


def test_what_was_written_cannot_be_taken_back() -> None:
    encoder = Encoder(ANTHROPIC)
    types(encoder, Start("answer"), BlockStart(0, "text"), TextDelta(0, "a"))
    with pytest.raises(ValueError, match="cannot be taken back"):
        encoder.encode(Reset("overloaded", 2))


@EVERY_FAMILY
def test_a_call_that_must_not_be_run_is_run_by_no_reader(name: str) -> None:
    """Free text of one vendor's tool may happen to be a JSON object."""
    free_text = Opaque("another_family", "another", "{}")
    events: list[Event] = [*CALL, BlockEnd(0, "invalid", free_text), Stop("tool_use")]
    streamed = fold(decode(name, encode_stream(FAMILIES[name], events)))
    answer = fold(events)
    assert isinstance(answer, Turn)
    whole = fold(decode(name, encode_answer(FAMILIES[name], answer)))
    for read in (streamed, whole):
        assert not any(call.runnable for call in read.tool_calls)


TEXT: list[Event] = [BlockStart(1, "text"), TextDelta(1, "So be it."), BlockEnd(1)]
MORE: list[Event] = [BlockStart(1, "tool_call", "more", "look"), BlockEnd(1)]


@EVERY_FAMILY
@pytest.mark.parametrize("arguments", ["", "{}", '{"at":"stars"}', '{"at":', "[1]"])
@pytest.mark.parametrize("following", [[], TEXT, MORE], ids=["nothing", "text", "call"])
@pytest.mark.parametrize("reason", ["tool_use", "end_turn", "unknown", "pause", "max_tokens"])
def test_a_call_that_was_cut_is_run_by_no_reader_whatever_its_text(
    name: str, arguments: str, following: list[Event], reason: StopReason
) -> None:
    events: list[Event] = [
        *(Start("answer", "model"), BlockStart(0, "tool_call", "cut", "look")),
        *(ToolCallDelta(0, piece) for piece in [arguments] if piece),
        *(BlockEnd(0, "truncated"), *following, Stop(reason)),
    ]
    check_answer(FAMILIES[name], events)
    answer = fold(events)
    assert isinstance(answer, Turn)
    for body in (encode_stream(FAMILIES[name], events), encode_answer(FAMILIES[name], answer)):
        calls = fold(decode(name, body)).tool_calls
        assert not any(call.runnable for call in calls if call.id == "cut"), body


@pytest.mark.parametrize("end", [Stop("max_tokens"), Failure(kind="overloaded", message="Full.")])
def test_nothing_is_added_to_a_call_that_the_end_tells_as_cut(end: Stop | Failure) -> None:
    events: list[Event] = [*CALL, BlockEnd(0, "truncated"), end]
    for name in ("anthropic", "openai_chat"):
        (call,) = fold(decode(name, encode_stream(FAMILIES[name], events))).tool_calls
        assert (call.json, call.status) == ('{"at":"stars"}', "truncated")


@EVERY_FAMILY
def test_a_servers_tool_that_failed_says_nothing_to_readers_of_another_family(name: str) -> None:
    events: list[Event] = [
        *(Start("answer", "model"), BlockStart(0, "text"), TextDelta(0, "I see."), BlockEnd(0)),
        *(BlockStart(1, "server_tool", "tool", "search"), BlockEnd(1, "invalid"), Stop("end_turn")),
    ]
    read = fold(decode(name, encode_stream(FAMILIES[name], events)))
    assert [(block.kind, block.text) for block in read.blocks] == [("text", "I see.")]


@EVERY_FAMILY
def test_a_call_that_can_be_run_is_run_by_every_reader(name: str) -> None:
    events: list[Event] = [*CALL, BlockEnd(0), Stop("tool_use")]
    answer = fold(events)
    assert isinstance(answer, Turn)
    for body in (encode_stream(FAMILIES[name], events), encode_answer(FAMILIES[name], answer)):
        (call,) = fold(decode(name, body)).tool_calls
        assert call.runnable
        assert (call.id, call.name, call.arguments) == ("call", "look", {"at": "stars"})


def test_a_part_of_an_answer_is_not_written_as_a_whole_one() -> None:
    partial: Any = fold(CALL)
    with pytest.raises(TypeError, match="give its failure"):
        encode_answer(ANTHROPIC, partial)
