"""Recorded Gemini streams: what is in them is told, and goes back as it came."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway_stream.events import BlockEnd, Usage
from gateway_stream.request import Message, Request
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire.gemini.request import encode_request
from tests.support.corpus import Recording, hostile, needs_corpus, recordings
from tests.support.decoding import decode, normal

RECORDINGS = Path(__file__).parent / "recordings"
HELLO = Message("user", "hello")


def gemini(rows: tuple[Recording, ...]) -> list[Recording]:
    return [row for row in rows if row.family == "gemini"]


def answer_of(row: Recording) -> Turn | PartialTurn:
    return fold(decode("gemini", row.body))


@needs_corpus
@pytest.mark.parametrize("row", gemini(recordings()) + gemini(hostile()), ids=lambda row: row.name)
def test_a_recorded_stream_says_what_is_in_it(row: Recording) -> None:
    answer = answer_of(row)
    got, expected = normal(answer), row.expected
    blocked = (expected["error"] or {}).get("type") == "blocked"
    unterminated = "text" in row.meta.get("loose", []) and row.body[-1:] not in b"\n]"
    if unterminated:
        assert got["complete"]
        return
    assert got["text"] == expected["text"]
    assert got["reasoning"] == "".join(expected["reasoning"].split())
    assert got["complete"] == (expected["error"] is None or blocked)
    if got["complete"] and not blocked:
        assert got["stop_reason"] == expected["stop_reason"]
    if b"willContinue" not in row.body:
        named = [(call["name"], call["arguments"]) for call in expected["tool_calls"]]
        assert [(call["name"], call["arguments"]) for call in got["tool_calls"]] == named
        for call, known in zip(got["tool_calls"], expected["tool_calls"], strict=True):
            assert call["id"] == known["id"] or (known["id"] is None and call["id"])
    assert all(call.status == "complete" for call in answer.tool_calls)


@needs_corpus
@pytest.mark.parametrize("row", gemini(recordings()), ids=lambda row: row.name)
def test_recorded_counts_are_the_last_told_of_each_added_up(row: Recording) -> None:
    def last(name: str) -> int | None:
        found = re.findall(rf'"{name}": ?(\d+)'.encode(), row.body)
        return int(found[-1]) if found else None

    def both(one: int | None, other: int | None) -> int | None:
        return None if one is None and other is None else (one or 0) + (other or 0)

    assert answer_of(row).usage == Usage(
        input=both(last("promptTokenCount"), last("toolUsePromptTokenCount")),
        output=both(last("candidatesTokenCount"), last("thoughtsTokenCount")),
        cache_read=last("cachedContentTokenCount"),
        reasoning=last("thoughtsTokenCount"),
    )


@needs_corpus
@pytest.mark.parametrize("row", gemini(recordings()), ids=lambda row: row.name)
def test_every_recorded_signature_is_in_one_block_as_it_was(row: Recording) -> None:
    events = decode("gemini", row.body)
    kept = [
        json.loads(event.opaque.json)["thoughtSignature"]
        for event in events
        if isinstance(event, BlockEnd) and event.opaque and "thoughtSignature" in event.opaque.json
    ]
    assert kept == [
        found.decode() for found in re.findall(rb'"thoughtSignature": ?"([^"]+)"', row.body)
    ]


@needs_corpus
@pytest.mark.parametrize("row", gemini(recordings()) + gemini(hostile()), ids=lambda row: row.name)
def test_recorded_calls_have_distinct_ids(row: Recording) -> None:
    ids = [call.id for call in answer_of(row).tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def sent_again(body: bytes) -> list[dict[str, Any]]:
    """The parts of an answer that was folded, stored, loaded and put into the next request."""
    answer = fold(decode("gemini", body))
    assert isinstance(answer, Turn)
    stored = msgspec.json.decode(msgspec.json.encode(answer), type=Turn)
    request = Request(model="m", messages=(HELLO, stored, HELLO))
    contents = encode_request(request, "google").body["contents"]
    return [part for content in contents[1:-1] for part in content["parts"]]


def recorded(body: bytes) -> list[dict[str, Any]]:
    """The parts of a recorded stream, as its vendor wants them back: plain text joined."""
    joined: list[dict[str, Any]] = []
    lines = [line[5:] for line in re.split(rb"\r?\n", body) if line.startswith(b"data:")]
    trees = [json.loads(line) for line in lines] if lines else json.loads(body)
    for tree in trees if isinstance(trees, list) else [trees]:
        for part in tree["candidates"][0].get("content", {}).get("parts", []):
            if "functionCall" in part:
                part["functionCall"].setdefault("args", {})
            if part == {"text": ""} or not part:
                continue
            plain = part.keys() <= {"text", "thought"}
            if plain and joined and joined[-1].keys() == part.keys():
                joined[-1]["text"] += part["text"]
            else:
                joined.append(part)
    return joined


@pytest.mark.parametrize(
    "name",
    [
        "a_signed_part_is_merged_with_nothing.sse",
        "an_empty_signed_part_is_a_block.sse",
        "calls_without_ids_get_distinct_ones.sse",
        "files_are_media.sse",
        "one_object_is_a_whole_answer.json",
        "only_the_first_of_parallel_calls_is_signed.sse",
        "thoughts_and_text_take_turns.sse",
        "what_the_service_runs_is_no_call.sse",
    ],
)
def test_an_answer_goes_back_as_it_came(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    assert sent_again(body) == recorded(body)


def test_a_streamed_call_goes_back_whole_with_its_signature() -> None:
    body = (RECORDINGS / "arguments_stream_place_by_place.sse").read_bytes()
    assert sent_again(body) == [
        {
            "functionCall": {
                "name": "f",
                "args": {
                    "city": 'San "Jose"',
                    "days": [{"n": 0.5, "wet": True}, {"n": 2}],
                    "odd.key": None,
                },
            },
            "thoughtSignature": "U0lH",
        },
        {"functionCall": {"name": "g", "args": {}}},
    ]


def whole(row: Recording) -> bool:
    return (
        row.family == "gemini" and b"willContinue" not in row.body and row.expected["error"] is None
    )


@needs_corpus
@pytest.mark.parametrize(
    "row", [row for row in recordings() if whole(row)], ids=lambda row: row.name
)
def test_a_recorded_answer_goes_back_as_it_came(row: Recording) -> None:
    assert sent_again(row.body) == recorded(row.body)
