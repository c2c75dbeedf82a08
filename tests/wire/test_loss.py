"""Nothing is lost unsaid: what reaches no event stands on a list, with its reason."""

from __future__ import annotations

import functools
import json
from itertools import pairwise
from typing import Any

import pytest

from gateway_stream.wire import FAMILIES
from gateway_stream.wire.loss import DROPPED, FAILING, lost_fields, reason_for
from gateway_stream.wire.sse import encode_frame
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.support.plain import PLAIN

SAMPLE = 12
SMALL = 24_000

ONCE: dict[str, dict[str, str]] = {
    "gemini/google-vertex--firebase--vertexai-streaming-failure-invalid-json.sse": {
        "this[].is.not[].a": "a frame that is no answer at all: a notice names its fields",
    },
    "openai_chat/openrouter--reqllm--google-gemini-2-5-flash-lite-object-streaming.sse": {
        "choices[].finish_reason": "the frame that fails brings another reason, and the last holds",
    },
}
"""What single streams lose, and why: nothing that a rule could tell."""


def sample(family: str) -> list[Recording]:
    """Small recordings that differ most in the fields they have, the richest first."""
    small = [r for r in recordings() if r.family == family and len(r.body) <= SMALL]
    chosen: list[Recording] = []
    seen: set[bytes] = set()
    for _ in range(SAMPLE):
        rest = [r for r in small if r not in chosen]
        if not rest:
            break
        best = max(rest, key=lambda r: len(names_of(r) - seen))
        chosen.append(best)
        seen |= names_of(best)
    return chosen


@functools.cache
def names_of(recording: Recording) -> frozenset[bytes]:
    """The keys in a body, roughly."""
    parts = recording.body.split(b'"')
    return frozenset(name for name, after in pairwise(parts) if after.lstrip()[:1] == b":")


def unlisted(recording: Recording) -> list[str]:
    lost = lost_fields(FAMILIES[recording.family], recording.body)
    once = ONCE.get(recording.name, {})
    assert set(once) <= set(lost), f"{recording.name} loses less than it did"
    return [
        path for path in lost if path not in once and reason_for(recording.family, path) is None
    ]


@needs_corpus
@pytest.mark.parametrize("family", list(FAMILIES))
def test_no_field_of_a_sample_is_lost_unsaid(family: str) -> None:
    chosen = sample(family)
    assert len(chosen) == SAMPLE
    lost = {recording.name: paths for recording in chosen if (paths := unlisted(recording))}
    assert lost == {}


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("recording", recordings(), ids=of_recording)
def test_no_field_of_a_recording_is_lost_unsaid(recording: Recording) -> None:
    assert unlisted(recording) == []


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_row_of_the_list_shows_in_some_recording(family: str) -> None:
    paths = {
        path
        for recording in recordings()
        if recording.family == family
        for path in lost_fields(FAMILIES[family], recording.body)
    }
    rows = {pattern: {pattern: reason} for pattern, reason in DROPPED[family].items()}
    shown = {pattern for pattern in rows for path in paths if matches(pattern, path)}
    assert set(rows) - shown == set()


def matches(pattern: str, path: str) -> bool:
    begin, star, end = pattern.partition("*")
    return path.startswith(begin) and path.endswith(end) if star else path == pattern


def test_every_row_has_a_reason() -> None:
    assert set(DROPPED) == set(FAMILIES)
    for rows in DROPPED.values():
        for pattern, reason in rows.items():
            assert len(reason) > 15, pattern


# The search itself, with a family whose losses are known.


def body(*frames: dict[str, Any]) -> bytes:
    return b"".join(encode_frame(json.dumps(frame).encode()) for frame in frames)


def test_a_field_that_no_event_shows_is_lost_with_its_count() -> None:
    recording = body(
        {"id": "1", "text": "a", "extra": {"deep": [1, 2.5, True, None, {}, []]}},
        {"text": "b", "extra": {"deep": [3]}, "odd": "x"},
        {"stop": "stop", "tokens": 3},
    )
    assert lost_fields(PLAIN, recording) == {"extra.deep[]": 4, "odd": 1}


def test_an_answer_without_losses_has_none() -> None:
    assert lost_fields(PLAIN, body({"id": "1", "text": "a"}, {"stop": "x"})) == {}


@pytest.mark.parametrize(
    "recording",
    [
        b'[{"text":"a","odd":1},{"stop":"stop"}]',
        b'{"text":"a","odd":1}\n{"stop":"stop"}',
        b'{"text":"a","odd":1,"stop":"stop"}',
        b'data: {"text":"a","odd":1}\n\ndata: [DONE]\n\n',
        b'data: {"text":"a","odd":1,"stop":"stop"}',
    ],
    ids=["array", "lines", "one object", "sentinel", "unterminated"],
)
def test_bodies_of_every_form_are_searched(recording: bytes) -> None:
    assert lost_fields(PLAIN, recording) == {"odd": 1}


def test_what_comes_after_the_end_is_no_part_of_the_answer() -> None:
    assert lost_fields(PLAIN, body({"text": "a", "end": True}, {"odd": 1})) == {}


def test_the_frame_that_fails_is_told_apart() -> None:
    recording = body({"text": "a", "odd": 1}, {"fault": "x", "odd": 1, "text": "b"})
    assert lost_fields(PLAIN, recording) == {"odd": 1, f"{FAILING}odd": 1, f"{FAILING}text": 1}


def test_keys_that_are_data_do_not_explode() -> None:
    wide = {f"key{place}": place for place in range(500)}
    deep: dict[str, Any] = {"leaf": 1}
    for place in range(30):
        deep = {f"level{place}": deep, f"side{place}": place}
    recording = body({"text": "a", "wide": wide, "deep": deep, "end": True})
    lost = lost_fields(PLAIN, recording)
    assert lost["wide.*"] == 500
    assert sum(lost.values()) == 500 + 31
    assert len(lost) < 20


def test_bodies_that_are_no_answer_lose_nothing() -> None:
    for recording in (b"", b"<html>", b"data: {", b"\xff\xfe", b"data: []\n\n", b"data: 7\n\n"):
        assert lost_fields(PLAIN, recording) == {}


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("obfuscation", True),
        ("choices[].logprobs.content[].token", True),
        ("choices[].logprobs", True),
        ("xobfuscation", False),
        ("choices[].delta.content", False),
        ("choicesX.delta.role", False),
    ],
)
def test_a_pattern_is_a_whole_path(path: str, listed: bool) -> None:
    assert (reason_for("openai_chat", path) is not None) is listed
    assert reason_for("no such family", path) is None
