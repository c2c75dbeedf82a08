"""Requests read and written, and written and read: nothing is lost either way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import BadRequest
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.wire.gemini.decode_request import decode_request
from gateway_stream.wire.gemini.request import encode_request
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.wire.gemini.asked import (
    HELLO,
    PARTS,
    SCHEMA,
    Tree,
    written,
)

NAMES = [
    *("contents", "role", "parts", "text", "thought", "functionCall", "functionResponse", "name"),
    *("args", "response", "output", "inlineData", "mimeType", "data", "fileUri", "fileData"),
    *("tools", "functionDeclarations", "parameters", "toolConfig", "functionCallingConfig"),
    *("mode", "generationConfig", "thinkingConfig", "thinkingLevel", "responseSchema", "type"),
    *("system_instruction", "stop_sequences", "properties", "nullable", "thoughtSignature"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "user", "model", "ANY", "LOW", "image/png", "aGk=", "OBJECT"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)


CONTENTS = st.fixed_dictionaries(
    {"parts": st.lists(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=3), max_size=3)},
    optional={"role": LEAVES},
)
BODIES = st.fixed_dictionaries(
    {"contents": st.lists(CONTENTS | st.just(HELLO), min_size=1, max_size=3)},
    optional=dict.fromkeys(
        ("tools", "toolConfig", "generationConfig", "system_instruction"), TREES
    ),
)


@given(body=TREES | BODIES)
def test_any_json_is_read_or_refused_and_what_is_read_is_read_the_same_again(body: Any) -> None:
    try:
        request = decode_request(body, model="m")
    except BadRequest:
        return
    once = written(request)
    assert written(decode_request(once, model="m")) == once


def test_json_that_is_too_deep_is_refused() -> None:
    deep: Tree = {}
    for _ in range(100_000):
        deep = {"items": deep}
    body = {"contents": [HELLO], "generationConfig": {"responseSchema": deep}}
    with pytest.raises(BadRequest, match="deeper than"):
        decode_request(body, model="m")


# Requests that this dialect can carry: real ids, named results, parts that it has a place for.

USERS = st.sampled_from([expected for tree, expected in PARTS if "functionCall" not in tree])
MODELS = st.sampled_from(
    [
        expected
        for _, expected in PARTS
        if not isinstance(expected, ToolResultPart | ImagePart | DocumentPart)
    ]
)


def messages(role: Any, parts: Any) -> Any:
    several = st.lists(parts, min_size=1, max_size=4).map(
        lambda given_parts: sorted(
            given_parts, key=lambda part: not isinstance(part, ToolResultPart)
        )
    )
    one_side = several.filter(
        lambda given_parts: len({isinstance(part, ToolResultPart) for part in given_parts}) == 1
    )
    return one_side.map(lambda given_parts: Message(role, tuple(given_parts)))


CARRIED = st.builds(
    Request,
    model=st.just("m"),
    messages=st.lists(
        st.tuples(messages("user", USERS), messages("assistant", MODELS)), min_size=1, max_size=3
    ).map(lambda pairs: tuple(message for pair in pairs for message in pair)),
    system=st.none() | st.just("Be brief.") | st.just((TextPart("a"), TextPart("b"))),
    tools=st.just(())
    | st.just((Tool(name="f", description="d", parameters=SCHEMA), Tool(name="g"))),
    tool_choice=st.none()
    | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")])
    | st.just(ToolChoice("tool", "f")),
    max_tokens=st.none() | st.integers(1, 9),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    stop=st.just(()) | st.just(("a", "b")),
    seed=st.none() | st.integers(0, 9),
    reasoning=st.none()
    | st.sampled_from([Reasoning(effort="none"), Reasoning(effort="high"), Reasoning(budget=9)]),
    output=st.none() | st.just(OutputSchema(schema=SCHEMA)),
    extra=st.just({}) | st.just({"labels": {"a": "b"}, "generationConfig": {"topK": 4}}),
    stream=st.booleans(),
)


@given(request=CARRIED)
def test_a_request_that_the_dialect_can_carry_comes_back_as_it_was(request: Request) -> None:
    wire = encode_request(request, "google")
    assert wire.notices == ()
    assert decode_request(wire.body, model=wire.model, stream=wire.stream) == request


def as_written(tree: Any, name: str = "") -> Any:
    """A recorded body in the one spelling that is written here."""
    if isinstance(tree, list):
        return [as_written(one, name) for one in tree]
    if not isinstance(tree, dict):
        return tree.lower() if name == "type" else tree
    spelled = {}
    for key, value in tree.items():
        known = re.sub(r"_([a-z])", lambda found: found[1].upper(), key.removeprefix("_"))
        known = {"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}.get(
            known, known
        )
        spelled[known] = as_written(value, known)
    if name == "systemInstruction":
        spelled.pop("role", None)
    return {key: value for key, value in spelled.items() if value not in ("", [], {})} or tree


ASKED = [
    recording
    for recording in recordings()
    if recording.family == "gemini" and isinstance(recording.meta.get("request"), dict)
]


@needs_corpus
@pytest.mark.parametrize("recording", ASKED, ids=of_recording)
def test_a_recorded_request_is_written_again_without_loss(recording: Recording) -> None:
    body: Tree = recording.meta["request"]
    request = decode_request(body, model="m", stream=True)
    assert as_written(written(request)) == as_written(body)
    once = written(request)
    assert written(decode_request(once, model="m", stream=True)) == once
