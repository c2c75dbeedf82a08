"""Gemini to events. Each file in ``recordings`` holds the rule of its name."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import (
    BlockEnd,
    Event,
    Failure,
    Notice,
    Source,
    Stop,
    Usage,
    decode_event,
)
from gateway_stream.turn import fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.family import check_grammar
from tests.support.decoding import decode, decode_reads

RECORDINGS = Path(__file__).parent / "recordings"
EXPECTED = sorted(RECORDINGS.glob("*.events.jsonl"))


def stream(*frames: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)


def said(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, **fields}]}


def without_hints(events: list[Event]) -> list[Event]:
    return [
        msgspec.structs.replace(event, hint=None) if isinstance(event, Failure) else event
        for event in events
    ]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.name.partition(".")[0])
def test_a_recording_gives_its_events_however_it_is_cut(expected: Path) -> None:
    name = expected.name.removesuffix(".events.jsonl")
    (path,) = (path for path in RECORDINGS.glob(f"{name}.*") if path != expected)
    body = path.read_bytes()
    events = decode("gemini", body)
    told = [decode_event(line) for line in expected.read_bytes().splitlines()]
    assert without_hints(events) == without_hints(told)
    check_grammar(events)
    assert decode_reads("gemini", (body[at : at + 1] for at in range(len(body)))) == events
    for seed in range(5):
        cuts = sorted(random.Random(seed).sample(range(len(body)), 12))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert decode_reads("gemini", pieces) == events


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("STOP", "end_turn"),
        ("FUNCTION_CALL", "tool_use"),
        ("MAX_TOKENS", "max_tokens"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("IMAGE_PROHIBITED_CONTENT", "content_filter"),
        ("IMAGE_RECITATION", "content_filter"),
        ("IMAGE_OTHER", "unknown"),
        ("NO_IMAGE", "unknown"),
        ("LANGUAGE", "unknown"),
        ("OTHER", "unknown"),
        ("stop", "unknown"),
        (1, "unknown"),
    ],
)
def test_every_reason_has_one_meaning_and_keeps_its_word(told: str | int, reason: str) -> None:
    last = decode("gemini", stream(said({"text": "a"}, finishReason=told)))[-1]
    assert isinstance(last, Stop)
    assert (last.reason, last.raw) == (reason, str(told))


@pytest.mark.parametrize(
    ("told", "retryable"),
    [
        ("MALFORMED_FUNCTION_CALL", True),
        ("MALFORMED_RESPONSE", True),
        ("UNEXPECTED_TOOL_CALL", True),
        ("TOO_MANY_TOOL_CALLS", True),
        ("MISSING_THOUGHT_SIGNATURE", False),
    ],
)
def test_a_reason_that_names_a_failure_of_the_model_is_a_failure(
    told: str, *, retryable: bool
) -> None:
    decoder = Decoder(FAMILIES["gemini"])
    frame = {**said({"text": "a"}, finishReason=told), "usageMetadata": {"promptTokenCount": 3}}
    events = decoder.feed(stream(frame))
    last = events[-1]
    assert isinstance(last, Failure)
    assert (last.kind, last.code, last.retryable) == ("stream_failed", told, retryable)
    assert told in last.message
    assert Usage(input=3) in events
    assert decoder.stop_seen is not None
    assert decoder.stop_seen.raw == told


@pytest.mark.parametrize("told", ["STOP", "MAX_TOKENS"])
def test_only_a_plain_stop_of_an_answer_with_calls_is_tool_use(told: str) -> None:
    body = stream(said({"functionCall": {"name": "f"}}, finishReason=told))
    last = decode("gemini", body)[-1]
    assert isinstance(last, Stop)
    assert last.reason == ("tool_use" if told == "STOP" else "max_tokens")


def test_a_call_after_the_stop_makes_it_tool_use() -> None:
    frames = said({"text": "a"}, finishReason="STOP"), said({"functionCall": {"name": "f"}})
    last = decode("gemini", stream(*frames))[-1]
    assert isinstance(last, Stop)
    assert last.reason == "tool_use"


def test_a_stop_needs_the_clean_end_of_the_body() -> None:
    body = stream(said({"text": "a"}, finishReason="STOP"))
    last = decode("gemini", body, clean=False)[-1]
    assert isinstance(last, Failure)
    assert last.kind == "stream_truncated"


def test_a_reason_told_after_a_block_of_the_prompt_replaces_it() -> None:
    blocked = {"promptFeedback": {"blockReason": "OTHER"}}
    last = decode("gemini", stream(blocked, said({"text": "a"}, finishReason="STOP")))[-1]
    assert isinstance(last, Stop)
    assert (last.reason, last.raw) == ("end_turn", "STOP")


@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
        {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"},
        {**said({"text": "b"}, finishReason="STOP"), "error": {"code": 500, "message": "busy"}},
    ],
)
def test_an_error_of_any_shape_wins_over_a_stop(frame: dict[str, Any]) -> None:
    events = decode("gemini", stream(said({"text": "a"}, finishReason="STOP"), frame))
    last = events[-1]
    assert isinstance(last, Failure)
    assert last.message == "busy"
    assert last.delivered


def test_an_unknown_frame_between_others_is_a_notice() -> None:
    body = stream(
        said({"text": "a"}), {"heartbeat": 1}, {}, said({"text": "b"}, finishReason="STOP")
    )
    events = decode("gemini", body)
    assert [event for event in events if isinstance(event, Notice)] == [
        Notice("unknown_event", "an object with the fields heartbeat")
    ]
    assert isinstance(events[-1], Stop)


@pytest.mark.parametrize("where", ["value", "name"])
def test_bytes_that_are_no_text_in_a_field_nobody_reads_do_not_end_the_answer(where: str) -> None:
    inner = {"data": "QUJD", **({"note": "NOTE"} if where == "value" else {"NOTE": 1})}
    body = stream(said({"inlineData": inner, "more": {}}, finishReason="STOP"))
    events = decode("gemini", body.replace(b"NOTE", b"\xff"))
    assert isinstance(events[-1], Stop)
    (end,) = [event for event in events if isinstance(event, BlockEnd)]
    assert end.opaque is not None
    assert "\ufffd" in end.opaque.json


@pytest.mark.parametrize(
    ("missing", "usage"),
    [
        ("promptTokenCount", Usage(1 + 20, 30 + 40, 50, None, 40)),
        ("toolUsePromptTokenCount", Usage(10 + 2, 30 + 40, 50, None, 40)),
        ("candidatesTokenCount", Usage(10 + 20, 3 + 40, 50, None, 40)),
        ("thoughtsTokenCount", Usage(10 + 20, 30 + 4, 50, None, 4)),
        ("cachedContentTokenCount", Usage(10 + 20, 30 + 40, 5, None, 40)),
    ],
)
def test_a_count_that_a_frame_leaves_out_keeps_its_value(missing: str, usage: Usage) -> None:
    names = (
        "promptTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
    )
    first = {name: number for number, name in enumerate(names, start=1)}
    later = {name: 10 * number for name, number in first.items() if name != missing}
    events = decode("gemini", stream({"usageMetadata": first}, {"usageMetadata": later}))
    assert [event for event in events if isinstance(event, Usage)][-1] == usage


def test_counts_are_told_with_the_first_frame_that_has_any() -> None:
    told: list[dict[str, Any]] = [
        {"trafficType": "ON_DEMAND"},
        {"promptTokenCount": 3},
        {"promptTokenCount": 3, "candidatesTokenCount": 2},
    ]
    frames = [{**said({"text": "a"}), "usageMetadata": counts} for counts in told]
    events = decode("gemini", stream(*frames, said({"text": ""}, finishReason="STOP")))
    assert [type(event).__name__ for event in events][2:5] == ["TextDelta", "Usage", "TextDelta"]
    assert [event for event in events if isinstance(event, Usage)] == [Usage(3), Usage(3, 2)]


def test_a_call_without_a_name_cannot_be_run() -> None:
    body = stream(said({"functionCall": {"args": {"x": 1}}}, finishReason="STOP"))
    (call,) = fold(decode("gemini", body)).tool_calls
    assert call.status == "invalid"


def test_the_end_of_a_call_that_never_began_is_a_notice() -> None:
    events = decode("gemini", stream(said({"functionCall": {}}, finishReason="STOP")))
    assert [event.code for event in events if isinstance(event, Notice)] == ["dropped_part"]
    assert isinstance(events[-1], Stop)


def test_metadata_that_is_empty_later_keeps_what_was_told() -> None:
    grounding = {"groundingChunks": [{"web": {"uri": "u"}}]}
    frames = (
        said({"text": "a"}, groundingMetadata=grounding),
        said({"text": "b"}, groundingMetadata={}, finishReason="STOP"),
    )
    last = decode("gemini", stream(*frames))[-1]
    assert isinstance(last, Stop)
    assert json.loads(last.vendor or "")["groundingMetadata"] == grounding


def test_sources_of_a_block_that_has_ended_are_left_to_the_metadata() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 3, "text": "one"}, "groundingChunkIndices": [0]},
            {
                "segment": {"startIndex": 3, "endIndex": 6, "text": "two"},
                "groundingChunkIndices": [0],
            },
        ],
    }
    call = {"functionCall": {"name": "f"}}
    frames = (
        said({"text": "one"}, call, {"text": "two"}),
        said(groundingMetadata=grounding, finishReason="STOP"),
    )
    events = decode("gemini", stream(*frames))
    assert [event for event in events if isinstance(event, Source)] == [
        Source(2, "u", None, (0, 3))
    ]
    last = events[-1]
    assert isinstance(last, Stop)
    assert json.loads(last.vendor or "")["groundingMetadata"] == grounding


def test_grounding_told_again_gives_its_sources_once() -> None:
    grounding = {"groundingChunks": [{"web": {"uri": "u"}}]}
    frame = said({"text": "a"}, groundingMetadata=grounding, finishReason="STOP")
    events = decode("gemini", stream(frame, frame))
    assert sum(isinstance(event, Source) for event in events) == 1


WORDS = st.sampled_from(["", "a", "STOP", "SAFETY", "$.a", "$.a[0]", "$.b.c", "true", "U0lH"])
FIELDS = st.sampled_from(
    [
        "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall",
        "name", "id", "args", "partialArgs", "willContinue", "jsonPath", "stringValue", "numberValue",
        "inlineData", "data", "executableCode", "finishReason", "groundingMetadata",
        "groundingChunks", "groundingSupports", "segment", "endIndex", "groundingChunkIndices",
        "citationMetadata", "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason",
        "index", "unheard_of",
    ]
)  # fmt: skip
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=25,
)
PIECES = st.dictionaries(
    st.sampled_from(
        ["text", "thought", "thoughtSignature", "functionCall", "inlineData", "newKind"]
    ),
    TREES,
    max_size=3,
)
FRAMES = st.lists(
    TREES
    | st.builds(lambda parts, rest: said(*parts, **rest), st.lists(PIECES, max_size=3), st.just({}))
    | st.builds(lambda parts, told: said(*parts, finishReason=told), st.lists(PIECES), WORDS),
    max_size=6,
)


@given(FRAMES)
def test_no_frame_breaks_the_stream(frames: list[Any]) -> None:
    body = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)
    events = decode("gemini", body)
    check_grammar(events)
    assert decode_reads("gemini", [body[:37], body[37:]]) == events


@given(FRAMES)
def test_only_a_parsed_object_makes_a_call_complete(frames: list[Any]) -> None:
    body = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)
    answer = fold(decode("gemini", body))
    for call in answer.tool_calls:
        if call.runnable:
            assert isinstance(call.arguments, dict)
