"""Anthropic Messages to events. Each file in ``recordings`` holds the rule of its name."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway_stream.events import (
    BlockEnd,
    Event,
    Failure,
    Notice,
    Stop,
    decode_event,
)
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire.anthropic.decode import REASONS
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, hostile, needs_corpus, recordings
from tests.support.decoding import decode, decode_reads, normal
from tests.wire.anthropic.frames import END, block, delta, start, stop, stream

RECORDINGS = Path(__file__).parent / "recordings"
EXPECTED = sorted(RECORDINGS.glob("*.events.jsonl"))


def recording(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def body_of(expected: Path) -> bytes:
    name = expected.name.removesuffix(".events.jsonl")
    (body,) = (
        RECORDINGS / f"{name}{form}"
        for form in (".sse", ".json")
        if (RECORDINGS / f"{name}{form}").exists()
    )
    return body.read_bytes()


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.name.partition(".")[0])
def test_a_recording_gives_its_events_however_it_is_cut(expected: Path) -> None:
    body = body_of(expected)
    events = [decode_event(line) for line in expected.read_bytes().splitlines()]
    assert decode("anthropic", body) == events
    assert decode_reads("anthropic", (body[at : at + 1] for at in range(len(body)))) == events
    for seed in range(5):
        cuts = sorted(random.Random(seed).sample(range(len(body)), 12))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert decode_reads("anthropic", pieces) == events
    check_grammar(events)


def test_an_error_event_ends_the_answer_and_its_open_block_is_cut() -> None:
    *before, failure = decode("anthropic", recording("an_error_event_ends_the_answer.sse"))
    assert before[-1] == BlockEnd(0, "truncated")
    assert isinstance(failure, Failure)
    assert (failure.message, failure.code) == ("Overloaded", "overloaded_error")
    assert failure.delivered


@pytest.mark.parametrize(
    "frame",
    [
        {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"},
        {"error": {"message": "busy"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "error": {"message": "busy"},
        },
        {"type": "error", "message": "busy"},
    ],
)
def test_an_error_of_any_shape_before_the_end_wins_over_a_stop(frame: dict[str, Any]) -> None:
    events = decode("anthropic", stream(start(), stop("end_turn"), frame, END))
    assert isinstance(events[-1], Failure)
    assert "busy" in events[-1].message


@pytest.mark.parametrize(("raw", "reason"), REASONS.items())
def test_a_stop_reason_keeps_the_vendors_word(raw: str, reason: str) -> None:
    last = decode("anthropic", stream(start(), stop(raw), END))[-1]
    assert isinstance(last, Stop)
    assert (last.reason, last.raw) == (reason, raw)


def test_the_end_mark_without_a_reason_is_an_unknown_stop() -> None:
    *_, notice, last = decode("anthropic", stream(start(), END))
    assert isinstance(notice, Notice)
    assert notice.code == "missing_reason"
    assert last == Stop("unknown")


def test_a_stop_reason_counts_only_with_a_clean_end() -> None:
    body = stream(start(), block(0, type="text", text="a"), stop("end_turn"))
    assert isinstance(fold(decode("anthropic", body)), Turn)
    cut = fold(decode("anthropic", body, clean=False))
    assert isinstance(cut, PartialTurn)
    assert cut.blocks[0].status == "truncated"


def test_every_prefix_without_a_stop_reason_is_no_turn() -> None:
    body = recording("tool_input_cut_by_max_tokens_is_truncated.sse")
    proof = body.index(b"max_tokens")
    for end in range(proof):
        assert isinstance(fold(decode("anthropic", body[:end])), PartialTurn)


def test_what_the_wire_says_as_a_block_closes_is_kept() -> None:
    end = {"type": "content_block_stop", "index": 0, "took": 3}
    events = decode("anthropic", stream(start(), block(0, type="text", text="a"), end, END))
    assert BlockEnd(0, "complete", None, '{"took":3}') in events


def test_an_error_event_that_says_nothing_is_still_a_failure() -> None:
    assert isinstance(decode("anthropic", stream(start(), {"type": "error"}, END))[-1], Failure)
    named = b'event: error\ndata: {"reason":"who knows"}\n\n'
    last = decode("anthropic", stream(start()) + named + stream(END))[-1]
    assert isinstance(last, Failure)
    assert "who knows" in last.message


def test_a_json_body_that_is_no_message_is_a_failure() -> None:
    (failure,) = decode("anthropic", b'{"hello": 1}')
    assert isinstance(failure, Failure)
    assert failure.kind == "protocol"


def without_vendor(events: list[Event]) -> list[Event]:
    ends = (BlockEnd, Stop)
    return [
        msgspec.structs.replace(event, vendor=None) if isinstance(event, ends) else event
        for event in events
    ]


def test_a_message_and_its_stream_give_the_same_answer() -> None:
    message = recording("a_body_without_stream_gives_the_same_events.json")
    tree = msgspec.json.decode(message)
    thinking, redacted, text, tool = tree["content"]
    streamed = stream(
        start(usage=tree["usage"]),
        block(0, type="thinking", thinking=""),
        delta(0, "thinking_delta", thinking=thinking["thinking"]),
        delta(0, "signature_delta", signature=thinking["signature"]),
        {"type": "content_block_stop", "index": 0},
        block(1, **redacted),
        {"type": "content_block_stop", "index": 1},
        block(2, type="text", text=""),
        delta(2, "text_delta", text=text["text"]),
        delta(2, "citations_delta", citation=text["citations"][0]),
        {"type": "content_block_stop", "index": 2},
        block(3, **{**tool, "input": {}}),
        delta(3, "input_json_delta", partial_json='{"x":1}'),
        {"type": "content_block_stop", "index": 3},
        stop("tool_use"),
        END,
    )
    whole = without_vendor(decode("anthropic", msgspec.json.encode(tree)))
    parts = without_vendor(decode("anthropic", streamed))
    assert whole == [msgspec.structs.replace(parts[0], vendor=None), *parts[1:]]


def in_our_sense(usage: dict[str, int | None]) -> dict[str, int | None]:
    """Counts as the wire tells them, with the cached tokens inside the input."""
    cached = (usage["cached_read"] or 0) + (usage["cache_write"] or 0)
    told = usage["input"]
    return {**usage, "input": None if told is None else told + cached}


@needs_corpus
@pytest.mark.parametrize(
    "recorded",
    [each for each in (*recordings(), *hostile()) if each.family == "anthropic"],
    ids=lambda each: each.name,
)
def test_a_recorded_stream_folds_to_what_is_in_it(recorded: Recording) -> None:
    events = decode("anthropic", recorded.body)
    check_grammar(events)
    assert decode_reads("anthropic", recorded.reads()) == events
    answer, expected = normal(fold(events)), recorded.expected
    assert answer["text"] == expected["text"]
    assert answer["reasoning"] == "".join(expected["reasoning"].split())
    assert answer["tool_calls"] == expected["tool_calls"]
    assert answer["stop_reason"] == expected["stop_reason"]
    assert answer["usage"] == in_our_sense(expected["usage"])
    assert answer["complete"] == (expected["error"] is None)


def test_a_whole_message_may_be_a_frame_of_its_own() -> None:
    message = recording("a_body_without_stream_gives_the_same_events.json")
    frame = msgspec.json.encode(msgspec.json.decode(message))
    framed = b"data: " + frame + b"\n\n"
    assert decode("anthropic", framed) == decode("anthropic", frame)
