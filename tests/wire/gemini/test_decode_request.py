"""Requests of this family's clients, read into the neutral form."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.errors import BadRequest
from gateway_stream.request import (
    OutputSchema,
    Reasoning,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.gemini.asked_trees import json_schema
from gateway_stream.wire.gemini.decode_request import decode_request
from tests.wire.gemini.asked import (
    HELLO,
    SCHEMA,
    Tree,
    least,
    read,
    written,
)


def test_the_model_and_the_stream_are_the_paths() -> None:
    body = {"contents": [HELLO]}
    assert decode_request(body, model="m", stream=True) == least(stream=True)
    assert decode_request(body, model="m") == least()
    assert decode_request({**body, "model": "models/m"}).model == "m"


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"systemInstruction": {"parts": [{"text": "Be brief."}]}}, {"system": "Be brief."}),
        (
            {"system_instruction": {"parts": {"text": "Be brief."}, "role": "user"}},
            {"system": "Be brief."},
        ),
        (
            {"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}},
            {"system": (TextPart("a"), TextPart("b"))},
        ),
        (
            {
                "generationConfig": {
                    "maxOutputTokens": 5,
                    "temperature": 1,
                    "topP": 0.5,
                    "seed": 7,
                    "stopSequences": ["END"],
                }
            },
            {"max_tokens": 5, "temperature": 1.0, "top_p": 0.5, "seed": 7, "stop": ("END",)},
        ),
        ({"generation_config": {"max_output_tokens": 5, "top_p": None}}, {"max_tokens": 5}),
        (
            {
                "generationConfig": {
                    "responseMimeType": "application/json",
                    "responseJsonSchema": SCHEMA,
                }
            },
            {"output": OutputSchema(schema=SCHEMA)},
        ),
        ({"generationConfig": {"stopSequences": []}, "tools": [], "toolConfig": {}}, {}),
        ({"tools": {"function_declarations": [{"name": "f"}]}}, {"tools": (Tool(name="f"),)}),
        ({"labels": {"a_b": "c"}}, {"extra": {"labels": {"a_b": "c"}}}),
        ({"safety_settings": [{"x": 1}]}, {"extra": {"safetySettings": [{"x": 1}]}}),
        (
            {"generationConfig": {"topK": 40, "seed": 7}},
            {"seed": 7, "extra": {"generationConfig": {"topK": 40}}},
        ),
        (
            {"generationConfig": {"responseMimeType": "application/json"}},
            {"extra": {"generationConfig": {"responseMimeType": "application/json"}}},
        ),
        ({"cachedContent": None}, {}),
    ],
)
def test_a_member_with_a_field_is_read_and_others_are_kept(members: Tree, fields: Tree) -> None:
    assert read(**members) == least(**fields)


@pytest.mark.parametrize(
    ("thinking", "reasoning", "kept"),
    [
        ({"thinkingBudget": 99, "includeThoughts": True}, Reasoning(budget=99), {}),
        ({"thinking_budget": 99}, Reasoning(budget=99), {"includeThoughts": False}),
        ({"thinkingBudget": 0}, Reasoning(effort="none"), {}),
        ({"thinkingBudget": -1}, None, {"thinkingBudget": -1}),
        ({"thinkingLevel": "low", "includeThoughts": True}, Reasoning(effort="low"), {}),
        (
            {"thinkingLevel": "XHIGH", "includeThoughts": True},
            Reasoning(effort="xhigh"),
            {"thinkingLevel": "XHIGH"},
        ),
        ({"thinkingLevel": "SOME"}, None, {"thinkingLevel": "SOME"}),
        ({"includeThoughts": True}, None, {"includeThoughts": True}),
    ],
)
def test_thinking_is_an_effort_or_a_budget(
    thinking: Tree, reasoning: Reasoning | None, kept: Tree
) -> None:
    request = read(generationConfig={"thinkingConfig": thinking})
    assert request.reasoning == reasoning
    assert request.extra == ({"generationConfig": {"thinkingConfig": kept}} if kept else {})


@pytest.mark.parametrize(
    ("calling", "choice", "kept"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto"), {}),
        ({"mode": "none"}, ToolChoice("none"), {}),
        ({"mode": "ANY"}, ToolChoice("required"), {}),
        ({"mode": "ANY", "allowed_function_names": ["f"]}, ToolChoice("tool", "f"), {}),
        (
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
            ToolChoice("required"),
            {"allowedFunctionNames": ["f", "g"]},
        ),
        ({"mode": "VALIDATED"}, None, {"mode": "VALIDATED"}),
    ],
)
def test_a_mode_is_a_choice_of_tools(calling: Tree, choice: ToolChoice | None, kept: Tree) -> None:
    request = read(toolConfig={"functionCallingConfig": calling})
    assert request.tool_choice == choice
    assert request.extra == ({"toolConfig": {"functionCallingConfig": kept}} if kept else {})


@pytest.mark.parametrize(
    "tools",
    [
        [{"googleSearch": {}}],
        [{"functionDeclarations": [{"name": "f"}]}, {"url_context": {}}],
        [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}],
    ],
)
def test_tools_that_are_read_in_part_stay_in_extra_as_they_came(tools: list[Tree]) -> None:
    request = read(tools=tools)
    assert request.extra == {"tools": tools}
    assert [tool.name for tool in request.tools] == ["f"] * (tools != [{"googleSearch": {}}])
    assert written(request)["tools"] == tools


def test_a_schema_of_the_vendors_form_is_read_as_the_json_schema_it_means() -> None:
    schema = {
        "type": "OBJECT",
        "nullable": True,
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["a"]},
            "nullable": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"},
            "both": {"any_of": [{"type": "INTEGER"}, {"type": "BOOLEAN"}], "nullable": True},
        },
        "propertyOrdering": ["both", "type"],
        "required": ["type"],
    }
    read_as = {
        "type": ["object", "null"],
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", None]},
            "nullable": {"type": "array", "items": {"type": "number"}, "minItems": 2},
            "both": {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}]},
        },
        "propertyOrdering": ["both", "type"],
        "required": ["type"],
    }
    assert json_schema(schema) == read_as
    request = read(
        tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}],
        generationConfig={"responseSchema": schema, "responseMimeType": "application/json"},
    )
    assert request.tools == (Tool(name="f", parameters=read_as),)
    assert request.output == OutputSchema(schema=read_as)
    assert request.extra == {}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "body: expected `object`"),
        ({}, "body.contents: there are none"),
        ({"contents": [{"parts": [{"text": ""}]}]}, "body.contents: there is nothing in them"),
        ({"contents": "hello"}, "body.contents: expected a list, got a text"),
        ({"contents": [7]}, "body.contents[0]: expected an object, got a number"),
        ({"contents": [{"role": "system", "parts": []}]}, "body.contents[0].role: it is 'system'"),
        ({"contents": [{"parts": [{"text": 7}]}]}, "body.contents[0].parts[0].text: expected"),
        (
            {"contents": [{"parts": [{"functionCall": {}}]}]},
            "parts[0].functionCall: object missing",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": 7}}]}]},
            "parts[0].functionResponse.response",
        ),
        (
            {"contents": [HELLO], "generationConfig": {"maxOutputTokens": "many"}},
            "body.generationConfig.maxOutputTokens: expected `int | null`, got `str`",
        ),
        ({"contents": [HELLO], "generationConfig": {"maxOutputTokens": 0}}, "max_tokens is 0"),
        (
            {"contents": [HELLO], "generationConfig": {"topP": 1, "top_p": 1}},
            "body.generationConfig.topP: it is there twice",
        ),
        ({"contents": [HELLO], "tools": [{"functionDeclarations": [{}]}]}, "Declarations[0]"),
        ({"contents": [HELLO], "systemInstruction": "Be."}, "body.systemInstruction: expected"),
    ],
)
def test_what_is_no_request_is_refused_in_one_line_that_says_where(body: Any, where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(body, model="m")
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_request_without_a_model_is_refused() -> None:
    with pytest.raises(BadRequest, match="names no model"):
        decode_request({"contents": [HELLO]})
