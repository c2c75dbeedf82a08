"""What a stream and a whole answer of this family look like, as a strict client expects them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    Event,
    Failure,
    FailureKind,
    Media,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing.families import check_answer
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.canonical import canonical
from gateway_stream.wire.encoder import Encoder, encode_answer, encode_stream
from tests.support.decoding import decode

FAMILY = FAMILIES["gemini"]
STRANGE = Opaque("anthropic", "anthropic", '{"type":"server_tool_use"}')


def own(json_text: str) -> Opaque:
    return Opaque("gemini", "google", json_text)


SIGNED = own('{"thoughtSignature":"c2ln"}')
CODE = own(
    '{"executableCode": {"language": "PYTHON",\r\n "code": "1\\n+1"}, "thoughtSignature": "s"}'
)


def frames(*events: Event) -> list[dict[str, Any]]:
    encoder = Encoder(FAMILY)
    written = [frame for event in events for frame in encoder.encode(event)]
    assert {frame.event for frame in written} == {"message"}
    return [json.loads(frame.data) for frame in written]


def parts_of(*trees: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for tree in trees for part in tree["candidates"][0]["content"]["parts"]]


def streamed(*events: Event) -> list[dict[str, Any]]:
    """The parts of a stream, but for the empty one of its last frame."""
    *parts, last = parts_of(*frames(Start("r"), *events, Stop("end_turn")))
    assert last == {"text": ""}
    return parts


def whole(*events: Event) -> dict[str, Any]:
    answer = fold([Start("r"), *events])
    assert isinstance(answer, Turn)
    tree: dict[str, Any] = json.loads(encode_answer(FAMILY, answer))
    return tree


def test_every_frame_is_a_whole_response_and_the_last_has_reason_and_counts() -> None:
    named = {"modelVersion": "gemini", "responseId": "r"}
    first, last = frames(
        Start("r", "gemini"),
        Usage(input=10),
        BlockStart(0, "text"),
        TextDelta(0, "Blue."),
        BlockEnd(0),
        Usage(input=10, output=5, cache_read=4, cache_write=1, reasoning=2),
        Stop("end_turn"),
    )
    assert first == {
        "candidates": [{"content": {"parts": [{"text": "Blue."}], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 10},
        **named,
    }
    assert last == {
        "candidates": [
            {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 3,
            "totalTokenCount": 15,
            "thoughtsTokenCount": 2,
            "cachedContentTokenCount": 4,
        },
        **named,
    }


def test_a_signature_follows_a_streamed_text_and_stands_beside_a_whole_one() -> None:
    text = (BlockStart(0, "text"), TextDelta(0, "Blue."), BlockEnd(0, opaque=SIGNED))
    assert streamed(*text) == [{"text": "Blue."}, {"text": "", "thoughtSignature": "c2ln"}]
    assert parts_of(whole(*text, Stop("end_turn"))) == [
        {"text": "Blue.", "thoughtSignature": "c2ln"}
    ]


def test_a_thought_is_marked_and_so_is_the_part_that_signs_it() -> None:
    thought = (BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockEnd(0, opaque=SIGNED))
    assert streamed(*thought) == [
        {"text": "Hm.", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
    ]


def test_a_call_is_written_whole_when_it_ends() -> None:
    encoder = Encoder(FAMILY)
    begun = (Start("r"), BlockStart(0, "tool_call", "c1", "look"), ToolCallDelta(0, '{"n": 1.50}'))
    assert [frame for event in begun for frame in encoder.encode(event)] == []
    (frame,) = encoder.encode(BlockEnd(0, opaque=SIGNED))
    assert b'"args":{"n": 1.50}' in frame.data
    assert parts_of(json.loads(frame.data)) == [
        {
            "functionCall": {"id": "c1", "name": "look", "args": {"n": 1.5}},
            "thoughtSignature": "c2ln",
        }
    ]


@pytest.mark.parametrize("opaque", [None, SIGNED])
@pytest.mark.parametrize(
    ("text", "status"), [('{"a', "truncated"), ("[1]", "invalid"), ("{}", "invalid")]
)
def test_a_call_that_must_not_be_run_is_not_written(
    opaque: Opaque | None, text: str, status: Any
) -> None:
    call = (BlockStart(0, "tool_call", "c", "look"), ToolCallDelta(0, text))
    events = (*call, BlockEnd(0, status, opaque))
    assert streamed(*events) == []
    assert parts_of(whole(*events, Stop("max_tokens"))) == []


def test_a_part_of_the_vendors_goes_back_as_it_came_on_one_line() -> None:
    events: list[Event] = [
        Start("r"),
        *(BlockStart(0, "server_tool", None, "executableCode"), BlockEnd(0, opaque=CODE)),
        *(BlockStart(1, "server_tool", "x", "web_search"), BlockEnd(1, opaque=STRANGE)),
        Stop("end_turn"),
    ]
    verbatim = CODE.json.replace("\r\n", "  ").encode()
    answer = fold(events)
    assert isinstance(answer, Turn)
    assert verbatim in encode_stream(FAMILY, events)
    assert verbatim in encode_answer(FAMILY, answer)
    assert streamed(*events[1:-1]) == [json.loads(CODE.json)]


def test_each_frame_is_one_line_though_arguments_were_written_on_many() -> None:
    arguments = '{\n  "at": "a\\nb",\r  "n": [\r\n1]\n}'
    call = (BlockStart(0, "tool_call", "c", "look"), ToolCallDelta(0, arguments), BlockEnd(0))
    body = encode_stream(FAMILY, [Start("r"), *call, Stop("tool_use")])
    assert all(len(frame.splitlines()) == 1 for frame in body.strip().split(b"\n\n"))
    read = fold(decode("gemini", body))
    assert isinstance(read, Turn)
    assert read.tool_calls[0].arguments == {"at": "a\nb", "n": [1]}


def test_files_of_other_families_are_parts_after_their_text() -> None:
    drawn = (
        *(BlockStart(0, "server_tool", "ig", "image_generation_call"),),
        *(Media(0, "image/png", "aGk="), BlockEnd(0, opaque=STRANGE)),
        *(BlockStart(1, "text"), TextDelta(1, "See."), Media(1, None, None, "https://e.example/a")),
        *(TextDelta(1, " It."), BlockEnd(1)),
    )
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    address = {"fileData": {"fileUri": "https://e.example/a"}}
    said = [part["text"] for part in parts_of(whole(*drawn, Stop("end_turn"))) if "text" in part]
    assert streamed(*drawn) == [picture, {"text": "See."}, {"text": " It."}, address]
    assert said == ["See. It."]


def test_a_refusal_is_text_here() -> None:
    refused = (BlockStart(0, "refusal"), RefusalDelta(0, "I will not."), BlockEnd(0))
    assert streamed(*refused) == [{"text": "I will not."}]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end_turn", "STOP"),
        ("tool_use", "STOP"),
        ("stop_sequence", "STOP"),
        ("max_tokens", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
        ("refusal", "SAFETY"),
        ("pause", "OTHER"),
        ("unknown", "OTHER"),
    ],
)
def test_a_reason_is_the_vendors_word_whatever_the_word_was(reason: StopReason, word: str) -> None:
    (last,) = frames(Start("r"), Stop(reason, raw="strange"))
    assert last["candidates"][0]["finishReason"] == word
    assert whole(Stop(reason, raw="strange"))["candidates"][0]["finishReason"] == word


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("auth", 401, "UNAUTHENTICATED"),
        ("access_denied", 403, "PERMISSION_DENIED"),
        ("bad_request", 400, "INVALID_ARGUMENT"),
        ("model_not_found", 404, "NOT_FOUND"),
        ("rate_limited", 429, "RESOURCE_EXHAUSTED"),
        ("overloaded", 503, "UNAVAILABLE"),
        ("queue_full", 503, "UNAVAILABLE"),
        ("connection_lost", 500, "INTERNAL"),
    ],
)
def test_a_failure_is_an_error_frame_after_what_it_has_cost(
    kind: FailureKind, code: int, status: str
) -> None:
    failure = Failure(kind=kind, message="It broke.", hint="for our user only")
    text = (BlockStart(0, "text"), TextDelta(0, "a"), BlockEnd(0))
    _, cost, last = frames(Start("r"), *text, Usage(input=3), failure)
    error = {"error": {"code": code, "message": "It broke.", "status": status}}
    assert cost == {"usageMetadata": {"promptTokenCount": 3}, "responseId": "r"}
    assert last == error
    assert json.loads(encode_answer(FAMILY, failure)) == error


def test_what_a_failure_cut_is_told_as_cut_as_far_as_the_wire_can_tell() -> None:
    events: list[Event] = [
        Start("r"),
        *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockEnd(0, "truncated")),
        *(BlockStart(1, "media"), Media(1, None, "aGk="), BlockEnd(1, "truncated")),
        *(BlockStart(2, "text"), TextDelta(2, "Bl"), BlockEnd(2, "truncated")),
        Failure(kind="overloaded", message="No."),
    ]
    read = fold(decode("gemini", encode_stream(FAMILY, events)))
    blocks = [(block.kind, block.status) for block in read.blocks]
    assert blocks == [("reasoning", "complete"), ("text", "truncated")]
    check_answer(FAMILY, events)


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (Usage(), None),
        (Usage(output=3), {"candidatesTokenCount": 3}),
        (
            Usage(output=3, reasoning=5),
            {"candidatesTokenCount": 0, "thoughtsTokenCount": 3},
        ),
        (Usage(input=0, reasoning=5), {"promptTokenCount": 0}),
    ],
)
def test_counts_add_up_to_what_was_told_and_no_count_is_made_up(
    told: Usage, counts: dict[str, int] | None
) -> None:
    (last,) = frames(Start("r"), told, Stop("end_turn"))
    assert last.get("usageMetadata") == counts


# The family's own: what only its decoder gives, so that answers made up for all families lack it.

PART = '{"inlineData":{"mimeType":"image/png","data":"aGk="}}'
DRAFT = '{"inlineData":{"mimeType":"image/png","data":"aGk="},"thought":true}'
Made = tuple[BlockKind, list[Any], str | None, str | None, Opaque | None]
OWN: list[Made] = [
    ("text", [lambda i: TextDelta(i, "a")], None, None, None),
    ("text", [lambda i: TextDelta(i, "a"), lambda i: TextDelta(i, "b")], None, None, SIGNED),
    ("text", [lambda i: TextDelta(i, "c"), lambda i: Source(i, "u")], None, None, SIGNED),
    ("text", [], None, None, SIGNED),
    ("reasoning", [lambda i: ReasoningDelta(i, "h")], None, None, None),
    ("reasoning", [lambda i: ReasoningDelta(i, "h")], None, None, SIGNED),
    ("reasoning", [lambda i: Media(i, "image/png", "aGk=")], None, None, own(DRAFT)),
    ("media", [lambda i: Media(i, "image/png", "aGk=")], None, None, own(PART)),
    ("server_tool", [], None, "executableCode", CODE),
    ("tool_call", [lambda i: ToolCallDelta(i, '{"a":1}')], "c", "look", SIGNED),
    ("tool_call", [], "d", "look", None),
]


def built(blocks: list[Made], end: Stop | Failure) -> list[Event]:
    events: list[Event] = [Start("r", "gemini")]
    for index, (kind, inner, call_id, name, opaque) in enumerate(blocks):
        events.append(BlockStart(index, kind, call_id and f"{call_id}{index}", name))
        events += [make(index) for make in inner]
        events.append(BlockEnd(index, opaque=opaque))
    return [*events, end]


@given(
    blocks=st.lists(st.sampled_from(OWN), max_size=6),
    end=st.sampled_from(
        [Stop("max_tokens"), Stop("content_filter"), Failure(kind="overloaded", message="No.")]
    ),
)
def test_any_answer_of_the_familys_own_is_read_back(
    blocks: list[Made], end: Stop | Failure
) -> None:
    check_answer(FAMILY, built(blocks, end))


@given(blocks=st.lists(st.sampled_from(OWN), max_size=6))
def test_no_opaque_data_of_the_familys_own_is_lost(blocks: list[Made]) -> None:
    events = built(blocks, Stop("max_tokens"))
    given_data = [block[4].json for block in blocks if block[4]]
    for carries in (FAMILY.streamed, FAMILY.whole):
        ends = [event for event in canonical(carries, events) if isinstance(event, BlockEnd)]
        assert [end.opaque.json for end in ends if end.opaque] == given_data
