from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import BlockStart
from gateway_stream.turn import PartialTurn, ToolCall, Turn, fold
from tests.support.decoding import decode


def stream(*deltas: dict[str, Any], reason: str | None = "tool_calls") -> bytes:
    chunks: list[dict[str, Any]] = [
        {"id": "a", "choices": [{"index": 0, "delta": delta}]} for delta in deltas
    ]
    if reason:
        chunks.append({"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)


def answer(*deltas: dict[str, Any], reason: str | None = "tool_calls") -> Turn | PartialTurn:
    return fold(decode("openai_chat", stream(*deltas, reason=reason)))


def piece(
    index: int | None = None,
    id: str | None = None,
    name: str | None = None,
    arguments: str | None = None,
) -> dict[str, Any]:
    call: dict[str, Any] = {"index": index, "id": id}
    call = {key: value for key, value in call.items() if value is not None}
    function = {"name": name, "arguments": arguments}
    call["function"] = {key: value for key, value in function.items() if value is not None}
    return {"tool_calls": [call]}


def calls(turn: Turn | PartialTurn) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.json) for call in turn.tool_calls]


arguments_of_calls = st.lists(
    st.dictionaries(
        st.text(max_size=4), st.integers() | st.text(max_size=8), min_size=1, max_size=3
    ),
    min_size=1,
    max_size=4,
)


@given(arguments_of_calls, st.data())
def test_any_interleaving_of_the_pieces_of_parallel_calls_gives_the_calls(
    wanted: list[dict[str, Any]], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, 3), label="first position")
    queues: list[list[dict[str, Any]]] = []
    for number, arguments in enumerate(wanted):
        text = json.dumps(arguments)
        cut = data.draw(st.integers(0, len(text)))
        index = first + number
        repeated = data.draw(st.booleans(), label="id and name repeated")
        id_, name = (f"id{number}", f"f{number}") if repeated else (None, None)
        queues.append(
            [
                piece(index, f"id{number}", f"f{number}", ""),
                piece(index, id_, name, text[:cut]),
                piece(index, id_, name, text[cut:]),
            ]
        )
    sent, order = [], []
    while any(queues):
        number = data.draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        if len(queues[number]) == 3:
            order.append(number)
        sent.append(queues[number].pop(0))
    turn = answer(*sent)
    assert isinstance(turn, Turn)
    found = [(call.id, call.name, call.arguments) for call in turn.tool_calls]
    assert found == [(f"id{n}", f"f{n}", wanted[n]) for n in order]


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_call_cut_by_the_token_limit_is_not_runnable(cut: int) -> None:
    text = '{"n":25}'
    turn = answer(piece(0, "x", "f", text[:cut]), reason="length")
    (call,) = turn.tool_calls
    assert not call.runnable
    assert call.status == "truncated"


def test_a_call_whose_answer_has_no_end_is_not_runnable() -> None:
    turn = answer(piece(0, "x", "f", "{}"), reason=None)
    assert isinstance(turn, PartialTurn)
    assert [call.runnable for call in turn.tool_calls] == [False]


def test_calls_without_position_and_id_begin_with_their_names() -> None:
    turn = answer(piece(None, None, "f", '{"a":1}'), piece(None, None, "f", '{"a":2}'))
    assert [json for _, _, json in calls(turn)] == ['{"a":1}', '{"a":2}']


def test_a_whole_call_that_is_sent_again_is_one_call() -> None:
    turn = answer(piece(0, "x", "f", '{"a":1}'), piece(0, "x", "f", '{"a":1}'))
    assert calls(turn) == [("x", "f", '{"a":1}')]


def test_interleaved_ids_under_one_position_keep_their_pieces() -> None:
    turn = answer(
        piece(0, "x", "f", '{"a":'),
        piece(0, "y", "g", '{"b":'),
        piece(0, "x", None, "1}"),
        piece(0, "y", None, "2}"),
    )
    assert calls(turn) == [("x", "f", '{"a":1}'), ("y", "g", '{"b":2}')]


@given(
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(['"{}', "}\\", "{[", "\\"]), min_size=1),
    st.data(),
)
def test_where_arguments_are_whole_is_seen_however_they_are_cut(
    wanted: dict[str, str], data: st.DataObject
) -> None:
    text = json.dumps(wanted)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=6)))
    cut = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    sent = [piece(0, None, "f", part) for part in cut]
    turn = answer(*sent, *sent)
    assert [found for _, _, found in calls(turn)] == [text, text]


def test_an_id_continues_its_call_and_not_an_older_one_without() -> None:
    turn = answer(
        piece(0, None, "f", '{"a":1}'),
        piece(0, "y", "g", '{"b":'),
        piece(0, "y", None, "2}"),
    )
    assert calls(turn) == [("call_0", "f", '{"a":1}'), ("y", "g", '{"b":2}')]


def test_a_piece_of_a_function_does_not_continue_a_call_of_none() -> None:
    custom = {"index": 0, "id": "x", "type": "custom", "custom": {"name": "s", "input": "i"}}
    turn = answer({"tool_calls": [custom]}, piece(0, "x", "f", "{}"))
    assert [block.kind for block in turn.blocks] == ["other", "tool_call"]
    assert calls(turn) == [("x", "f", "{}")]


def test_a_call_that_waits_for_its_id_begins_before_what_comes_after_it() -> None:
    body = stream(piece(0, None, "f", ""), {"content": "text"})
    kinds = [event.kind for event in decode("openai_chat", body) if isinstance(event, BlockStart)]
    assert kinds == ["tool_call", "text"]


def test_a_call_without_arguments_runs_with_none() -> None:
    turn = answer(piece(0, "x", "f", ""))
    (call,) = turn.tool_calls
    assert isinstance(call, ToolCall)
    assert call.runnable
    assert call.arguments == {}


def test_null_arguments_are_not_an_object() -> None:
    (call,) = answer(piece(0, "x", "f", "null")).tool_calls
    assert call.status == "invalid"


def test_an_answer_with_calls_stops_for_them_whatever_the_wire_says() -> None:
    turn = answer(piece(0, "x", "f", "{}"), reason="stop")
    assert isinstance(turn, Turn)
    assert (turn.stop.reason, turn.stop.raw) == ("tool_use", "stop")


def test_calls_after_the_finish_reason_change_what_it_means() -> None:
    finish = {"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    body = (
        b"data: "
        + msgspec.json.encode(finish)
        + b"\n\n"
        + stream(piece(0, "x", "f", "{}"), reason=None)
    )
    turn = fold(decode("openai_chat", body))
    assert isinstance(turn, Turn)
    assert turn.stop.reason == "tool_use"


def test_equal_calls_of_a_whole_message_are_all_calls() -> None:
    call = {"function": {"name": "f", "arguments": ""}}
    message = {"role": "assistant", "content": None, "tool_calls": [call, call]}
    body = {"id": "a", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    turn = fold(decode("openai_chat", msgspec.json.encode(body)))
    assert [(name, json) for _, name, json in calls(turn)] == [("f", ""), ("f", "")]


def test_a_seed_counts_for_nothing_even_where_the_name_is_repeated() -> None:
    turn = answer(piece(0, "x", "f", "{}"), piece(0, "x", "f", '{"a":1}'))
    assert calls(turn) == [("x", "f", '{"a":1}')]


def test_names_are_never_added_up() -> None:
    turn = answer(piece(0, None, "f", ""), piece(0, None, "f", '{"a":1}'))
    assert calls(turn) == [("call_0", "f", '{"a":1}')]
