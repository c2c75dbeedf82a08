"""Events folded into one answer, whole or not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import GatewayError, Overloaded, ProtocolError, StreamTruncated
from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Failure,
    Media,
    Notice,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.turn import Accumulator, Block, PartialTurn, Timings, Turn, fold
from tests.support.growth import growth

ODD = '{ "signature":"a\\/b\\u00e9==", "n":1.0e+5,\u2028 "x":"\\ud83d" }'
BUSY = Failure(kind="overloaded", message="busy", delivered=True)
WHOLE: list[Event] = [
    Notice("retry", "once"),
    Start("i", "m", "r", 2, '{"v":1}'),
    BlockStart(0, "reasoning"),
    ReasoningDelta(0, "Hm, "),
    ReasoningDelta(0, "yes."),
    BlockEnd(0, opaque=Opaque("anthropic", "anthropic", ODD)),
    BlockStart(1, "text"),
    TextDelta(1, "Hel"),
    BlockStart(2, "tool_call", "c1", "f"),
    ToolCallDelta(2, '{"a":'),
    TextDelta(1, "lo"),
    ToolCallDelta(2, "1}"),
    Source(1, "u", "t", (0, 2)),
    BlockEnd(1, vendor='{"w":1}'),
    Usage(5),
    BlockEnd(2),
    BlockStart(3, "media"),
    Media(3, "image/png", data="AAAA"),
    BlockEnd(3),
    BlockStart(4, "text"),
    TextDelta(4, "!"),
    BlockEnd(4),
    BlockStart(5, "refusal"),
    RefusalDelta(5, "No."),
    BlockEnd(5),
    Usage(5, 9, reasoning=0),
    Stop("tool_use", "tool_calls", '{"s":1}'),
]


def call_events(text: str, status: BlockStatus, *, whole: bool = True) -> list[Event]:
    deltas: list[Event] = [ToolCallDelta(0, text)] if text else []
    end: Event = Stop("tool_use") if whole else BUSY
    return [Start(), BlockStart(0, "tool_call", "c", "f"), *deltas, BlockEnd(0, status), end]


def whole_turn() -> Turn:
    answer = fold(WHOLE)
    assert isinstance(answer, Turn)
    return answer


def test_a_whole_answer_has_all_that_its_events_said() -> None:
    turn = whole_turn()
    assert turn == Turn(
        id="i",
        model="m",
        request_id="r",
        attempt=2,
        vendor='{"v":1}',
        usage=Usage(5, 9, reasoning=0),
        notices=(Notice("retry", "once"),),
        stop=Stop("tool_use", "tool_calls", '{"s":1}'),
        blocks=(
            Block(
                index=0,
                kind="reasoning",
                text="Hm, yes.",
                status="complete",
                opaque=Opaque("anthropic", "anthropic", ODD),
            ),
            Block(
                index=1,
                kind="text",
                text="Hello",
                status="complete",
                sources=(Source(1, "u", "t", (0, 2)),),
                vendor='{"w":1}',
            ),
            Block(index=2, kind="tool_call", id="c1", name="f", text='{"a":1}', status="complete"),
            Block(
                index=3,
                kind="media",
                status="complete",
                media=(Media(3, "image/png", data="AAAA"),),
            ),
            Block(index=4, kind="text", text="!", status="complete"),
            Block(index=5, kind="refusal", text="No.", status="complete"),
        ),
    )
    assert (turn.text, turn.reasoning, turn.refusal) == ("Hello!", "Hm, yes.", "No.")
    assert [call.arguments for call in turn.tool_calls] == [{"a": 1}]


def test_an_answer_survives_json_with_its_opaque_data_byte_for_byte() -> None:
    turn = msgspec.structs.replace(whole_turn(), timings=Timings(queued=0.5, reads=3, last=2.0))
    again = msgspec.json.decode(msgspec.json.encode(turn), type=Turn | PartialTurn)
    assert again == turn
    assert type(again) is Turn
    assert again.blocks[0].opaque is not None
    assert again.blocks[0].opaque.json == ODD


def test_a_partial_answer_survives_json_and_stays_partial() -> None:
    accumulator = Accumulator()
    accumulator.extend([*WHOLE[:-1], BUSY])
    partial = accumulator.partial(stop_seen=Stop("end_turn", "stop"), timings=Timings())
    again = msgspec.json.decode(msgspec.json.encode(partial), type=Turn | PartialTurn)
    assert again == partial
    assert type(again) is PartialTurn
    assert again.stop_seen == Stop("end_turn", "stop")
    assert again.failure == BUSY


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_opaque_text_survives_json(text: str) -> None:
    end = BlockEnd(0, opaque=Opaque(text, text, text), vendor=text)
    turn = fold([Start(), BlockStart(0, "other"), end, Stop("pause", text, text)])
    assert msgspec.json.decode(msgspec.json.encode(turn), type=Turn) == turn


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_an_answer_without_its_stop_is_partial(end: int) -> None:
    partial = fold(WHOLE[:end])
    assert isinstance(partial, PartialTurn)
    assert not any(call.runnable for call in partial.tool_calls)
    whole = whole_turn()
    texts = [
        (part.text, all_.text) for part, all_ in zip(partial.blocks, whole.blocks, strict=False)
    ]
    assert all(longer.startswith(text) for text, longer in texts)


def test_a_block_that_never_ended_is_truncated() -> None:
    assert [block.status for block in fold(WHOLE[:9]).blocks] == [
        "complete",
        "truncated",
        "truncated",
    ]


def test_the_turn_of_a_failed_answer_is_its_error_with_what_came() -> None:
    accumulator = Accumulator()
    accumulator.extend([*WHOLE[:-1], BUSY])
    with pytest.raises(Overloaded) as caught:
        accumulator.turn(stop_seen=Stop("end_turn"), timings=Timings(reads=7))
    partial = caught.value.partial
    assert partial is not None
    assert (partial.text, partial.failure) == ("Hello!", BUSY)
    assert partial.stop_seen == Stop("end_turn")
    assert partial.timings == Timings(reads=7)


def test_the_turn_of_an_answer_that_goes_on_is_an_error() -> None:
    accumulator = Accumulator()
    accumulator.extend(WHOLE[:9])
    with pytest.raises(StreamTruncated, match="Read the stream to its end") as caught:
        accumulator.turn()
    assert caught.value.partial == accumulator.partial()


def test_a_reset_forgets_all_but_the_notices() -> None:
    answer = fold([*WHOLE[:-1], Reset("lost", 2), Start("j"), BlockStart(0, "text"), BlockEnd(0)])
    assert (answer.id, answer.text, answer.usage) == ("j", "", Usage())
    assert len(answer.blocks) == 1
    assert answer.notices == (Notice("retry", "once"),)


def test_what_came_so_far_can_be_seen_at_any_moment() -> None:
    accumulator = Accumulator()
    seen = []
    for event in WHOLE:
        accumulator.add(event)
        seen.append(accumulator.partial().text)
    assert seen == sorted(seen, key=len)
    assert seen[-1] == "Hello!"
    assert accumulator.turn() == whole_turn()


# Tool calls.


@pytest.mark.parametrize(
    ("text", "arguments"), [('{"a":[1,"é"]}', {"a": [1, "é"]}), ("", {}), ("{}", {})]
)
def test_a_closed_call_of_a_whole_answer_is_runnable(text: str, arguments: dict[str, Any]) -> None:
    (call,) = fold(call_events(text, "complete")).tool_calls
    assert call.runnable
    assert call.arguments == arguments
    assert (call.id, call.name, call.json, call.index) == ("c", "f", text, 0)


@pytest.mark.parametrize(
    ("text", "status", "whole", "why"),
    [
        ('{"a":1}', "complete", False, "its answer is not whole"),
        ("", "complete", False, "its answer is not whole"),
        ('{"a":', "truncated", True, "cut short"),
        ('{"a":1}', "truncated", True, "cut short"),
        ("[]", "invalid", True, "not a JSON object"),
        ('{"a":', "truncated", False, "cut short"),
    ],
)
def test_any_other_call_cannot_be_run(
    text: str, status: BlockStatus, whole: bool, why: str
) -> None:
    (call,) = fold(call_events(text, status, whole=whole)).tool_calls
    assert not call.runnable
    with pytest.raises(ProtocolError, match=why):
        _ = call.arguments


def test_a_call_in_an_answer_that_goes_on_cannot_be_run() -> None:
    accumulator = Accumulator()
    accumulator.extend(call_events('{"a":1}', "complete")[:-1])
    (call,) = accumulator.partial().tool_calls
    assert not call.runnable


def test_a_preview_shows_what_the_bytes_prove() -> None:
    (call,) = fold(call_events('{"a":"b","c":12', "truncated")).tool_calls
    assert call.preview() == {"a": "b"}
    (empty,) = fold(call_events("", "truncated")).tool_calls
    assert empty.preview() == {}


def test_a_preview_of_what_is_no_json_is_an_error_that_names_the_call() -> None:
    (call,) = fold(call_events("{'a'", "invalid")).tool_calls
    with pytest.raises(ProtocolError, match="'f'"):
        call.preview()


@pytest.mark.parametrize("kind", ["server_tool", "server_result", "other", "text", "media"])
def test_a_block_of_another_kind_is_no_call(kind: BlockKind) -> None:
    turn = fold([Start(), BlockStart(0, kind, "c", "search"), BlockEnd(0), Stop("end_turn")])
    assert turn.tool_calls == ()


# Structured answers.


class Answer(msgspec.Struct):
    city: str
    degrees: int | None = None


@dataclass
class Plain:
    city: str


def text_turn(text: str, stop: Stop) -> Turn:
    answer = fold([Start(), BlockStart(0, "text"), TextDelta(0, text), BlockEnd(0), stop])
    assert isinstance(answer, Turn)
    return answer


def test_an_answer_parses_as_any_type_that_msgspec_knows() -> None:
    turn = text_turn('{"city":"Bonn"}', Stop("end_turn"))
    assert turn.parse(Answer) == Answer("Bonn")
    assert turn.parse(Plain) == Plain("Bonn")
    assert turn.parse(dict[str, str]) == {"city": "Bonn"}


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ('{"city":5}', "end_turn", "output schema"),
        ("Bonn", "end_turn", "output schema"),
        ('{"city":"Bo', "max_tokens", "raise max_tokens"),
        ("[" * 100_000, "end_turn", "output schema"),
    ],
    ids=["another type", "prose", "cut at the limit", "too deep"],
)
def test_an_answer_that_does_not_parse_is_an_error_that_says_what_to_do(
    text: str, reason: Any, hint: str
) -> None:
    with pytest.raises(ProtocolError, match=f"Answer.*{hint}"):
        text_turn(text, Stop(reason)).parse(Answer)


def test_errors_of_a_turn_are_errors_of_the_library() -> None:
    assert issubclass(ProtocolError, GatewayError)


# Cost.


def fold_arguments(size: int) -> None:
    delta = ToolCallDelta(0, "x" * 16)
    fold(
        [
            Start(),
            BlockStart(0, "tool_call", "c", "f"),
            *[delta] * (size // 16),
            BlockEnd(0),
            Stop("tool_use"),
        ]
    )


def test_long_arguments_in_small_deltas_cost_what_their_bytes_cost() -> None:
    assert growth(fold_arguments, 1 << 16, 1 << 20, enough=2) <= 2


def fold_text(count: int) -> None:
    accumulator = Accumulator()
    add = accumulator.add
    add(Start())
    add(BlockStart(0, "text"))
    for _ in range(count):
        add(TextDelta(0, "token "))
    accumulator.partial()


def test_folding_200_000_deltas_takes_well_under_a_second() -> None:
    """150 ms on a quiet machine; five times that is the line between slow and broken."""
    fold_text(1000)
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        fold_text(200_000)
        best = min(best, time.process_time() - begun)
    assert best < 5 * 0.150


def test_adding_deltas_costs_what_their_number_costs() -> None:
    assert growth(fold_text, 2_000, 64_000, enough=2) <= 2
