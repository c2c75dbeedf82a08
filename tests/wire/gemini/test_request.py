"""Requests as Gemini generateContent."""

from __future__ import annotations

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
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.gemini.request import encode_request
from tests.support.decoding import decode

if TYPE_CHECKING:
    from gateway_stream.wire.family import WireRequest

RECORDINGS = Path(__file__).parent / "recordings"
HELLO = Message("user", "hello")
SIGNED = Opaque("gemini", "google", '{"thoughtSignature":"U0lH"}')


def encode(
    *messages: Message | Turn, provider: str | None = "google", **fields: Any
) -> WireRequest:
    return encode_request(Request(model="m", messages=messages or (HELLO,), **fields), provider)


def dropped(request: WireRequest) -> list[str]:
    assert all(notice.code == "dropped_part" for notice in request.notices)
    return [notice.detail for notice in request.notices]


def parts(*given: Part, role: Any = "assistant", provider: str | None = "google") -> list[Any]:
    contents = encode(Message(role, given), provider=provider).body["contents"]
    return [part for content in contents for part in content["parts"]]


def configuration(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = encode(**fields).body["generationConfig"]
    return found


def test_the_model_and_the_stream_are_beside_the_body() -> None:
    request = encode(stream=False)
    assert (request.family, request.model, request.stream) == ("gemini", "m", False)
    assert request.body == {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    assert request.notices == ()


def test_every_setting_has_its_place() -> None:
    request = encode(
        system="be brief",
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        stop=("a", "b"),
        seed=7,
        output=OutputSchema(schema={"type": "object"}),
        headers={"x": "y"},
    )
    assert request.body["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    assert request.body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["a", "b"],
        "seed": 7,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
    assert request.headers == {"x": "y"}
    assert request.notices == ()


def test_tools_have_plain_json_schemas() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    tools = (Tool(name="f", description="does f", parameters=schema), Tool(name="g", strict=True))
    request = encode(tools=tools)
    assert request.body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does f", "parametersJsonSchema": schema},
                {"name": "g"},
            ]
        }
    ]
    assert dropped(request) == ["strict tools: this dialect has none"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("tool", "f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("tool"), {"mode": "ANY"}),
    ],
)
def test_a_choice_of_tools_is_a_mode(choice: ToolChoice, written: dict[str, Any]) -> None:
    request = encode(tool_choice=choice)
    assert request.body["toolConfig"] == {"functionCallingConfig": written}
    assert bool(request.notices) == (choice == ToolChoice("tool"))


@pytest.mark.parametrize(
    ("reasoning", "written", "notices"),
    [
        (Reasoning(effort="none"), {"thinkingBudget": 0, "includeThoughts": False}, 0),
        (Reasoning(effort="low"), {"thinkingLevel": "LOW", "includeThoughts": True}, 0),
        (Reasoning(effort="max"), {"thinkingLevel": "HIGH", "includeThoughts": True}, 1),
        (Reasoning(budget=99), {"thinkingBudget": 99, "includeThoughts": True}, 0),
        (Reasoning(effort="low", budget=9), {"thinkingBudget": 9, "includeThoughts": True}, 1),
    ],
)
def test_reasoning_is_a_level_or_a_budget(
    reasoning: Reasoning, written: dict[str, Any], notices: int
) -> None:
    assert configuration(reasoning=reasoning) == {"thinkingConfig": written}
    assert len(encode(reasoning=reasoning).notices) == notices


def test_reasoning_without_a_wish_is_not_sent() -> None:
    assert "generationConfig" not in encode(reasoning=Reasoning()).body


def test_what_the_dialect_cannot_say_is_told() -> None:
    request = encode(
        Message("user", (TextPart("a", cache="5m"), DocumentPart(data="QQ==", name="x.pdf"))),
        metadata={"user_id": "u"},
        parallel_tool_calls=False,
    )
    assert [detail.partition(":")[0] for detail in dropped(request)] == [
        "cache",
        "document name",
        "parallel_tool_calls",
        "metadata 'user_id'",
    ]


def test_extra_is_merged_into_the_objects_of_the_body_last() -> None:
    request = encode(
        temperature=0.5,
        seed=1,
        extra={"generationConfig": {"topK": 40, "seed": 2}, "labels": {"a": "b"}, "contents": []},
    )
    assert request.body == {
        "contents": [],
        "generationConfig": {"temperature": 0.5, "seed": 2, "topK": 40},
        "labels": {"a": "b"},
    }


