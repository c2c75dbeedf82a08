from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import Opaque, Stop
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
from gateway_stream.turn import Block, Turn
from gateway_stream.wire.openai_chat.request import encode_request

if TYPE_CHECKING:
    from gateway_stream.wire.family import WireRequest


def encode(*messages: Message | Turn, provider: str | None = None, **fields: Any) -> WireRequest:
    return encode_request(Request(model="m", messages=messages, **fields), provider)


def messages_of(wire: WireRequest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wire.body["messages"]
    return found


def user(*parts: Part) -> Message:
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    return Message("assistant", parts)


def test_every_field_has_its_place() -> None:
    wire = encode(
        Message("user", "Hi"),
        system="Be brief.",
        tools=(Tool(name="f", description="d", parameters={"type": "object"}, strict=True),),
        tool_choice=ToolChoice("tool", "f"),
        parallel_tool_calls=False,
        max_tokens=9,
        temperature=0.0,
        top_p=0.5,
        stop=("x",),
        seed=7,
        reasoning=Reasoning(effort="low"),
        output=OutputSchema(schema={"type": "object"}, name="n"),
        metadata={"k": "v"},
        headers={"x-a": "b"},
        extra={"logit_bias": {"1": 2}, "top_p": 0.9},
    )
    assert wire.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "d",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.9,
        "stop": ["x"],
        "seed": 7,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "metadata": {"k": "v"},
        "stream": True,
        "stream_options": {"include_usage": True},
        "logit_bias": {"1": 2},
    }
    assert wire.headers == {"x-a": "b"}
    assert wire.notices == ()


def test_what_is_not_asked_for_is_not_sent() -> None:
    wire = encode(Message("user", "Hi"), stream=False)
    assert wire.body.keys() == {"model", "messages", "stream"}
    assert not wire.stream


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_a_tool_choice_without_a_name_is_a_word(mode: Any) -> None:
    wire = encode(Message("user", "Hi"), tools=(Tool(name="f"),), tool_choice=ToolChoice(mode))
    assert wire.body["tool_choice"] == mode
    assert wire.notices == ()


def test_a_choice_of_one_tool_without_its_name_asks_for_any() -> None:
    wire = encode(Message("user", "Hi"), tools=(Tool(name="f"),), tool_choice=ToolChoice("tool"))
    assert wire.body["tool_choice"] == "required"
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_how_to_use_tools_is_not_said_where_there_are_none() -> None:
    asked: dict[str, Any] = {"tool_choice": ToolChoice("auto"), "parallel_tool_calls": False}
    wire = encode(Message("user", "Hi"), **asked)
    assert wire.body.keys() & asked.keys() == set()
    assert [notice.code for notice in wire.notices] == ["dropped_part", "dropped_part"]
    wire = encode(Message("user", "Hi"), **asked, extra={"tools": [{"type": "custom"}]})
    assert wire.body["tool_choice"] == "auto"
    assert wire.body["parallel_tool_calls"] is False
    assert wire.notices == ()


def turn_of(*blocks: Block) -> Turn:
    return Turn(blocks=blocks, stop=Stop("end_turn"))


@pytest.mark.parametrize("status", ["truncated", "invalid"])
def test_a_call_without_whole_arguments_goes_back_without_any(status: Any) -> None:
    cut = Block(index=0, kind="tool_call", id="x", name="f", text='{"a":', status=status)
    wire = encode(turn_of(cut))
    (call,) = messages_of(wire)[0]["tool_calls"]
    assert call["function"]["arguments"] == "{}"
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_a_refusal_does_not_run_into_the_text() -> None:
    text = Block(index=0, kind="text", text="Well.", status="complete")
    refusal = Block(index=1, kind="refusal", text="No.", status="complete")
    for said, content in (((text, refusal), "Well.\n\nNo."), ((refusal,), "No.")):
        assert messages_of(encode(turn_of(*said))) == [{"role": "assistant", "content": content}]


def test_blank_text_beside_calls_stays_behind() -> None:
    wire = encode(assistant(TextPart("\n\n"), ToolCallPart(id="x", name="f")))
    assert messages_of(wire)[0]["content"] is None
    assert [notice.code for notice in wire.notices] == ["dropped_part"]
    assert messages_of(encode(assistant(TextPart("\n\n"))))[0]["content"] == "\n\n"


def test_reasoning_goes_back_under_the_key_it_came_under() -> None:
    opaque = Opaque("openai_chat", "reasoning", '{"reasoning":""}')
    wire = encode(assistant(ReasoningPart(text="why", opaque=opaque), TextPart("so")))
    assert messages_of(wire) == [{"role": "assistant", "content": "so", "reasoning": "why"}]
    assert wire.notices == ()


