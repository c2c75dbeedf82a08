"""What proves quickly that a frame holds nothing more says the same as looking at each of its fields.

A field that is null tells nothing, and nobody knows ``"unheard_of"``. So with it an answer takes the long way, and its
events are the same.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import Failure, Notice, Stop
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.sse import encode_frame
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings

if TYPE_CHECKING:
    from gateway_stream.events import Event

Tree = dict[str, Any]

CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 17, "model": "m"}
MESSAGE = {"id": "m1", "type": "message", "status": "completed", "role": "assistant"}
PART = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
RESPONSE = {"id": "r1", "object": "response", "model": "m", "temperature": 1.0, "error": None}
ANSWERS: dict[str, list[Tree]] = {
    "openai_chat": [
        {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        {**CHUNK, "choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": None}]},
        {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {
            **CHUNK,
            "choices": [],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 5,
                "total_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            },
        },
    ],
    "openai_responses": [
        {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "usage": None}},
        {
            "type": "response.output_item.done",
            "sequence_number": 1,
            "output_index": 0,
            "item": {**MESSAGE, "content": [PART]},
        },
        {
            "type": "response.completed",
            "sequence_number": 2,
            "response": {
                **RESPONSE,
                "status": "completed",
                "output": [{**MESSAGE, "content": [PART]}],
                "usage": {
                    "input_tokens": 3,
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": 5,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 8,
                },
            },
        },
    ],
    "gemini": [
        {
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, **stop}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "total": 8},
            "modelVersion": "m",
            "responseId": "g1",
        }
        for text, stop in (("Hi", {}), ("", {"finishReason": "STOP", "index": 0}))
    ],
}
"""Answers that take the short ways from their first frame to their last."""

NAMES = ["created", "provider", "service_tier", "index", "text", "message", "usage", "total_tokens"]
NAMES += ["cached_tokens", "thought", "finish_reason", "createTime", "extra", "role", "response"]
VALUES: list[Any] = [None, "", "word", 0, -1, 8, 2**63, 1.5, True, [], {}, [{}], {"text": "t"}]


def events_of(family: str, frames: list[Tree]) -> list[Event]:
    decoder = Decoder(FAMILIES[family])
    body = b"".join(encode_frame(json.dumps(frame).encode()) for frame in frames)
    done = b"data: [DONE]\n\n" if family == "openai_chat" else b""
    return [_unquoted(event) for event in (*decoder.feed(body + done), *decoder.close())]


def _unquoted(event: Event) -> Event:
    """An event without what it quotes of a frame that could not be read."""
    if isinstance(event, Failure):
        return msgspec.structs.replace(event, message="")
    if isinstance(event, Notice) and event.code == "unknown_event":
        return msgspec.structs.replace(event, detail="")
    return event


def objects_in(tree: Any) -> list[Tree]:
    """All objects of a tree, itself first."""
    if isinstance(tree, list):
        return [found for item in tree for found in objects_in(item)]
    if not isinstance(tree, dict):
        return []
    return [tree, *(found for value in tree.values() for found in objects_in(value))]


def the_long_way(frames: list[Tree]) -> list[Tree]:
    """The same frames, none of which is as usual; nor are the counts in them."""
    longer = copy.deepcopy(frames)
    for frame in longer:
        frame["unheard_of"] = None
        counts = (frame.get("response") or {}).get("usage") if _holds_response(frame) else None
        if isinstance(counts, dict):
            counts["unheard_of"] = None
    return longer


def _holds_response(frame: Tree) -> bool:
    return isinstance(frame.get("response"), dict)


@pytest.mark.parametrize("family", ANSWERS)
@given(data=st.data())
def test_the_short_ways_say_what_the_long_ones_say(family: str, data: st.DataObject) -> None:
    frames = copy.deepcopy(ANSWERS[family])
    for _ in range(data.draw(st.integers(0, 3))):
        chosen = data.draw(st.sampled_from(range(len(objects_in(frames)))))
        found = objects_in(frames)[chosen]
        name = data.draw(st.sampled_from([*NAMES, *found]))
        if data.draw(st.booleans()):
            found.pop(name, None)
        else:
            found[name] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    assert events_of(family, frames) == events_of(family, the_long_way(frames))


@pytest.mark.parametrize(
    "odd",
    [
        {"input_tokens": -1, "total_tokens": 4},
        {"input_tokens": 2**63, "total_tokens": 2**63 + 5},
        {"total_tokens": 9},
        {"input_tokens_details": {"cached_tokens": None}},
        {"output_tokens_details": {"reasoning_tokens": "many"}},
    ],
    ids=str,
)
def test_what_is_odd_about_counts_is_told(odd: Tree) -> None:
    frames = copy.deepcopy(ANSWERS["openai_responses"])
    frames[-1]["response"]["usage"] |= odd
    events = events_of("openai_responses", frames)
    stop = events[-1]
    assert isinstance(stop, Stop)
    assert '"usage"' in (stop.vendor or "")
    assert events == events_of("openai_responses", the_long_way(frames))


def test_a_whole_answer_keeps_its_log_probabilities() -> None:
    choice = {"index": 0, "text": "Hi", "logprobs": {"tokens": ["H", "i"]}, "finish_reason": "stop"}
    decoder = Decoder(FAMILIES["openai_chat"])
    events = [*decoder.feed(json.dumps({**CHUNK, "choices": [choice]}).encode()), *decoder.close()]
    assert '"tokens":["H","i"]' in str(events)


def frames_of(recording: Recording) -> list[Tree] | None:
    lines = [line[5:] for line in recording.body.splitlines() if line.startswith(b"data:")]
    try:
        frames = [json.loads(line) for line in lines if line.strip() != b"[DONE]"]
    except ValueError:
        return None
    return frames if all(isinstance(frame, dict) for frame in frames) else None


@needs_corpus
@pytest.mark.parametrize(
    "recording",
    [r for r in recordings() if r.family in ANSWERS and len(r.body) < 40_000],
    ids=of_recording,
)
def test_recorded_answers_say_the_same_the_long_way(recording: Recording) -> None:
    frames = frames_of(recording)
    if frames is None:
        pytest.skip("no plain stream of objects")
    assert events_of(recording.family, frames) == events_of(recording.family, the_long_way(frames))
