"""A preview never claims more than the bytes prove."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.partial_json import NOTHING, read_partial
from tests.support.corpus import conformance, needs_corpus
from tests.support.growth import growth

PREFIXES: list[tuple[str, Any]] = [
    ("", NOTHING),
    (" \n", NOTHING),
    ("{", {}),
    ('{"', {}),
    ('{"a', {}),
    ('{"a"', {}),
    ('{"a":', {}),
    ('{"a": ', {}),
    ('{"a":"', {"a": ""}),
    ('{"a":"b', {"a": "b"}),
    ('{"a":"b"', {"a": "b"}),
    ('{"a":"b",', {"a": "b"}),
    ('{"a":"b","c', {"a": "b"}),
    ('{"a":"b","c":[', {"a": "b", "c": []}),
    ('{"a":"b","c":[{', {"a": "b", "c": [{}]}),
    ('{"a":"b","c":[{"d":1', {"a": "b", "c": [{}]}),
    ('{"a":"b","c":[{"d":1,', {"a": "b", "c": [{"d": 1}]}),
    ('{"a":1', {}),
    ('{"a":-', {}),
    ('{"a":1.', {}),
    ('{"a":1e', {}),
    ('{"a":1e+', {}),
    ('{"a":1 ', {"a": 1}),
    ('{"a":1}', {"a": 1}),
    ('{"a":t', {}),
    ('{"a":tru', {}),
    ('{"a":true', {"a": True}),
    ('{"a":true,', {"a": True}),
    ('{"a":null}', {"a": None}),
    ("[1,2", [1]),
    ("[1,2,", [1, 2]),
    ("[[],[", [[], []]),
    ('["a\\', ["a"]),
    ('["a\\n', ["a\n"]),
    ('["a\\u', ["a"]),
    ('["a\\u00e', ["a"]),
    ('["a\\u00e9', ["aé"]),
    ('["\\ud83d', [""]),
    ('["\\ud83d\\', [""]),
    ('["\\ud83d\\ude8', [""]),
    ('["\\ud83d\\ude80', ["\U0001f680"]),
    ('["line\nend', ["line\nend"]),
    ("tru", NOTHING),
    ("12", NOTHING),
    ("12 ", 12),
    ('"a', "a"),
]
IMPOSSIBLE = [
    "}", "]", ",", ":", "x", "tx", "nul!", "'a'", "{a", "{1", "{]", "{,", '{"a"1', '{"a":}', '{"a":,', '{"a":1 2',
    '{"a":1,}', '{"a":1,,', '{"a":1}}', '{"a":1} x', "[,", "[1,]", "[1}", "[1 2", "01", "-a", "1.e5", "+1", ".5",
    '["\\x', '["\\u00g', '"a" b', "NaN", "Infinity", "{}{}", "٣", "[²",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), PREFIXES, ids=[row[0] or "nothing" for row in PREFIXES])
def test_a_prefix_shows_what_it_proves(text: str, value: Any) -> None:
    assert read_partial(text)[0] == value


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_no_continuation_makes_json_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        read_partial(text)


@pytest.mark.parametrize("text", ["9" * 5000 + " ", "[-" + "9" * 5000 + "]"])
def test_a_number_of_too_many_digits_is_an_error_in_plain_words(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"not JSON: a number with too many digits at character \d"
    ):
        read_partial(text)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("{}", True),
        ("{} \n", True),
        ("{", False),
        ('{"a":1', False),
        ("[1]", True),
        ('"a"', True),
        ('"a', False),
    ],
)
def test_it_tells_whether_the_text_is_whole(text: str, whole: bool) -> None:
    assert read_partial(text)[1] is whole


@functools.cache
def cases() -> tuple[dict[str, Any], ...]:
    folder = conformance()
    if folder is None:
        return ()
    rows: list[dict[str, Any]] = json.loads((folder / "partial_json_cases.json").read_text())[
        "cases"
    ]
    return tuple(row for row in rows if row["origin"].startswith("ours"))


@needs_corpus
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["id"]))
def test_a_conformance_case_gives_its_value(case: dict[str, Any]) -> None:
    expected = case["expected"]
    if expected == {"$error": True}:
        with pytest.raises(ValueError, match="not JSON"):
            read_partial(case["input"])
        return
    value, _ = read_partial(case["input"])
    assert value == (NOTHING if expected == {"$none": True} else expected)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def contained(part: Any, whole: Any) -> bool:
    """Whether ``part`` says nothing that ``whole`` does not."""
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contained(value, whole[key]) for key, value in part.items()
        )
    if isinstance(part, list):
        return (
            isinstance(whole, list) and len(part) <= len(whole) and all(map(contained, part, whole))
        )
    return type(part) is type(whole) and bool(part == whole)


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_prefix_is_contained_in_the_whole_and_grows(
    value: Any, ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    before: Any = NOTHING
    for end in range(len(text) + 1):
        shown, whole = read_partial(text[:end])
        if shown is not NOTHING:
            assert contained(shown, value), text[:end]
        if before is not NOTHING:
            assert contained(before, shown), text[:end]
        assert not whole or text[:end].strip() == text.strip()
        before = shown
    shown, whole = read_partial(text + " ")
    assert (shown, whole) == (value, True)


@given(st.text(st.sampled_from('{}[]",:\\/u0123456789abdeftrlns.-+E \n\ud83d\ude80é'), max_size=24))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        loaded = json.loads(text, parse_constant=pytest.fail)
    except ValueError:
        loaded = NOTHING
    try:
        _, whole = read_partial(text)
    except ValueError:
        assert loaded is NOTHING
        return
    if loaded is not NOTHING and not isinstance(loaded, int | float | bool | None):
        assert whole
    if whole:
        json.loads(text, strict=False)


def objects_side_by_side(size: int) -> None:
    one = '{"a":"' + "x" * 50 + '","b":[1,2,{}]},'
    read_partial("[" + one * (size // len(one)))


def one_long_string(size: int) -> None:
    read_partial('{"a":"' + "ab\\n" * (size // 4))


@pytest.mark.parametrize("text", [objects_side_by_side, one_long_string])
def test_a_long_text_costs_what_its_characters_cost(text: Any) -> None:
    assert growth(text, 1 << 14, 1 << 18, enough=4) <= 4


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_no_recursion(opening: str, closing: str) -> None:
    shown, whole = read_partial(opening * 20_000)
    assert not whole
    depth = 0
    while shown:
        shown = shown[0] if isinstance(shown, list) else shown["a"]
        depth += 1
    assert depth == 19_999
    _, whole = read_partial(opening * 20_000 + '"x"' + closing * 20_000)
    assert whole
