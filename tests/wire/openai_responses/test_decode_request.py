"""Requests of this family's clients, read into the neutral form and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.errors import BadRequest
from gateway_stream.request import (
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
from gateway_stream.wire.openai_responses.decode_request import decode_request
from gateway_stream.wire.openai_responses.request import encode_request
from tests.wire.openai_responses.asked import (
    CALL,
    CUSTOM,
    LOOK,
    PARTS,
    RESULT,
    SCHEMA,
    SEALED,
    SPOKEN,
    Tree,
    as_written,
    compact,
)
from tests.wire.openai_responses.bodies import own


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "input": "hello", **members})


def sent(body: Tree) -> Tree:
    return encode_request(decode_request(body), None).body


def conversation(*items: Tree) -> tuple[Message, ...]:
    messages = read(input=list(items)).messages
    assert all(isinstance(message, Message) for message in messages)
    return messages  # type: ignore[return-value]  # as was just asserted


def part(content: Tree) -> Part:
    (message,) = conversation({"role": "user", "content": [content]})
    assert not isinstance(message.content, str)
    (only,) = message.content
    return only


def test_the_least_request() -> None:
    assert read() == Request(model="m", messages=(Message("user", "hello"),), stream=False)


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"max_output_tokens": 7}, {"max_tokens": 7}),
        ({"stream": True}, {"stream": True}),
        ({"instructions": "Be brief."}, {"system": "Be brief."}),
        ({"temperature": 1, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
        (
            {"reasoning": {"effort": "high"}, "include": ["reasoning.encrypted_content"]},
            {"reasoning": Reasoning(effort="high")},
        ),
        ({"reasoning": {"effort": "none"}}, {"reasoning": Reasoning(effort="none")}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
            {"output": OutputSchema(schema=SCHEMA, name="n", strict=False)},
        ),
        (
            {"tools": [LOOK], "parallel_tool_calls": True, "tool_choice": "required"},
            {
                "tools": (Tool(name="look", parameters=SCHEMA, strict=False),),
                "parallel_tool_calls": True,
                "tool_choice": ToolChoice("required"),
            },
        ),
        (
            {"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}},
            {
                "tools": (Tool(name="look", parameters=SCHEMA, strict=False),),
                "tool_choice": ToolChoice("tool", "look"),
            },
        ),
        ({"user": "u", "store": False}, {"extra": {"user": "u", "store": False}}),
        ({"temperature": None, "tools": [], "metadata": {}}, {}),
    ],
    ids=",".join,
)
def test_a_member_with_a_field_is_read_and_others_are_kept(members: Tree, fields: Tree) -> None:
    hello = (Message("user", "hello"),)
    assert read(**members) == Request(model="m", messages=hello, **{"stream": False, **fields})


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        (
            {"reasoning": {"effort": "low", "summary": "auto"}},
            {"reasoning": Reasoning(effort="low")},
        ),
        ({"reasoning": {"summary": "auto"}}, {"reasoning": None}),
        ({"reasoning": {"effort": "utmost"}}, {"reasoning": None}),
        (
            {"tools": [{"type": "web_search"}, LOOK]},
            {"tools": (Tool(name="look", parameters=SCHEMA, strict=False),)},
        ),
        (
            {"tools": [{"type": "function", "name": "look", "parameters": SCHEMA}]},
            {"tools": (Tool(name="look", parameters=SCHEMA),)},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            {"tools": (Tool(name="f"),)},
        ),
        ({"tools": [{"type": "custom", "name": "apply_patch"}]}, {"tools": ()}),
        ({"tools": [LOOK], "tool_choice": {"type": "web_search"}}, {"tool_choice": None}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"text": {"format": {"type": "json_object"}}}, {"output": None}),
        (
            {
                "text": {
                    "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
                    "verbosity": "low",
                }
            },
            {"output": OutputSchema(schema={}, name="n")},
        ),
        ({"metadata": {"a": 1}}, {"metadata": {}}),
        ({"include": ["web_search_call.results"]}, {}),
    ],
    ids=",".join,
)
def test_what_is_read_in_part_stays_in_extra_and_is_written_as_it_came(
    members: Tree, fields: Tree
) -> None:
    request = read(**members)
    assert {name: getattr(request, name) for name in fields} == fields
    for name in ("reasoning", "tools", "tool_choice", "text", "metadata", "include"):
        if name in members and members[name] != [LOOK]:
            assert request.extra[name] == members[name]
    body = encode_request(request, None).body
    assert {name: body[name] for name in members} == members


def test_reasoning_is_not_asked_for_encrypted_where_the_client_did_not() -> None:
    assert sent({"model": "m", "input": "q", "reasoning": {"effort": "low"}})["include"] == []


@pytest.mark.parametrize(("content", "expected"), PARTS, ids=range(len(PARTS)))
def test_a_part_of_what_a_user_says(content: Tree, expected: Part) -> None:
    assert part(content) == expected


@pytest.mark.parametrize("content", [content for content, _ in PARTS], ids=range(len(PARTS)))
def test_a_part_is_written_again_as_it_came(content: Tree) -> None:
    text = {"type": "input_text", "text": "What is it?"}
    said = {"role": "user", "content": [text, content, text]}
    body = {"model": "m", "input": [said]}
    assert as_written(sent(body)) == as_written(body)


def test_a_file_by_its_id_needs_no_copy_of_the_input() -> None:
    (content,) = (content for content, _ in PARTS if content.get("file_id") and "detail" in content)
    assert read(input=[{"role": "user", "content": [content]}]).extra == {}


def test_what_the_model_did_in_a_row_is_one_message() -> None:
    spoken, results, user = conversation(
        SEALED,
        {"role": "assistant", "content": "I look."},
        CALL,
        CUSTOM,
        RESULT,
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "Done."},
        {"role": "user", "content": "And?"},
    )
    assert spoken == Message(
        "assistant",
        (
            ReasoningPart(text="", opaque=own(compact(SEALED))),
            TextPart("I look."),
            ToolCallPart(id="c1", name="look", arguments='{"a": 1.0}'),
            ToolCallPart(
                id="c2",
                name="patch",
                arguments=compact({"input": '*** "x"'}),
                opaque=own(compact(CUSTOM)),
            ),
        ),
    )
    assert results == Message(
        "user",
        (
            ToolResultPart(call_id="c1", content="Dark."),
            ToolResultPart(call_id="c2", content="Done."),
        ),
    )
    assert user == Message("user", "And?")


@pytest.mark.parametrize(
    ("type_", "role"),
    [
        ("web_search_call", "assistant"),
        ("compaction", "assistant"),
        ("item_reference", "assistant"),
        ("local_shell_call_output", "user"),
        ("mcp_approval_response", "user"),
    ],
)
def test_an_item_of_another_type_is_whose_it_is(type_: str, role: str) -> None:
    item = {"type": type_, "id": "i"}
    (message,) = conversation(item)
    assert message == Message(role, (OpaquePart(opaque=own(compact(item))),))  # type: ignore[arg-type]


def test_a_message_of_the_model_is_a_part_for_each_text_with_what_else_it_says() -> None:
    (message,) = conversation(SPOKEN)
    assert not isinstance(message.content, str)
    one, refusal = message.content
    assert isinstance(one, TextPart)
    assert isinstance(refusal, TextPart)
    assert (one.text, refusal.text) == ("One.", "No.")
    assert one.opaque is not None
    told = json.loads(one.opaque.json)
    assert (told["id"], told["phase"]) == ("msg_1", "commentary")
    assert told["content"] == [{"type": "output_text", "annotations": [{"type": "url_citation"}]}]


@pytest.mark.parametrize("type_", [{}, {"type": "message"}, {"type": None}])
@pytest.mark.parametrize("text", ["output_text", "input_text", "text"])
def test_a_plain_message_of_the_model_is_its_texts(type_: Tree, text: str) -> None:
    content = [{"type": text, "text": "a"}, {"type": text, "text": "b"}]
    (message,) = conversation({"role": "assistant", "content": content, **type_})
    assert message == Message("assistant", (TextPart("a"), TextPart("b")))


def test_what_the_system_says_is_read_wherever_it_stands() -> None:
    items = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "q"},
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Now."}],
        },
    ]
    body = {"model": "m", "input": items, "instructions": "Be kind."}
    request = decode_request(body)
    assert request.system == (TextPart("Be kind."), TextPart("Be brief."), TextPart("Now."))
    assert request.messages == (Message("user", "q"),)
    assert as_written(sent(body)) == as_written(body)


def test_a_system_prompt_in_the_input_is_not_sent_twice() -> None:
    items = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}]
    body = sent({"model": "m", "input": items})
    assert (body["input"], body["instructions"]) == (items, None)


def test_where_only_the_system_speaks_it_is_asked() -> None:
    assert conversation({"role": "developer", "content": "Go."}) == (
        Message("user", (TextPart("Go."),)),
    )


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "body: expected `object`"),
        ({"model": "m"}, "body: object missing required field `input`"),
        ({"model": "m", "input": None}, "body.input: expected `str | array`"),
        ({"model": "m", "input": []}, "body.input: there are no messages"),
        ({"input": "q"}, "body.model: it is missing"),
        ({"model": 7, "input": "q"}, "body.model: expected `str"),
        ({"model": "m", "input": ["q"]}, "body.input[0]: expected `object`"),
        ({"model": "m", "input": [{}]}, "body.input[0]: it is neither"),
        ({"model": "m", "input": [{"type": "message"}]}, "body.input[0]: object missing"),
        (
            {"model": "m", "input": [{"role": "tool", "content": "a"}]},
            "body.input[0].role: invalid enum value 'tool'",
        ),
        ({"model": "m", "input": [{"role": "user"}]}, "body.input[0]: object missing"),
        (
            {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "body.input[0].content[0]: object missing required field `text`",
        ),
        (
            {"model": "m", "input": [{"role": "assistant", "content": [{"type": "output_text"}]}]},
            "body.input[0].content[0]: object missing required field `text`",
        ),
        (
            {"model": "m", "input": [{**CALL, "arguments": {"a": 1}}]},
            "body.input[0].arguments: expected `str`",
        ),
        (
            {"model": "m", "input": [{"type": "function_call_output", "output": "a"}]},
            "body.input[0]: object missing required field `call_id`",
        ),
        (
            {"model": "m", "input": "q", "tools": [{"type": "function"}]},
            "body.tools[0]: object missing required field `name`",
        ),
        ({"model": "m", "input": "q", "tool_choice": "any"}, "body.tool_choice: "),
        ({"model": "m", "input": "q", "max_output_tokens": 0}, "body.max_output_tokens: it is 0"),
        ({"model": "m", "input": "q", "temperature": "hot"}, "body.temperature: expected"),
        ({"model": "m", "input": "q", "stream": 1}, "body.stream: expected `bool"),
        (
            {"model": "m", "input": "q", "text": {"format": {"type": "json_schema", "name": "n"}}},
            "body.text.format: object missing required field `schema`",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_one_line_that_says_where(body: Any, where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(body)
    assert caught.value.message.startswith(where)
    assert "\n" not in str(caught.value)
    assert caught.value.status == 400


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    assert decode_request({"model": "m", "input": "\ud83d"}).messages == (
        Message("user", "\ufffd"),
    )
