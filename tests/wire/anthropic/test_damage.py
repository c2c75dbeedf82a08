"""What is odd or broken in single frames costs no more than itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway_stream.events import (
    BlockEnd,
    Stop,
    TextDelta,
    Usage,
)
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.family import check_grammar
from tests.support.decoding import decode
from tests.wire.anthropic.frames import END, block, delta, start, stop, stream


def test_the_event_line_counts_where_the_json_has_no_type() -> None:
    body = (
        b'event: message_start\ndata: {"message":{"id":"msg_1"}}\n\n'
        b'event: content_block_delta\ndata: {"index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
        b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"}}\n\n'
        b"event: message_stop\ndata: {}\n\n"
    )
    answer = fold(decode("anthropic", body))
    assert isinstance(answer, Turn)
    assert (answer.id, answer.text) == ("msg_1", "a")


@pytest.mark.parametrize("given", [[1], 5, True, "not json"])
def test_input_that_is_no_object_is_not_runnable(given: object) -> None:
    tool = block(0, type="tool_use", id="t", name="f", input=given)
    answer = fold(decode("anthropic", stream(start(), tool, stop("tool_use"), END)))
    assert not answer.tool_calls[0].runnable


@pytest.mark.parametrize("given", [{}, None, ""])
def test_no_input_at_all_is_no_arguments(given: object) -> None:
    tool = block(0, type="tool_use", id="t", name="f", input=given)
    answer = fold(decode("anthropic", stream(start(), tool, stop("tool_use"), END)))
    assert answer.tool_calls[0].arguments == {}


def test_deltas_without_an_index_belong_to_the_last_block() -> None:
    tool = block(1, type="tool_use", id="t", name="f", input={})
    piece = {"type": "content_block_delta", "delta": {"partial_json": '{"x":1}'}}
    end = {"type": "content_block_stop"}
    answer = fold(decode("anthropic", stream(start(), tool, piece, end, stop("tool_use"), END)))
    assert answer.tool_calls[0].arguments == {"x": 1}


def test_halves_of_a_surrogate_pair_in_two_deltas_are_one_character() -> None:
    body = (
        stream(start(), block(0, type="text", text=""))
        + rb'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d"}}'
        + b"\n\n"
        + rb'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00"}}'
        + b"\n\n"
        + stream(stop("end_turn"), END)
    )
    events = decode("anthropic", body)
    assert fold(events).text == "a\U0001f600"
    assert all(msgspec.json.encode(event) for event in events)


def test_half_a_surrogate_pair_anywhere_still_gives_json() -> None:
    half = "HALF"
    frames = (
        {"type": "message_start", "message": {"id": half, "model": half, "x": half}},
        {"type": half},
        block(0, type="tool_use", id=half, name=half, caller=half),
        delta(0, half, x=half),
        block(1, type="thinking", signature=half),
        delta(1, "signature_delta", signature=half),
        block(2, type="server_tool_use", name="f"),
        delta(2, "input_json_delta", partial_json=f'{{"x":"{half}"}}'),
        block(3, type="text", text=""),
        delta(3, "citations_delta", citation={"url": half, "title": half}),
        delta(9, half),
        stop(half),
        END,
    )
    body = stream(*frames).replace(b"HALF", rb"\ud83d")
    events = decode("anthropic", body)
    check_grammar(events)
    assert isinstance(events[-1], Stop)
    for event in events:
        assert msgspec.json.encode(event)


def test_a_block_with_half_a_surrogate_pair_still_gives_json() -> None:
    body = (
        stream(start())
        + rb'data: {"type":"content_block_start","index":0,"content_block":{"type":"new","x":"\ud83d","n":1}}'
        + b"\n\n"
        + rb'data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":"\ud83d"}}'
        + b"\n\n"
        + stream(stop("end_turn"), END)
    )
    answer = fold(decode("anthropic", body))
    assert answer.text == "\ufffd"
    opaque = answer.blocks[0].opaque
    assert opaque is not None
    assert msgspec.json.decode(opaque.json) == {"type": "new", "x": "\ufffd", "n": 1}
    assert msgspec.json.encode(answer)


def test_the_text_of_a_whole_block_is_the_vendors_own() -> None:
    content = rb'{"type": "web_search_tool_result", "n": 1.50e1, "x": "\u00e9" , "content": []}'
    body = (
        stream(start())
        + b'data: {"type":"content_block_start","index":0,"content_block": '
        + content
        + b" }\n\n"
        + stream(stop("end_turn"), END)
    )
    opaque = fold(decode("anthropic", body)).blocks[0].opaque
    assert opaque is not None
    assert opaque.json.encode() == content


def test_bytes_that_are_not_utf_8_in_a_whole_block_are_replaced() -> None:
    body = (
        stream(start())
        + b'data: {"type":"content_block_start","index":0,"content_block":{"type":"new","x":"\xff"}}\n\n'
        + stream(stop("end_turn"), END)
    )
    answer = fold(decode("anthropic", body))
    opaque = answer.blocks[0].opaque
    assert opaque is not None
    assert opaque.json == '{"type":"new","x":"\ufffd"}'
    assert "replaced_bytes" in [notice.code for notice in answer.notices]


@pytest.mark.parametrize(
    "frames",
    [
        ({"type": "message_start"},),
        ({"type": "message_start", "message": 5},),
        (start(usage=7, content=[None, "x", {}]),),
        (start(usage={"input_tokens": "9", "output_tokens": True, "output_tokens_details": 1}),),
        (block(0), delta(0, "text_delta", text="a")),
        ({"type": "content_block_start", "index": "0", "content_block": None},),
        ({"type": "content_block_stop", "index": 5},),
        (delta(0, "text_delta"),),
        (delta(0, "citations_delta", citation=None),),
        ({"type": "content_block_delta", "index": 0},),
        ({"type": "message_delta", "delta": None, "usage": None},),
        ({"type": 5}, {}),
    ],
)
def test_malformed_frames_cost_only_themselves(frames: tuple[dict[str, Any], ...]) -> None:
    events = decode(
        "anthropic",
        stream(start(), *frames, delta(7, "text_delta", text="ok"), stop("end_turn"), END),
    )
    check_grammar(events)
    assert TextDelta in map(type, events)
    assert isinstance(events[-1], Stop)


def test_a_block_without_a_type_is_what_its_deltas_say() -> None:
    frames = (block(0, text=""), delta(0, "thinking_delta", thinking="Hm"), stop("end_turn"), END)
    answer = fold(decode("anthropic", stream(start(), *frames)))
    assert [each.kind for each in answer.blocks] == ["reasoning"]
    assert answer.reasoning == "Hm"


def test_what_is_no_count_is_not_counted_but_kept() -> None:
    details = {"thinking_tokens": "many"}
    usage = {"input_tokens": True, "output_tokens": 1.5, "output_tokens_details": details}
    answer = fold(decode("anthropic", stream(start(usage=usage), stop("end_turn"), END)))
    assert answer.usage == Usage()
    assert answer.vendor is not None
    assert json.loads(answer.vendor) == {"usage": usage}


def test_counts_may_be_written_as_floats_or_in_quotes() -> None:
    usage = {
        "input_tokens": 10.0,
        "output_tokens": "9",
        "cache_read_input_tokens": "4",
        "output_tokens_details": {"thinking_tokens": 3.0},
    }
    answer = fold(decode("anthropic", stream(start(usage=usage), stop("end_turn"), END)))
    assert answer.usage == Usage(14, 9, 4, None, 3)
    assert answer.vendor is None


def test_thinking_that_was_cut_is_nobodys() -> None:
    frames = (block(0, type="thinking", thinking="Hm"), {"type": "error", "message": "busy"})
    events = decode("anthropic", stream(start(), *frames))
    assert BlockEnd(0, "truncated") in events
