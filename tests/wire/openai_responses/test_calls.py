"""Whose a call is, and when it is whole."""

from __future__ import annotations

import pytest

from tests.wire.openai_responses.answers import kinds, turn_of
from tests.wire.openai_responses.frames import (
    Json,
    added,
    arguments_delta,
    call,
    done,
    response,
)


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


def test_arguments_with_a_pair_in_two_deltas_are_told_in_one_way() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, '{"x":"\ud83d'),
        arguments_delta(0, '\ude80"}'),
        done(0, call("a", "f", '{ "x": "\U0001f680" }')),
        response("completed"),
    )
    assert [c.arguments for c in turn.tool_calls] == [{"x": "\U0001f680"}]


def test_an_output_answers_the_first_call_of_its_call_id() -> None:
    told = [call("a", "f", f'{{"x":{at}}}') for at in range(2)]
    frames = [
        frame
        for at, item in enumerate(told)
        for frame in (added(at, item | {"arguments": ""}), done(at, item))
    ]
    output: Json = {"type": "function_call_output", "call_id": "a", "output": "1"}
    turn = turn_of(*frames, done(2, output), response("completed"))
    assert [(c.status, c.json) for c in turn.tool_calls] == [
        ("invalid", '{"x":0}'),
        ("complete", '{"x":1}'),
    ]


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


@pytest.mark.parametrize("event", ["completed", "incomplete"])
def test_a_call_that_nobody_closed_is_cut_where_the_response_is(event: str) -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, '{"x":1}'),
        done(1, call("b", "g", "{}")),
        response(event, status="incomplete"),
    )
    assert [(c.id, c.status) for c in turn.tool_calls] == [("a", "truncated"), ("b", "complete")]


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
