"""Neutral requests as bodies of this family."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream.events import Opaque, Stop
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    OutputSchema,
    Reasoning,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.turn import Block, Turn
from gateway_stream.wire.openai_responses.request import encode_request

USER = Message("user", "hi")


def body_of(
    *messages: Message | Turn, provider: str | None = None, **fields: Any
) -> dict[str, Any]:
    request = Request(model="m", messages=messages or (USER,), **fields)
    return encode_request(request, provider).body


def notices_of(*messages: Message | Turn, provider: str | None = None, **fields: Any) -> list[str]:
    request = Request(model="m", messages=messages or (USER,), **fields)
    return [notice.detail for notice in encode_request(request, provider).notices]


def own(json: str) -> Opaque:
    return Opaque("openai_responses", "openai", json)


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
    assert body_of(tool_choice=ToolChoice(mode))["tool_choice"] == mode


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    (tool,) = body_of(tools=(Tool(name="f"),))["tools"]
    assert tool == {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
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


def test_images_and_documents_go_by_data_or_by_address() -> None:
    message = Message(
        "user",
        (
            ImagePart(media_type="image/png", data="aWc="),
            ImagePart(url="https://a.example/i"),
            DocumentPart(data="cGRm", name="a.pdf"),
            DocumentPart(url="https://a.example/d"),
        ),
    )
    assert body_of(message)["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,aWc="},
        {"type": "input_image", "image_url": "https://a.example/i"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,cGRm",
        },
        {"type": "input_file", "file_url": "https://a.example/d"},
    ]


def test_each_message_of_a_user_is_an_item() -> None:
    assert len(body_of(USER, USER)["input"]) == 2


def test_results_are_items_between_what_the_user_says() -> None:
    message = Message(
        "user",
        (
            ToolResultPart(call_id="a", content="1"),
            TextPart("and?"),
            ToolResultPart(
                call_id="b", content=(TextPart("see"), ImagePart(url="https://a.example/i"))
            ),
        ),
    )
    assert body_of(message)["input"] == [
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "and?"}],
        },
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://a.example/i"},
            ],
        },
    ]


def test_a_failed_result_has_no_mark_and_that_is_told() -> None:
    message = Message("user", (ToolResultPart(call_id="a", content="no", is_error=True),))
    assert body_of(message)["input"][0]["output"] == "no"
    assert "is_error" in notices_of(message)[0]


def test_what_an_assistant_said_elsewhere_goes_as_plain_items() -> None:
    message = Message("assistant", (TextPart("hm"), ToolCallPart(id="a", name="f", arguments="{}")))
    assert body_of(message)["input"] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "hm"}],
        },
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "a"},
    ]


def test_parts_of_one_item_are_one_item_again() -> None:
    parts = (
        TextPart("a", opaque=own('{"id":"m","type":"message","content":[{"type":"output_text"}]}')),
        TextPart("b", opaque=own('{"id":"m","type":"message","content":[{"type":"refusal"}]}')),
        TextPart("c", opaque=own('{"id":"n","type":"message","content":[{"type":"output_text"}]}')),
    )
    assert body_of(Message("assistant", parts))["input"] == [
        {
            "id": "m",
            "type": "message",
            "content": [
                {"type": "output_text", "text": "a"},
                {"type": "refusal", "refusal": "b"},
            ],
        },
        {"id": "n", "type": "message", "content": [{"type": "output_text", "text": "c"}]},
    ]


@pytest.mark.parametrize(("length", "kept"), [(64, True), (65, False)])
def test_an_item_id_that_the_vendor_refuses_stays_behind(length: int, kept: bool) -> None:
    item = '{"id":"%s","type":"message","content":[{"type":"output_text"}]}' % ("x" * length)
    parts = (TextPart("a", opaque=own(item)), TextPart("b", opaque=own(item)))
    (sent,) = body_of(Message("assistant", parts))["input"]
    assert ("id" in sent) is kept
    assert len(sent["content"]) == 2


@pytest.mark.parametrize(
    ("item", "store", "goes"),
    [
        ('{"type":"reasoning","id":"r","summary":[],"encrypted_content":"eA=="}', False, True),
        ('{"type":"reasoning","id":"r","summary":[]}', None, True),
        ('{"type":"reasoning","id":"r","summary":[]}', False, False),
        ('{"type":"reasoning","summary":[]}', None, False),
        ('{"type":"reasoning","id":"%s"}' % ("x" * 65), None, False),
    ],
)
def test_reasoning_goes_back_where_it_can_be_read(
    item: str, store: bool | None, goes: bool
) -> None:
    message = Message("assistant", (ReasoningPart(opaque=own(item)), TextPart("hm")))
    extra = {} if store is None else {"store": store}
    types = [item["type"] for item in body_of(message, extra=extra)["input"]]
    assert types == (["reasoning", "message"] if goes else ["message"])
    assert bool(notices_of(message, extra=extra)) is not goes


def test_reasoning_that_nothing_followed_stays_behind() -> None:
    item = own('{"type":"reasoning","id":"r","encrypted_content":"eA=="}')
    message = Message("assistant", (TextPart("hm"), ReasoningPart(opaque=item)))
    assert [sent["type"] for sent in body_of(message, USER)["input"]] == ["message", "message"]
    assert "follows" in notices_of(message, USER)[0]


@pytest.mark.parametrize("provider", [None, "openai"])
def test_reasoning_without_data_stays_behind(provider: str | None) -> None:
    message = Message("assistant", (ReasoningPart(text="hm"), TextPart("a")))
    assert len(body_of(message, provider=provider)["input"]) == 1
    assert "reasoning" in notices_of(message, provider=provider)[0]


def test_data_of_another_vendor_stays_behind_and_its_text_goes() -> None:
    foreign = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"s"}')
    message = Message(
        "assistant",
        (
            ReasoningPart(text="hm", opaque=foreign),
            OpaquePart(opaque=foreign),
            TextPart("a", opaque=foreign),
            ToolCallPart(id="c", name="f", arguments="{}", opaque=foreign),
        ),
    )
    assert (
        body_of(message)["input"]
        == body_of(Message("assistant", (TextPart("a"), ToolCallPart(id="c", name="f"))))["input"]
    )
    assert notices_of(message) == ["opaque data of anthropic over anthropic: not readable here"]


def test_own_data_does_not_go_to_another_provider() -> None:
    item = own('{"type":"reasoning","id":"r","encrypted_content":"eA=="}')
    message = Message("assistant", (ReasoningPart(opaque=item), TextPart("a")))
    assert len(body_of(message, provider="anthropic")["input"]) == 1
    assert len(body_of(message, provider="openai")["input"]) == 2


def test_a_custom_tools_result_has_its_own_type() -> None:
    call = own('{"type":"custom_tool_call","id":"i","call_id":"a","name":"f","input":"x"}')
    block = Block(
        index=0, kind="tool_call", id="a", name="f", text="x", status="invalid", opaque=call
    )
    turn = Turn(blocks=(block,), stop=Stop("tool_use", "completed"))
    result = Message("user", (ToolResultPart(call_id="a", content="1"),))
    assert body_of(turn, result)["input"] == [
        {"type": "custom_tool_call", "id": "i", "call_id": "a", "name": "f", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "1"},
    ]


def test_a_call_whose_id_changed_goes_back_under_the_last_one() -> None:
    call = own('{"type":"function_call","id":"i","call_id":"last","name":"f"}')
    message = Message("assistant", (ToolCallPart(id="first", name="f", opaque=call),))
    result = Message("user", (ToolResultPart(call_id="first", content="1"),))
    sent = body_of(message, result)["input"]
    assert [item["call_id"] for item in sent] == ["last", "last"]


def test_pictures_of_an_assistant_stay_behind() -> None:
    message = Message("assistant", (ImagePart(url="https://a.example/i"),))
    assert body_of(message)["input"] == []
    assert "ImagePart" in notices_of(message)[0]


def test_half_a_pair_in_opaque_data_does_not_stop_the_request() -> None:
    item = own('{"type":"web_search_call","id":"w","query":"\\ud83d"}')
    sent = body_of(Message("assistant", (OpaquePart(opaque=item),)))["input"]
    assert sent == [{"type": "web_search_call", "id": "w", "query": "\ufffd"}]
