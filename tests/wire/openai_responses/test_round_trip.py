"""A turn goes back as the items that it came as."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

import msgspec
import pytest

from gateway_stream.request import Message, Request, ToolResultPart
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.openai_responses.request import encode_request
from gateway_stream.wire.sse import FrameDecoder
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.support.decoding import decode
from tests.wire.openai_responses.frames import (
    Json,
    added,
    arguments_delta,
    body,
    call,
    done,
    message,
    response,
)

FAMILY = "openai_responses"
RECORDINGS = [r for r in recordings() if r.family == FAMILY and r.expected["error"] is None]


def sent_back(turn: Turn) -> list[Json]:
    """What a stored and loaded turn is in the next request."""
    stored = msgspec.json.decode(msgspec.json.encode(turn), type=Turn)
    request = Request(model="m", messages=(Message("user", "q"), stored, Message("user", "r")))
    items: list[Json] = encode_request(request, "openai").body["input"]
    return items[1:-1]


def as_sent(item: Json) -> Json:
    """An item without what does not go back: log probabilities, ids that are too long."""
    item = dict(item)
    if len(item.get("id") or "") > 64:
        del item["id"]
    if item["type"] == "message":
        item["content"] = [
            {k: v for k, v in part.items() if k != "logprobs"} for part in item["content"]
        ]
    return item


def test_reasoning_text_and_calls_go_back_as_they_came() -> None:
    items: list[Json] = [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gAAAA/+=",
        },
        message("m1", "one", "two", phase="commentary", status="completed"),
        {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"q": "x"}},
        call("c1", "f", '{"x": 1.0}', status="completed"),
        call("c2", "g", "{}", status="completed"),
    ]
    frames = [response("created")]
    for index, item in enumerate(items):
        if item["type"] == "function_call":
            frames += [added(index, item | {"arguments": ""})]
            frames += [arguments_delta(index, piece) for piece in item["arguments"]]
        frames += [done(index, item)]
    turn = fold(decode(FAMILY, body(*frames, response("completed", *items))))
    assert isinstance(turn, Turn)
    assert sent_back(turn) == items


def test_results_follow_the_calls_that_they_answer() -> None:
    frames = [done(0, call("c1", "f", "{}")), response("completed")]
    turn = fold(decode(FAMILY, body(*frames)))
    assert isinstance(turn, Turn)
    (tool_call,) = turn.tool_calls
    result = Message("user", (ToolResultPart(call_id=tool_call.id, content="1"),))
    request = Request(model="m", messages=(turn, result))
    assert [item["type"] for item in encode_request(request, None).body["input"]] == [
        "function_call",
        "function_call_output",
    ]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_that_the_server_answered_goes_back_with_its_arguments(streamed: bool) -> None:
    items: list[Json] = [
        call("c1", "f", '{"x":1}'),
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        message("m1", "one", status="completed"),
    ]
    frames = [added(0, items[0] | {"arguments": ""})] if streamed else []
    frames += [done(index, item) for index, item in enumerate(items)]
    turn = fold(decode(FAMILY, body(*frames, "[DONE]")))
    assert isinstance(turn, Turn)
    assert sent_back(turn) == items


def recorded_items(recording: Recording) -> list[Json]:
    """The items of a recorded stream in their last form, in the order of their places."""
    frames = FrameDecoder().feed(recording.body + b"\n\n")
    trees: list[Any] = [json.loads(frame.data) for frame in frames if frame.data != b"[DONE]"]
    told = [tree for tree in trees if tree["type"] == "response.output_item.done"]
    return [tree["item"] for tree in sorted(told, key=itemgetter("output_index"))]


def without_texts(items: list[Json]) -> list[Json]:
    """Items whose messages have parts without text."""
    return [
        item | {"content": [part | {"text": ""} for part in item["content"]]}
        if item["type"] == "message"
        else item
        for item in items
    ]


@needs_corpus
@pytest.mark.parametrize("recording", RECORDINGS, ids=of_recording)
def test_a_recorded_turn_goes_back_as_its_items(recording: Recording) -> None:
    turn = fold(decode(FAMILY, recording.body))
    assert isinstance(turn, Turn)
    sent, items = sent_back(turn), [as_sent(item) for item in recorded_items(recording)]
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    if any(notice.code == "delta_mismatch" for notice in turn.notices):
        sent, items = without_texts(sent), without_texts(items)
    assert sent == items
