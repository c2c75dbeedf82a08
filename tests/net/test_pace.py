"""A pause for all, and the ramp after it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from gateway_stream.net.pace import Pace


def used(rate: int, seconds: int = 10) -> tuple[Pace, float]:
    """A pace at which so many a second went, and the time."""
    pace = Pace(0.0)
    for number in range(rate * seconds):
        pace.admitted(number / rate)
    return pace, float(seconds)


def ramp(pace: Pace, begin: float, seconds: int) -> list[int]:
    """How many go in each second, where always somebody waits."""
    going: Counter[int] = Counter()
    now = begin
    while now < begin + seconds:
        wait = pace.wait(now)
        if wait > 0.0005:
            now += wait
            continue
        if not pace.active:
            break
        going[int(now - begin)] += 1
        pace.admitted(now)
        now += 1e-6
    return [going[second] for second in range(seconds)]


def test_nothing_waits_without_a_pause() -> None:
    pace, now = used(100)
    assert pace.wait(now) == 0.0
    assert not pace.active


def test_nobody_goes_before_the_pause_is_over() -> None:
    pace, now = used(100)
    pace.pause(now, 7.0)
    assert pace.wait(now) == 7.0
    assert pace.wait(now + 6.9) == pytest.approx(0.1)
    assert pace.wait(now + 7.0) <= 0.0


def test_a_longer_pause_extends_and_a_shorter_one_does_not_shorten() -> None:
    pace, now = used(100)
    pace.pause(now, 7.0)
    pace.pause(now + 1, 2.0)
    assert pace.until == now + 7.0
    pace.pause(now + 2, 30.0)
    assert pace.until == now + 32.0


def test_the_rate_begins_at_a_quarter_and_grows_by_a_fifth_a_second() -> None:
    pace, now = used(100)
    pace.pause(now, 2.0)
    rates = ramp(pace, now + 2.0, 10)
    assert rates[0] == pytest.approx(27, abs=2)
    for before, after in pairwise(rates):
        assert before < after <= 1.2 * before + 2


def test_refusals_during_the_pause_do_not_slow_the_ramp_further() -> None:
    pace, now = used(100)
    for number in range(50):
        pace.pause(now + number / 100, 2.0)
    assert ramp(pace, pace.until, 1)[0] == pytest.approx(27, abs=2)


def test_a_pause_in_the_ramp_begins_at_a_quarter_of_what_it_had_reached() -> None:
    pace, now = used(100)
    pace.pause(now, 2.0)
    ramp(pace, now + 2.0, 4)
    pace.pause(now + 6.0, 2.0)
    assert ramp(pace, now + 8.0, 1)[0] == pytest.approx(100 / 4 * 1.2**4 / 4, abs=3)


def test_the_ramp_ends_when_it_holds_up_nobody() -> None:
    pace, now = used(10)
    pace.pause(now, 1.0)
    assert pace.wait(now + 1.0) <= 0
    pace.admitted(now + 1.0)
    assert pace.wait(now + 1.1) > 0
    assert pace.active
    assert pace.wait(now + 2.5) <= 0
    assert not pace.active


def test_the_ramp_ends_after_half_a_minute() -> None:
    pace, now = used(100)
    pace.pause(now, 1.0)
    assert len([going for going in ramp(pace, now + 1.0, 40) if going]) in {30, 31}


def test_a_place_that_was_hardly_used_gets_one_a_second_at_least() -> None:
    pace = Pace(0.0)
    pace.admitted(0.0)
    pace.pause(0.1, 1.0)
    assert sum(ramp(pace, 1.1, 3)) in {4, 5}


def test_a_server_that_takes_none_is_left_alone_longer_each_time() -> None:
    pace, now = used(10)
    rests = []
    for _ in range(10):
        pace.rest(now)
        rests.append(pace.wait(now))
        now = pace.until
    assert rests == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0])
    pace.accepted()
    pace.rest(now)
    assert pace.wait(now) == pytest.approx(0.1)


def test_no_ramp_follows_such_a_rest_but_one_follows_a_pause_in_it() -> None:
    pace, now = used(100)
    pace.rest(now)
    for _ in range(50):
        assert pace.wait(now + 0.1) <= 0
        pace.admitted(now + 0.1)
    pace.rest(now + 0.2)
    pace.pause(now + 0.2, 1.0)
    assert ramp(pace, pace.until, 1)[0] < 40
