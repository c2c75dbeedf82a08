"""Every text exactly once, whichever of the frames that may carry it do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway_stream.events import Notice
from gateway_stream.turn import Block, Turn, fold
from gateway_stream.wire.family import check_grammar
from tests.support.decoding import decode
from tests.wire.openai_responses.frames import Json, added, body, done, response

CARRIERS = ("delta", "done", "part", "item", "completed")
TEXT = "one, two"

MESSAGE: Json = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
REASONING: Json = {"id": "r", "type": "reasoning"}
CALL: Json = {"id": "f", "type": "function_call", "call_id": "c", "name": "sum"}

# What streams: the event's name, its place, the field of the whole, the part, the item around a text.
KINDS: dict[str, tuple[str, Json, str, Json | None, Any]] = {
    "text": (
        "output_text",
        {"content_index": 0},
        "text",
        {"type": "output_text"},
        lambda text: MESSAGE | {"content": [{"type": "output_text", "text": text}]},
    ),
    "refusal": (
        "refusal",
        {"content_index": 0},
        "refusal",
        {"type": "refusal"},
        lambda text: MESSAGE | {"content": [{"type": "refusal", "refusal": text}]},
    ),
    "summary": (
        "reasoning_summary_text",
        {"summary_index": 0},
        "text",
        {"type": "summary_text"},
        lambda text: REASONING | {"summary": [{"type": "summary_text", "text": text}]},
    ),
    "reasoning": (
        "reasoning_text",
        {"content_index": 0},
        "text",
        {"type": "reasoning_text"},
        lambda text: REASONING | {"content": [{"type": "reasoning_text", "text": text}]},
    ),
    "arguments": (
        "function_call_arguments",
        {},
        "arguments",
        None,
        lambda text: CALL | {"arguments": text},
    ),
}


SUBSETS = [
    subset
    for size in range(1, len(CARRIERS) + 1)
    for subset in itertools.combinations(CARRIERS, size)
]

CASES = [
    pytest.param(kind, subset, id=f"{kind}:{'+'.join(subset)}")
    for kind in KINDS
    for subset in SUBSETS
    if KINDS[kind][3] is not None or subset != ("part",)
]


def stream(kind: str, text: str, carriers: tuple[str, ...], *, lifecycle: bool) -> bytes:
    event, place, field, part, item = KINDS[kind]
    at = {"output_index": 0, **place}
    part_event = "reasoning_summary_part" if kind == "summary" else "content_part"
    frames = []
    if lifecycle:
        frames += [response("created"), added(0, item("") | {"content": [], "summary": []})]
        if part:
            frames.append(
                {"type": f"response.{part_event}.added", **at, "part": part | {field: ""}}
            )
    if "delta" in carriers:
        pieces = [text[:3], text[3:]]
        frames += [{"type": f"response.{event}.delta", **at, "delta": piece} for piece in pieces]
    if "done" in carriers:
        frames.append({"type": f"response.{event}.done", **at, field: text})
    if "part" in carriers and part:
        frames.append({"type": f"response.{part_event}.done", **at, "part": part | {field: text}})
    if "item" in carriers:
        frames.append(done(0, item(text)))
    output = [item(text)] if "completed" in carriers else []
    return body(*frames, response("completed", *output))


def block_of(data: bytes) -> Block:
    events = decode("openai_responses", data)
    check_grammar(events)
    assert [event for event in events if isinstance(event, Notice)] == []
    turn = fold(events)
    assert isinstance(turn, Turn)
    (block,) = turn.blocks
    return block


@pytest.mark.parametrize("lifecycle", [True, False])
@pytest.mark.parametrize(("kind", "carriers"), CASES)
def test_a_text_comes_once_whichever_frames_carry_it(
    kind: str, carriers: tuple[str, ...], lifecycle: bool
) -> None:
    text = '{"a": 1}' if kind == "arguments" else TEXT
    block = block_of(stream(kind, text, carriers, lifecycle=lifecycle))
    assert block.text == text
    assert block.status == "complete"


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_gives_the_same_block_streamed_or_whole(kind: str) -> None:
    text = '{"a": 1}' if kind == "arguments" else TEXT
    whole = block_of(stream(kind, text, ("item",), lifecycle=False))
    assert block_of(stream(kind, text, CARRIERS, lifecycle=True)) == whole
    assert block_of(stream(kind, text, ("completed",), lifecycle=False)) == whole


def test_the_same_reasoning_under_two_event_types_is_taken_once() -> None:
    frames = [
        {"type": f"response.{name}.delta", "output_index": 0, "content_index": 0, "delta": piece}
        for piece in ("hm", "m")
        for name in ("reasoning", "reasoning_text")
    ]
    assert block_of(body(*frames, response("completed"))).text == "hmm"


def test_a_whole_text_that_comes_after_its_item_is_no_second_message() -> None:
    late = {
        "type": "response.output_text.done",
        "output_index": 0,
        "content_index": 0,
        "text": TEXT,
    }
    item = KINDS["text"][4](TEXT)
    assert block_of(body(done(0, item), late, response("completed", item))).text == TEXT


def test_halves_of_a_pair_in_two_deltas_are_no_mismatch() -> None:
    pieces = ['"\\ud83d"', '"\\ude80"']
    frames = [
        f'{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":{piece}}}'
        for piece in pieces
    ]
    whole = KINDS["text"][4]("\U0001f680")
    assert block_of(body(*frames, done(0, whole), response("completed"))).text == "\U0001f680"


def thought(kind: str, at: int, text: str) -> Json:
    """A delta of reasoning."""
    index = "summary_index" if kind == "reasoning_summary_text" else "content_index"
    return {"type": f"response.{kind}.delta", "output_index": 0, index: at, "delta": text}


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ([("reasoning_summary_text", 0, "One.\n\nTwo.")], "One.\n\nTwo.\n\nRaw."),
        ([("reasoning_summary_text", 0, "One.\n\nTwo.\n\nRaw.")], "One.\n\nTwo.\n\nRaw."),
        ([("reasoning_text", 0, "Raw.")], "Raw.\n\nOne.\n\nTwo."),
        ([("reasoning_text", 0, "Raw.\n\nOne.")], "Raw.\n\nOne.\n\nTwo."),
        (
            [("reasoning_summary_text", 0, "One."), ("reasoning_summary_text", 1, "Tw")],
            "One.\n\nTwo.\n\nRaw.",
        ),
    ],
)
def test_reasoning_that_streamed_as_one_text_is_not_said_again_in_its_parts(
    deltas: list[tuple[str, int, str]], text: str
) -> None:
    summary = [{"type": "summary_text", "text": text} for text in ("One.", "Two.")]
    item = REASONING | {"summary": summary, "content": [{"type": "reasoning_text", "text": "Raw."}]}
    frames = [added(0, REASONING), *(thought(*delta) for delta in deltas), done(0, item)]
    answer = fold(decode("openai_responses", body(*frames, response("completed"))))
    assert answer.reasoning == text
