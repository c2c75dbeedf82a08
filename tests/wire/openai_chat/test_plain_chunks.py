"""Chunks that bring a piece of text and nothing else, which are read on a shorter way.

The longer way is the measure. It is taken by a chunk that has an error in which nothing stands: that
is none, but it is not nothing either.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway_stream.events import Failure
from gateway_stream.wire.openai_chat.views import Choice, Chunk, Delta, PlainChunk
from tests.support.decoding import decode

if TYPE_CHECKING:
    from gateway_stream.events import Event

_VALUES: tuple[Any, ...] = (
    *(None, "", [], {}, 0, 0.0, 1, -1, 1.5, 10**30, True, False, "x", "stop", "error"),
    *("\ud83d", "\ude00", "\ufffd", [{}], [None], [""], ["x"], [[]], {"a": 1}),
    *({"message": ""}, {"message": "no"}, {"content": "q"}, {"tool_calls": "x"}),
    *({"prompt_tokens": 3}, {"prompt_tokens": "3"}, {"prompt_tokens": [1]}, {"usage": {}}),
    *([{"type": "text", "text": "k"}], [{"type": "reasoning.text", "text": "t"}]),
    *([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}], {"id": "a"}),
    *([{"url": "https://example.com"}], [{"thinking": "t", "signature": "S"}], {"name": "f"}),
)
_VIEWS: tuple[type[msgspec.Struct], ...] = (Delta, Choice, Chunk)
_BESIDE: dict[type[msgspec.Struct], tuple[str, ...]] = {
    view: (*(field.encode_name for field in msgspec.structs.fields(view)), "unknown")
    for view in _VIEWS
}


def _others(random: Random, view: type[msgspec.Struct]) -> dict[str, Any]:
    """Now and then a member that has any value."""
    if random.random() < 0.8:
        return {}
    return {random.choice(_BESIDE[view]): random.choice(_VALUES)}


def _chunk(random: Random) -> dict[str, Any]:
    said = random.choice(("a", "b ", "", "\ud83d", "\ude00", "\ufffd"))
    delta = {"content": said, **_others(random, Delta)}
    choice = {"index": 0, "delta": delta, **_others(random, Choice)}
    choices = [choice] if random.random() < 0.97 else [choice, {"index": 0, "delta": delta}]
    return {"id": "1", "model": "m", "choices": choices, **_others(random, Chunk)}


def _measure(chunk: dict[str, Any]) -> dict[str, Any]:
    says_nothing = chunk.get("error") in (None, "", [])
    return {**chunk, "error": {}} if says_nothing else chunk


def _events(chunks: list[dict[str, Any]]) -> list[Event]:
    """What chunks say; the message of a failure may quote them, and is no part of it."""
    frames = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    events = decode("openai_chat", b"".join(frames) + b"data: [DONE]\n\n")
    last = events[-1]
    return [*events[:-1], replace(last, message="") if isinstance(last, Failure) else last]


@given(seed=st.integers(0, 2**32))
def test_the_shorter_way_gives_what_the_longer_gives(seed: int) -> None:
    random = Random(seed)
    chunks = [_chunk(random) for _ in range(random.randrange(2, 12))]
    assert _events(chunks) == _events([_measure(chunk) for chunk in chunks])


@pytest.mark.parametrize("view", _VIEWS)
@pytest.mark.parametrize("value", ["", [], {}, 0, False, "x", ["x"], {"content": 1}])
def test_no_member_beside_the_text_is_read_in_two_ways(
    view: type[msgspec.Struct], value: object
) -> None:
    begun: dict[str, Any] = {"choices": [{"delta": {"content": "a"}}]}
    for name in _BESIDE[view]:
        beside = {name: value}
        delta = {"content": "b"} | (beside if view is Delta else {})
        choice = {"delta": delta} | (beside if view is Choice else {})
        chunk = {"choices": [choice]} | (beside if view is Chunk else {})
        assert _events([begun, chunk]) == _events([begun, _measure(chunk)]), name


def test_the_measure_takes_the_longer_way() -> None:
    chunk = b'{"choices":[{"delta":{"content":"a"}}]%b}'
    msgspec.json.decode(chunk % b"", type=PlainChunk)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(chunk % b',"error":{}', type=PlainChunk)
