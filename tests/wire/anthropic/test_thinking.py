"""Thinking: what the vendor takes beside it, and what goes back of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.request import Message, Reasoning, Request, Tool, ToolChoice
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.anthropic.request import encode_request
from tests.support.decoding import decode
from tests.wire.anthropic.frames import END, block, delta, start, stop, stream

if TYPE_CHECKING:
    from gateway_stream.wire.family import WireRequest

HELLO = Message("user", "hello")
TOOLS = (Tool(name="f"),)
SPANNING = {"Anthropic-Beta": "a,interleaved-thinking-2025-05-14"}


def encode(
    *messages: Message | Turn, provider: str | None = "anthropic", **fields: Any
) -> WireRequest:
    return encode_request(Request(model="m", messages=messages or (HELLO,), **fields), provider)


def body(**fields: Any) -> dict[str, Any]:
    return encode(**fields).body


def dropped(request: WireRequest) -> list[str]:
    return [notice.detail for notice in request.notices]


@pytest.mark.parametrize(
    ("asked", "cap", "budget", "told"),
    [
        (2000, 2001, 2000, 0),
        (2000, 2000, 1999, 1),
        (2000, 1025, 1024, 1),
        (1024, None, 1024, 0),
        (1023, None, 1024, 1),
        (1, 5000, 1024, 1),
        (2000, 1024, None, 1),
        (1, 1024, None, 1),
    ],
)
def test_a_budget_lies_between_the_vendors_least_and_the_cap(
    asked: int, cap: int | None, budget: int | None, told: int
) -> None:
    request = encode(reasoning=Reasoning(budget=asked), max_tokens=cap)
    written = {"type": "enabled", "budget_tokens": budget} if budget else None
    assert request.body.get("thinking") == written
    assert request.body["max_tokens"] == (cap or 4096 + (budget or 0))
    assert len(dropped(request)) == told


def test_a_budget_that_spans_answers_may_exceed_the_cap_of_each() -> None:
    fields: dict[str, Any] = {"reasoning": Reasoning(budget=9000), "max_tokens": 2000}
    spanning = encode(**fields, tools=TOOLS, headers=SPANNING)
    assert spanning.body["thinking"]["budget_tokens"] == 9000
    assert spanning.notices == ()
    assert body(**fields, headers=SPANNING)["thinking"]["budget_tokens"] == 1999
    assert body(**fields, tools=TOOLS)["thinking"]["budget_tokens"] == 1999


@pytest.mark.parametrize("reasoning", [Reasoning(budget=2000), Reasoning(effort="low")])
@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("tool", "f")])
def test_a_forced_call_holds_and_thinking_does_not(
    reasoning: Reasoning, choice: ToolChoice
) -> None:
    request = encode(reasoning=reasoning, tools=TOOLS, tool_choice=choice, temperature=0.5)
    assert "thinking" not in request.body
    assert request.body["tool_choice"]["type"] in ("any", "tool")
    assert request.body["max_tokens"] == 4096
    assert request.body["temperature"] == 0.5
    assert request.body.get("output_config") == ({"effort": "low"} if reasoning.effort else None)
    assert len(dropped(request)) == 1


@pytest.mark.parametrize("reasoning", [Reasoning(budget=2000), Reasoning(effort="low")])
@pytest.mark.parametrize("choice", [ToolChoice("auto"), ToolChoice("none")])
def test_a_choice_that_forces_nothing_leaves_thinking(
    reasoning: Reasoning, choice: ToolChoice
) -> None:
    request = encode(reasoning=reasoning, tools=TOOLS, tool_choice=choice)
    assert "thinking" in request.body
    assert request.notices == ()


@pytest.mark.parametrize("reasoning", [Reasoning(budget=2000), Reasoning(effort="low")])
@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("temperature", 1, True),
        ("temperature", 0.0, False),
        ("top_p", 0.95, True),
        ("top_p", 1.0, True),
        ("top_p", 0.9, False),
    ],
)
def test_thinking_leaves_out_sampling_that_the_vendor_refuses(
    reasoning: Reasoning, field: str, value: float, *, kept: bool
) -> None:
    fields: dict[str, Any] = {field: value}
    request = encode(reasoning=reasoning, **fields)
    assert (field in request.body) is kept
    assert len(dropped(request)) == (not kept)
    assert encode(reasoning=Reasoning(budget=0), **fields).body[field] == value


@pytest.mark.parametrize(("provider", "goes"), [(None, True), ("anthropic", False)])
def test_unsigned_thinking_goes_back_where_nobody_is_known_to_want_signatures(
    provider: str | None, *, goes: bool
) -> None:
    frames = (
        start(),
        block(0, type="thinking", thinking="H"),
        delta(0, "thinking_delta", thinking="m"),
        block(1, type="tool_use", id="a", name="f", input={}),
        stop("tool_use"),
        END,
    )
    turn = fold(decode("anthropic", stream(*frames)))
    assert isinstance(turn, Turn)
    request = encode(HELLO, turn, provider=provider)
    thinking, *rest = request.body["messages"][1]["content"]
    if goes:
        assert thinking == {"type": "thinking", "thinking": "Hm"}
        assert request.notices == ()
    else:
        assert thinking["type"] == "tool_use"
        assert rest == []
        assert len(dropped(request)) == 1
