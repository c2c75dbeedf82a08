"""What is read of a request and written again is the request that came."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import BadRequest
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.wire.openai_responses.decode_request import decode_request
from gateway_stream.wire.openai_responses.request import encode_request
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.wire.openai_responses.asked import (
    CALL,
    ITEMS,
    LOOK,
    RESULT,
    SCHEMA,
    SEALED,
    Tree,
    as_written,
)
from tests.wire.openai_responses.bodies import own

ASKED = [
    recording
    for recording in recordings()
    if recording.family == "openai_responses" and recording.meta.get("request")
]


def sent(body: Tree) -> Tree:
    return encode_request(decode_request(body), None).body


@pytest.mark.parametrize("items", ITEMS, ids=range(len(ITEMS)))
@pytest.mark.parametrize("store", [True, False])
def test_items_are_written_again_as_they_came(items: list[Tree], store: bool) -> None:
    body = {"model": "m", "input": items, "store": store}
    before = copy.deepcopy(body)
    written = sent(body)
    assert body == before
    assert as_written(written) == as_written(body)
    assert sent(written) == written


SEEDS: list[Tree] = [
    *({"model": "m", "input": items, "tools": [LOOK]} for items in ITEMS),
    {
        "model": "m",
        "input": [SEALED, CALL, RESULT],
        "instructions": "Be brief.",
        "tools": [LOOK, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": True,
        "max_output_tokens": 9,
        "temperature": 0.5,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
        "metadata": {"a": "b"},
        "include": ["reasoning.encrypted_content"],
        "stream": True,
        "user": "u",
    },
]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A body with one value in it replaced by another."""
    body: Any = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    at: Any = body
    while True:
        key = draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        at[key] = draw(
            st.sampled_from([None, True, 0, -1, 1e300, "", "x", [], [None], [[]], {}, {"type": 7}])
        )
        return body


@given(damaged())
def test_a_damaged_request_is_read_or_refused_and_never_lost(body: Tree) -> None:
    before = copy.deepcopy(body)
    try:
        request = decode_request(body)
    except BadRequest:
        return
    written = encode_request(request, None).body
    assert as_written(written) == as_written(before)
    assert encode_request(decode_request(written), None).body == written


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
NAMES = st.text("abc_", min_size=1, max_size=5)
USER: st.SearchStrategy[Message] = st.lists(
    st.one_of(
        st.builds(TextPart, TEXTS),
        st.just(ImagePart(media_type="image/png", data="aGk=")),
        st.just(ImagePart(url="https://e.com/a.png")),
        st.just(DocumentPart(data="aGk=", name="a.pdf")),
        st.just(DocumentPart(media_type="text/plain", data="aGk=")),
        st.just(OpaquePart(opaque=own('{"type":"input_file","file_id":"f"}'))),
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: Message("user", tuple(parts)))
CALLS = st.builds(
    ToolCallPart,
    id=NAMES,
    name=NAMES,
    arguments=st.dictionaries(NAMES, TEXTS, max_size=2).map(json.dumps),
    opaque=st.none(),
)
MODEL: st.SearchStrategy[Message] = st.lists(
    st.one_of(
        CALLS,
        st.builds(TextPart, TEXTS),
        st.just(OpaquePart(opaque=own('{"type":"web_search_call","id":"ws"}'))),
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: Message("assistant", tuple(parts)))
RESULTS: st.SearchStrategy[Message] = st.lists(
    st.builds(ToolResultPart, call_id=NAMES, content=TEXTS, name=st.none()), min_size=1, max_size=2
).map(lambda parts: Message("user", tuple(parts)))
REQUESTS = st.builds(
    Request,
    model=NAMES,
    messages=st.tuples(USER, MODEL, RESULTS, MODEL, USER, USER),
    system=st.none() | TEXTS,
    tools=st.just((Tool(name="f", description="d", parameters=SCHEMA, strict=False),)),
    tool_choice=st.sampled_from([None, ToolChoice("auto"), ToolChoice("tool", "f")]),
    parallel_tool_calls=st.none() | st.booleans(),
    max_tokens=st.none() | st.integers(1, 9),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    reasoning=st.sampled_from([None, Reasoning(effort="low"), Reasoning(effort="none")]),
    output=st.none() | st.builds(OutputSchema, schema=st.just(SCHEMA), name=NAMES),
    metadata=st.dictionaries(NAMES, TEXTS, max_size=2),
    extra=st.sampled_from([{}, {"store": False}, {"user": "u"}]),
    stream=st.booleans(),
)


@given(REQUESTS)
def test_a_request_that_the_family_can_carry_is_read_back_as_it_was(request: Request) -> None:
    assert decode_request(encode_request(request, None).body) == request


@needs_corpus
@pytest.mark.parametrize("recording", ASKED, ids=of_recording)
def test_a_recorded_request_is_written_again_without_loss(recording: Recording) -> None:
    body = recording.meta["request"]
    written = sent(body)
    assert as_written(written) == as_written(body)
    assert sent(written) == written
