"""How long a retry waits: bounds, growth, and that a crowd comes back spread out."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import ConfigError, Retry
from gateway_stream.net.retry import LONGEST_STATED_WAIT, NO_RETRIES, read_retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POLICIES = ("before_first_content", "reset", "never")
ONE_IN_A_THOUSAND = 1.95
"""What the Kolmogorov-Smirnov distance, times the root of the sample's size, exceeds with p = 0.001."""


def distance_from_uniform(sample: Sequence[float], longest: float) -> float:
    """The Kolmogorov-Smirnov statistic of a sample against the uniform distribution from 0 to ``longest``."""
    shares = [value / longest for value in sorted(sample)]
    size = len(shares)
    return max(
        max((place + 1) / size - share, share - place / size) for place, share in enumerate(shares)
    )


def most(longest: float) -> float:
    return longest


def drawing(seed: int) -> Callable[[float], float]:
    chance = random.Random(seed)
    return lambda longest: chance.uniform(0, longest)


def test_the_defaults_are_what_the_table_says() -> None:
    assert Retry() == Retry(
        retries=3, first_wait=1.0, factor=2.0, longest_wait=60.0, policy="before_first_content"
    )
    assert LONGEST_STATED_WAIT == 120


def test_waits_double_from_the_first_up_to_the_longest() -> None:
    waits = [Retry().wait(retry, draw=most) for retry in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_stated_wait_comes_before_the_drawn_one() -> None:
    assert Retry().wait(2, 7.5, most) == 9.5
    assert Retry().wait(2, 7.5, lambda _: 0.0) == 7.5
    assert Retry().wait(2, None, lambda _: 0.0) == 0


@given(
    retry=st.integers(1, 10_000),
    first=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    longest=st.floats(0, 1e6),
    stated=st.none() | st.floats(0, 1e6),
)
def test_a_wait_is_never_shorter_than_stated_nor_longer_than_that_and_the_cap(
    retry: int, first: float, factor: float, longest: float, stated: float | None
) -> None:
    policy = Retry(first_wait=first, factor=factor, longest_wait=longest)
    wait = policy.wait(retry, stated)
    assert (stated or 0) <= wait <= (stated or 0) + longest
    assert math.isfinite(wait)


@given(
    first=st.floats(0, 100),
    factor=st.floats(1, 10),
    longest=st.floats(0, 1000),
    stated=st.floats(0, 9),
)
def test_the_longest_wait_does_not_shrink_from_retry_to_retry(
    first: float, factor: float, longest: float, stated: float
) -> None:
    policy = Retry(first_wait=first, factor=factor, longest_wait=longest)
    waits = [policy.wait(retry, stated, most) for retry in range(1, 200)]
    assert waits == sorted(waits)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("retry", "longest"), [(1, 1), (3, 4), (9, 60)])
def test_five_hundred_that_fail_at_once_come_back_spread_evenly(
    retry: int, longest: float, seed: int
) -> None:
    draw = drawing(seed)
    sample = [Retry().wait(retry, 0, draw) for _ in range(500)]
    assert distance_from_uniform(sample, longest) * math.sqrt(500) < ONE_IN_A_THOUSAND


@pytest.mark.parametrize("seed", range(5))
def test_the_jitter_of_nobodys_choosing_is_drawn_from_zero_to_the_longest(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(random, "uniform", random.Random(seed).uniform)
    sample = [Retry().wait(3, 10) - 10 for _ in range(500)]
    assert distance_from_uniform(sample, 4) * math.sqrt(500) < ONE_IN_A_THOUSAND


@pytest.mark.parametrize(
    "wave",
    [
        [0.5] * 500,
        [0.5 + step / 1000 for step in range(500)],  # half jitter
        [(step / 500) ** 2 for step in range(500)],
    ],
    ids=["one wave", "half a wave", "early"],
)
def test_a_wave_is_told_from_an_even_spread(wave: list[float]) -> None:
    assert distance_from_uniform(wave, 1) * math.sqrt(500) > ONE_IN_A_THOUSAND


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retries", -1),
        ("first_wait", -0.1),
        ("first_wait", math.nan),
        ("factor", 0.9),
        ("factor", math.nan),
        ("longest_wait", -1),
        ("longest_wait", math.nan),
        ("policy", "always"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=str(value)):
        Retry(**{name: value})


def test_nothing_given_means_what_holds_otherwise() -> None:
    otherwise = Retry(retries=9, first_wait=0.5)
    assert read_retry(None, otherwise) is otherwise
    assert read_retry(NO_RETRIES, otherwise) is NO_RETRIES


@pytest.mark.parametrize("word", POLICIES)
def test_a_word_changes_how_late_and_no_number(word: Any) -> None:
    otherwise = Retry(retries=9, first_wait=0.5, factor=3, longest_wait=8, policy="reset")
    assert read_retry(word, otherwise) == Retry(
        retries=9, first_wait=0.5, factor=3, longest_wait=8, policy=word
    )


@pytest.mark.parametrize("word", ["always", "", "Never", "before first content"])
def test_a_word_that_there_is_not_is_refused(word: Any) -> None:
    with pytest.raises(ConfigError, match="no retry policy"):
        read_retry(word, Retry())
