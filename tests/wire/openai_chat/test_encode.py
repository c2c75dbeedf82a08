"""What a stream and a whole answer of this family look like, as a strict client expects them."""

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
from gateway_stream.wire.encoder import Encoder, encode_answer
from gateway_stream.wire.failures import read_stream_failure

FAMILY = FAMILIES["openai_chat"]
Tree = dict[str, Any]


def own(json_: str, provider: str = "openai_chat") -> Opaque:
    return Opaque("openai_chat", provider, json_)


def frames(*events: Event) -> list[Tree | None]:
    """The frames of an answer; the sentinel is ``None``."""
    encoder = Encoder(FAMILY)
    written = [frame for event in events for frame in encoder.encode(event)]
    assert {frame.event for frame in written} <= {"message"}
    return [None if frame.data == b"[DONE]" else json.loads(frame.data) for frame in written]


def deltas(*events: Event, end: Event | None = None) -> list[Any]:
    """What the chunks between the role and the finish reason add."""
    trees = frames(Start("a"), *events, end or Stop("end_turn"))
    found = [tree["choices"][0]["delta"] for tree in trees if tree and tree.get("choices")]
    assert found[0] == {"role": "assistant", "content": ""}
    return found[1:-1]


def turn(*events: Event) -> Turn:
    answer = fold([Start("a", "m"), *events])
    assert isinstance(answer, Turn)
    return answer


def message(*events: Event) -> Tree:
    tree = json.loads(encode_answer(FAMILY, turn(*events, Stop("end_turn"))))
    said: Tree = tree["choices"][0]["message"]
    assert said.pop("role") == "assistant"
    return said


def text(index: int, *pieces: str, opaque: Opaque | None = None) -> tuple[Event, ...]:
    said = (TextDelta(index, piece) for piece in pieces)
    return BlockStart(index, "text"), *said, BlockEnd(index, opaque=opaque)


def thought(index: int, *pieces: str, opaque: Opaque | None = None) -> tuple[Event, ...]:
    said = (ReasoningDelta(index, piece) for piece in pieces)
    return BlockStart(index, "reasoning"), *said, BlockEnd(index, opaque=opaque)


def call(index: int, *pieces: str, opaque: Opaque | None = None) -> tuple[Event, ...]:
    said = (ToolCallDelta(index, piece) for piece in pieces)
    return (
        BlockStart(index, "tool_call", f"c{index}", "look"),
        *said,
        BlockEnd(index, opaque=opaque),
    )


def test_a_text_is_chunks_and_the_sentinel() -> None:
    head = {"id": "chat_1", "object": "chat.completion.chunk", "created": 0, "model": "gpt"}

    def chunk(delta: Tree, reason: str | None = None) -> Tree:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    assert frames(
        Start("chat_1", "gpt"),
        *text(0, "Bl", "ue."),
        Usage(input=10, output=3, cache_read=4, cache_write=1, reasoning=2),
        Stop("end_turn"),
    ) == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Bl"}),
        chunk({"content": "ue."}),
        chunk({}, "stop"),
        {
            **head,
            "choices": [],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 3,
                "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
        None,
    ]


def test_without_counts_there_is_no_chunk_for_them_and_unknown_ones_are_null() -> None:
    assert [tree and tree["choices"] != [] for tree in frames(Start("a"), Stop("end_turn"))] == [
        True,
        True,
        None,
    ]
    *_, counted, _ = frames(Start("a"), Usage(input=5), Stop("end_turn"))
    assert counted is not None
    expected = {"prompt_tokens": 5, "completion_tokens": None, "total_tokens": None}
    assert counted["usage"] == expected


@pytest.mark.parametrize(
    ("reason", "word", "beside_calls"),
    [
        ("end_turn", "stop", "tool_calls"),
        ("tool_use", "tool_calls", "tool_calls"),
        ("max_tokens", "length", "length"),
        ("stop_sequence", "stop", "tool_calls"),
        ("content_filter", "content_filter", "content_filter"),
        ("refusal", "content_filter", "content_filter"),
        ("pause", "stop", "tool_calls"),
        ("unknown", "stop", "tool_calls"),
    ],
)
def test_reasons_are_the_vendors_words(reason: StopReason, word: str, beside_calls: str) -> None:
    for events, expected in ((text(0, "a"), word), (call(0), beside_calls)):
        *_, last, _ = frames(Start("a"), *events, Stop(reason, raw="their own word"))
        assert last is not None
        assert last["choices"][0]["finish_reason"] == expected
        whole = json.loads(encode_answer(FAMILY, turn(*events, Stop(reason))))
        assert whole["choices"][0]["finish_reason"] == expected


