from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.testing import Cuts, chop


@given(st.binary(max_size=3000), st.integers())
def test_the_pieces_of_a_seed_are_the_body_and_none_is_empty(body: bytes, seed: int) -> None:
    pieces = chop(body, seed=seed)
    assert b"".join(pieces) == body
    assert all(pieces)
    assert pieces == chop(body, seed=seed)


@given(st.binary(max_size=200), st.lists(st.integers(1, 40)))
def test_the_pieces_of_given_sizes_have_them_and_the_rest_is_the_last(
    body: bytes, sizes: list[int]
) -> None:
    pieces = chop(body, sizes=sizes)
    assert b"".join(pieces) == body
    assert all(pieces)
    assert len(pieces) <= len(sizes) + 1
    whole = pieces[: len(sizes)][:-1]
    assert [len(piece) for piece in whole] == sizes[: len(whole)]


def test_other_seeds_cut_elsewhere() -> None:
    body = bytes(2000)
    assert len({tuple(map(len, chop(body, seed=seed))) for seed in range(20)}) == 20


def test_without_an_order_every_byte_is_a_read() -> None:
    assert chop(b"abc") == [b"a", b"b", b"c"]
    assert chop(b"abcde", every=2) == [b"ab", b"cd", b"e"]
    assert chop(b"", every=2) == []


@pytest.mark.parametrize(
    "order",
    [{}, {"sizes": (1,), "seed": 1}, {"every": 0}, {"sizes": (3, 0)}, {"every": -1}],
)
def test_cuts_that_are_none_are_refused(order: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"give one of|at least 1 byte"):
        Cuts(**order)  # type: ignore[arg-type]
