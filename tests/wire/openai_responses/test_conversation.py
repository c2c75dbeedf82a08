"""Messages and turns as input items."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.events import Opaque, Stop
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.turn import Block, Turn
from tests.wire.openai_responses.bodies import USER, body_of, notices_of, own

REST = {"type": "message", "role": "assistant", "status": "completed"}


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
        {"type": "input_image", "image_url": "data:image/png;base64,aWc=", "detail": "auto"},
        {"type": "input_image", "image_url": "https://a.example/i", "detail": "auto"},
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
                {"type": "input_image", "image_url": "https://a.example/i", "detail": "auto"},
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
        {"type": "message", "role": "assistant", "content": "hm"},
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
            **REST,
            "id": "m",
            "content": [
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "refusal", "refusal": "b"},
            ],
        },
        {**REST, "id": "n", "content": [{"type": "output_text", "text": "c", "annotations": []}]},
    ]


@pytest.mark.parametrize(
    "rest",
    [
        '"content":[{"type":"output_text"}]',
        '"id":null,"status":"completed","content":[{"type":"output_text","annotations":[]}]',
        '"id":"%s","role":"assistant","content":[{"type":"text"}]' % ("x" * 65),
    ],
)
def test_a_message_without_an_id_goes_as_a_text_with_a_role(rest: str) -> None:
    parts = tuple(TextPart(text, opaque=own(f'{{"type":"message",{rest}}}')) for text in "ab")
    assert body_of(Message("assistant", parts))["input"] == [
        {"type": "message", "role": "assistant", "content": "a"},
        {"type": "message", "role": "assistant", "content": "b"},
    ]


def test_the_phase_of_a_message_without_an_id_goes_too() -> None:
    item = own('{"type":"message","phase":"commentary","content":[{"type":"output_text"}]}')
    (sent,) = body_of(Message("assistant", (TextPart("a", opaque=item),)))["input"]
    assert sent == {
        "type": "message",
        "role": "assistant",
        "phase": "commentary",
        "content": "a",
    }


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("", {"type": "refusal", "refusal": "a"}),
        ("", {"type": "output_text", "text": "a", "annotations": [{"type": "file_citation"}]}),
        ('"agent":"x",', {"type": "output_text", "text": "a", "annotations": []}),
    ],
)
def test_a_message_without_an_id_that_says_more_than_a_text_goes_as_it_came(
    rest: str, part: dict[str, Any]
) -> None:
    held = {key: value for key, value in part.items() if key not in ("text", "refusal")}
    item = own(f'{{"type":"message",{rest}"content":{json.dumps([held])}}}')
    (sent,) = body_of(Message("assistant", (TextPart("a", opaque=item),)))["input"]
    assert sent["content"] == [part]
    assert ("agent" in sent) is bool(rest)


@pytest.mark.parametrize(("length", "kept"), [(64, True), (65, False)])
def test_an_item_id_that_the_vendor_refuses_stays_behind(length: int, kept: bool) -> None:
    item = '{"id":"%s","type":"web_search_call"}' % ("x" * length)
    (sent,) = body_of(Message("assistant", (OpaquePart(opaque=own(item)),)))["input"]
    assert ("id" in sent) is kept


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


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [("complete", '{"x":1}', False), ("truncated", '{"x":', True), ("invalid", "[1]", True)],
)
def test_a_call_that_cannot_be_run_goes_back_without_arguments_and_that_is_told(
    status: Any, text: str, told: bool
) -> None:
    item = own('{"type":"function_call","id":"i","call_id":"a","name":"f"}')
    block = Block(
        index=0, kind="tool_call", id="a", name="f", text=text, status=status, opaque=item
    )
    turn = Turn(blocks=(block,), stop=Stop("tool_use", "completed"))
    (sent,) = body_of(turn)["input"]
    assert sent["arguments"] == ("{}" if told else text)
    assert [notice.partition(":")[0] for notice in notices_of(turn)] == ["arguments"] * told


def test_a_call_that_goes_back_whole_is_not_told_to_lack_arguments() -> None:
    item = own('{"type":"function_call","call_id":"a","name":"f","arguments":"{\\"x\\":1}"}')
    block = Block(
        index=0, kind="tool_call", id="a", name="f", text="", status="invalid", opaque=item
    )
    turn = Turn(blocks=(block,), stop=Stop("end_turn", "completed"))
    assert body_of(turn)["input"][0]["arguments"] == '{"x":1}'
    assert notices_of(turn) == []


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