def test_calls_are_announced_with_their_position_and_then_only_add_arguments() -> None:
    first, second, *pieces = deltas(*call(0, '{"at":', "1}"), *call(1))
    announced = {"id": "c0", "type": "function", "function": {"name": "look", "arguments": ""}}
    assert first == {"tool_calls": [{"index": 0, **announced}]}
    assert second == {"tool_calls": [{"index": 0, "function": {"arguments": '{"at":'}}]}
    assert pieces == [
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {"tool_calls": [{"index": 1, **announced, "id": "c1"}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_a_first_piece_that_is_an_empty_object_is_no_placeholder() -> None:
    _, *pieces = deltas(*call(0, "{}"))
    written = [piece["tool_calls"][0]["function"]["arguments"] for piece in pieces]
    assert written == ["{", "}"]


def test_what_goes_back_with_a_call_stands_on_it_as_it_came() -> None:
    signed = own('{"extra_content":{"google": {"thought_signature":"\\u0053"}}}', "google")
    extra = {"extra_content": {"google": {"thought_signature": "S"}}}
    assert deltas(*call(0, opaque=signed))[-1] == {
        "tool_calls": [{"index": 0, "function": {"arguments": ""}, **extra}]
    }
    body = encode_answer(FAMILY, turn(*call(0, opaque=signed), Stop("tool_use")))
    assert b'"extra_content":{"google": {"thought_signature":"\\u0053"}}' in body


def test_a_call_of_no_function_takes_a_position_among_the_others() -> None:
    entry = '{"id":"k","type":"custom","custom":{"name":"sql","input":"select 1"}}'
    custom = (BlockStart(0, "other"), BlockEnd(0, opaque=own(f'{{"tool_calls":[{entry}]}}')))
    first, second, *_ = deltas(*custom, *call(1))
    assert first == {"tool_calls": [{"index": 0, **json.loads(entry)}]}
    assert second["tool_calls"][0]["index"] == 1
    calls = message(*custom, *call(1))["tool_calls"]
    assert [each["type"] for each in calls] == ["custom", "function"]


def test_reasoning_of_anybody_is_reasoning_content_and_keeps_its_own_key_when_whole() -> None:
    strange = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"S"}')
    for opaque in (None, strange, own('{"reasoning":""}', "reasoning")):
        streamed = deltas(*thought(0, "Hm, ", "stars.", opaque=opaque))
        assert streamed == [{"reasoning_content": "Hm, "}, {"reasoning_content": "stars."}]
    assert message(*thought(0, "Hm.", opaque=strange))["reasoning_content"] == "Hm."
    assert message(*thought(0, "Hm.", opaque=own('{"reasoning":""}')))["reasoning"] == "Hm."


SEALS: list[tuple[str, Tree]] = [
    (
        '{"reasoning_details":[{"type":"reasoning.text","signature":"S"}]}',
        {"reasoning_details": [{"type": "reasoning.text", "signature": "S", "text": "Hm, stars."}]},
    ),
    (
        '{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"S"}]}',
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm, stars.", "signature": "S"}]},
    ),
    (
        '{"type":"thinking","thinking":[{"type":"text","text":""}]}',
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, stars."}]},
            ]
        },
    ),
]


@pytest.mark.parametrize(("opaque", "written"), SEALS, ids=range(len(SEALS)))
def test_what_goes_back_with_reasoning_follows_it_with_its_text_in_it(
    opaque: str, written: Tree
) -> None:
    reasoned = thought(0, "Hm, ", "stars.", opaque=own(opaque))
    assert deltas(*reasoned)[2:] == [written]
    said = message(*reasoned)
    assert {key: said[key] for key in written} == written
    if "content" not in written:
        assert said["reasoning_content"] == "Hm, stars."


def test_hidden_reasoning_and_parts_of_the_vendors_own_go_out_byte_for_byte() -> None:
    hidden = '{"thinking_blocks":[{"type": "redacted_thinking","data":"\\u0041"}]}'
    part = '{"type":"web_search_tool_result","content":[ 1.50 ]}'
    blocks = (
        *thought(0, opaque=own(hidden)),
        *(BlockStart(1, "server_result"), BlockEnd(1, opaque=own(part))),
    )
    encoder = Encoder(FAMILY)
    encoder.encode(Start("a"))
    streamed = b"".join(frame.data for event in blocks for frame in encoder.encode(event))
    whole = encode_answer(FAMILY, turn(*blocks, Stop("end_turn")))
    for body in (streamed, whole):
        assert hidden[1:-1].encode() in body
        assert part.encode() in body


