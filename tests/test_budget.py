"""What a session may use: its limits, its prices, and what a request is thought to take."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import ConfigError, ImagePart, Message, Request, TextPart, Tool, ToolResultPart
from gateway_stream.budget import IMAGE_TOKENS, Budget, Price, estimate
from gateway_stream.events import Opaque, Stop, Usage
from gateway_stream.request import DocumentPart, OutputSchema, ReasoningPart, ToolCallPart
from gateway_stream.turn import Block, Turn

CLAUDE = Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


@pytest.mark.parametrize(
    ("usage", "money"),
    [
        (Usage(), 0.0),
        (Usage(input=1_000_000), 3.0),
        (Usage(output=1_000_000), 15.0),
        (Usage(output=1_000_000, reasoning=900_000), 15.0),
        (Usage(input=1_000_000, cache_read=1_000_000), 0.3),
        (Usage(input=1_000_000, cache_write=1_000_000), 3.75),
        (Usage(input=1_000_000, cache_read=600_000, cache_write=100_000), 1.455),
        (Usage(input=0, cache_read=1_000_000), 0.3),
    ],
)
def test_a_price_tells_what_counts_cost(usage: Usage, money: float) -> None:
    assert CLAUDE.of(usage) == pytest.approx(money)


def test_cached_tokens_cost_as_others_where_no_price_is_theirs() -> None:
    cached = Usage(input=1_000_000, cache_read=500_000, cache_write=250_000)
    assert Price(input=2.0, output=8.0).of(cached) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs a limit"),
        ({"price": CLAUDE}, "needs a limit"),
        ({"tokens": -1}, "tokens of a budget is -1"),
        ({"input_tokens": -5}, "input_tokens"),
        ({"output_tokens": -5}, "output_tokens"),
        ({"cost": float("nan"), "price": CLAUDE}, "cost of a budget is nan"),
        ({"cost": 1.0}, "needs prices"),
    ],
)
def test_a_budget_that_limits_nothing_or_cannot_work_is_refused(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Budget(**fields)


@pytest.mark.parametrize("name", Price.__struct_fields__)
@pytest.mark.parametrize("price", [-0.01, math.inf, math.nan])
def test_a_price_of_which_no_sum_can_be_made_is_refused(name: str, price: float) -> None:
    with pytest.raises(ConfigError, match=f"the price of {name} is {price}"):
        Price(**{"input": 1.0, "output": 1.0, name: price})


def test_a_budget_of_money_wants_a_price_for_each_model() -> None:
    budget = Budget(cost=1.0, price={"claude": CLAUDE})
    assert budget.price_of("claude") is CLAUDE
    with pytest.raises(ConfigError, match="'gpt' has no price"):
        budget.price_of("gpt")
    assert Budget(cost=1.0, price=CLAUDE).price_of("gpt") is CLAUDE


def test_a_budget_of_tokens_does_without_prices() -> None:
    assert Budget(tokens=1).price_of("gpt") is None
    assert Budget(tokens=1, price={"claude": CLAUDE}).price_of("gpt") is None


def asking(*content: Any, **options: Any) -> Request:
    return Request(model="m", messages=(Message("user", content),), **options)


CALLED = Turn(
    blocks=(
        Block(index=0, kind="reasoning", text="", opaque=Opaque("a", "a", "x" * 400)),
        Block(index=1, kind="tool_call", name="f", text='{"a":1}', status="complete"),
    ),
    stop=Stop("tool_use"),
)


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (asking(TextPart("x" * 400)), 100),
        (asking(TextPart("x")), 1),
        (asking(TextPart("天" * 400)), 300),
        (asking(TextPart("\ud800")), 1),
        (asking(TextPart("x"), system="y" * 399), 100),
        (asking(TextPart("x"), system=(TextPart("y" * 399),)), 100),
        (asking(ImagePart(url="https://x.test/a.png")), IMAGE_TOKENS),
        (asking(ImagePart(media_type="image/png", data="A" * 1_000_000)), IMAGE_TOKENS),
        (asking(DocumentPart(data="A" * 1_000_000)), IMAGE_TOKENS),
        (asking(ToolCallPart(id="i", name="f" * 4, arguments="x" * 396)), 100),
        (asking(ToolResultPart(call_id="i", content="x" * 400)), 100),
        (
            asking(
                ToolResultPart(
                    call_id="i", content=(TextPart("x" * 400), ImagePart(url="https://x.test"))
                )
            ),
            100 + IMAGE_TOKENS,
        ),
        (asking(ReasoningPart(text="x" * 400, opaque=Opaque("a", "a", "sealed" * 99))), 100),
        (Request(model="m", messages=(CALLED,)), 102),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_request_takes_about_a_token_for_four_bytes(request_: Request, tokens: int) -> None:
    assert estimate(request_) == tokens


def test_tools_and_schemas_are_part_of_what_a_request_takes() -> None:
    tool = Tool(name="search", parameters={"type": "object", "properties": {"q": {}}})
    schema = OutputSchema(schema={"type": "object"})
    plain = estimate(asking(TextPart("hello")))
    assert estimate(asking(TextPart("hello"), tools=(tool,))) - plain == pytest.approx(
        len(msgspec.json.encode(tool)) / 4, abs=1
    )
    assert estimate(asking(TextPart("hello"), output=schema)) > plain


def test_what_cannot_be_written_is_left_to_whoever_writes_it() -> None:
    assert (
        estimate(asking(TextPart("x" * 4), tools=(Tool(name="f", parameters={"a": object()}),)))
        == 1
    )


@given(st.lists(st.text(), min_size=1))
def test_a_request_with_more_in_it_takes_no_less(texts: list[str]) -> None:
    counts = [
        estimate(asking(*(TextPart(text) for text in texts[:length])))
        for length in range(len(texts) + 1)
    ]
    assert counts == sorted(counts)
