from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.request import Message, OutputSchema, Request, TextPart, Tool, ToolChoice
from gateway_stream.request import ToolCallPart as Call
from gateway_stream.request import ToolResultPart as Result
from gateway_stream.testing.asked import Asked, OfferedTool, read_asked
from gateway_stream.wire import FAMILIES as WIRE
from tests.testing.asking import FAMILIES

if TYPE_CHECKING:
    from gateway_stream.testing import FamilyName

SCHEMA = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
TOOLS = (Tool(name="one", parameters=SCHEMA), Tool(name="two", parameters={"type": "object"}))
ONE, TWO = (OfferedTool(tool.name, tool.parameters) for tool in TOOLS)
HELLO = Message("user", "Hello.")
CALLS = Message("assistant", (Call(id="a", name="one"), Call(id="b", name="two")))
FIRST = Result(call_id="a", name="one", content="12 degrees,\n rain")
SECOND = Result(call_id="b", name="two", content=(TextPart("wind"), TextPart("north")))
SAID = ("12 degrees, rain", "wind north")


def asked(family: FamilyName, *messages: Message, **fields: Any) -> Asked:
    request = Request(model="m", messages=messages or (HELLO,), **fields)
    return read_asked(family, WIRE[family].encode_request(request, None).body)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_question_asks_for_prose(family: FamilyName) -> None:
    assert asked(family) == Asked()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("choice", "tools"),
    [
        (None, (ONE, TWO)),
        (ToolChoice("auto"), (ONE, TWO)),
        (ToolChoice("required"), (ONE, TWO)),
        (ToolChoice("none"), ()),
        (ToolChoice("tool", "two"), (TWO,)),
    ],
)
def test_the_tools_are_those_that_the_choice_allows(
    family: FamilyName, choice: ToolChoice | None, tools: tuple[OfferedTool, ...]
) -> None:
    assert asked(family, tools=TOOLS, tool_choice=choice).tools == tools


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("messages", "results"),
    [
        ([HELLO, CALLS, Message("user", (FIRST, SECOND))], SAID),
        ([HELLO, CALLS, Message("user", (FIRST,)), Message("user", (SECOND,))], SAID),
        ([HELLO, CALLS, Message("user", (FIRST, SECOND, TextPart("Go on.")))], SAID),
        ([HELLO, CALLS], ()),
        ([HELLO, CALLS, Message("user", (FIRST, SECOND)), Message("assistant", "So."), HELLO], ()),
    ],
)
def test_the_results_are_those_since_the_model_last_spoke(
    family: FamilyName, messages: list[Message], results: tuple[str, ...]
) -> None:
    assert asked(family, *messages, tools=TOOLS).results == results


@pytest.mark.parametrize("family", FAMILIES)
def test_the_schema_of_the_text_is_found(family: FamilyName) -> None:
    assert asked(family, output=OutputSchema(schema=SCHEMA)).output == SCHEMA


@pytest.mark.parametrize(
    ("family", "body"),
    [
        ("openai_chat", {"response_format": {"type": "json_object"}}),
        ("openai_responses", {"text": {"format": {"type": "json_object"}}}),
        ("gemini", {"generationConfig": {"responseMimeType": "application/json"}}),
    ],
)
def test_json_of_any_kind_is_an_object(family: FamilyName, body: dict[str, Any]) -> None:
    output = read_asked(family, body).output
    assert output is not None
    assert output["type"] == "object"


@pytest.mark.parametrize(
    ("family", "body", "output"),
    [
        ("openai_chat", {"response_format": {"type": "text"}}, None),
        ("openai_responses", {"text": {"format": {"type": "text"}}}, None),
        ("anthropic", {"output_format": {"type": "json_schema", "schema": SCHEMA}}, SCHEMA),
        ("gemini", {"generation_config": {"response_schema": SCHEMA}}, SCHEMA),
    ],
)
def test_other_spellings_of_the_form_are_read(
    family: FamilyName, body: dict[str, Any], output: object
) -> None:
    assert read_asked(family, body).output == output


@pytest.mark.parametrize(
    ("family", "tools"),
    [
        ("openai_chat", [{"type": "web_search"}, {"function": {"name": "f"}}]),
        ("openai_responses", [{"type": "web_search"}, {"type": "function", "name": "f"}]),
        (
            "anthropic",
            [{"type": "web_search_1", "name": "web_search"}, {"name": "f", "input_schema": {}}],
        ),
        ("gemini", [{"google_search": {}}, {"function_declarations": [{"name": "f"}]}]),
    ],
)
def test_tools_that_the_vendor_runs_are_not_offered(
    family: FamilyName, tools: list[dict[str, Any]]
) -> None:
    assert read_asked(family, {"tools": tools}).tools == (OfferedTool("f", {}),)


def test_names_of_the_user_s_stay_as_they_are_in_gemini() -> None:
    parameters = {"type": "OBJECT", "properties": {"my_city": {"type": "STRING"}}}
    declared = {"functionDeclarations": [{"name": "my_tool", "parameters": parameters}]}
    response = {"my_name": 1, "your_name": 2}
    told = {"role": "user", "parts": [{"function_response": {"name": "f", "response": response}}]}
    read = read_asked("gemini", {"tools": [declared], "contents": [told]})
    assert read.tools == (OfferedTool("my_tool", parameters),)
    assert read.results == ('{"my_name": 1, "your_name": 2}',)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ([], ""),
        ({"output": 0}, "0"),
        ([{"type": "text", "text": "a"}, {"type": "image", "source": {"data": "AAAA"}}], "a"),
    ],
)
def test_of_a_result_the_text_is_told(content: object, text: str) -> None:
    body = {"messages": [{"role": "tool", "content": content}]}
    assert read_asked("openai_chat", body).results == (text,)


WORDS = st.sampled_from(
    [
        "messages", "input", "contents", "tools", "tool_choice", "role", "type", "content", "parts",
        "function", "functionDeclarations", "functionResponse", "response", "generationConfig",
        "responseJsonSchema", "text", "format", "response_format", "name", "input_schema",
        "toolConfig", "functionCallingConfig", "allowedFunctionNames",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)


@given(st.sampled_from(FAMILIES), JSON)
def test_a_body_of_any_shape_asks_for_something(family: FamilyName, body: object) -> None:
    assert isinstance(read_asked(family, body), Asked)
