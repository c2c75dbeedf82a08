"""Requests of this family's clients, read into the neutral form and written again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from gateway_stream.wire.gemini.asked_trees import json_schema
from gateway_stream.wire.gemini.decode_request import decode_request
from gateway_stream.wire.gemini.request import encode_request
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings

Tree = dict[str, Any]
HELLO: Tree = {"role": "user", "parts": [{"text": "hello"}]}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}


def read(**members: Any) -> Request:
    return decode_request({"contents": [HELLO], **members}, model="m", stream=False)


def written(request: Request) -> Tree:
    return encode_request(request, "google").body


def own(json_text: str) -> Opaque:
    return Opaque("gemini", "google", json_text)


SIGNED = own('{"thoughtSignature":"c2ln"}')


def least(**fields: Any) -> Request:
    given_fields = {"model": "m", "messages": (Message("user", "hello"),), "stream": False}
    return Request(**{**given_fields, **fields})


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


FILE: Tree = {"mimeType": "image/png", "data": "aGk="}
PARTS: list[tuple[Tree, Part]] = [
    ({"text": "a", "thoughtSignature": "c2ln"}, TextPart("a", opaque=SIGNED)),
    ({"text": "", "thoughtSignature": "c2ln"}, TextPart("", opaque=SIGNED)),
    ({"text": "a", "shade": 1}, TextPart("a", opaque=own('{"shade":1}'))),
    ({"text": "a", "thought": True}, ReasoningPart(text="a")),
    (
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        ReasoningPart(text="a", opaque=SIGNED),
    ),
    (
        {"text": "a", "thought": True, "shade": 1},
        OpaquePart(opaque=own('{"text":"a","thought":true,"shade":1}')),
    ),
    ({"inlineData": FILE}, ImagePart(media_type="image/png", data="aGk=")),
    (
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        DocumentPart(data="aGk="),
    ),
    (
        {"fileData": {"mimeType": "text/plain", "fileUri": "https://e.example/a"}},
        DocumentPart(media_type="text/plain", url="https://e.example/a"),
    ),
    (
        {"fileData": {"fileUri": "https://e.example/a"}},
        OpaquePart(opaque=own('{"fileData":{"fileUri":"https://e.example/a"}}')),
    ),
    (
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}},
        OpaquePart(opaque=own('{"inlineData":{"mimeType":"audio/wav","data":"aGk="}}')),
    ),
    (
        {"inlineData": FILE, "thoughtSignature": "c2ln"},
        OpaquePart(
            opaque=own(
                '{"inlineData":{"mimeType":"image/png","data":"aGk="},"thoughtSignature":"c2ln"}'
            )
        ),
    ),
    (
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        OpaquePart(opaque=own('{"executableCode":{"language":"PYTHON","code":"1"}}')),
    ),
    ({"some_thing": {}}, OpaquePart(opaque=own('{"some_thing":{}}'))),
    (
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        ToolCallPart(id="c", name="f", arguments='{"a":1}', opaque=SIGNED),
    ),
    (
        {"functionResponse": {"id": "c", "name": "f", "response": {"output": "dark"}}},
        ToolResultPart(call_id="c", name="f", content="dark"),
    ),
    (
        {"functionResponse": {"id": "c", "name": "f", "response": {"error": "no"}}},
        ToolResultPart(call_id="c", name="f", content="no", is_error=True),
    ),
    (
        {
            "functionResponse": {
                "id": "c",
                "name": "f",
                "response": {"output": "see"},
                "parts": [{"inlineData": FILE}],
            }
        },
        ToolResultPart(
            call_id="c",
            name="f",
            content=(TextPart("see"), ImagePart(media_type="image/png", data="aGk=")),
        ),
    ),
]


@pytest.mark.parametrize(("tree", "expected"), PARTS, ids=range(len(PARTS)))
def test_a_part_is_read_and_written_again_as_it_came(tree: Tree, expected: Part) -> None:
    contents = [{"role": "user", "parts": [tree]}]
    request = read(contents=contents)
    assert request == least(messages=(Message("user", (expected,)),))
    assert written(request)["contents"] == contents


def test_an_answer_s_pictures_go_back_to_the_vendor_and_to_nobody_else() -> None:
    (message,) = read(contents=[{"role": "model", "parts": [{"inlineData": FILE}]}]).messages
    drawn = own('{"inlineData":{"mimeType":"image/png","data":"aGk="}}')
    assert message == Message("assistant", (OpaquePart(opaque=drawn),))


@pytest.mark.parametrize(
    "part",
    [
        {"functionResponse": {"id": "c", "name": "f", "response": {"result": "dark"}}},
        {"functionResponse": {"id": "c", "name": "f", "response": {"output": [1]}}},
        {
            "functionResponse": {
                "id": "c",
                "name": "f",
                "response": {"output": "a"},
                "scheduling": "SILENT",
            }
        },
        {"functionCall": {"id": "c", "name": "f", "args": {}, "willContinue": True}},
        {"inlineData": {**FILE, "displayName": "a.png"}},
        {"inlineData": FILE, "mediaResolution": {"level": "HIGH"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b", "later": 1}},
    ],
)
def test_contents_that_are_read_in_part_stay_in_extra_as_they_came(part: Tree) -> None:
    contents = [HELLO, {"role": "user", "parts": [part]}]
    request = read(contents=contents)
    assert request.extra == {"contents": contents}
    assert written(request)["contents"] == contents
    message = request.messages[1]
    assert isinstance(message, Message)
    assert not isinstance(message.content[0], OpaquePart)


def test_a_result_of_any_shape_is_its_json_text() -> None:
    part = {"functionResponse": {"id": "c", "name": "f", "response": {"result": {"n": 1}}}}
    (message,) = read(contents=[{"role": "function", "parts": part}]).messages
    result = ToolResultPart(call_id="c", name="f", content='{"result":{"n":1}}')
    assert message == Message("user", (result,))


def test_a_result_without_an_id_answers_the_first_open_call_of_its_name() -> None:
    def call(name: str) -> Tree:
        return {"functionCall": {"name": name, "args": {}}}

    def result(name: str, text: str) -> Tree:
        return {"functionResponse": {"name": name, "response": {"output": text}}}

    contents = [
        HELLO,
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "user", "parts": [result("f", "1"), result("g", "2"), result("f", "3")]},
    ]
    request = read(contents=contents)
    _, asked, answered = request.messages
    assert isinstance(asked, Message)
    assert isinstance(answered, Message)
    ids = [part.id for part in asked.content if isinstance(part, ToolCallPart)]
    assert len(set(ids)) == 3
    results = [part for part in answered.content if isinstance(part, ToolResultPart)]
    assert [(part.call_id, part.content) for part in results] == list(zip(ids, "123", strict=True))
    by_place = [
        *contents[:2],
        {"role": "user", "parts": [contents[2]["parts"][n] for n in range(3)]},
    ]
    assert written(request)["contents"] == by_place


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "body: expected an object, got a list"),
        ({}, "body.contents: there are none"),
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


NAMES = [
    *("contents", "role", "parts", "text", "thought", "functionCall", "functionResponse", "name"),
    *("args", "response", "output", "inlineData", "mimeType", "data", "fileUri", "fileData"),
    *("tools", "functionDeclarations", "parameters", "toolConfig", "functionCallingConfig"),
    *("mode", "generationConfig", "thinkingConfig", "thinkingLevel", "responseSchema", "type"),
    *("system_instruction", "stop_sequences", "properties", "nullable", "thoughtSignature"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "user", "model", "ANY", "LOW", "image/png", "aGk=", "OBJECT"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)


CONTENTS = st.fixed_dictionaries(
    {"parts": st.lists(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=3), max_size=3)},
    optional={"role": LEAVES},
)
BODIES = st.fixed_dictionaries(
    {"contents": st.lists(CONTENTS | st.just(HELLO), min_size=1, max_size=3)},
    optional=dict.fromkeys(
        ("tools", "toolConfig", "generationConfig", "system_instruction"), TREES
    ),
)


@given(body=TREES | BODIES)
def test_any_json_is_read_or_refused_and_what_is_read_is_read_the_same_again(body: Any) -> None:
    try:
        request = decode_request(body, model="m")
    except BadRequest:
        return
    once = written(request)
    assert written(decode_request(once, model="m")) == once


def test_json_that_is_too_deep_is_refused() -> None:
    deep: Tree = {}
    for _ in range(100_000):
        deep = {"items": deep}
    body = {"contents": [HELLO], "generationConfig": {"responseSchema": deep}}
    with pytest.raises(BadRequest, match="too deeply"):
        decode_request(body, model="m")


# Requests that this dialect can carry: real ids, named results, parts that it has a place for.

USERS = st.sampled_from([expected for tree, expected in PARTS if "functionCall" not in tree])
MODELS = st.sampled_from(
    [
        expected
        for _, expected in PARTS
        if not isinstance(expected, ToolResultPart | ImagePart | DocumentPart)
    ]
)


def messages(role: Any, parts: Any) -> Any:
    several = st.lists(parts, min_size=1, max_size=4).map(
        lambda given_parts: sorted(
            given_parts, key=lambda part: not isinstance(part, ToolResultPart)
        )
    )
    one_side = several.filter(
        lambda given_parts: len({isinstance(part, ToolResultPart) for part in given_parts}) == 1
    )
    return one_side.map(lambda given_parts: Message(role, tuple(given_parts)))


CARRIED = st.builds(
    Request,
    model=st.just("m"),
    messages=st.lists(
        st.tuples(messages("user", USERS), messages("assistant", MODELS)), min_size=1, max_size=3
    ).map(lambda pairs: tuple(message for pair in pairs for message in pair)),
    system=st.none() | st.just("Be brief.") | st.just((TextPart("a"), TextPart("b"))),
    tools=st.just(())
    | st.just((Tool(name="f", description="d", parameters=SCHEMA), Tool(name="g"))),
    tool_choice=st.none()
    | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")])
    | st.just(ToolChoice("tool", "f")),
    max_tokens=st.none() | st.integers(1, 9),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    stop=st.just(()) | st.just(("a", "b")),
    seed=st.none() | st.integers(0, 9),
    reasoning=st.none()
    | st.sampled_from([Reasoning(effort="none"), Reasoning(effort="high"), Reasoning(budget=9)]),
    output=st.none() | st.just(OutputSchema(schema=SCHEMA)),
    extra=st.just({}) | st.just({"labels": {"a": "b"}, "generationConfig": {"topK": 4}}),
    stream=st.booleans(),
)


@given(request=CARRIED)
def test_a_request_that_the_dialect_can_carry_comes_back_as_it_was(request: Request) -> None:
    wire = encode_request(request, "google")
    assert wire.notices == ()
    assert decode_request(wire.body, model=wire.model, stream=wire.stream) == request


def as_written(tree: Any, name: str = "") -> Any:
    """A recorded body in the one spelling that is written here."""
    if isinstance(tree, list):
        return [as_written(one, name) for one in tree]
    if not isinstance(tree, dict):
        return tree.lower() if name == "type" else tree
    spelled = {}
    for key, value in tree.items():
        known = re.sub(r"_([a-z])", lambda found: found[1].upper(), key.removeprefix("_"))
        known = {"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}.get(
            known, known
        )
        spelled[known] = as_written(value, known)
    if name == "systemInstruction":
        spelled.pop("role", None)
    return {key: value for key, value in spelled.items() if value not in ("", [], {})} or tree


ASKED = [
    recording
    for recording in recordings()
    if recording.family == "gemini" and isinstance(recording.meta.get("request"), dict)
]


@needs_corpus
@pytest.mark.parametrize("recording", ASKED, ids=of_recording)
def test_a_recorded_request_is_written_again_without_loss(recording: Recording) -> None:
    body: Tree = recording.meta["request"]
    request = decode_request(body, model="m", stream=True)
    assert as_written(written(request)) == as_written(body)
    once = written(request)
    assert written(decode_request(once, model="m", stream=True)) == once
