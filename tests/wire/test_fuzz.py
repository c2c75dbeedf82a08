"""Any bytes at all: nothing raises, the grammar holds, one terminal event ends it, in linear time."""

from __future__ import annotations

import functools
import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_stream.events import Event, Failure, Stop
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import hostile, own, recordings
from tests.support.decoding import decode, decode_reads
from tests.support.made_up import FRAMES, KEYS, OBJECTS, WORDS, written

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = list(FAMILIES)


def hold(family: str, body: bytes, *, clean: bool = True) -> None:
    """Assert what holds of any bytes, and that it matters not how they are cut."""
    events = hold_once(family, body, clean=clean)
    middle = len(body) // 2
    assert decode_reads(family, [body[:middle], body[middle:]], clean=clean) == events


def hold_once(family: str, body: bytes, *, clean: bool = True) -> list[Event]:
    """Assert what holds of any bytes."""
    events = decode(family, body, clean=clean)
    check_grammar(events)
    assert sum(isinstance(event, Stop | Failure) for event in events) == 1
    answer = fold(events)
    assert isinstance(answer, Turn | PartialTurn)
    for call in answer.tool_calls:
        assert call.id
        if call.runnable:
            assert isinstance(call.arguments, dict)
        else:
            assert call.status != "complete" or isinstance(answer, PartialTurn)
    answer.text.encode()
    answer.reasoning.encode()
    return events


@pytest.mark.parametrize("family", NAMES)
@given(body=st.lists(FRAMES, max_size=6).map(b"".join), clean=st.booleans())
def test_made_up_frames_never_break_the_decoder(family: str, body: bytes, clean: bool) -> None:
    hold(family, body, clean=clean)


@pytest.mark.parametrize("family", NAMES)
@given(trees=st.lists(OBJECTS, max_size=3), between=st.sampled_from([b",", b"\n", b""]))
def test_made_up_json_bodies_never_break_the_decoder(
    family: str, trees: list[object], between: bytes
) -> None:
    inner = between.join(map(written, trees))
    hold(family, b"[" + inner + b"]" if between == b"," else inner)


@pytest.mark.parametrize("family", NAMES)
@given(body=st.binary(max_size=60))
def test_random_bytes_never_break_the_decoder(family: str, body: bytes) -> None:
    hold(family, body)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("key", ["item", "error", "choices", "candidates", "usage", "x"])
def test_depth_never_breaks_the_decoder(family: str, key: str) -> None:
    for depth in (50, 255, 256, 257, 600, 960, 20_000):
        deep = b"[" * depth + b"]" * depth
        frame = b'{"type":"response.output_item.done","%s":%s,"text":"\\ud83d"}' % (
            key.encode(),
            deep,
        )
        hold(family, b"data: " + frame + b"\n\n")
        hold(family, frame)
        hold(family, b"data: {}\n\n" + frame + b"\n")


TEXTS: dict[str, bytes] = {
    "openai_chat": b'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":'
    b'{"name":"f","arguments":%s}}]}}]}',
    "openai_responses": b'{"type":"response.output_item.done","output_index":0,"item":'
    b'{"type":"function_call","call_id":"a","name":"f","arguments":%s}}',
    "anthropic": b'{"type":"message_start","message":{"content":[{"type":"tool_use","id":"a",'
    b'"name":"f","input":%s}]}}',
    "gemini": b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":%s}}]}}]}',
}


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("depth", [300, *range(940, 1000, 10), 4_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_inside_of_strings_never_breaks_the_decoder(
    family: str, depth: int, opening: str
) -> None:
    text = json.dumps(opening * depth + "1" + {"[": "]"}.get(opening, "}") * depth).encode()
    half = b'"\\ud83d"'
    for frame in (
        TEXTS[family] % text,
        b'{"type":"error","error":{"message":%s}}' % text,
        b'{"error":%s,"x":%s}' % (text, half),
        b'{"type":"error","error":{"message":%s,"metadata":{"raw":%s}}}' % (half, text),
        b'{"error":{"message":%s,"code":%s}}' % (text, text),
    ):
        hold_once(family, b"data: " + frame + b"\n\n")
        hold_once(family, frame)
        hold_once(family, b"data: {}\n\n" + frame + b"\n")


# Recordings, broken.


def flip(chance: random.Random, body: bytearray) -> None:
    for _ in range(chance.randrange(1, 6)):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def delete(chance: random.Random, body: bytearray) -> None:
    at = chance.randrange(len(body))
    del body[at : at + chance.choice((1, 2, 7, 100, 1000))]


def duplicate(chance: random.Random, body: bytearray) -> None:
    at = chance.randrange(len(body))
    body[at:at] = body[at : at + chance.choice((1, 7, 100, 1000))]


def move_lines(chance: random.Random, body: bytearray) -> None:
    lines = body.split(b"\n\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    body[:] = b"\n\n".join(lines)


def drop_lines(chance: random.Random, body: bytearray) -> None:
    lines = body.split(b"\n\n")
    body[:] = b"\n\n".join(line for line in lines if chance.random() < 0.7)


def splice(chance: random.Random, body: bytearray) -> None:
    other = chance.choice(bodies())
    at, begin = chance.randrange(len(body)), chance.randrange(len(other))
    body[at:at] = other[begin : begin + chance.choice((50, 500, 5000))]


def change_words(chance: random.Random, body: bytearray) -> None:
    for _ in range(chance.randrange(1, 4)):
        old = chance.choice([*KEYS, *WORDS, "0", "1", "null", "true", '""', "[]", "{}"]) or '"'
        new = chance.choice(["null", "7", '"x"', "[]", "{}", "true", *KEYS, *WORDS])
        body[:] = body.replace(old.encode("utf-8", "replace"), new.encode("utf-8", "replace"), 3)


CHANGES: list[Callable[[random.Random, bytearray], None]] = [
    *[flip, delete, duplicate, move_lines, drop_lines, splice, change_words, change_words]
]


@functools.cache
def bodies(family: str | None = None) -> list[bytes]:
    return [
        recording.body
        for recording in (*own(), *recordings(), *hostile())
        if 0 < len(recording.body) < 20_000 and family in {None, recording.family}
    ]


def hold_broken(family: str, seed: str, rounds: int) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        body = bytearray(chance.choice(bodies(family)))
        for change in chance.choices(CHANGES, k=chance.randrange(1, 4)):
            change(chance, body)
            if not body:
                body += b"{"
        reader = family if chance.random() < 0.8 else chance.choice(NAMES)
        hold(reader, bytes(body), clean=chance.random() < 0.5)


@pytest.mark.parametrize("family", NAMES)
def test_broken_recordings_never_break_the_decoder(family: str) -> None:
    hold_broken(family, f"broken {family}", 600)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("seed", range(10))
def test_many_broken_recordings_never_break_the_decoder(family: str, seed: int) -> None:
    hold_broken(family, f"broken {family} {seed}", 10_000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", NAMES)
@given(body=st.lists(FRAMES, max_size=12).map(b"".join), clean=st.booleans())
@settings(max_examples=20_000)
def test_many_made_up_frames_never_break_the_decoder(family: str, body: bytes, clean: bool) -> None:
    hold(family, body, clean=clean)
