from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import Failure, Stop, StopReason, Usage
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.family import check_grammar
from gateway_stream.wire.openai_chat.place import FrameText, Place
from tests.support.decoding import decode


def frames(*trees: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(tree) + b"\n\n" for tree in trees)


def chunk(delta: Any = None, reason: Any = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    return {"id": "a", "model": "m", "choices": [choice], **fields}


def turn_of(*trees: Any) -> Turn:
    turn = fold(decode("openai_chat", frames(*trees)))
    assert isinstance(turn, Turn)
    return turn


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 5}, Usage(input=5)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, Usage(5, 2)),
        (  # reasoning inside
            {
                "prompt_tokens": 5,
                "completion_tokens": 9,
                "total_tokens": 14,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(5, 9, reasoning=7),
        ),
        (  # reasoning beside
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 14,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(5, 9, reasoning=7),
        ),
        (  # no total: nothing to prove it by
            {"prompt_tokens": 5, "completion_tokens": 2, "reasoning_tokens": 7},
            Usage(5, 2, reasoning=7),
        ),
        (  # cached inside
            {"prompt_tokens": 5, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(5, cache_read=4),
        ),
        (  # cached beside: more than there are prompt tokens
            {"prompt_tokens": 5, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 2},
            Usage(97, cache_read=90, cache_write=2),
        ),
        (  # cached beside: the total says so
            {
                "prompt_tokens": 50,
                "completion_tokens": 2,
                "total_tokens": 62,
                "cache_read_input_tokens": 10,
            },
            Usage(60, 2, cache_read=10),
        ),
        (  # both beside
            {
                "prompt_tokens": 50,
                "completion_tokens": 2,
                "total_tokens": 69,
                "cache_read_input_tokens": 10,
                "reasoning_tokens": 7,
            },
            Usage(60, 9, cache_read=10, reasoning=7),
        ),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 3}, Usage(5, cache_read=3)),
        ({"prompt_tokens": 5, "cached_tokens": 0}, Usage(5, cache_read=0)),
        ({"prompt_tokens": 5, "input_tokens": 9}, Usage(5)),
        (
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(9, 4, cache_read=3, reasoning=2),
        ),
        ({"prompt_tokens": "5", "completion_tokens": 2.0}, Usage(5, 2)),
    ],
)
def test_counts_are_told_in_one_sense(counts: dict[str, Any], usage: Usage) -> None:
    assert turn_of(chunk({"content": "a"}, "stop", usage=counts)).usage == usage


@pytest.mark.parametrize("count", [1.5, 1e300, "5 tokens", "", "9" * 5000, 10**40])
def test_what_is_no_count_is_left_out_with_a_notice(count: Any) -> None:
    turn = turn_of(chunk({"content": "a"}, "stop", usage={"prompt_tokens": count}))
    assert turn.usage == Usage()
    assert [notice.code for notice in turn.notices] == ["invalid_field"]


def test_the_last_count_that_is_not_null_holds() -> None:
    turn = turn_of(
        chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}),
        chunk({"content": "b"}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2}),
        chunk(usage={"prompt_tokens": 5, "completion_tokens": None}),
        chunk(usage=None),
    )
    assert turn.usage == Usage(5, 2)


def test_counts_may_stand_in_the_choice() -> None:
    last = chunk({}, "stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 5, "completion_tokens": 2}
    assert turn_of(chunk({"content": "a"}), last).usage == Usage(5, 2)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "end_turn"),
        ("STOP", "end_turn"),
        ("eos", "end_turn"),
        ("length", "max_tokens"),
        ("model_length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "content_filter"),
        ("pause_turn", "pause"),
        ("made_up", "unknown"),
    ],
)
def test_a_finish_reason_has_its_meaning(raw: str, reason: StopReason) -> None:
    assert turn_of(chunk({"content": "a"}, raw)).stop == Stop(reason, raw)


def test_an_empty_finish_reason_is_none() -> None:
    events = decode("openai_chat", frames(chunk({"content": "a"}, "")))
    assert isinstance(events[-1], Failure)
    assert events[-1].kind == "stream_truncated"


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "boom", "type": "server_error"}},
        {"error": "boom"},
        {"error_code": "INTERNAL_ERROR", "message": "boom"},
        {"error": {"message": "boom", "code": 502}, "choices": []},
    ],
)
@pytest.mark.parametrize("before", [0, 1, 5])
def test_an_error_wins_over_a_finish_reason_that_is_held(error: Any, before: int) -> None:
    text = [chunk({"content": "a"}) for _ in range(before)]
    body = frames(*text, *([chunk({}, "stop")] if before else []), error) + b"data: [DONE]\n\n"
    events = decode("openai_chat", body)
    check_grammar(events)
    failure = events[-1]
    assert isinstance(failure, Failure)
    assert failure.message == "boom"
    assert failure.delivered == bool(before)


def test_an_error_after_the_sentinel_is_too_late() -> None:
    body = frames(chunk({"content": "a"}, "stop")) + b"data: [DONE]\n\n" + frames({"error": "boom"})
    assert isinstance(decode("openai_chat", body)[-1], Stop)


def test_what_frames_repeat_is_told_once() -> None:
    turn = turn_of(
        chunk({"content": "a"}, system_fingerprint="fp", service_tier=None),
        chunk({"content": ""}, system_fingerprint="fp"),
        chunk({}, "stop", system_fingerprint="fp", note="end"),
    )
    assert turn.vendor == '{"system_fingerprint":"fp"}'
    assert turn.stop.vendor == '{"note":"end"}'