def test_files_are_inline_or_by_address() -> None:
    assert parts(
        ImagePart(data="QQ==", media_type="image/png"),
        ImagePart(url="https://a.example/x"),
        ImagePart(url="data:image/gif;base64,QUI="),  # which the part takes apart
        DocumentPart(data="QUJD"),
        role="user",
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"fileData": {"fileUri": "https://a.example/x"}},
        {"inlineData": {"mimeType": "image/gif", "data": "QUI="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
    ]


def test_results_are_one_content_in_the_order_of_the_calls() -> None:
    request = encode(
        HELLO,
        Message("assistant", (ToolCallPart(id="a", name="f"), ToolCallPart(id="b", name="g"))),
        Message("user", (TextPart("and?"), ToolResultPart(call_id="b", content="2"))),
        Message("user", (ToolResultPart(call_id="a", content="no", is_error=True),)),
    )
    *_, results, others = request.body["contents"]
    assert results == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "a", "name": "f", "response": {"error": "no"}}},
            {"functionResponse": {"id": "b", "name": "g", "response": {"output": "2"}}},
        ],
    }
    assert others == {"role": "user", "parts": [{"text": "and?"}]}


def test_a_result_may_hold_images() -> None:
    content = (TextPart("see"), ImagePart(data="QQ==", media_type="image/png"))
    (part,) = parts(ToolResultPart(call_id="a", name="f", content=content), role="user")
    assert part["functionResponse"]["response"] == {"output": "see"}
    assert part["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    ]


def test_a_result_of_no_known_call_is_sent_under_its_id_and_told() -> None:
    request = encode(Message("user", (ToolResultPart(call_id="a", content="1"),)))
    (part,) = request.body["contents"][0]["parts"]
    assert part["functionResponse"]["name"] == "a"
    assert len(request.notices) == 1


def test_an_id_that_was_made_up_goes_neither_on_the_call_nor_on_its_result() -> None:
    request = encode(
        Message("assistant", (ToolCallPart(id="7-call_0", name="f", arguments='{"x":1}'),)),
        Message("user", (ToolResultPart(call_id="7-call_0", content="1"),)),
    )
    call, result = request.body["contents"]
    assert call["parts"] == [{"functionCall": {"name": "f", "args": {"x": 1}}}]
    assert result["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]


def test_arguments_that_are_no_object_are_sent_empty_and_told() -> None:
    request = encode(Message("assistant", (ToolCallPart(id="a", name="f", arguments="[1"),)))
    assert request.body["contents"][0]["parts"] == [
        {"functionCall": {"id": "a", "name": "f", "args": {}}}
    ]
    assert len(request.notices) == 1


@pytest.mark.parametrize(
    "json_text",
    [
        '{"thoughtSignature":"U0lH"}',
        '{"extra_content":{"google":{"thought_signature":"U0lH"}}}',
    ],
)
def test_a_signature_of_the_chat_dialect_goes_on_the_call(json_text: str) -> None:
    opaque = Opaque("openai_chat", "google", json_text)
    assert parts(ToolCallPart(id="a", name="f", opaque=opaque)) == [
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "U0lH"}
    ]


def test_opaque_data_goes_to_the_provider_it_came_from_only() -> None:
    foreign = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"s"}')
    request = encode(
        Message(
            "assistant",
            (
                ReasoningPart(text="hm", opaque=foreign),
                TextPart("a", opaque=foreign),
                OpaquePart(opaque=foreign),
                OpaquePart(opaque=Opaque("openai_chat", "google", '{"x":1}')),
            ),
        )
    )
    assert request.body["contents"][0]["parts"] == [{"text": "a"}]
    assert len(request.notices) == 4


@pytest.mark.parametrize(("provider", "kept"), [("google", True), (None, True), ("openai", False)])
def test_without_a_known_provider_the_family_decides(provider: str | None, *, kept: bool) -> None:
    given = parts(TextPart("a", opaque=SIGNED), provider=provider)
    assert given == [{"text": "a", **({"thoughtSignature": "U0lH"} if kept else {})}]


def test_thoughts_go_back_as_thoughts_signed_or_not() -> None:
    assert parts(ReasoningPart(text="hm"), ReasoningPart(text="so", opaque=SIGNED)) == [
        {"text": "hm", "thought": True},
        {"text": "so", "thought": True, "thoughtSignature": "U0lH"},
    ]


def test_an_empty_text_goes_back_only_with_its_signature() -> None:
    assert parts(TextPart(""), TextPart("", opaque=SIGNED)) == [
        {"text": "", "thoughtSignature": "U0lH"}
    ]


@pytest.mark.parametrize(("arguments", "word"), [(b'{"x":', "truncated"), (b"[1]", "invalid")])
def test_a_call_that_is_not_whole_goes_back_without_arguments_and_is_told(
    arguments: bytes, word: str
) -> None:
    if word == "truncated":
        call = (
            b'{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.x","numberValue":1}]}'
        )
    else:
        call = b'{"name":"f","args":%s}' % arguments
    part = b'{"parts":[{"functionCall":%s}]}' % call
    answer = b'data: {"candidates":[{"content":%s,"finishReason":"STOP"}]}\n\n' % part
    turn = fold(decode("gemini", answer))
    assert isinstance(turn, Turn)
    request = encode(HELLO, turn)
    assert request.body["contents"][1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert dropped(request) == [f"arguments of the call of 'f': they are {word}"]
