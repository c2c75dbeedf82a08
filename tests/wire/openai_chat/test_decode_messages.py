"""The messages of this family's requests, read as parts and written again."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.events import Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.openai_chat.decode_request import decode_request
from gateway_stream.wire.openai_chat.request import encode_request

Tree = dict[str, Any]
HELLO = {"role": "user", "content": "hello"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"at": 1.50}'}}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "dark"}


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "messages": [HELLO], **members})


def own(json_: str, provider: str = "openai_chat") -> Opaque:
    return Opaque("openai_chat", provider, json_)


ASKED: list[tuple[Tree, Part]] = [
    ({"type": "text", "text": "a"}, TextPart("a")),
    (
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        TextPart("a", cache="1h"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ImagePart(media_type="image/png", data="aGk="),
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ImagePart(url="https://example.com/a.png"),
    ),
    (
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        },
        DocumentPart(data="aGk=", name="a.pdf"),
    ),
    (
        {"type": "file", "file": {"file_id": "file_1"}},
        OpaquePart(opaque=own('{"type":"file","file":{"file_id":"file_1"}}')),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        OpaquePart(
            opaque=own('{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}')
        ),
    ),
]


@pytest.mark.parametrize(("part", "expected"), ASKED, ids=range(len(ASKED)))
def test_a_part_of_what_the_user_says(part: Tree, expected: Part) -> None:
    content = [part, {"type": "text", "text": "b"}]
    messages = [{"role": "user", "content": content}]
    request = read(messages=messages)
    assert request.messages == (Message("user", (expected, TextPart("b"))),)
    assert request.extra == {}
    for provider in ("openai", "anthropic"):
        written = encode_request(request, provider).body["messages"]
        if provider == "anthropic" or "cache_control" not in part:
            assert written == messages


SAID: list[tuple[Tree, tuple[Part, ...]]] = [
    ({"content": "a"}, (TextPart("a"),)),
    (
        {"content": None, "tool_calls": [CALL]},
        (_call := ToolCallPart(id="c", name="f", arguments='{"at": 1.50}'),),
    ),
    (
        {"content": "a", "reasoning_content": "Hm.", "tool_calls": [CALL]},
        (
            ReasoningPart(text="Hm.", opaque=own('{"reasoning_content":""}', "reasoning_content")),
            TextPart("a"),
            _call,
        ),
    ),
    (
        {
            "content": [
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "Hm.", "signature": "S"}],
                },
                {"type": "text", "text": "a"},
            ]
        },
        (
            ReasoningPart(
                text="Hm.",
                opaque=own(
                    '{"type":"reasoning","summary":[{"type":"summary_text","text":"","signature":"S"}]}',
                    "anthropic",
                ),
            ),
            TextPart("a"),
        ),
    ),
    (
        {
            "content": None,
            "reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "index": 0}],
            "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "S"}}}],
        },
        (
            ReasoningPart(
                opaque=own(
                    '{"reasoning_details":[{"type":"reasoning.encrypted","data":"E","index":0}]}',
                    "openrouter",
                )
            ),
            ToolCallPart(
                id="c",
                name="f",
                arguments='{"at": 1.50}',
                opaque=own('{"extra_content":{"google":{"thought_signature":"S"}}}', "google"),
            ),
        ),
    ),
    (
        {"content": None, "tool_calls": [{"id": "k", "type": "custom", "custom": {"input": "i"}}]},
        (
            OpaquePart(
                opaque=own('{"tool_calls":[{"id":"k","type":"custom","custom":{"input":"i"}}]}')
            ),
        ),
    ),
    (
        {"content": None, "audio": {"id": "audio_1"}},
        (OpaquePart(opaque=own('{"audio":{"id":"audio_1"}}', "openai")),),
    ),
]


@pytest.mark.parametrize(("said", "parts"), SAID, ids=range(len(SAID)))
def test_what_the_model_said_is_read_as_its_answer_would_be(
    said: Tree, parts: tuple[Part, ...]
) -> None:
    messages = [HELLO, {"role": "assistant", **said}, HELLO]
    request = read(messages=messages)
    spoken = request.messages[1]
    assert isinstance(spoken, Message)
    content = spoken.content
    assert ((TextPart(content),) if isinstance(content, str) else content) == parts
    assert request.extra == {}
    assert encode_request(request, None).body["messages"] == messages


def test_a_text_of_the_model_keeps_its_cache_hint_beside_calls_and_reasoning() -> None:
    hinted = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    said = {"role": "assistant", "content": [hinted], "reasoning": "Hm.", "tool_calls": [CALL]}
    request = read(messages=[HELLO, said, RESULT])
    spoken = request.messages[1]
    assert isinstance(spoken, Message)
    assert [type(part) for part in spoken.content] == [ReasoningPart, TextPart, ToolCallPart]
    assert spoken.content[1] == TextPart("a", cache="5m")
    assert request.extra == {}


def test_results_of_tools_that_follow_each_other_are_one_message_of_the_user() -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "d"}]}
    messages = [HELLO, answer, RESULT, {**RESULT, "tool_call_id": "d"}, HELLO]
    request = read(messages=messages)
    results = tuple(ToolResultPart(call_id=one, content="dark") for one in "cd")
    assert request.messages[2:] == (Message("user", results), Message("user", "hello"))
    assert request.extra == {}
    assert encode_request(request, None).body["messages"] == messages


def test_an_older_call_and_its_result_find_each_other() -> None:
    called = {"name": "f", "arguments": "{}"}
    request = read(
        messages=[
            HELLO,
            {"role": "assistant", "content": None, "function_call": called},
            {"role": "function", "name": "f", "content": "dark"},
        ]
    )
    assert request.messages[1:] == (
        Message("assistant", (ToolCallPart(id="f", name="f"),)),
        Message("user", (ToolResultPart(call_id="f", content="dark", name="f"),)),
    )
