"""Budgets for a minute: no 60 seconds hold more."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ConfigError
from gateway_stream.events import Usage
from gateway_stream.net.minutes import Cost, Limits, Minute, Minutes, told_wait

NOW = 1_700_000_000.0


def test_what_was_spent_comes_back_a_minute_later() -> None:
    minute = Minute(10)
    for second in range(10):
        assert minute.wait(second, 1) == 0
        minute.spend(second, 1)
    assert minute.wait(10, 1) == pytest.approx(51, abs=1)
    assert minute.wait(61.5, 1) == 0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 12)), max_size=40), st.integers(1, 20))
def test_no_sixty_seconds_hold_more_than_the_budget(
    asks: list[tuple[float, int]], limit: int
) -> None:
    minute = Minute(limit)
    now = NOW
    spent: list[tuple[float, int]] = []
    for pause, amount in asks:
        now += pause
        while (wait := minute.wait(now, amount)) > 0:
            now += wait + 1e-6
            assert now < NOW + 10_000, "it would wait for ever"
        minute.spend(now, amount)
        spent.append((now, amount))
        last = [amount for at, amount in spent if at > now - 60]
        assert sum(last) <= limit or sum(last) == amount


def test_what_exceeds_the_whole_budget_goes_when_nothing_else_was_spent() -> None:
    minute = Minute(10)
    minute.spend(0.0, 1)
    assert minute.wait(1.0, 50) == pytest.approx(59)
    assert minute.wait(60.0, 50) == 0
    minute.spend(60.0, 50)
    assert minute.wait(61.0, 1) == pytest.approx(59)
    assert minute.wait(120.0, 1) == 0


def test_the_unused_part_of_max_tokens_is_credited_back_at_once() -> None:
    minutes = Minutes(Limits(output_tokens_per_minute=1000))
    charge = minutes.spend(NOW, Cost(output=1000))
    assert minutes.wait(NOW + 1, Cost(output=400)) > 50
    charge = minutes.used(charge, Usage(input=5, output=600), NOW + 1)
    assert minutes.wait(NOW + 1, Cost(output=400)) <= 0
    assert minutes.wait(NOW + 1, Cost(output=401)) > 50
    minutes.used(charge, Usage(output=700), NOW + 2)
    assert minutes.wait(NOW + 2, Cost(output=301)) > 50


def test_what_the_wire_did_not_count_stays_as_it_was_charged() -> None:
    minutes = Minutes(Limits(input_tokens_per_minute=100, output_tokens_per_minute=100))
    charge = minutes.spend(NOW, Cost(60, 60))
    minutes.used(charge, Usage(input=10), NOW)
    assert minutes.wait(NOW, Cost(90, 40)) <= 0
    assert minutes.wait(NOW, Cost(90, 41)) > 0
    assert minutes.wait(NOW, Cost(91, 0)) > 0


def test_a_correction_after_the_minute_changes_nothing() -> None:
    minutes = Minutes(Limits(output_tokens_per_minute=100))
    charge = minutes.spend(NOW, Cost(output=100))
    assert minutes.wait(NOW + 61, Cost(output=100)) <= 0
    minutes.spend(NOW + 61, Cost(output=100))
    minutes.used(charge, Usage(output=1), NOW + 61)
    assert minutes.wait(NOW + 61, Cost(output=1)) > 50


def test_each_budget_holds_by_itself() -> None:
    minutes = Minutes(Limits(requests_per_minute=2, input_tokens_per_minute=100))
    charge = minutes.spend(NOW, Cost(10))
    minutes.spend(NOW, Cost(10))
    assert minutes.wait(NOW, Cost()) > 0
    minutes.unused(charge, NOW)
    assert minutes.wait(NOW, Cost(90)) <= 0
    assert minutes.wait(NOW, Cost(91)) > 0


@pytest.mark.parametrize("name", Limits.__struct_fields__)
@pytest.mark.parametrize("limit", [0, math.nan])
def test_a_limit_that_is_not_one_or_more_is_refused(name: str, limit: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {limit}"):
        Limits(**{name: limit})


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 0),
        ({"content-type": "text/event-stream"}, 0),
        ({"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "12s"}, 12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s"}, 60),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "12s"}, 0),
        (
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2023-11-14T22:13:30Z",
            },
            10,
        ),
        ({"x-ratelimit-remaining-requests": "0"}, 0),
    ],
)
def test_a_limit_that_is_used_up_says_until_when(headers: dict[str, str], wait: float) -> None:
    assert told_wait(headers, NOW) == pytest.approx(wait)
