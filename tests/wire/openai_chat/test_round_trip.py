"""An answer that was decoded, folded and stored goes back as it came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway_stream.request import Request
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.openai_chat.request import encode_request
from tests.support.corpus import needs_corpus, recordings
from tests.support.decoding import decode

if TYPE_CHECKING:
    from gateway_stream.events import Notice

RECORDINGS = Path(__file__).parent / "recordings"


def sent_again(turn: Turn, provider: str | None) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    """The body that carries the turn after a night on disk."""
    turn = msgspec.json.decode(msgspec.json.encode(turn), type=Turn)
    wire = encode_request(Request(model="m", messages=(turn,)), provider)
    return wire.body, wire.notices


@pytest.mark.parametrize(
    ("recording", "provider", "message"),
    [
        (
            "reasoning_comes_as_parts_with_the_signature_last",
            "anthropic",
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "reasoning",
                        "summary": [
                            {"type": "summary_text", "text": "thinking", "signature": "sig-1"}
                        ],
                    },
                    {
                        "type": "reasoning",
                        "summary": [{"type": "summary_encrypted_text", "data": "enc-1"}],
                    },
                    {"type": "text", "text": "yes"},
                ],
            },
        ),
        (
            "reasoning_is_told_twice",
            None,
            {
                "role": "assistant",
                "content": "yes",
                "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "signature": "sig", "text": "think"},
                    {"type": "reasoning.encrypted", "data": "enc", "id": "rs_1", "index": 1},
                ],
            },
        ),
        (
            "reasoning_comes_as_a_list_of_thinking_then_text",
            None,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "thinking"}]},
                    {"type": "text", "text": "yes"},
                ],
            },
        ),
        (
            "reasoning_has_four_keys",
            None,
            {"role": "assistant", "content": "yes", "reasoning_content": "abc"},
        ),
        (
            "thinking_comes_as_blocks_beside_the_text_of_it",
            "anthropic",
            {
                "role": "assistant",
                "content": "yes",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "think", "signature": "s/1"},
                    {"type": "redacted_thinking", "data": "enc"},
                ],
            },
        ),
        (
            "a_late_block_of_thinking_seals_what_it_repeats",
            None,
            {
                "role": "assistant",
                "content": "yes",
                "thinking_blocks": [{"type": "thinking", "thinking": "think", "signature": "s1"}],
            },
        ),
        (
            "a_call_of_no_function_comes_in_pieces",
            None,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "x", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
                    {"id": "y", "type": "custom", "custom": {"name": "sql", "input": "drop it"}},
                    {
                        "id": "z",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    },
                ],
            },
        ),
        (
            "a_call_keeps_the_signature_of_its_thought",
            "google",
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "x",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                        "thoughtSignature": "c2ln+/=",
                    },
                    {
                        "id": "y",
                        "type": "function",
                        "function": {"name": "g", "arguments": "{}"},
                        "extra_content": {"google": {"thought_signature": "c2lo"}},
                    },
                ],
            },
        ),
        (
            "a_text_part_keeps_its_signature",
            "google",
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "yes", "thoughtSignature": "c2ln"}],
            },
        ),
        (
            "speech_is_media_and_its_transcript_text",
            "openai",
            {"role": "assistant", "content": "Hello", "audio": {"id": "audio_1"}},
        ),
        (
            "tools_that_the_vendor_ran_are_not_calls",
            None,
            {"role": "assistant", "content": "yes"},
        ),
    ],
)
def test_a_recorded_answer_goes_back_as_it_came(
    recording: str, provider: str | None, message: dict[str, Any]
) -> None:
    turn = fold(decode("openai_chat", (RECORDINGS / f"{recording}.sse").read_bytes()))
    assert isinstance(turn, Turn)
    body, notices = sent_again(turn, provider)
    assert body["messages"] == [message]
    assert notices == ()


def test_reasoning_under_a_plain_key_stays_behind_where_a_known_provider_is_asked() -> None:
    turn = fold(decode("openai_chat", (RECORDINGS / "reasoning_has_four_keys.sse").read_bytes()))
    assert isinstance(turn, Turn)
    body, notices = sent_again(turn, "openai")
    assert body["messages"] == [{"role": "assistant", "content": "yes"}]
    assert [notice.code for notice in notices] == ["dropped_part"]


def test_two_runs_of_reasoning_under_one_plain_key_go_back_as_one() -> None:
    deltas = [
        {"reasoning_content": "why"},
        {"content": "so"},
        {"reasoning_content": " not"},
        {"content": "!"},
    ]
    frames = [{"choices": [{"delta": delta}]} for delta in deltas]
    body = b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames)
    turn = fold(decode("openai_chat", body + b"data: [DONE]\n\n"))
    assert isinstance(turn, Turn)
    (message,) = sent_again(turn, None)[0]["messages"]
    assert message == {"role": "assistant", "content": "so!", "reasoning_content": "why not"}


@needs_corpus
def test_signatures_of_recorded_streams_survive_into_the_next_request() -> None:
    carried = 0
    for recording in recordings():
        turn = (
            fold(decode("openai_chat", recording.body))
            if recording.family == "openai_chat"
            else None
        )
        if not isinstance(turn, Turn):
            continue
        providers = {block.opaque.provider for block in turn.blocks if block.opaque}
        for provider in providers:
            body = msgspec.json.encode(sent_again(turn, provider)[0])
            for word in (b'"signature":"', b'"data":"'):
                for piece in recording.body.split(word)[1:]:
                    value = piece.partition(b'"')[0]
                    carried += bool(value)
                    assert value in body, (recording.name, value[:40])
    assert carried
