"""Requests as Anthropic Messages."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
from gateway_stream.wire.anthropic.request import encode_request

if TYPE_CHECKING:
    from gateway_stream.turn import Turn
    from gateway_stream.wire.family import WireRequest

RECORDINGS = Path(__file__).parent / "recordings"
HELLO = Message("user", "hello")
TOOLS = (Tool(name="f"),)


def encode(
    *messages: Message | Turn, provider: str | None = "anthropic", **fields: Any
) -> WireRequest:
    return encode_request(Request(model="m", messages=messages or (HELLO,), **fields), provider)


def body(**fields: Any) -> dict[str, Any]:
    return encode(**fields).body


def blocks(*parts: Part, provider: str | None = "anthropic") -> list[dict[str, Any]]:
    messages = encode(Message("assistant", parts), provider=provider).body["messages"]
    return messages[0]["content"] if messages else []


def dropped(request: WireRequest) -> list[str]:
    assert all(notice.code == "dropped_part" for notice in request.notices)
    return [notice.detail for notice in request.notices]


def signed(signature: str, *, family: str = "anthropic", provider: str = "anthropic") -> Opaque:
    return Opaque(family, provider, json.dumps({"type": "thinking", "signature": signature}))


def test_the_least_request() -> None:
    request = encode()
    assert request.body == {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "stream": True,
    }
    assert request.headers == {"anthropic-version": "2023-06-01"}
    assert request.notices == ()


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"stream": False}, {"stream": False}),
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"stop": ("a", "b")}, {"stop_sequences": ["a", "b"]}),
        ({"metadata": {"user_id": "u"}}, {"metadata": {"user_id": "u"}}),
        ({"system": "s"}, {"system": "s"}),
        (
            {"system": (TextPart("s", cache="1h"),)},
            {
                "system": [
                    {
                        "type": "text",
                        "text": "s",
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    }
                ]
            },
        ),
        (
            {"reasoning": Reasoning(budget=2000)},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 6096},
        ),
        (
            {"reasoning": Reasoning(effort="high")},
            {
                "thinking": {"type": "adaptive"},
                "output_config": {"effort": "high"},
                "max_tokens": 16_096,
            },
        ),
        (
            {"reasoning": Reasoning(effort="none")},
            {"thinking": {"type": "disabled"}, "max_tokens": 4096},
        ),
        (
            {"reasoning": Reasoning(budget=0)},
            {"thinking": {"type": "disabled"}, "max_tokens": 4096},
        ),
        (
            {"output": OutputSchema(schema={"type": "object"})},
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        ),
        (
            {"tools": (Tool(name="f", description="d", strict=True, cache="5m"),)},
            {
                "tools": [
                    {
                        "name": "f",
                        "description": "d",
                        "input_schema": {"type": "object"},
                        "strict": True,
                        "cache_control": {"type": "ephemeral", "ttl": "5m"},
                    }
                ]
            },
        ),
        ({"tools": TOOLS, "tool_choice": ToolChoice("auto")}, {"tool_choice": {"type": "auto"}}),
        ({"tools": TOOLS, "tool_choice": ToolChoice("required")}, {"tool_choice": {"type": "any"}}),
        ({"tools": TOOLS, "tool_choice": ToolChoice("none")}, {"tool_choice": {"type": "none"}}),
        (
            {"tools": TOOLS, "tool_choice": ToolChoice("tool", "f")},
            {"tool_choice": {"type": "tool", "name": "f"}},
        ),
        (
            {"tool_choice": ToolChoice("required"), "extra": {"tools": [{"type": "web_search"}]}},
            {"tool_choice": {"type": "any"}, "tools": [{"type": "web_search"}]},
        ),
        (
            {"tools": (Tool(name="f"),), "parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        (
            {
                "tools": TOOLS,
                "tool_choice": ToolChoice("required"),
                "parallel_tool_calls": False,
            },
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        ),
        ({"extra": {"max_tokens": 1, "top_k": 5}}, {"max_tokens": 1, "top_k": 5}),
    ],
)
def test_a_field_as_the_vendor_names_it(fields: dict[str, Any], written: dict[str, Any]) -> None:
    request = encode(**fields)
    assert {key: request.body[key] for key in written} == written
    assert request.notices == ()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"seed": 1}, "seed"),
        ({"metadata": {"team": "x"}}, "team"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": TOOLS, "tool_choice": ToolChoice("tool")}, "tool_choice"),
        ({"tool_choice": ToolChoice("none")}, "tool_choice"),
        ({"reasoning": Reasoning(effort="minimal")}, "minimal"),
        ({"output": OutputSchema(schema={}, strict=False)}, "strict"),
    ],
)
def test_what_the_vendor_cannot_take_is_told(fields: dict[str, Any], word: str) -> None:
    (notice,) = dropped(encode(**fields))
    assert word in notice


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_a_choice_without_tools_is_left_out(mode: Any) -> None:
    request = encode(tool_choice=ToolChoice(mode))
    assert "tool_choice" not in request.body
    assert dropped(request) == ["tool_choice: there are no tools"]


def test_headers_of_the_request_come_last() -> None:
    request = encode(headers={"Anthropic-Version": "x", "anthropic-beta": "b"})
    assert request.headers == {"Anthropic-Version": "x", "anthropic-beta": "b"}


def test_messages_of_one_role_become_one_and_tool_results_lead_it() -> None:
    request = encode(
        HELLO,
        Message("assistant", (ToolCallPart(id="a", name="f"), ToolCallPart(id="b", name="f"))),
        Message("user", (TextPart("by the way"), ToolResultPart(call_id="a", content="1"))),
        Message("user", (ToolResultPart(call_id="b", content="2", is_error=True),)),
    )
    assert [message["role"] for message in request.body["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert request.body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2", "is_error": True},
        {"type": "text", "text": "by the way"},
    ]


def test_a_tool_result_holds_images() -> None:
    part = ToolResultPart(
        call_id="a", content=(TextPart("see"), ImagePart(media_type="image/png", data="AA=="))
    )
    (block,) = blocks(part)
    assert block["content"] == [
        {"type": "text", "text": "see"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
        },
    ]


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            ImagePart(url="https://a.example/x.png", cache="5m"),
            {
                "type": "image",
                "source": {"type": "url", "url": "https://a.example/x.png"},
                "cache_control": {"type": "ephemeral", "ttl": "5m"},
            },
        ),
        (
            DocumentPart(data="AA==", name="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "a.pdf",
            },
        ),
        (
            DocumentPart(data=base64.b64encode("é".encode()).decode(), media_type="text/plain"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "é"},
            },
        ),
        (
            DocumentPart(url="https://a.example/x.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://a.example/x.pdf"}},
        ),
    ],
)
def test_a_file_as_the_vendor_wants_it(part: Part, written: dict[str, Any]) -> None:
    assert blocks(part) == [written]


@pytest.mark.parametrize(
    "part",
    [
        TextPart(" \n"),
        ReasoningPart(text="unsigned"),
        ReasoningPart(text="x", opaque=signed("S", family="gemini", provider="google")),
        ReasoningPart(text="x", opaque=Opaque("openai_chat", "anthropic", "{}")),
        OpaquePart(opaque=Opaque("openai_responses", "openai", '{"type":"x"}')),
        OpaquePart(opaque=Opaque("gemini", "anthropic", '{"type":"x"}')),
        ImagePart(data="AA=="),
        DocumentPart(data="/w==", media_type="text/plain"),
    ],
)
def test_a_part_that_cannot_go_is_dropped_and_told(part: Part) -> None:
    request = encode(HELLO, Message("assistant", (part,)))
    assert len(request.body["messages"]) == 1
    assert len(dropped(request)) == 1


def test_a_part_keeps_its_text_when_only_its_opaque_data_is_foreign() -> None:
    opaque = Opaque("gemini", "google", '{"thoughtSignature":"S"}')
    call = ToolCallPart(id="a", name="f", arguments='{"x":1}', opaque=opaque)
    assert blocks(TextPart("hi", opaque=opaque), call) == [
        {"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    ]


def test_arguments_that_are_no_object_are_told() -> None:
    request = encode(Message("assistant", (ToolCallPart(id="a", name="f", arguments="[1]"),)))
    assert request.body["messages"][0]["content"][0]["input"] == {}
    assert len(dropped(request)) == 1


def test_ids_of_calls_and_results_have_the_letters_that_the_vendor_allows() -> None:
    request = encode(
        Message("assistant", (ToolCallPart(id="functions.f:0", name="f"),)),
        Message("user", (ToolResultPart(call_id="functions.f:0", content="1"),)),
    )
    call, result = (message["content"][0] for message in request.body["messages"])
    assert call["id"] == result["tool_use_id"] == "functions_f_0"


@pytest.mark.parametrize(
    ("provider", "goes"), [("anthropic", True), (None, True), ("openai", False)]
)
def test_signed_reasoning_goes_to_whoever_can_read_it(provider: str | None, goes: bool) -> None:
    written = blocks(ReasoningPart(text="t", opaque=signed("S+/=")), provider=provider)
    block = {"type": "thinking", "thinking": "t", "signature": "S+/="}
    assert written == ([block] if goes else [])


def test_reasoning_that_came_over_chat_is_turned_back() -> None:
    chat = {
        "type": "reasoning",
        "summary": [
            {"type": "summary_text", "text": "", "signature": "S"},
            {"type": "summary_encrypted_text", "data": "R"},
            {"type": "summary_text", "text": "", "signature": "S2"},
        ],
    }
    opaque = Opaque("openai_chat", "anthropic", json.dumps(chat))
    part = ReasoningPart(text="t", opaque=opaque)
    assert blocks(part) == [
        {"type": "thinking", "thinking": "t", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "thinking", "thinking": "", "signature": "S2"},
    ]
    assert blocks(part, provider=None) == []


@pytest.mark.parametrize(
    ("opaque", "block"),
    [
        (
            '{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"S"}]}',
            {"type": "thinking", "thinking": "why", "signature": "S"},
        ),
        (
            '{"thinking_blocks":[{"type":"redacted_thinking","data":"D"}]}',
            {"type": "redacted_thinking", "data": "D"},
        ),
        (
            '{"type":"thinking","signature":"S"}',
            {"type": "thinking", "thinking": "why", "signature": "S"},
        ),
    ],
)
def test_thinking_blocks_that_came_over_chat_go_back_as_blocks(
    opaque: str, block: dict[str, Any]
) -> None:
    part = ReasoningPart(text="why", opaque=Opaque("openai_chat", "anthropic", opaque))
    assert blocks(part) == [block]
