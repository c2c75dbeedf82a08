"""Which item a frame means."""

from __future__ import annotations

from gateway_stream.turn import fold
from tests.support.decoding import decode
from tests.wire.openai_responses.answers import FAMILY, item_id, kinds, turn_of
from tests.wire.openai_responses.frames import (
    Json,
    added,
    arguments_delta,
    body,
    call,
    done,
    message,
    response,
    text_delta,
)


def test_the_id_that_goes_back_is_that_of_the_last_form() -> None:
    turn = turn_of(
        added(0, message("first")),
        text_delta(0, "hi"),
        done(0, message("last", "hi")),
        response("completed", message("other", "hi")),
    )
    assert [item_id(block) for block in turn.blocks] == ["last"]


def test_interleaved_calls_are_told_apart_by_their_index() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        added(1, call("b", "g", "")),
        arguments_delta(1, '{"y":'),
        arguments_delta(0, '{"x":'),
        arguments_delta(1, "2}"),
        arguments_delta(0, "1}"),
        done(1, call("b", "g", '{"y":2}')),
        done(0, call("a", "f", '{"x":1}')),
        response("completed"),
    )
    assert [(c.id, c.name, c.arguments) for c in turn.tool_calls] == [
        ("a", "f", {"x": 1}),
        ("b", "g", {"y": 2}),
    ]


def test_two_calls_under_one_index_are_two_calls() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, "{}"),
        done(0, call("a", "f", "{}")),
        added(0, call("b", "g", "")),
        arguments_delta(0, "{}"),
        done(0, call("b", "g", "{}")),
        response("completed"),
    )
    assert [c.id for c in turn.tool_calls] == ["a", "b"]
    assert all(c.runnable for c in turn.tool_calls)


def test_an_item_told_twice_in_its_last_form_is_one_item() -> None:
    item = call("a", "f", "{}")
    assert len(turn_of(done(0, item), done(0, item), response("completed", item)).blocks) == 1


def test_a_message_told_twice_in_its_last_form_is_one_message() -> None:
    item = message("m", "hi")
    assert len(turn_of(done(0, item), done(0, item), response("completed")).blocks) == 1


def test_a_slot_is_free_again_when_its_item_is_done() -> None:
    turn = turn_of(
        text_delta(0, "a"),
        done(0, message("m1", "a")),
        text_delta(0, "b"),
        done(0, message("m2", "b")),
        response("completed"),
    )
    assert [(block.text, item_id(block)) for block in turn.blocks] == [("a", "m1"), ("b", "m2")]


def test_calls_of_one_call_id_are_told_apart_by_their_place() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        added(1, call("a", "g", "")),
        done(0, call("a", "f", '{"x":1}')),
        done(1, call("a", "g", '{"x":2}')),
        response("completed"),
    )
    assert [(c.name, c.arguments) for c in turn.tool_calls] == [("f", {"x": 1}), ("g", {"x": 2})]


def test_calls_that_are_told_whole_in_exchanged_places_are_found_by_their_call_ids() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        added(1, call("b", "g", "")),
        done(1, call("a", "f", '{"x":1}')),
        done(0, call("b", "g", '{"x":2}')),
        response("completed"),
    )
    assert [(c.id, c.arguments) for c in turn.tool_calls] == [("a", {"x": 1}), ("b", {"x": 2})]


def test_listed_calls_with_the_same_item_id_are_told_apart_by_their_call_ids() -> None:
    items = [call(call_id, "f", "{}", id="fc") for call_id in "abc"]
    turn = turn_of(
        *(added(at, item | {"arguments": ""}) for at, item in enumerate(items[:2])),
        response("completed", *reversed(items)),
    )
    assert [(c.id, c.json) for c in turn.tool_calls] == [("a", "{}"), ("b", "{}"), ("c", "{}")]


def test_the_terminal_list_may_have_another_order() -> None:
    turn = turn_of(
        added(0, message("m1")),
        text_delta(0, "a"),
        added(1, message("m2")),
        text_delta(1, "b"),
        response("completed", message("m2", "b"), message("m1", "a")),
    )
    assert [(block.text, item_id(block)) for block in turn.blocks] == [("a", "m1"), ("b", "m2")]
    assert turn.notices == ()


def test_texts_without_an_index_go_to_the_open_item_and_then_to_the_next() -> None:
    def delta(text: str) -> Json:
        return {"type": "response.output_text.delta", "item_id": "x", "delta": text}

    turn = turn_of(
        delta("a"),
        delta("b"),
        done(None, message("m1", "ab")),
        delta("c"),
        done(None, message("m2", "c")),
        "[DONE]",
    )
    assert [block.text for block in turn.blocks] == ["ab", "c"]


def test_an_item_that_began_without_an_index_is_met_again_under_its_index() -> None:
    delta = {"type": "response.output_text.delta", "delta": "hi"}
    assert len(turn_of(delta, done(0, message("m", "hi")), response("completed")).blocks) == 1


def test_items_that_the_terminal_list_leaves_out_do_not_shift_the_others() -> None:
    reasoning: Json = {"id": "r", "type": "reasoning", "summary": []}
    turn = turn_of(
        done(0, reasoning),
        text_delta(1, "hi"),
        done(1, message("m", "hi")),
        response("completed", message("rewritten", "hi")),
    )
    assert kinds(turn) == [("reasoning", "complete"), ("text", "complete")]


def test_an_item_that_only_the_terminal_list_has_is_delivered() -> None:
    turn = turn_of(
        text_delta(0, "hi"),
        done(0, message("m1", "hi")),
        response("completed", message("m1", "hi"), message("m2", "there")),
    )
    assert [block.text for block in turn.blocks] == ["hi", "there"]


def test_a_second_response_in_the_stream_numbers_its_items_anew() -> None:
    turn = turn_of(
        response("created"),
        text_delta(0, "one"),
        response("created"),
        text_delta(0, "two"),
        done(0, message("m", "two")),
        response("completed", message("m", "two")),
    )
    assert [block.text for block in turn.blocks] == ["one", "two"]


def test_the_event_line_counts_where_the_json_has_no_type() -> None:
    data = b'event: response.output_text.delta\ndata: {"output_index":0,"delta":"hi"}\n\n'
    answer = fold(decode(FAMILY, data * 2, body("[DONE]")))
    assert answer.text == "hihi"


def test_an_item_that_only_the_terminal_list_ends_has_its_whole_text() -> None:
    item = message("m", "hi")
    turn = turn_of(added(0, item), response("completed", item))
    assert turn.text == "hi"
    assert [block.status for block in turn.blocks] == ["complete"]
