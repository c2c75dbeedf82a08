"""Which item a frame means, what proves the end, and whose a call is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.events import BlockStart, Failure, Media, Notice, Start, Stop, Usage
from gateway_stream.turn import Block, PartialTurn, Turn, fold
from tests.support.decoding import decode
from tests.wire.openai_responses.frames import (
    COUNTS,
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

FAMILY = "openai_responses"


def turn_of(*frames: Json | str) -> Turn:
    answer = fold(decode(FAMILY, body(*frames)))
    assert isinstance(answer, Turn), answer
    return answer


def partial_of(*frames: Json | str) -> PartialTurn:
    answer = fold(decode(FAMILY, body(*frames)))
    assert isinstance(answer, PartialTurn), answer
    return answer


def item_id(block: Block) -> Any:
    assert block.opaque is not None
    return json.loads(block.opaque.json)["id"]


def kinds(turn: Turn | PartialTurn) -> list[tuple[str, str]]:
    return [(block.kind, block.status) for block in turn.blocks]


# Which item a frame means.


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


# What proves the end.


@pytest.mark.parametrize(
    ("frames", "complete"),
    [
        ([response("completed")], True),
        ([response("completed"), "[DONE]"], True),
        (["[DONE]"], True),
        ([], False),
        ([response("in_progress")], False),
        ([response("queued")], False),
    ],
)
def test_only_a_terminal_frame_or_the_sentinel_proves_the_end(
    frames: list[Any], complete: bool
) -> None:
    events = decode(FAMILY, body(response("created"), done(0, message("m", "hi")), *frames))
    assert isinstance(events[-1], Stop if complete else Failure)


def test_no_cut_before_the_terminal_frame_passes_for_a_whole_answer() -> None:
    data = body(
        response("created"),
        text_delta(0, "hi"),
        done(0, message("m", "hi")),
        done(1, call("a", "f", '{"x":1}')),
        response("completed", usage=COUNTS),
    )
    whole = len(data) - len(b"\n\n")
    for size in range(len(data)):
        events = decode(FAMILY, data[:size])
        assert isinstance(events[-1], Stop if size >= whole else Failure), size


def test_the_end_does_not_wait_for_the_end_of_the_body() -> None:
    from gateway_stream.wire import FAMILIES
    from gateway_stream.wire.decoder import Decoder

    decoder = Decoder(FAMILIES[FAMILY])
    assert isinstance(decoder.feed(body(response("completed")))[-1], Stop)


@pytest.mark.parametrize(
    ("kind", "details", "reason", "raw"),
    [
        ("completed", None, "end_turn", "completed"),
        (
            "incomplete",
            {"reason": "max_output_tokens"},
            "max_tokens",
            "incomplete:max_output_tokens",
        ),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "incomplete:content_filter"),
        ("incomplete", {"reason": "moon"}, "unknown", "incomplete:moon"),
        ("incomplete", None, "unknown", "incomplete"),
    ],
)
def test_why_an_answer_stopped(kind: str, details: Json | None, reason: str, raw: str) -> None:
    stop = turn_of(text_delta(0, "hi"), response(kind, incomplete_details=details)).stop
    assert (stop.reason, stop.raw) == (reason, raw)


def test_a_sentinel_alone_ends_for_an_unknown_reason_and_says_so() -> None:
    turn = turn_of(done(None, message("m", "hi")), "[DONE]")
    assert (turn.stop.reason, turn.stop.raw) == ("unknown", None)
    assert [notice.code for notice in turn.notices] == ["missing_reason"]


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_object_that_is_not_ready_is_no_answer(status: str) -> None:
    data = json.dumps({"object": "response", "status": status, "output": []}).encode()
    (failure,) = [event for event in decode(FAMILY, data) if isinstance(event, Failure)]
    assert (failure.kind, failure.code) == ("stream_truncated", status)


def test_a_json_object_that_is_no_response_is_no_answer() -> None:
    (failure,) = decode(FAMILY, b'{"hello": "world"}')
    assert isinstance(failure, Failure)
    assert failure.kind == "protocol"


def test_a_response_object_without_a_status_is_whole_for_an_unknown_reason() -> None:
    data = json.dumps({"object": "response", "output": [message("m", "hi")]}).encode()
    answer = fold(decode(FAMILY, data))
    assert isinstance(answer, Turn)
    assert (answer.text, answer.stop.reason, answer.stop.raw) == ("hi", "unknown", None)


# Errors.


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "code": "server_error", "message": "boom"},
        {"type": "error", "error": {"type": "server_error", "message": "boom"}},
        {"error": {"code": "server_error", "message": "boom"}},
        response("failed", error={"code": "server_error", "message": "boom"}),
        response("completed", error={"code": "server_error", "message": "boom"}),
    ],
)
def test_an_error_is_one_failure_in_whatever_frame_it_comes(frame: Json) -> None:
    events = decode(FAMILY, body(response("created"), text_delta(0, "par"), frame, frame))
    failures = [event for event in events if isinstance(event, Failure)]
    assert [(f.code, f.message, f.delivered) for f in failures] == [("server_error", "boom", True)]
    assert events[-1] is failures[0]


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
def test_a_failure_that_nobody_explains_is_one_too(kind: str) -> None:
    failure = partial_of(text_delta(0, "par"), response(kind, error=None)).failure
    assert failure is not None
    assert kind in failure.message


# Calls.


def test_a_call_makes_the_stop_a_tool_use_though_the_wire_says_completed() -> None:
    stop = turn_of(done(0, call("a", "f", "{}")), response("completed")).stop
    assert (stop.reason, stop.raw) == ("tool_use", "completed")


def test_a_call_that_the_answer_answers_is_not_the_clients() -> None:
    output: Json = {"type": "function_call_output", "call_id": "a", "output": "1"}
    turn = turn_of(done(0, call("a", "f", "{}")), done(1, output), response("completed"))
    assert kinds(turn) == [("server_tool", "complete"), ("server_result", "complete")]
    assert turn.stop.reason == "end_turn"


def test_a_call_that_streamed_and_is_answered_in_the_answer_cannot_be_run() -> None:
    output: Json = {"type": "function_call_output", "call_id": "a", "output": "1"}
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, "{}"),
        done(0, call("a", "f", "{}")),
        done(1, output),
        response("completed"),
    )
    assert not any(c.runnable for c in turn.tool_calls)
    assert turn.stop.reason == "end_turn"


def test_an_agent_may_use_a_call_id_again() -> None:
    output: Json = {"type": "function_call_output", "call_id": "a", "output": "1"}
    turn = turn_of(
        done(None, call("a", "f", '{"x":1}')),
        done(None, output),
        done(None, call("a", "f", '{"x":2}')),
        done(None, output | {"output": "2"}),
        "[DONE]",
    )
    assert [kind for kind, _ in kinds(turn)] == ["server_tool", "server_result"] * 2


def test_only_the_outputs_after_a_call_answer_it() -> None:
    output: Json = {"type": "function_call_output", "call_id": "a", "output": "1"}
    turn = turn_of(
        done(None, call("a", "f", '{"x":1}')),
        done(None, output),
        done(None, call("a", "f", '{"x":2}')),
        response("completed"),
    )
    assert [kind for kind, _ in kinds(turn)] == ["server_tool", "server_result", "tool_call"]
    assert [c.arguments for c in turn.tool_calls] == [{"x": 2}]


def test_a_custom_tools_input_is_never_arguments() -> None:
    item = {"type": "custom_tool_call", "id": "i", "call_id": "a", "name": "f", "input": '{"x":1}'}
    turn = turn_of(done(0, item), response("completed"))
    (tool_call,) = turn.tool_calls
    assert (tool_call.json, tool_call.runnable, turn.stop.reason) == ('{"x":1}', False, "tool_use")


@pytest.mark.parametrize(
    ("deltas", "whole", "runnable"),
    [
        ('{"x":1}', '{"x":2}', False),
        ('{"x":1}', '{ "x": 1 }', True),
        ('{"x":', '{"x":1}', True),
        ('{"x":1', '{"x":1', False),
        ("[1]", "[1]", False),
        ("", "", True),
    ],
)
def test_arguments_told_in_two_ways_are_not_run(deltas: str, whole: str, runnable: bool) -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, deltas),
        done(0, call("a", "f", whole)),
        response("completed"),
    )
    assert [c.runnable for c in turn.tool_calls] == [runnable]


def test_a_call_that_was_open_when_room_ran_out_is_cut_even_if_it_parses() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, '{"x":1}'),
        response(
            "incomplete",
            call("a", "f", '{"x":1}'),
            incomplete_details={"reason": "max_output_tokens"},
        ),
    )
    assert [(c.status, c.runnable) for c in turn.tool_calls] == [("truncated", False)]


def test_a_call_whose_item_never_came_gets_an_id() -> None:
    turn = turn_of(arguments_delta(0, '{"x":1}'), response("completed"))
    assert [(c.id, c.name, c.arguments) for c in turn.tool_calls] == [("call_0", "", {"x": 1})]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"type": "local_shell_call", "call_id": "a"}, "tool_use"),
        ({"type": "tool_search_call", "call_id": "a", "execution": "client"}, "tool_use"),
        ({"type": "tool_search_call", "execution": "server"}, "end_turn"),
        ({"type": "web_search_call"}, "end_turn"),
    ],
)
def test_a_vendors_own_tool_that_waits_for_the_client_makes_the_stop_a_tool_use(
    item: Json, reason: str
) -> None:
    turn = turn_of(done(0, item), response("completed"))
    assert turn.stop.reason == reason
    assert turn.tool_calls == ()


def test_a_shell_call_with_its_output_waits_for_nobody() -> None:
    shell: Json = {"type": "shell_call", "call_id": "a"}
    output: Json = {"type": "shell_call_output", "call_id": "a", "output": []}
    assert turn_of(done(0, shell), done(1, output), response("completed")).stop.reason == "end_turn"


# What else comes.


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("web_search_call", "server_tool"),
        ("mcp_list_tools", "server_tool"),
        ("program", "server_tool"),
        ("program_output", "server_result"),
        ("compaction", "other"),
        ("brand_new_call", "server_tool"),
        ("brand_new", "other"),
    ],
)
def test_an_item_without_text_is_kept_whole(type_: str, kind: str) -> None:
    item = f'{{"id":"i", "type":"{type_}", "x":[1.50, null]}}'
    frame = f'{{"type":"response.output_item.done","output_index":0,"item":{item}}}'
    (block,) = turn_of(frame, response("completed")).blocks
    assert block.kind == kind
    assert block.opaque is not None
    assert block.opaque.json == item


def test_counts_are_cumulative_and_the_rest_of_usage_is_kept() -> None:
    usage = COUNTS | {
        "cost": 0.5,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    }
    turn = turn_of(text_delta(0, "hi"), response("completed", usage=usage))
    assert turn.usage == Usage(input=10, output=5, cache_read=4, cache_write=3, reasoning=2)
    assert json.loads(turn.stop.vendor or "")["usage"] == {"cost": 0.5}


def test_a_total_that_is_not_the_sum_is_kept() -> None:
    turn = turn_of(response("completed", usage=COUNTS | {"total_tokens": 99}))
    assert json.loads(turn.stop.vendor or "")["usage"] == {"total_tokens": 99}


def test_the_response_is_told_once_and_without_the_requests_own_words() -> None:
    told = {"service_tier": "auto", "temperature": 1.0, "tools": [{}], "instructions": "Be brief."}
    events = decode(
        FAMILY,
        body(response("created", **told), response("completed", **told | {"service_tier": "flex"})),
    )
    start, stop = events[0], events[-1]
    assert isinstance(start, Start)
    assert isinstance(stop, Stop)
    assert json.loads(start.vendor or "") == {"service_tier": "auto", "temperature": 1.0}
    assert json.loads(stop.vendor or "") == {"service_tier": "flex"}


def test_logprobs_of_a_whole_text_are_kept() -> None:
    item = message("m", "hi")
    item["content"][0]["logprobs"] = [{"token": "hi", "logprob": -0.5}]
    (block,) = turn_of(done(0, item), response("completed")).blocks
    assert json.loads(block.vendor or "") == {"logprobs": [{"token": "hi", "logprob": -0.5}]}


def test_an_image_is_media_by_data_or_by_address() -> None:
    item = {"id": "i", "type": "image_generation_call", "result": "https://a.example/i.png"}
    events = decode(FAMILY, body(done(0, item), response("completed")))
    assert [e for e in events if isinstance(e, Media)] == [Media(0, url="https://a.example/i.png")]


def test_previews_of_items_that_come_whole_are_no_unknown_events() -> None:
    frames: list[Json] = [
        {"type": "response.web_search_call.searching", "output_index": 0},
        {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "x"}},
        {"type": "response.mcp_list_tools.completed", "output_index": 0},
    ]
    assert turn_of(*frames, response("completed")).notices == ()


def test_an_unknown_event_is_told_once_for_each_type() -> None:
    frames: list[Json] = [{"type": "response.moon"}, {"type": "response.moon"}, {"type": "sun"}]
    assert turn_of(*frames, response("completed")).notices == (
        Notice("unknown_event", "response.moon"),
        Notice("unknown_event", "sun"),
    )


def test_fields_of_the_wrong_type_cost_no_text() -> None:
    delta = {"type": "response.output_text.delta", "output_index": "0", "delta": "hi"}
    item = message("m", "hi") | {"annotations": 3, "status": ["?"]}
    item["content"][0] |= {"annotations": {"a": 1}, "logprobs": 7}
    turn = turn_of(delta, done(0, item), response("completed", usage=[1]))
    assert turn.text == "hi"


def test_half_a_pair_in_a_whole_item_costs_one_character() -> None:
    frame = json.dumps(done(0, message("m", "hi \ud83d")))
    turn = turn_of(frame, response("completed"))
    assert turn.text == "hi \ufffd"
    assert [item_id(block) for block in turn.blocks] == ["m"]


def test_a_message_without_content_still_gives_its_id_back() -> None:
    (block,) = turn_of(done(0, message("m")), response("completed")).blocks
    assert item_id(block) == "m"


def test_a_part_that_nothing_here_knows_is_kept_whole() -> None:
    part = {"type": "output_audio", "data": "AAA="}
    events = decode(
        FAMILY, body(done(0, message("m") | {"content": [part]}), response("completed"))
    )
    assert BlockStart(0, "other") in events
    (block,) = fold(events).blocks
    assert block.opaque is not None
    assert json.loads(block.opaque.json)["content"] == [part]
