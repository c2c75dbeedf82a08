"""The settings of a neutral request as fields of a body."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.request import (
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.openai_responses.request import encode_request
from tests.wire.openai_responses.bodies import USER, body_of, notices_of


def test_a_plain_request_has_no_fields_that_were_not_set() -> None:
    content = [{"type": "input_text", "text": "hi"}]
    assert body_of() == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": content}],
        "stream": True,
    }


def test_every_setting_has_its_field() -> None:
    body = body_of(
        system="Be brief.",
        tools=(Tool(name="f", description="d", parameters={"type": "object"}, strict=False),),
        tool_choice=ToolChoice("tool", "f"),
        parallel_tool_calls=False,
        max_tokens=5,
        temperature=0.5,
        top_p=0.25,
        reasoning=Reasoning(effort="low"),
        output=OutputSchema(schema={"type": "object"}, name="n"),
        metadata={"a": "b"},
        stream=False,
    )
    del body["input"]
    assert body == {
        "model": "m",
        "instructions": "Be brief.",
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "d",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "max_output_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "text": {
            "format": {
                "type": "json_schema",
                "name": "n",
                "schema": {"type": "object"},
                "strict": True,
            }
        },
        "metadata": {"a": "b"},
        "stream": False,
    }


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_a_tool_choice_without_a_tool_is_a_word(mode: Any) -> None:
    assert body_of(tools=(Tool(name="f"),), tool_choice=ToolChoice(mode))["tool_choice"] == mode


def test_a_choice_of_a_tool_without_its_name_is_a_choice_of_any() -> None:
    fields: dict[str, Any] = {"tools": (Tool(name="f"),), "tool_choice": ToolChoice("tool")}
    assert body_of(**fields)["tool_choice"] == "required"
    assert "names no tool" in notices_of(**fields)[0]


def test_how_tools_are_used_is_not_said_where_there_are_none() -> None:
    fields: dict[str, Any] = {"tool_choice": ToolChoice("auto"), "parallel_tool_calls": False}
    assert not {"tool_choice", "parallel_tool_calls"} & body_of(**fields).keys()
    assert [notice.partition(":")[0] for notice in notices_of(**fields)] == list(fields)


def test_a_vendors_own_tool_is_a_tool_that_may_be_chosen() -> None:
    fields: dict[str, Any] = {
        "extra": {"tools": [{"type": "web_search"}]},
        "tool_choice": ToolChoice("required"),
        "parallel_tool_calls": False,
    }
    body = body_of(**fields)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    assert notices_of(**fields) == []


@pytest.mark.parametrize(("strict", "sent"), [(None, False), (False, False), (True, True)])
def test_a_tool_is_strict_only_where_it_says_so(strict: bool | None, sent: bool) -> None:
    (tool,) = body_of(tools=(Tool(name="f", strict=strict),))["tools"]
    assert tool["strict"] is sent


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    (tool,) = body_of(tools=(Tool(name="f"),))["tools"]
    assert tool == {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }


def test_no_encrypted_reasoning_is_asked_for_where_none_is_made() -> None:
    assert "include" not in body_of(reasoning=Reasoning(effort="none"))
    assert "include" not in body_of()


def test_extra_is_merged_last_and_overrides() -> None:
    extra = {"include": [], "store": False, "model": "other"}
    body = body_of(reasoning=Reasoning(effort="low"), extra=extra)
    assert {name: body[name] for name in extra} == extra


def test_the_requests_headers_go_along() -> None:
    request = Request(model="m", messages=(USER,), headers={"X-A": "b"})
    assert encode_request(request, None).headers == {"X-A": "b"}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"stop": ("x",)}, "stop"),
        ({"seed": 1}, "seed"),
        ({"reasoning": Reasoning(budget=9)}, "budget"),
        ({"system": (TextPart("a", cache="5m"),)}, "cache"),
        ({"tools": (Tool(name="f", cache="1h"),)}, "cache"),
    ],
)
def test_what_has_no_field_is_told(fields: dict[str, Any], word: str) -> None:
    (notice,) = notices_of(**fields)
    assert word in notice


def test_parts_of_a_system_prompt_are_joined_by_a_blank_line() -> None:
    assert body_of(system=(TextPart("a"), TextPart("b")))["instructions"] == "a\n\nb"
