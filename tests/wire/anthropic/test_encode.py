"""What a stream and a whole message of this family look like, as a strict client expects them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    FailureKind,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing import check_answer
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.canonical import canonical
from gateway_stream.wire.encoder import Encoder, encode_answer

FAMILY = FAMILIES["anthropic"]
SIGNED = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"c2ln"}')
HIDDEN = Opaque("anthropic", "anthropic", '{"type":"redacted_thinking","data":"aGlkZGVu"}')


def frames(*events: Event) -> list[dict[str, Any]]:
    encoder = Encoder(FAMILY)
    written = [frame for event in events for frame in encoder.encode(event)]
    trees = [json.loads(frame.data) for frame in written]
    assert [frame.event for frame in written] == [tree["type"] for tree in trees]
    return trees


def content(*events: Event) -> list[dict[str, Any]]:
    """The frames between the start and the end of a message."""
    return frames(Start("m"), *events, Stop("end_turn"))[1:-2]


def whole(*events: Event) -> dict[str, Any]:
    answer = fold([Start("m"), *events])
    assert isinstance(answer, Turn)
    tree: dict[str, Any] = json.loads(encode_answer(FAMILY, answer))
    return tree


def test_a_text_is_six_kinds_of_frames() -> None:
    assert frames(
        Start("msg_1", "claude"),
        Usage(input=10, cache_read=4, cache_write=1),
        BlockStart(0, "text"),
        TextDelta(0, "Blue."),
        BlockEnd(0),
        Usage(input=10, output=3, cache_read=4, cache_write=1, reasoning=2),
        Stop("end_turn"),
    ) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 5,
                    "cache_creation_input_tokens": 1,
                    "cache_read_input_tokens": 4,
                    "output_tokens": None,
                },
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Blue."},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 1,
                "cache_read_input_tokens": 4,
                "output_tokens": 3,
                "output_tokens_details": {"thinking_tokens": 2},
            },
        },
        {"type": "message_stop"},
    ]


def test_thinking_is_signed_by_its_last_delta() -> None:
    thinking = (BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockEnd(0, opaque=SIGNED))
    begun, thought, signed, ended = content(*thinking)
    assert begun["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert thought["delta"] == {"type": "thinking_delta", "thinking": "Hm."}
    assert signed["delta"] == {"type": "signature_delta", "signature": "c2ln"}
    assert ended["type"] == "content_block_stop"


CITED = Opaque("anthropic", "anthropic", '{"type":"text","citations":[{"url":"u","title":"t"}]}')
CALLED = Opaque("anthropic", "anthropic", '{"type":"tool_use","caller":{"type":"direct"}}')


@pytest.mark.parametrize(
    ("block", "opaque"),
    [
        pytest.param(
            [BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm.")], SIGNED, id="signature"
        ),
        pytest.param([BlockStart(0, "reasoning")], HIDDEN, id="hidden"),
        pytest.param(
            [BlockStart(0, "text"), TextDelta(0, "a"), Source(0, "u", "t")], CITED, id="citations"
        ),
        pytest.param([BlockStart(0, "tool_call", "c", "look")], CALLED, id="caller"),
    ],
)
def test_the_table_says_what_of_its_own_opaque_data_a_family_gives_back(
    block: list[Event], opaque: Opaque
) -> None:
    """A caller stands in the start of a block, which is out before it is known."""
    events: list[Event] = [Start("m"), *block, BlockEnd(0, opaque=opaque), Stop("tool_use")]
    for carries in (FAMILY.whole, FAMILY.streamed):
        (end,) = (one for one in canonical(carries, events) if isinstance(one, BlockEnd))
        lost = carries is FAMILY.streamed and opaque is CALLED
        assert end.opaque == (None if lost else opaque)
    check_answer(FAMILY, events)


def test_hidden_thinking_is_one_block_as_it_came() -> None:
    begun, ended = content(BlockStart(0, "reasoning"), BlockEnd(0, opaque=HIDDEN))
    assert begun["content_block"] == {"type": "redacted_thinking", "data": "aGlkZGVu"}
    assert ended == {"type": "content_block_stop", "index": 0}


def test_a_call_is_announced_before_its_arguments() -> None:
    encoder = Encoder(FAMILY)
    encoder.encode(Start("m"))
    *_, announced = encoder.encode(BlockStart(0, "tool_call", "toolu_1", "look"))
    block = json.loads(announced.data)["content_block"]
    assert block == {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    (piece,) = encoder.encode(ToolCallDelta(0, '{"at":'))
    assert json.loads(piece.data)["delta"]["partial_json"] == '{"at":'


def test_a_cut_call_is_left_open() -> None:
    call = (BlockStart(0, "tool_call", "toolu_1", "look"), ToolCallDelta(0, '{"a'))
    written = frames(Start("m"), *call, BlockEnd(0, "truncated"), Stop("max_tokens"))
    assert "content_block_stop" not in [frame["type"] for frame in written]


def test_a_whole_message_holds_arguments_as_an_object_and_leaves_a_cut_call_out() -> None:
    message = whole(
        *(BlockStart(0, "tool_call", "a", "look"), ToolCallDelta(0, '{"n": 1.50}'), BlockEnd(0)),
        *(BlockStart(1, "tool_call", "b", "look"), BlockEnd(1)),
        *(
            BlockStart(2, "tool_call", "c", "look"),
            ToolCallDelta(2, '{"n'),
            BlockEnd(2, "truncated"),
        ),
        Stop("max_tokens"),
    )
    assert [(block["id"], block["input"]) for block in message["content"]] == [
        ("a", {"n": 1.5}),
        ("b", {}),
    ]


def test_a_servers_tool_goes_out_as_it_came_and_strange_blocks_stay_behind() -> None:
    result = '{"type":"web_search_tool_result","tool_use_id":"s","content":[ ]}'
    own = Opaque("anthropic", "anthropic", result)
    strange = Opaque("openai_responses", "openai", '{"type":"web_search_call"}')
    blocks = (
        *(BlockStart(0, "server_tool"), BlockEnd(0, opaque=strange)),
        *(BlockStart(1, "server_result"), BlockEnd(1, opaque=own)),
    )
    begun, ended = content(*blocks)
    assert (begun["index"], begun["content_block"]) == (0, json.loads(result))
    assert ended["index"] == 0
    assert result.encode() in encode_answer(FAMILY, _turn(*blocks))


def _turn(*events: Event) -> Turn:
    answer = fold([Start("m"), *events, Stop("end_turn")])
    assert isinstance(answer, Turn)
    return answer


def test_citations_follow_the_text_they_belong_to() -> None:
    cited = Opaque(
        "anthropic", "anthropic", '{"type":"text","citations":[{"url":"u"},{"url":"v"}]}'
    )
    text = (BlockStart(0, "text"), TextDelta(0, "Blue."), Source(0, "u"), BlockEnd(0, opaque=cited))
    deltas = [frame["delta"] for frame in content(*text) if "delta" in frame]
    assert [delta["type"] for delta in deltas] == ["text_delta", *["citations_delta"] * 2]
    assert [delta["citation"]["url"] for delta in deltas[1:]] == ["u", "v"]


def test_a_refusal_is_text_here() -> None:
    refused = (BlockStart(0, "refusal"), RefusalDelta(0, "I will not."), BlockEnd(0))
    _, said, _ = content(*refused)
    assert said["delta"] == {"type": "text_delta", "text": "I will not."}
    assert whole(*refused, Stop("refusal"))["stop_reason"] == "refusal"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("auth", "authentication_error"),
        ("access_denied", "permission_error"),
        ("bad_request", "invalid_request_error"),
        ("model_not_found", "not_found_error"),
        ("rate_limited", "rate_limit_error"),
        ("overloaded", "overloaded_error"),
        ("queue_full", "overloaded_error"),
        ("connection_lost", "api_error"),
        ("stream_truncated", "api_error"),
    ],
)
def test_a_failure_is_an_error_frame_and_no_end(kind: FailureKind, word: str) -> None:
    failure = Failure(kind=kind, message="It broke.", hint="for our user only")
    *_, last = frames(Start("m"), BlockStart(0, "text"), TextDelta(0, "a"), BlockEnd(0), failure)
    error = {"type": "error", "error": {"type": word, "message": "It broke."}}
    assert last == error
    assert json.loads(encode_answer(FAMILY, failure)) == error


def test_counts_nobody_told_are_null_and_not_zero() -> None:
    *_, told, _ = frames(Start("m"), Stop("end_turn"))
    assert told["usage"] == {"input_tokens": None, "output_tokens": None}