def test_content_is_a_string_unless_something_must_stand_in_it() -> None:
    part = own('{"type":"odd"}')
    assert message(*text(0, "a"), *call(1), *text(2, "b"))["content"] == "ab"
    assert message(*call(0))["content"] is None
    said = message(*text(0, "a"), BlockStart(1, "other"), BlockEnd(1, opaque=part), *text(2, "b"))
    a, odd, b = said["content"]
    assert (a["text"], odd, b["text"]) == ("a", {"type": "odd"}, "b")


def test_a_signature_of_the_one_text_is_the_messages_and_of_several_the_parts() -> None:
    signed = own('{"extra_content":{"google":{}}}', "google")
    said = message(*text(0, "a", opaque=signed))
    assert (said["content"], said["extra_content"]) == ("a", {"google": {}})
    said = message(*text(0, "a", opaque=signed), *text(1, "b"))
    assert said["content"] == [
        {"type": "text", "text": "a", "extra_content": {"google": {}}},
        {"type": "text", "text": "b"},
    ]
    assert "extra_content" not in said


def test_a_refusal_has_its_own_field() -> None:
    refused = (BlockStart(0, "refusal"), RefusalDelta(0, "I will not."), BlockEnd(0))
    assert deltas(*refused) == [{"refusal": "I will not."}]
    assert message(*refused) == {"content": None, "refusal": "I will not."}


def test_citations_count_from_where_the_text_of_the_message_begins() -> None:
    second = (BlockStart(1, "text"), Source(1, "u", "t", (1, 3)), TextDelta(1, "blue"), BlockEnd(1))
    cited = {"url": "u", "title": "t", "start_index": 5, "end_index": 7}
    annotation = {"type": "url_citation", "url_citation": cited}
    assert deltas(*text(0, "Blé "), *second)[1:] == [
        {"content": "blue"},
        {"annotations": [{"index": 0, **annotation}]},
    ]
    assert message(*text(0, "Blé "), *second)["annotations"] == [annotation]


def test_images_are_urls_whoever_made_them() -> None:
    strange = Opaque("openai_responses", "openai", '{"type":"image_generation_call"}')
    drawn = (
        BlockStart(0, "server_tool"),
        Media(0, "image/png", "aGk="),
        BlockEnd(0, opaque=strange),
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert deltas(*drawn) == [{"images": [{"index": 0, **image}]}]
    assert message(*drawn)["images"] == [image]


def test_speech_goes_out_in_its_pieces_and_whole_as_one() -> None:
    spoken = (
        BlockStart(0, "media"),
        *(Media(0, data="aGk="), Media(0, data="aGk=")),
        BlockEnd(0, opaque=own('{"audio":{"id":"audio_1"}}', "openai")),
    )
    assert [delta["audio"] for delta in deltas(*spoken)] == [
        {"id": "audio_1"},
        {"data": "aGk="},
        {"data": "aGk="},
    ]
    assert message(*spoken)["audio"]["data"] == "aGloaQ=="


@pytest.mark.parametrize("pieces", [1, 2])
def test_speech_is_open_until_the_answer_ends_and_an_image_is_not(pieces: int) -> None:
    speech = own('{"audio":{"id":"audio_1"}}', "openai")
    blocks: list[Event] = [BlockStart(0, "media"), *[Media(0, data="aGk=")] * pieces]
    blocks += [BlockEnd(0, "truncated", opaque=speech)]
    blocks += [BlockStart(1, "media"), Media(1, url="https://example.com/a.png"), BlockEnd(1)]
    check_answer(FAMILY, [Start("a"), *blocks, Failure(kind="stream_failed", message="It broke.")])


@pytest.mark.parametrize(
    ("kind", "word", "code"),
    [
        ("auth", "authentication_error", "invalid_api_key"),
        ("access_denied", "permission_error", "permission_denied"),
        ("bad_request", "invalid_request_error", None),
        ("model_not_found", "invalid_request_error", "model_not_found"),
        ("rate_limited", "rate_limit_error", "rate_limit_exceeded"),
        ("overloaded", "service_unavailable_error", "overloaded"),
        ("stream_failed", "server_error", "internal_error"),
    ],
)
def test_a_failure_is_an_error_and_no_end(kind: FailureKind, word: str, code: str | None) -> None:
    failure = Failure(kind=kind, message="It broke.", hint="for our user only")
    written = frames(Start("a"), *text(0, "a"), Usage(output=1), failure)
    error = {"message": "It broke.", "type": word, "param": None, "code": code}
    assert written[-1] == {"error": error}
    assert written[-2] is not None
    assert written[-2]["usage"]["completion_tokens"] == 1
    assert None not in written
    assert json.loads(encode_answer(FAMILY, failure)) == {"error": error}
    read = read_stream_failure(json.dumps({"error": error}).encode())
    assert read is not None
    assert read.kind == kind
