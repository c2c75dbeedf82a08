"""Vendors' JSON, read as tolerantly as is safe."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway_stream.events import Event, Notice
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.json_text import (
    DEPTH_LIMIT,
    NotJson,
    compact,
    read_tree,
    read_view,
    remainder,
    too_deep,
)


class Inner(msgspec.Struct):
    text: str | None = None
    count: int | None = None


class View(msgspec.Struct):
    text: str | None = None
    count: int | None = None
    inner: Inner | None = None
    items: list[Inner] | None = None
    table: dict[str, Inner] | None = None
    renamed: int | None = msgspec.field(default=None, name="re-named")


def view_of(data: bytes) -> tuple[View | None, list[Event]]:
    writer = AnswerWriter()
    return read_view(View, data, writer), writer.out


def test_a_plain_frame_is_read_without_a_word() -> None:
    assert view_of(b'{"text":"a","count":1,"more":[{}]}') == (View("a", 1), [])


WRONG = [
    pytest.param(b'{"text":"a","count":"1"}', View("a"), ["count"], id="a scalar"),
    pytest.param(
        b'{"text":5,"inner":{"text":"b","count":[]}}',
        View(inner=Inner("b")),
        ["text", "inner.count"],
        id="two of them, one nested",
    ),
    pytest.param(
        b'{"items":[{"text":"b","count":{}},{"text":"c"}],"text":"a"}',
        View("a", items=[Inner("b"), Inner("c")]),
        ["items[0].count"],
        id="inside a list",
    ),
    pytest.param(
        b'{"items":[7,{"text":"c"}],"text":"a"}',
        View("a", items=[Inner("c")]),
        ["items[0]"],
        id="an item of a list",
    ),
    pytest.param(b'{"inner":[],"text":"a"}', View("a"), ["inner"], id="a list for an object"),
    pytest.param(b'{"re-named":"x","text":"a"}', View("a"), ["re-named"], id="a renamed field"),
]


@pytest.mark.parametrize(("data", "expected", "named"), WRONG)
def test_a_field_of_the_wrong_type_is_absent_and_named_and_the_rest_stays(
    data: bytes, expected: View, named: list[str]
) -> None:
    view, out = view_of(data)
    assert view == expected
    assert [event.code for event in out if isinstance(event, Notice)] == ["invalid_field"] * len(
        named
    )
    details = [event.detail.partition(":")[0] for event in out if isinstance(event, Notice)]
    assert details == named


def test_a_value_of_the_wrong_type_under_a_free_key_costs_its_table_alone() -> None:
    view, out = view_of(b'{"text":"a","count":2,"table":{"x":{"text":"b"},"y":7}}')
    assert view == View("a", 2)
    assert [event.code for event in out if isinstance(event, Notice)] == ["invalid_field"]


def test_bytes_that_are_not_utf_8_are_replaced_with_a_notice() -> None:
    view, out = view_of(b'{"text":"a\xffb"}')
    assert view == View("a\ufffdb")
    assert [event.code for event in out if isinstance(event, Notice)] == ["replaced_bytes"]


def test_a_replacement_character_that_was_sent_is_no_notice() -> None:
    assert view_of('{"text":"\ufffd","count":1e999}'.encode())[0] == View("\ufffd")


def test_a_number_out_of_range_costs_its_field_alone() -> None:
    view, out = view_of(b'{"text":"a","count":1e999}')
    assert view == View("a")
    assert [event.code for event in out if isinstance(event, Notice)] == ["invalid_field"]


def test_a_number_out_of_range_in_a_field_that_nobody_reads_costs_nothing() -> None:
    assert view_of(b'{"text":"a","other":1e999}')[0] == View("a")


def test_half_a_surrogate_pair_stays_in_the_text() -> None:
    assert view_of(b'{"text":"a\\ud83d"}')[0] == View("a\ud83d")


@pytest.mark.parametrize("data", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_passed_over_with_a_notice(data: bytes) -> None:
    view, out = view_of(data)
    assert view is None
    assert out == [Notice("unknown_event", data.decode())]


@pytest.mark.parametrize("data", [b"", b"{", b"text", b'{"text":"a"', b"{'text': 1}", b"\xff"])
def test_what_is_no_json_is_left_to_whoever_gave_it(data: bytes) -> None:
    with pytest.raises(NotJson, match="not JSON"):
        view_of(data)


def test_a_number_of_too_many_digits_is_out_of_range() -> None:
    for digits in (b"9" * 5000, b"-" + b"9" * 5000):
        view, out = view_of(b'{"text":"a","count":%s,"other":%s}' % (digits, digits))
        assert view == View("a")
        assert [event.code for event in out if isinstance(event, Notice)] == ["invalid_field"]
        assert compact(read_tree(b"[" + digits + b"]")) == "[null]"


@pytest.mark.parametrize("depth", [100, *range(900, 1020, 8), 100_000])
@pytest.mark.parametrize("shape", ["[]", "{}"])
@pytest.mark.parametrize("field", ["text", "items", "inner", "other"])
def test_depth_is_a_typed_failure_at_worst(depth: int, shape: str, field: str) -> None:
    deep = b"[" * depth + b"]" * depth if shape == "[]" else b'{"a":' * depth + b"1" + b"}" * depth
    try:
        _, out = view_of(b'{"text":"a\\ud83d","%s":%s}' % (field.encode(), deep))
    except NotJson:
        assert depth > DEPTH_LIMIT
    else:
        assert depth < 100_000
        assert all(isinstance(event, Notice) for event in out)


def test_a_tree_is_read_with_its_oddities_let_through() -> None:
    assert read_tree(b'{"a":"\\ud83d","b":1e999}') == {"a": "\ud83d", "b": float("inf")}
    assert read_tree(b'"\xff"') == "\ufffd"


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000])
def test_a_tree_that_cannot_be_read_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_tree(data)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'),
        ({"a": "\ud83d"}, '{"a":"?"}'),
        ("\ud83d\ude00", '"\U0001f600"'),
        ({"a": float("inf"), "b": [float("nan")]}, '{"a":null,"b":[null]}'),
        ({"a": float("inf"), "b": "\ud83d"}, '{"a":null,"b":"?"}'),
    ],
)
def test_a_tree_becomes_text_without_blanks(tree: Any, text: str) -> None:
    expected = text.replace("?", "\ufffd")
    assert compact(tree) == expected
    json.loads(compact(tree))


def test_a_remainder_is_what_no_field_holds() -> None:
    tree = {"id": 1, "x": {"y": [1]}, "z": None, "w": 0, "v": ""}
    assert remainder(tree, ("id",)) == '{"x":{"y":[1]},"w":0,"v":""}'
    assert remainder({"id": 1, "z": None}, {"id"}) is None


@pytest.mark.parametrize(
    ("data", "deep"),
    [
        (b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT, False),
        (b"[" * (DEPTH_LIMIT + 1), True),
        (b'{"a":' * (DEPTH_LIMIT + 1), True),
        (b"[]" * 1000, False),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b'["\\\\"' + b"[" * 1000, True),
        (b'"' + b"[" * 1000, True),
        (b"", False),
    ],
)
def test_depth_is_counted_outside_of_strings(data: bytes, deep: bool) -> None:
    assert too_deep(data) is deep
