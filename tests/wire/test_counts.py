"""Counts of tokens as wires write them."""

from __future__ import annotations

import pytest

from gateway_stream.wire.counts import as_count


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (0, 0),
        (10, 10),
        (10.0, 10),
        ("10", 10),
        ("007", 7),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_a_count_is_the_same_however_it_is_written(written: object, count: int) -> None:
    assert as_count(written) == count
    assert type(as_count(written)) is int


@pytest.mark.parametrize(
    "written",
    [
        None, True, False, -1, -1.0, "-1", 1.5, "1.5", "10.0", "", " 1", "1e3", "٣", "²", "ten",
        2**63, float(2**64), 1e300, float("inf"), float("nan"), str(2**63), "9" * 5000, [], {},
    ],
)  # fmt: skip
def test_what_is_no_count_is_none(written: object) -> None:
    assert as_count(written) is None
