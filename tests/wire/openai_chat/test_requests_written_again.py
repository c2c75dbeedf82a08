"""Requests of this family, recorded or made up, read and written again: nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import BadRequest
from gateway_stream.wire.openai_chat.decode_request import decode_request
from gateway_stream.wire.openai_chat.request import encode_request
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings

Tree = dict[str, Any]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"at": 1.50}'}}


def as_written(name: str, value: Any) -> Any:
    """A member of a body in the one spelling that is written here."""
    told = _told(value)
    match name:
        case "messages":
            return list(map(_message, told))
        case "stop" if isinstance(told, str):
            return [told]
        case "tools" if told:
            return [{**tool, "function": _saying(tool.get("function"))} for tool in told]
        case "response_format" if told:
            return {**told, "json_schema": _saying(told.get("json_schema"))}
    return told


def _message(message: Tree) -> Tree:
    content = message.get("content")
    if isinstance(content, list) and [part.keys() for part in content] == [{"type", "text"}]:
        content = content[0]["text"]
    if message["role"] == "assistant":
        content = content or None
    said = {**message, "content": content}
    return {key: value for key, value in said.items() if value is not None}


def _saying(tree: Any) -> Any:
    return {k: v for k, v in tree.items() if v not in ("", {}, False)} if tree else tree


def _told(tree: Any) -> Any:
    if tree == {"type": "ephemeral", "ttl": "5m"}:
        return {"type": "ephemeral"}
    if isinstance(tree, list):
        return [_told(one) for one in tree]
    if isinstance(tree, dict):
        return {key: _told(value) for key, value in tree.items() if value is not None}
    return tree


RECORDED = [
    recording
    for recording in recordings()
    if recording.family == "openai_chat"
    and "messages" in (recording.meta.get("request") or {})
    and isinstance(recording.meta["request"]["messages"], list)
]


@needs_corpus
@pytest.mark.parametrize("recording", RECORDED, ids=of_recording)
def test_a_recorded_request_is_written_again_without_loss(recording: Recording) -> None:
    body: Tree = recording.meta["request"]
    request = decode_request(body, model="model-of-the-path")
    provider = "anthropic" if "cache_control" in json.dumps(body) else None
    written = encode_request(request, provider)
    for name, value in body.items():
        assert as_written(name, written.body.get(name)) == as_written(name, value)
    assert written.body.keys() - body.keys() <= {"model", "stream", "stream_options"}
    again = encode_request(decode_request(written.body), provider)
    assert again.body == written.body


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
        optional={
            "content": st.text(max_size=5)
            | st.lists(
                st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=3)})
                | _TREES,
                max_size=3,
            ),
            "tool_calls": st.lists(st.just(CALL) | _TREES, max_size=2),
            "tool_call_id": st.text(max_size=3),
            "reasoning_content": _TREES,
            "refusal": _TREES,
            "name": _TREES,
        },
    ),
    max_size=4,
)


_MEMBERS = (
    *("tools", "tool_choice", "response_format", "stop", "max_tokens", "metadata", "odd"),
    *("thinking", "stream", "stream_options", "reasoning_effort", "temperature"),
)


@given(
    body=st.fixed_dictionaries(
        {"model": st.just("m"), "messages": _MESSAGES | _TREES},
        optional=dict.fromkeys(_MEMBERS, _TREES),
    )
)
def test_any_body_is_refused_or_written_again_without_loss(body: Tree) -> None:
    try:
        request = decode_request(body)
    except BadRequest:
        return
    written = encode_request(request, None).body
    for name, value in body.items():
        if value is None:
            continue  # says as much as being absent
        if name == "thinking" and request.reasoning and request.reasoning.budget:
            continue  # written for the one provider who has it
        assert as_written(name, written.get(name)) == as_written(name, value)
    assert encode_request(decode_request(written), None).body == written
