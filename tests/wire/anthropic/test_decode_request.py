"""Requests of this family's clients, read into the neutral form and written again."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.errors import BadRequest
from gateway_stream.events import Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    OutputSchema,
    Part,
    Reasoning,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.wire.anthropic.decode_request import decode_request
from gateway_stream.wire.anthropic.request import encode_request
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings

Tree = dict[str, Any]
HELLO = {"role": "user", "content": "hello"}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "messages": [HELLO], **members})


def part(block: Tree) -> Part:
    (message,) = read(messages=[{"role": "user", "content": [block]}]).messages
    assert isinstance(message, Message)
    assert not isinstance(message.content, str)
    (only,) = message.content
    return only


def own(json: str) -> Opaque:
    return Opaque("anthropic", "anthropic", json)


def test_the_least_request() -> None:
    assert read() == Request(model="m", messages=(Message("user", "hello"),), stream=False)


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"stream": True}, {"stream": True}),
        ({"system": "Be brief."}, {"system": "Be brief."}),
        (
            {"system": [{"type": "text", "text": "Be.", "cache_control": {"type": "ephemeral"}}]},
            {"system": (TextPart("Be.", cache="5m"),)},
        ),
        ({"temperature": 1, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}),
        ({"stop_sequences": ["END"]}, {"stop": ("END",)}),
        ({"metadata": {"user_id": "u"}}, {"metadata": {"user_id": "u"}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"reasoning": Reasoning(budget=2000)},
        ),
        ({"thinking": {"type": "disabled"}}, {"reasoning": Reasoning(effort="none")}),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            {"reasoning": Reasoning(effort="high")},
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"output": OutputSchema(schema=SCHEMA)},
        ),
        ({"top_k": 5, "mcp_servers": [{}]}, {"extra": {"top_k": 5, "mcp_servers": [{}]}}),
        ({"service_tier": None}, {}),
    ],
)
def test_a_member_with_a_field_is_read_and_others_are_kept(members: Tree, fields: Tree) -> None:
    assert read(**members) == Request(
        **{"model": "m", "messages": (Message("user", "hello"),), "stream": False, **fields}
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("thinking", {"type": "adaptive"}),
        ("thinking", {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}),
        ("output_config", {"effort": "high"}),
        ("output_config", {"effort": "high", "task_budget": {"type": "tokens", "total": 9}}),
        ("metadata", {"user_id": "u", "team": "t"}),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tools", [{"name": "f", "input_schema": {}, "defer_loading": True}]),
        ("tool_choice", {"type": "any"}),
        ("messages", [{**HELLO, "id": "msg"}]),
        ("messages", [HELLO, {"role": "system", "content": "Be brief."}]),
    ],
)
def test_what_is_read_in_part_stays_in_extra_and_is_written_as_it_came(
    member: str, value: Any
) -> None:
    request = read(**{member: value})
    assert request.extra[member] == value
    assert encode_request(request, None).body[member] == value


@pytest.mark.parametrize(
    ("choice", "parallel", "read_as"),
    [
        ({"type": "auto"}, None, ToolChoice("auto")),
        ({"type": "any", "disable_parallel_tool_use": True}, False, ToolChoice("required")),
        ({"type": "tool", "name": "f"}, None, ToolChoice("tool", "f")),
        ({"type": "none"}, None, ToolChoice("none")),
    ],
)
def test_tools_and_their_choice(choice: Tree, parallel: bool | None, read_as: ToolChoice) -> None:
    tool = {"name": "f", "description": "Does.", "input_schema": SCHEMA, "strict": True}
    request = read(tools=[tool], tool_choice=choice)
    assert request.tools == (Tool(name="f", description="Does.", parameters=SCHEMA, strict=True),)
    assert (request.tool_choice, request.parallel_tool_calls) == (read_as, parallel)
    assert request.extra == {}


PARTS: list[tuple[Tree, Part]] = [
    ({"type": "text", "text": "a"}, TextPart("a")),
    (
        {"type": "text", "text": "a", "citations": [{"url": "u"}]},
        TextPart("a", opaque=own('{"type":"text","citations":[{"url":"u"}]}')),
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        ImagePart(media_type="image/png", data="aGk="),
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ImagePart(url="https://example.com/a.png"),
    ),
    (
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        OpaquePart(opaque=own('{"type":"image","source":{"type":"file","file_id":"f"}}')),
    ),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
        DocumentPart(data="aGk=", name="a.pdf"),
    ),
    (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
        },
        DocumentPart(media_type="text/plain", data="aGk="),
    ),
    (
        {"type": "document", "source": {"type": "content", "content": "hi"}},
        OpaquePart(opaque=own('{"type":"document","source":{"type":"content","content":"hi"}}')),
    ),
    (
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        ReasoningPart(text="Hm.", opaque=own('{"type":"thinking","signature":"c2ln"}')),
    ),
    (
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        ReasoningPart(text="Hm.", opaque=Opaque("anthropic", "unsigned", '{"type":"thinking"}')),
    ),
    (
        {"type": "redacted_thinking", "data": "aGk="},
        ReasoningPart(opaque=own('{"type":"redacted_thinking","data":"aGk="}')),
    ),
    (
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ToolCallPart(id="t", name="f", arguments='{"a":1}'),
    ),
    (
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}},
        ToolCallPart(
            id="t", name="f", opaque=own('{"type":"tool_use","caller":{"type":"direct"}}')
        ),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": "dark", "is_error": True},
        ToolResultPart(call_id="t", content="dark", is_error=True),
    ),
    ({"type": "tool_result", "tool_use_id": "t"}, ToolResultPart(call_id="t", content="")),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}]},
        ToolResultPart(call_id="t", content=(TextPart("a"),)),
    ),
    (
        {"type": "container_upload", "file_id": "f"},
        OpaquePart(opaque=own('{"type":"container_upload","file_id":"f"}')),
    ),
]


@pytest.mark.parametrize(("block", "expected"), PARTS, ids=range(len(PARTS)))
def test_a_block_is_a_part(block: Tree, expected: Part) -> None:
    assert part(block) == expected


@pytest.mark.parametrize("block", [block for block, _ in PARTS], ids=range(len(PARTS)))
def test_a_block_is_written_again_as_it_came(block: Tree) -> None:
    messages = [{"role": "user", "content": [block]}]
    (written,) = encode_request(read(messages=messages), None).body["messages"]
    expected = dict(block)
    if expected["type"] == "tool_result":
        expected.setdefault("content", "")
    if not expected.get("signature", True):
        del expected["signature"]
    assert written["content"] == [expected]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "messages"),
        ({"model": "m", "messages": []}, "body.messages: there are none"),
        ({"messages": [HELLO]}, "body.model: it is missing"),
        ({"model": "m", "messages": "hello"}, "body.messages: expected `array`"),
        ({"model": "m", "messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "`text`"),
        ({"model": "m", "messages": [{"role": "user", "content": [7]}]}, "content[0]"),
        ({"model": "m", "messages": [HELLO], "max_tokens": 0}, "body.max_tokens: it is 0"),
        ({"model": "m", "messages": [HELLO], "tools": [{"name": "f"}]}, "body.tools[0]"),
        ({"model": "m", "messages": [HELLO], "tool_choice": {"type": "some"}}, "body.tool_choice"),
    ],
)
def test_what_is_no_request_is_refused_in_one_line_that_says_where(body: Tree, where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(body)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def as_written(body: Tree) -> Tree:
    """A recorded body in the one spelling that is written here."""
    messages: list[Tree] = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": message["role"], "content": list(blocks)})
    for message in messages:
        for block in message["content"]:
            if block.get("is_error") is False:
                del block["is_error"]
    tools = [
        {key: value for key, value in tool.items() if value != ""} for tool in body.get("tools", [])
    ]
    spelled = {"stream": False, **body, "messages": messages, "tools": tools}
    hinted: Tree = _hinted({k: v for k, v in spelled.items() if v not in (None, [])})
    return hinted


def _hinted(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_hinted(one) for one in tree]
    if isinstance(tree, dict):
        hinted = {key: _hinted(value) for key, value in tree.items()}
        if hinted.get("cache_control") == {"type": "ephemeral"}:
            hinted["cache_control"] = {"type": "ephemeral", "ttl": "5m"}
        return hinted
    return tree


ASKED = [
    recording
    for recording in recordings()
    if recording.family == "anthropic" and isinstance(recording.meta.get("request"), dict)
]


@needs_corpus
@pytest.mark.parametrize("recording", ASKED, ids=of_recording)
def test_a_recorded_request_is_written_again_without_loss(recording: Recording) -> None:
    body: Tree = recording.meta["request"]
    request = decode_request(body, model="model-of-the-path")
    written = encode_request(request, None)
    assert as_written(written.body) == as_written({"model": "model-of-the-path", **body})
    assert written.notices == ()
    again = encode_request(decode_request(written.body), None)
    assert again.body == written.body
