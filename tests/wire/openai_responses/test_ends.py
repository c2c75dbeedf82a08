"""What proves the end, and what is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.events import Failure, Notice, Stop
from gateway_stream.turn import Turn, fold
from tests.support.decoding import decode
from tests.wire.openai_responses.answers import FAMILY, partial_of, turn_of
from tests.wire.openai_responses.frames import (
    COUNTS,
    Json,
    body,
    call,
    done,
    message,
    response,
    text_delta,
)


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


@pytest.mark.parametrize(
    ("event", "status", "raw"),
    [
        ("completed", "incomplete", "incomplete:max_output_tokens"),
        ("incomplete", "completed", "incomplete:max_output_tokens"),
        ("completed", "in_progress", "completed"),
        ("completed", None, "completed"),
        ("done", "completed", "completed"),
        ("done", "incomplete", "incomplete:max_output_tokens"),
    ],
)
def test_the_graver_word_for_the_end_holds(event: str, status: str | None, raw: str) -> None:
    details = {"reason": "max_output_tokens"}
    end = response(event, status=status, incomplete_details=details)
    assert turn_of(text_delta(0, "hi"), end).stop.raw == raw


@pytest.mark.parametrize("event", ["completed", "done"])
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_response_that_failed_is_a_failure_in_whatever_frame(event: str, status: str) -> None:
    failure = partial_of(text_delta(0, "par"), response(event, status=status)).failure
    assert failure is not None
    assert status in failure.message


@pytest.mark.parametrize("fields", [{}, {"response": {}}, {"response": {"status": "in_progress"}}])
def test_a_response_done_that_does_not_say_how_is_no_end(fields: Json) -> None:
    partial = partial_of(text_delta(0, "par"), {"type": "response.done", **fields})
    assert partial.notices == (Notice("unknown_event", "response.done"),)


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


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "code": "server_error", "message": "boom"},
        {"type": "error", "error": {"type": "server_error", "message": "boom"}},
        {"error": {"code": "server_error", "message": "boom"}},
        {"code": "server_error", "message": "boom"},
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


@pytest.mark.parametrize("error", [{"type": "error", "message": "No."}, response("failed")])
def test_a_call_that_was_done_before_the_failure_is_whole_and_keeps_its_data(error: Json) -> None:
    answer = partial_of(done(0, call("a", "f", "{}")), error)
    (asked,) = answer.tool_calls
    assert (asked.status, asked.runnable) == ("complete", False)
    assert answer.blocks[0].opaque is not None


@pytest.mark.parametrize(
    ("item", "status"),
    [
        ({"type": "reasoning", "summary": []}, "complete"),
        ({"type": "compaction"}, "complete"),
        ({"type": "web_search_call", "status": "in_progress"}, "truncated"),
        (message("m", "On"), "truncated"),
        (call("a", "f", "{}"), "truncated"),
    ],
)
def test_only_what_may_be_cut_is_cut_where_nobody_says_that_it_is_whole(
    item: Json, status: str
) -> None:
    (block,) = turn_of(response("incomplete", item)).blocks
    assert block.status == status
