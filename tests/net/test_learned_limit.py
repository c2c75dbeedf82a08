"""What refusals and acceptances teach."""

from __future__ import annotations

import pytest

from gateway_stream.net.learned_limit import LearnedLimit


def accept(learned: LearnedLimit, number: int, now: float = 0.0) -> None:
    """So many acceptances of what was sent while the limit was fully used."""
    for _ in range(number):
        learned.accepted(learned.mark, 0, now)


def refused_at(limit: int) -> LearnedLimit:
    learned = LearnedLimit()
    learned.refused(limit, 0.0, 0.0)
    return learned


def test_nothing_limits_before_something_was_refused() -> None:
    learned = LearnedLimit()
    accept(learned, 1000)
    assert learned.limit is None


def test_a_refusal_leaves_what_else_was_in_flight() -> None:
    learned = LearnedLimit()
    for others in range(199, 36, -1):
        learned.refused(others, 0.0, 0.0)
    assert learned.limit == 37


def test_a_refusal_never_raises_the_limit_and_leaves_one_at_least() -> None:
    learned = refused_at(37)
    learned.refused(80, 0.0, 0.0)
    assert learned.limit == 37
    learned.refused(0, 0.0, 0.0)
    assert learned.limit == 1


@pytest.mark.parametrize(("limit", "needed"), [(1, 50), (10, 50), (20, 80), (37, 148), (500, 150)])
def test_one_more_is_tried_after_so_many_acceptances(limit: int, needed: int) -> None:
    learned = refused_at(limit)
    accept(learned, needed - 1)
    assert learned.limit == limit
    accept(learned, 1)
    assert learned.limit == limit + 1


def test_acceptances_count_only_at_full_use_and_at_this_level() -> None:
    learned = refused_at(37)
    old = learned.mark
    learned.refused(36, 0.0, 0.0)
    for _ in range(1000):
        learned.accepted(0, 0, 0.0)
        learned.accepted(old, 0, 0.0)
    assert learned.limit == 36


def test_a_probe_that_is_accepted_opens_the_way_by_an_eighth_a_round() -> None:
    learned = refused_at(37)
    accept(learned, 148)
    levels = []
    for _ in range(4):
        assert learned.limit is not None
        levels.append(learned.limit)
        accept(learned, learned.limit)
    assert levels == [38, 42, 47, 52]


def test_a_refusal_ends_the_exploring() -> None:
    learned = refused_at(37)
    accept(learned, 148 + 38)
    assert learned.limit == 42
    learned.refused(40, 0.0, 0.0)
    accept(learned, 149)
    assert learned.limit == 40


def test_a_level_that_held_is_not_given_up_for_one_refusal() -> None:
    learned = refused_at(37)
    accept(learned, 37)
    learned.refused(36, 0.0, 0.0)
    assert learned.limit == 37
    accept(learned, 6)
    learned.refused(36, 0.0, 0.0)
    assert learned.limit == 37
    accept(learned, 5)
    learned.refused(36, 0.0, 0.0)
    assert learned.limit == 36
    learned.refused(35, 0.0, 0.0)
    assert learned.limit == 35


def test_a_refusal_with_a_pause_is_not_doubted_nor_one_at_a_level_that_has_not_held() -> None:
    learned = refused_at(37)
    accept(learned, 36)
    learned.refused(36, 0.0, 0.0)
    assert learned.limit == 36
    accept(learned, 36)
    learned.refused(35, 0.0, 1.0)
    assert learned.limit == 35


def test_a_level_below_one_that_held_is_doubted_too() -> None:
    learned = refused_at(37)
    accept(learned, 37)
    learned.refused(36, 0.0, 0.0)
    learned.refused(36, 0.0, 0.0)
    assert learned.limit == 36
    accept(learned, 6)
    learned.refused(35, 0.0, 0.0)
    assert learned.limit == 36


def test_a_server_that_refused_everything_gets_half_its_load_back_in_a_few_rounds() -> None:
    learned = LearnedLimit()
    for held in range(1, 101):
        learned.accepted(0, held, 0.0)
    for others in range(99, -1, -1):
        learned.refused(others, 0.0, 0.0)
    assert learned.limit == 1
    accept(learned, 49)
    assert learned.limit == 50
    accept(learned, 149)
    assert learned.limit == 50


def test_a_server_that_says_yes_only_in_the_end_held_what_was_sent() -> None:
    learned = refused_at(40)
    accept(learned, 40)  # one at a time is known to be taken
    for others in range(39, -1, -1):
        learned.refused(others, 0.0, 1.0)
    accept(learned, 19, now=1000.0)
    assert learned.limit == 20


def test_a_level_that_held_is_no_lower_for_having_been_exceeded_once() -> None:
    learned = refused_at(37)
    accept(learned, 148)
    learned.refused(37, 0.0, 0.0)
    accept(learned, 100)
    assert learned.limit == 37


def test_a_probe_that_brings_a_pause_is_repeated_only_after_twenty_times_as_long() -> None:
    learned = LearnedLimit()
    learned.refused(37, 1000.0, 1.0)
    accept(learned, 1000, now=1119.0)
    assert learned.limit == 37
    accept(learned, 1, now=1120.0)
    assert learned.limit == 38