def test_what_frames_without_an_id_say_before_the_content_is_told_at_the_start() -> None:
    first: dict[str, Any] = {"model": "m", "choices": [{"delta": {"role": "assistant"}}], "x": 1}
    turn = turn_of(first, {"choices": [{"delta": {"content": "a"}}], "y": 2}, chunk({}, "stop"))
    assert (turn.model, turn.vendor) == ("m", '{"x":1,"y":2}')


def test_an_error_in_the_choice_counts_in_the_middle_of_a_text_too() -> None:
    failed = chunk({"content": "b"})
    failed["choices"][0]["error"] = {"message": "boom"}
    events = decode("openai_chat", frames(chunk({"content": "a"}), failed))
    assert isinstance(events[-1], Failure)
    assert events[-1].message == "boom"


def test_a_signature_begins_a_new_block_for_what_follows() -> None:
    def part(text: str, signature: str) -> dict[str, Any]:
        entry = {"type": "summary_text", "text": text, "signature": signature}
        return {"content": [{"type": "reasoning", "summary": [entry]}]}

    turn = turn_of(
        chunk(part("a", "")),
        chunk(part("", "s1")),
        chunk(part("b", "")),
        chunk(part("", "s2"), "stop"),
    )
    assert [(block.text, block.opaque is not None) for block in turn.blocks] == [
        ("a", True),
        ("b", True),
    ]


def test_reasoning_and_text_of_one_chunk_both_count() -> None:
    turn = turn_of(chunk({"reasoning_content": "why", "content": "so"}, "stop"))
    assert (turn.reasoning, turn.text) == ("why", "so")


def test_a_value_is_cut_out_byte_for_byte() -> None:
    frame = b'{"choices":[{"delta":{"content":[{"type": "x", "s":"a\\/b\\u003d"}]}}]}'
    place = Place(FrameText(frame), "choices", 0, "delta")
    assert place.cut(None, "content", 0) == '{"type": "x", "s":"a\\/b\\u003d"}'
    assert place.cut({"a": 1}, "nowhere") == '{"a":1}'


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "stop", "text", "reasoning", "thinking", "image_url", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "summary", "thinking", "signature", "url", "index", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
deltas = st.dictionaries(
    st.sampled_from(
        [
            "annotations",
            "audio",
            "content",
            "executed_tools",
            "extra_content",
            "function_call",
            "images",
            "reasoning",
            "reasoning_details",
            "refusal",
            "tool_calls",
        ]
    ),
    json_values,
    max_size=4,
)


@given(st.lists(deltas, min_size=1, max_size=4), json_values)
def test_fields_of_any_type_break_nothing(some: list[dict[str, Any]], extra: Any) -> None:
    trees = [chunk(delta) for delta in some]
    trees[-1]["choices"][0]["finish_reason"] = extra
    body = frames(*trees, {"choices": extra}) + b"data: [DONE]\n\n"
    events = decode("openai_chat", body)
    check_grammar(events)
    fold(events)


def test_plain_text_after_a_signature_is_another_block() -> None:
    signed = {"content": [{"type": "text", "text": "a", "thoughtSignature": "s"}]}
    turn = turn_of(chunk(signed), chunk({"content": "b"}), chunk({"content": "c"}, "stop"))
    assert [block.text for block in turn.blocks] == ["a", "bc"]


def test_other_choices_are_dropped_in_the_middle_of_a_text_too() -> None:
    other = chunk({"content": "B"}, usage={"prompt_tokens": 1})
    other["choices"][0]["index"] = 1
    turn = turn_of(chunk({"content": "a"}), other, chunk({"content": "b"}), chunk({}, "stop"))
    assert turn.text == "ab"


def test_counts_in_the_choice_count_in_the_middle_of_a_text_too() -> None:
    middle = chunk({"content": "b"})
    middle["choices"][0]["usage"] = {"prompt_tokens": 5}
    assert turn_of(chunk({"content": "a"}), middle, chunk({}, "stop")).usage == Usage(5)


def test_a_citation_that_does_not_know_its_place_has_none() -> None:
    cited = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 0}
    annotation = {"type": "url_citation", "url_citation": cited}
    turn = turn_of(chunk({"content": "a", "annotations": [annotation]}, "stop"))
    (source,) = turn.blocks[0].sources
    assert (source.url, source.title, source.span) == ("https://a.example", "A", None)


def test_a_block_carries_only_what_is_new_with_it() -> None:
    turn = turn_of(
        chunk({"role": "assistant"}, system_fingerprint="fp"),
        chunk({"reasoning": "why", "channel": "analysis"}, system_fingerprint="fp"),
        chunk({}, "stop", system_fingerprint="fp"),
    )
    assert turn.blocks[0].vendor == '{"choices":[{"delta":{"channel":"analysis"}}]}'


def test_what_is_cut_out_of_a_frame_that_is_not_quite_json_keeps_all_its_members() -> None:
    frame = b'{"choices":[{"delta":{"content":[{"type":"x","s":"\xff","n":1}]}}]}'
    place = Place(FrameText(frame), "choices", 0, "delta")
    assert place.cut({"type": "x"}, "content", 0) == '{"type":"x","s":"\ufffd","n":1}'


def test_half_a_pair_where_no_text_belongs_costs_only_its_field() -> None:
    body = (
        rb'data: {"id":"a","choices":[{"delta":{"content":"a","tool_calls":"\ud83d"}}]}' + b"\n\n"
    )
    turn = fold(decode("openai_chat", body + frames(chunk({"content": "b"}, "stop"))))
    assert isinstance(turn, Turn)
    assert turn.text == "ab"
    assert [notice.code for notice in turn.notices] == ["replaced_bytes", "invalid_field"]
