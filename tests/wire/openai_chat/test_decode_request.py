"""Requests of this family's clients, read into the neutral form and written again."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.errors import BadRequest
from gateway_stream.request import (
    Message,
    OutputSchema,
    Reasoning,
    Request,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.openai_chat.decode_request import decode_request
from gateway_stream.wire.openai_chat.request import encode_request

Tree = dict[str, Any]
HELLO = {"role": "user", "content": "hello"}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"at": 1.50}'}}


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "messages": [HELLO], **members})


def test_the_least_request() -> None:
    assert read() == Request(model="m", messages=(Message("user", "hello"),), stream=False)


def test_model_and_streaming_of_the_body_win_over_those_of_the_path() -> None:
    body = {"messages": [HELLO]}
    asked = decode_request(body, model="path", stream=True)
    assert (asked.model, asked.stream) == ("path", True)
    asked = decode_request({**body, "model": "m", "stream": False}, model="path", stream=True)
    assert (asked.model, asked.stream) == ("m", False)


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        (
            {"temperature": 1, "top_p": 0.5, "seed": 3},
            {"temperature": 1.0, "top_p": 0.5, "seed": 3},
        ),
        ({"stop": "END"}, {"stop": ("END",)}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"metadata": {"team": "t"}}, {"metadata": {"team": "t"}}),
        ({"reasoning_effort": "low"}, {"reasoning": Reasoning(effort="low")}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"reasoning": Reasoning(budget=2000)},
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {}},
                }
            },
            {"output": OutputSchema(schema={}, name="n", strict=False)},
        ),
        ({"top_k": 5, "logit_bias": {"1": 2}}, {"extra": {"top_k": 5, "logit_bias": {"1": 2}}}),
        ({"user": None}, {}),
    ],
)
def test_a_member_with_a_field_is_read_and_others_are_kept(members: Tree, fields: Tree) -> None:
    assert read(**members) == Request(
        **{"model": "m", "messages": (Message("user", "hello"),), "stream": False, **fields}
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("messages", [{**HELLO, "name": "Ada"}]),
        ("messages", [{"role": "developer", "content": "Be brief."}, HELLO]),
        ("messages", [HELLO, {"role": "system", "content": "Be brief."}, HELLO]),
        ("messages", [{"role": "system", "content": "Be brief."}]),
        (
            "messages",
            [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, HELLO],
        ),
        ("messages", [HELLO, {"role": "assistant", "content": None, "refusal": "No."}]),
        ("messages", [HELLO, {"role": "assistant", "content": "a", "tool_calls": [CALL], "x": 1}]),
        ("messages", [HELLO, {"role": "function", "name": "f", "content": "dark"}]),
        ("messages", [{**HELLO, "content": [{"type": "text", "text": "a", "odd": 1}]}]),
        (
            "messages",
            [
                {
                    **HELLO,
                    "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}],
                }
            ],
        ),
        ("tools", [{"type": "web_search"}, FUNCTION]),
        ("tools", [{**FUNCTION, "function": {"name": "f", "odd": 1}}]),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
        ("tool_choice", "any"),
        ("response_format", {"type": "json_object"}),
        ("reasoning_effort", "immense"),
        ("thinking", {"type": "enabled"}),
        ("metadata", {"n": 1}),
        ("stream_options", {"include_usage": False}),
        ("functions", [{"name": "f"}]),
    ],
)
def test_what_is_read_in_part_stays_in_extra_and_is_written_as_it_came(
    member: str, value: Any
) -> None:
    request = read(**{"tools": [FUNCTION], member: value})
    assert request.extra == {member: value}
    assert encode_request(request, None).body[member] == value


def test_the_output_limit_is_written_under_the_name_it_came_under_only() -> None:
    request = read(max_completion_tokens=9)
    assert request.max_tokens == 9
    body = encode_request(request, "openai").body
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", "f")),
    ],
)
def test_tools_and_their_choice(choice: Any, expected: ToolChoice) -> None:
    function = {"name": "f", "description": "Does.", "parameters": SCHEMA, "strict": True}
    hinted = {"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}
    request = read(tools=[hinted], tool_choice=choice, parallel_tool_calls=False)
    assert request.tools == (
        Tool(name="f", description="Does.", parameters=SCHEMA, strict=True, cache="5m"),
    )
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, False)
    assert request.extra == {}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "messages"),
        ({"model": "m", "messages": []}, "body.messages: there are none"),
        ({"messages": [HELLO]}, "body.model: it is missing"),
        ({"model": "m", "messages": "hello"}, "body.messages: expected `array`"),
        ({"model": "m", "messages": ["hello"]}, "body.messages[0]: expected `object`"),
        ({"model": "m", "messages": [HELLO, {"role": "model"}]}, "body.messages[1].role"),
        ({"model": "m", "messages": [{"role": "\ud83d"}]}, "body.messages[0]"),
        ({"model": "m", "messages": [{"role": "user", "content": 7}]}, "body.messages[0].content"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "body.messages[0].content[0]",
        ),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"function": "f"}]}]},
            "body.messages[0].tool_calls[0].function",
        ),
        ({"model": "m", "messages": [HELLO], "max_tokens": 0}, "max_tokens is 0"),
        ({"model": "m", "messages": [HELLO], "temperature": "hot"}, "body.temperature"),
        ({"model": "m", "messages": [HELLO], "tools": [{"type": "function"}]}, "body.tools[0]"),
        (
            {"model": "m", "messages": [HELLO], "tool_choice": {"type": "function"}},
            "body.tool_choice",
        ),
        (
            {"model": "m", "messages": [HELLO], "response_format": {"type": "json_schema"}},
            "body.response_format",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_one_line_that_says_where(body: Tree, where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(body)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [{"type": "custom", "function": "f"}]},
        {"response_format": {"type": "grammar", "json_schema": [1]}},
    ],
    ids=",".join,
)
def test_what_another_type_has_under_a_known_name_is_kept(members: Tree) -> None:
    assert read(**members).extra == members


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("text", ["hidden", " ", {"a": 1}])
def test_a_part_of_an_unknown_type_is_no_text_though_it_has_one(role: str, text: object) -> None:
    calls = {"tool_calls": [CALL]} if role == "assistant" else {}
    told = {"role": role, "content": [{"type": "thought", "text": text}], **calls}
    asked = decode_request({"model": "m", "messages": [HELLO, told, HELLO]})
    assert encode_request(asked, None).body["messages"][1] == told
    assert asked.extra == {}


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    asked = read(user="\ud83d", messages=[{"role": "user", "content": "\ud83d\ude80 \ud83d"}])
    assert asked.messages == (Message("user", "\U0001f680 \ufffd"),)
    assert asked.extra == {"user": "\ufffd"}
