"""Bytes to whole JSON values, however the bytes are cut."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.json_sequence import JsonSequence
from tests.support.growth import growth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def read(reads: Iterable[bytes]) -> tuple[list[bytes], JsonSequence]:
    sequence = JsonSequence()
    return [value for chunk in reads for value in sequence.feed(chunk)], sequence


def every_cut(body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    yield [body[at : at + 1] for at in range(len(body))]
    for at in range(1, len(body)):
        yield [body[:at], body[at:]]


RULES = [
    ("one object", b'{"a":1}', [b'{"a":1}'], False),
    ("an array of objects", b'[{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}'], True),
    ("an empty array", b"[]", [], True),
    (
        "blanks and commas anywhere",
        b' [ {"a":1}\n,\r\n{"b":2}\n] \n',
        [b'{"a":1}', b'{"b":2}'],
        True,
    ),
    ("a line each", b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], False),
    ("nothing between", b'{"a":1}{"b":2}', [b'{"a":1}', b'{"b":2}'], False),
    ("nested", b'{"a":[{"b":[]},[[]]]}', [b'{"a":[{"b":[]},[[]]]}'], False),
    ("brackets in strings", b'{"a":"}]{["}{"b":"["}', [b'{"a":"}]{["}', b'{"b":"["}'], False),
    ("a backslash at the end", b'{"a\\\\":"\\\\"}{}', [b'{"a\\\\":"\\\\"}', b"{}"], False),
    ("escaped quotes", rb'{"a":"\"}"}{"b":"\\"}', [rb'{"a":"\"}"}', rb'{"b":"\\"}'], False),
    ("arrays in an array", b"[[1],[2]]", [b"[1]", b"[2]"], True),
    ("arrays after an object", b'{"a":1}[2]', [b'{"a":1}', b"[2]"], False),
]


@pytest.mark.parametrize(
    ("body", "expected", "array"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_values_come_whole_however_they_are_cut(
    body: bytes, expected: list[bytes], array: bool
) -> None:
    for reads in every_cut(body):
        values, sequence = read(reads)
        assert values == expected, reads
        assert sequence.array is array
        assert not sequence.unfinished
        assert not sequence.broken


@pytest.mark.parametrize("body", [b'{"a":', b'[{"a":1}', b'[{"a":1},', b"[", b'{"a":"}'])
def test_an_open_value_or_array_is_unfinished(body: bytes) -> None:
    for reads in every_cut(body):
        assert read(reads)[1].unfinished


@pytest.mark.parametrize(
    ("body", "before"),
    [
        pytest.param(b'{"a":1}x{"b":2}', 1, id="a word"),
        pytest.param(b'[{"a":1}]{"b":2}', 1, id="an object after the array"),
        pytest.param(b'[{"a":1}]]', 1, id="a bracket too many"),
        pytest.param(b'{"a":1}}', 1, id="a brace too many"),
        pytest.param(b'[1,{"a":1}]', 0, id="a number in the array"),
    ],
)
def test_nothing_is_given_after_bytes_that_belong_to_no_value(body: bytes, before: int) -> None:
    for reads in every_cut(body):
        values, sequence = read(reads)
        assert sequence.broken
        assert len(values) == before, reads


def test_a_value_past_the_limit_fails_at_the_same_place_however_it_is_cut() -> None:
    body = b'{"a":1}{"b":"' + b"x" * 20 + b'"}{"c":3}'
    for reads in every_cut(body):
        sequence = JsonSequence(limit=16)
        values: list[bytes] = []
        with pytest.raises(ProtocolError) as caught:  # noqa: PT012  values before it count too
            for chunk in (*reads, b""):
                values += sequence.feed(chunk)
        assert caught.value.code == "event_too_large"
        assert values == [b'{"a":1}'], reads


def test_a_value_at_the_limit_is_given() -> None:
    body = b'{"a":"' + b"x" * 8 + b'"}'
    for reads in every_cut(body):
        sequence = JsonSequence(limit=16)
        assert [value for chunk in reads for value in sequence.feed(chunk)] == [body]


def read_one_value(size: int) -> None:
    body = b'{"a":"' + b"x" * size + b'"}'
    values, _ = read([body[at : at + 64] for at in range(0, len(body), 64)])
    assert len(values) == 1


def test_a_value_in_small_reads_costs_what_its_bytes_cost() -> None:
    assert growth(read_one_value, 1 << 16, 1 << 20, enough=4) <= 4


BODIES = {
    "escapes": lambda size: b'[{"a":"' + b'\\"' * (size // 2) + b'"}]',
    "strings": lambda size: b"[{" + b'"a":"b",' * (size // 8) + b'"c":1}]',
    "brackets": lambda size: b"[" + b"[" * (size // 2) + b"]" * (size // 2) + b"]",
    "brackets in a string": lambda size: b'[["' + b'\\"[{' * (size // 4) + b'"]]',
    "tiny values": lambda size: b"[" + b"[]," * (size // 3) + b"{}]",
    "nothing but commas": lambda size: b"[" + b"," * size + b"]",
}


def drain(body: bytes, step: int) -> None:
    sequence = JsonSequence()
    for at in range(0, len(body), step):
        for _ in sequence.feed(body[at : at + step]):
            pass
    assert not sequence.unfinished


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("step", [2, 4096, 1 << 24])
def test_no_form_of_body_is_held_at_more_than_a_few_times_its_bytes(form: str, step: int) -> None:
    body = BODIES[form](1 << 17)
    tracemalloc.start()
    try:
        drain(body, step)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 4 * len(body)


@pytest.mark.parametrize("form", BODIES)
def test_every_form_of_body_costs_what_its_bytes_cost(form: str) -> None:
    assert growth(lambda size: drain(BODIES[form](size), 4096), 1 << 14, 1 << 18, enough=4) <= 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=5)


@given(OBJECTS, st.sampled_from(["[,]", "\n", ""]), st.booleans(), st.integers(1, 7))
def test_any_objects_are_read_back(
    objects: list[dict[str, object]], between: str, ascii_only: bool, size: int
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in objects]
    body = f"[{','.join(texts)}]" if between == "[,]" else between.join(texts)
    data = body.encode()
    values, sequence = read([data[at : at + size] for at in range(0, len(data), size)])
    assert [json.loads(value) for value in values] == objects
    assert not sequence.unfinished
