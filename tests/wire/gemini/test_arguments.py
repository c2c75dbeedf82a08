"""Arguments that stream place by place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.partial_json import read_partial
from gateway_stream.wire.gemini.arguments import StreamedArguments

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = st.text(min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def places(tree: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    """The leaves of a tree in document order, each with its JSON path."""
    if isinstance(tree, dict):
        for name, child in tree.items():
            quoted = name.replace("\\", "\\\\").replace("'", "\\'")
            yield from places(child, f"{place}['{quoted}']")
    elif isinstance(tree, list):
        for number, child in enumerate(tree):
            yield from places(child, f"{place}[{number}]")
    else:
        yield place, tree


def only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def put(arguments: StreamedArguments, place: str, value: Any, cut: int) -> list[str]:
    if not isinstance(value, str):
        return [arguments.put_json(place, json.dumps(value))]
    if not 0 < cut < len(value):
        return [arguments.put_string(place, value, continues=False)]
    return [
        arguments.put_string(place, value[:cut], continues=True),
        arguments.put_string(place, value[cut:], continues=False),
    ]


@given(OBJECTS, st.integers(0, 12))
def test_arguments_in_document_order_are_one_json_text_that_only_grows(
    tree: dict[str, Any], cut: int
) -> None:
    arguments = StreamedArguments()
    pieces = [arguments.open()]
    for place, value in places(tree):
        pieces += put(arguments, place, value, cut)
        _, whole = read_partial("".join(pieces))
        assert not whole
    text = "".join([*pieces, arguments.close()])
    assert json.loads(text) == tree
    json.loads(text, object_pairs_hook=only_once)


@given(OBJECTS, st.randoms(use_true_random=False))
def test_arguments_in_any_order_of_members_lose_nothing(tree: dict[str, Any], chance: Any) -> None:
    leaves = [item for item in places(tree) if "[0]" not in item[0] and "[1]" not in item[0]]
    leaves = [item for item in leaves if "[2]" not in item[0]]
    kept: list[tuple[str, Any]] = leaves.copy()
    chance.shuffle(kept)
    arguments = StreamedArguments()
    text = arguments.open() + "".join("".join(put(arguments, *item, 1)) for item in kept)
    text += arguments.close()
    assert sorted(places(json.loads(text)), key=str) == sorted(leaves, key=str)


def written(*steps: tuple[str, str, bool]) -> tuple[str, bool]:
    """The text of steps (place, text, continues), and whether they broke the call."""
    arguments = StreamedArguments()
    text = arguments.open()
    for place, value, continues in steps:
        text += arguments.put_string(place, value, continues=continues)
    return text + arguments.close(), arguments.broken


def test_a_string_taken_up_again_is_written_whole_at_the_end() -> None:
    text, _ = written(("$.a", "x", True), ("$.b", "y", False), ("$.a", "z", False))
    assert text == '{"a":"x","b":"y","a":"xz"}'


def test_a_value_told_again_holds_as_it_was_told_last() -> None:
    text, _ = written(("$.a", "x", False), ("$.a", "y", False))
    assert json.loads(text) == {"a": "y"}


def test_a_closed_container_may_be_opened_again() -> None:
    text, _ = written(("$.a.x", "1", False), ("$.b", "2", False), ("$.a.y", "3", False))
    assert json.loads(text) == {"a": {"x": "1", "y": "3"}, "b": "2"}


def test_a_string_that_should_continue_and_does_not_is_never_closed() -> None:
    text, broken = written(("$.a", "x", True), ("$.b", "y", False))
    assert text == '{"a":"x","b":"y"'
    assert not broken


def test_an_empty_piece_may_end_a_string() -> None:
    arguments = StreamedArguments()
    text = arguments.open() + arguments.put_string("$.a", "x", continues=True)
    assert text + arguments.end_string("$.a") + arguments.close() == '{"a":"x"}'


@pytest.mark.parametrize(
    "place",
    ["", "a", "$", "$.", "$[0]", "$..a", "$.a[-1]", "$.a[*]", "$.a b[", "$.a[1]", "$" + ".a" * 101],
)
def test_a_place_that_cannot_be_understood_breaks_the_call(place: str) -> None:
    text, broken = written((place, "x", False))
    assert broken
    assert text == "{"


@pytest.mark.parametrize(
    ("first", "second"), [("$.a", "$.a.b"), ("$.a.b", "$.a"), ("$.a[0]", "$.a.b")]
)
def test_a_place_inside_a_value_that_is_none_breaks_the_call(first: str, second: str) -> None:
    text, broken = written((first, "x", False), (second, "y", False))
    assert broken
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text)


def test_half_a_surrogate_pair_stays_escaped_until_its_other_half() -> None:
    text, _ = written(("$.a", "\ud83d", True), ("$.a", "\ude80", False))
    assert json.loads(text) == {"a": "🚀"}
