from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.request import OutputSchema
from gateway_stream.testing.making import Unfit, example_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(msgspec.Struct):
    size: Annotated[int, msgspec.Meta(ge=10, lt=12)]


class Node(msgspec.Struct):
    name: str
    children: list[Node]
    next: Node | None
    leaf: Leaf
    skipped: int = 0


class Minus(msgspec.Struct, tag=True):
    of: Minus | Value


class Value(msgspec.Struct, tag=True):
    number: float


class Everything(msgspec.Struct):
    city_name: str
    count: int
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    even: Annotated[int, msgspec.Meta(ge=7, multiple_of=4)]
    flag: bool
    nothing: None
    maybe: int | None
    colour: Colour
    unit: Literal["k", "c"]
    tags: Annotated[list[str], msgspec.Meta(min_length=3)]
    pair: tuple[int, str]
    short: Annotated[str, msgspec.Meta(max_length=2)]
    long: Annotated[str, msgspec.Meta(min_length=21)]
    day: dt.date
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    took: dt.timedelta
    clock: Annotated[dt.time, msgspec.Meta(tz=True)]
    key: uuid.UUID
    price: decimal.Decimal
    raw: bytes
    table: dict[str, int]
    node: Node
    formula: Minus | Value


def test_what_is_made_up_fits_what_a_type_asks_for() -> None:
    made = example_of(OutputSchema.of(Everything).schema)
    read = msgspec.convert(made, Everything)
    assert (read.city_name, read.count, read.flag, read.colour) == ("Paris", 1, True, Colour.BLUE)
    assert (read.even, read.share, read.maybe, read.unit) == (8, 0.5, 1, "c")
    assert [len(read.short), len(read.long), len(read.tags)] == [2, 21, 3]
    assert read.node == Node("blue", [], None, Leaf(10))
    assert "skipped" not in made["node"]
    assert isinstance(read.formula, Minus)
    assert isinstance(read.formula.of, Value)


@given(st.integers(-50, 50), st.integers(0, 9), st.sampled_from([int, float]), st.booleans())
def test_a_number_is_within_its_limits(least: int, width: int, kind: type, inclusive: bool) -> None:
    low, high = ("minimum", "maximum") if inclusive else ("exclusiveMinimum", "exclusiveMaximum")
    least -= not inclusive
    most = least + width + 2 * (not inclusive)
    schema: dict[str, Any] = {
        "type": "integer" if kind is int else "number",
        low: least,
        high: most,
    }
    value = example_of(schema)
    assert isinstance(value, int if kind is int else (int, float))
    assert (least <= value <= most) if inclusive else (least < value < most)
    over, under = (example_of({"type": schema["type"], name: schema[name]}) for name in (low, high))
    assert (over >= least and under <= most) if inclusive else (over > least and under < most)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "blue"),
        ({"type": "STRING"}, "blue"),
        ({"type": ["null", "boolean"]}, True),
        ({"const": 7, "enum": [8]}, 7),
        ({"enum": ["a", "b"], "default": "b"}, "a"),
        ({"type": "string", "pattern": "^x", "examples": ["xy"]}, "xy"),
        ({"type": "integer", "default": 5}, 5),
        ({"minimum": 3}, 4.0),
        ({"items": {"type": "boolean"}}, [True]),
        ({"type": "array", "maxItems": 0}, []),
        ({"properties": {"a": {}, "b": {}}, "required": ["a"]}, {"a": "blue"}),
        ({"properties": {"a": {}}}, {}),
        ({"type": "object", "required": ["x"], "additionalProperties": {"const": 1}}, {"x": 1}),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        (
            {"allOf": [{"$ref": "#/$defs/a~1b"}, {"required": ["t"]}], "$defs": {"a/b": {"type": "object"}}},
            {"t": "blue"},
        ),
    ],
)  # fmt: skip
def test_the_least_that_is_asked_for_is_made(schema: dict[str, Any], value: object) -> None:
    assert example_of(schema) == value


@pytest.mark.parametrize("name", ["city", "home_city", "Place", "locationName", "cities"])
def test_a_string_for_a_place_names_one(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert example_of(schema) == {name: "Paris"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#/$defs/gone"}, "does not define"),
        ({"$ref": "https://example.com/a.json"}, "does not define"),
        ({"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}, "without an end"),
        ({"type": "object", "properties": {"x": False}, "required": ["x"]}, "allows no value"),
        ({"type": "array", "minItems": 10**9}, "the most"),
        ({"type": "string", "minLength": 10**12}, "the most"),
        ({"anyOf": [{"$ref": "#/a"}, {"$ref": "#/b"}]}, "'#/a'"),
    ],
)  # fmt: skip
def test_a_schema_that_nothing_can_be_made_up_for_is_refused(
    schema: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unfit, match=why):
        example_of(schema)


WORDS = st.sampled_from(
    [
        "type", "enum", "const", "properties", "required", "items", "prefixItems", "minItems", "maxItems",
        "minimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "anyOf", "allOf", "$ref", "format",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, JSON))
def test_a_schema_that_is_nonsense_gives_a_value_or_a_refusal(schema: dict[str, Any]) -> None:
    try:
        example_of(schema)
    except Unfit as error:
        assert str(error)  # noqa: PT017  either is right