def test_opaque_data_that_cannot_be_written_again_breaks_nothing() -> None:
    broken = Opaque("openai_chat", "anthropic", '{"thinking_blocks":')
    wire = encode(assistant(ReasoningPart(text="why", opaque=broken), TextPart("so")))
    assert messages_of(wire) == [{"role": "assistant", "content": "so"}]
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_a_budget_goes_to_the_one_provider_that_has_a_field_for_it() -> None:
    reasoning = Reasoning(budget=2048)
    wire = encode(Message("user", "Hi"), reasoning=reasoning, provider="anthropic")
    assert wire.body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    wire = encode(Message("user", "Hi"), reasoning=reasoning, provider="openai")
    assert "thinking" not in wire.body
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_parts_of_the_user_are_parts_of_the_content() -> None:
    wire = encode(
        user(
            TextPart("Look."),
            ImagePart(media_type="image/jpeg", data="AA"),
            ImagePart(url="https://a.example/i.png"),
            DocumentPart(data="BB", name="a.pdf"),
        )
    )
    assert messages_of(wire)[0]["content"] == [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AA"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/i.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BB"},
        },
    ]


def test_results_of_tools_come_first_one_message_each() -> None:
    wire = encode(
        user(
            TextPart("And?"),
            ToolResultPart(call_id="x", content="1"),
            ToolResultPart(call_id="y", content="no file", is_error=True),
            ToolResultPart(
                call_id="z", content=(TextPart("see"), ImagePart(url="https://a.example"))
            ),
            ToolResultPart(call_id="e", content=""),
        )
    )
    assert messages_of(wire) == [
        {"role": "tool", "content": "1", "tool_call_id": "x"},
        {"role": "tool", "content": "Error: no file", "tool_call_id": "y"},
        {"role": "tool", "content": "see", "tool_call_id": "z"},
        {"role": "tool", "content": "", "tool_call_id": "e"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://a.example"}},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_a_cache_hint_goes_to_the_provider_that_takes_one() -> None:
    hinted = user(TextPart("long", cache="1h"))
    (message,) = messages_of(encode(hinted, provider="anthropic"))
    control = {"type": "ephemeral", "ttl": "1h"}
    assert message["content"] == [{"type": "text", "text": "long", "cache_control": control}]
    wire = encode(hinted, provider="openai")
    assert messages_of(wire)[0]["content"] == "long"
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_an_answer_of_calls_alone_has_no_content() -> None:
    wire = encode(assistant(ToolCallPart(id="x", name="f", arguments='{"a":1}')))
    assert messages_of(wire) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ],
        }
    ]


def test_claudes_own_reasoning_converts_and_keeps_its_signature() -> None:
    signed = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"s+/=\\u00e9"}')
    hidden = Opaque("anthropic", "anthropic", '{"type":"redacted_thinking","data":"d"}')
    message = assistant(
        ReasoningPart(text="why", opaque=signed), ReasoningPart(opaque=hidden), TextPart("so")
    )
    wire = encode(message, provider="anthropic")
    assert messages_of(wire)[0]["content"] == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "why", "signature": "s+/=é"}],
        },
        {"type": "reasoning", "summary": [{"type": "summary_encrypted_text", "data": "d"}]},
        {"type": "text", "text": "so"},
    ]
    assert wire.notices == ()


@pytest.mark.parametrize("provider", [None, "openai"])
def test_reasoning_of_another_provider_stays_behind_with_a_notice(provider: str | None) -> None:
    signed = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"s"}')
    wire = encode(
        assistant(ReasoningPart(text="why", opaque=signed), TextPart("so")), provider=provider
    )
    assert messages_of(wire) == [{"role": "assistant", "content": "so"}]
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_the_signature_of_a_thought_goes_back_on_the_call_it_came_with() -> None:
    opaque = Opaque("gemini", "google", '{"thoughtSignature":"c2ln"}')
    call = ToolCallPart(id="x", name="f", opaque=opaque)
    (message,) = messages_of(encode(assistant(call), provider="google"))
    assert message["tool_calls"][0]["thoughtSignature"] == "c2ln"
    (message,) = messages_of(encode(assistant(call), provider="openai"))
    assert "thoughtSignature" not in message["tool_calls"][0]


@pytest.mark.parametrize(
    "foreign",
    [
        Opaque("anthropic", "anthropic", '{"type":"server_tool_use","id":"s","name":"search"}'),
        Opaque("gemini", "google", '{"executableCode":{"code":"1"}}'),
        Opaque("gemini", "google", '{"thoughtSignature":"c2ln"}'),
    ],
)
def test_a_block_without_a_shape_here_stays_behind_even_for_its_provider(foreign: Opaque) -> None:
    message = assistant(OpaquePart(opaque=foreign), TextPart("so"))
    wire = encode(message, provider=foreign.provider)
    assert messages_of(wire) == [{"role": "assistant", "content": "so"}]
    assert [notice.code for notice in wire.notices] == ["dropped_part"]


def test_a_part_of_thinking_goes_back_as_a_part_of_thinking() -> None:
    json = '{"type":"thinking","thinking":"","signature":"s"}'
    part = ReasoningPart(text="why", opaque=Opaque("openai_chat", "anthropic", json))
    (message,) = messages_of(encode(assistant(part), provider="anthropic"))
    assert message["content"] == [{"type": "thinking", "thinking": "why", "signature": "s"}]


def test_an_item_of_another_dialect_stays_behind() -> None:
    item = Opaque("openai_responses", "openai", '{"type":"reasoning","encrypted_content":"e"}')
    wire = encode(assistant(OpaquePart(opaque=item), TextPart("so")), provider="openai")
    assert messages_of(wire) == [{"role": "assistant", "content": "so"}]
    assert wire.notices
