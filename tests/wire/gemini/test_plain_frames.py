"""Frames that bring only text have a short way through the decoder. It may not be seen from outside."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_stream.events import Notice
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.gemini.decode import Translation
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.events import Event
    from gateway_stream.wire.family import Family

Tree = dict[str, Any]
GEMINI: Final = FAMILIES["gemini"]


class Thorough(Translation):
    """Takes no frame for a plain one."""

    def _goes_on(self, data: bytes) -> bool:  # noqa: ARG002
        return False


class Counting(Translation):
    """Says what became of each frame that might have been plain."""

    def __init__(self, writer: Any) -> None:
        super().__init__(writer)
        self.plain: list[bool] = []

    def _goes_on(self, data: bytes) -> bool:
        self.plain.append(super()._goes_on(data))
        return self.plain[-1]


def read(frames: list[bytes], translator: Callable[..., Any], *, clean: bool = True) -> list[Event]:
    family: Family = GEMINI._replace(translator=translator)
    decoder = Decoder(family)
    events = [event for frame in frames for event in decoder.feed(encode_frame(frame))]
    return events + decoder.close(clean=clean)


def said(text: Any, **beside: Any) -> Tree:
    return {
        "candidates": [{"content": {"parts": [{"text": text, **beside}], "role": "model"}}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1},
        "modelVersion": "model-1",
        "responseId": "answer-1",
    }


PLAIN: Final = json.dumps(said("a")).encode()
STOP: Final = b'{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}'
NAMES: Final = st.sampled_from(
    [
        *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall"),
        *(
            "thought_signature",
            "function_call",
            "inlineData",
            "executableCode",
            "index",
            "newField",
        ),
        *(
            "finishReason",
            "finish_reason",
            "finishMessage",
            "groundingMetadata",
            "citationMetadata",
        ),
        *("grounding_metadata", "urlContextMetadata", "safetyRatings", "safety_ratings", "role"),
        *("usageMetadata", "usage_metadata", "promptTokenCount", "thoughtsTokenCount", "error"),
        *("cachedContentTokenCount", "modelVersion", "model_version", "responseId", "message"),
        *("promptFeedback", "blockReason", "avgLogprobs"),
    ]
)
VALUES: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 0.0, 1.5, "", "a", "STOP", "7", "\ud83c", "\udf88"),
        *([], {}, [{}], [1], {"a": 1}, [{"text": "q"}], {"name": "look"}),
    ]
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    deeper = [
        place
        for key, value in inner
        if isinstance(value, dict | list)
        for place in places(value, (*path, key))
    ]
    return [path, *deeper]


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A plain frame in which, often, one or two things are not."""
    text, thought = draw(st.sampled_from(["a", "é🎈", ""])), draw(st.sampled_from([None, True]))
    tree = said(text) if thought is None else said(text, thought=thought)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        node: Any = tree
        for key in draw(st.sampled_from(places(tree))):
            node = node[key]
        value = copy.deepcopy(draw(VALUES))
        if isinstance(node, list):
            node.append(value)
        else:
            node[draw(NAMES)] = value
    data = json.dumps(tree, ensure_ascii=True).encode()
    word = draw(st.sampled_from([b"", b"", b"", b"model-1", b"answer-1", b"model", b"a"]))
    return data.replace(b'"%b"' % word, b'"\xff"') if word else data


@settings(max_examples=400, deadline=None)
@given(st.lists(frames(), max_size=5), st.sampled_from([[STOP], []]), st.booleans())
def test_no_frame_gives_other_events_the_short_way(
    drawn: list[bytes], end: list[bytes], clean: bool
) -> None:
    sent = [PLAIN, *drawn, *end]
    assert read(sent, Translation, clean=clean) == read(sent, Thorough, clean=clean)


@pytest.mark.parametrize("place", ["modelVersion", "responseId", "finishMessage"])
@pytest.mark.parametrize("wrong", [b"7", b'"\xff"'], ids=["type", "bytes"])
def test_a_name_that_is_none_has_its_notice_in_any_frame(place: str, wrong: bytes) -> None:
    tree = said("b")
    if place == "finishMessage":
        tree["candidates"][0][place] = "it"
    else:
        tree[place] = "it"
    events = read([PLAIN, json.dumps(tree).encode().replace(b'"it"', wrong), STOP], Translation)
    assert [event for event in events if isinstance(event, Notice)]


def test_frames_of_text_go_the_short_way_and_others_do_not() -> None:
    made: list[Counting] = []

    def translator(writer: Any) -> Counting:
        made.append(Counting(writer))
        return made[-1]

    called = said("a", functionCall={"name": "look"})
    sent = [said("a"), said("b"), said("c", thought=True), called, said(""), said("d")]
    read([json.dumps(tree).encode() for tree in sent], translator)
    assert made[0].plain == [True, True, False, False, True]
