"""Tools and output schemas from functions and types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest

from gateway_stream.errors import ConfigError
from gateway_stream.request import OutputSchema, Tool


class Place(msgspec.Struct):
    city: str
    country: str = "DE"


@dataclass
class Box:
    width: int


class Tree(msgspec.Struct):
    label: str
    children: list[Tree] = []


def no_parameters() -> None:
    """Do it."""


def simple(city: str, days: int = 3) -> None:
    """Forecast."""


def optional(a: Optional[int], b: int | None = None, c: float = 1.5) -> None:  # noqa: UP045
    ...


def choices(unit: Literal["c", "f"] = "c", flags: list[bool] = []) -> None:  # noqa: B006
    ...


def nested(place: Place, box: Box, *, more: dict[str, Place] | None = None) -> None: ...


def described(
    city: Annotated[str, msgspec.Meta(description="Which city", min_length=1)],
) -> None: ...


FUNCTIONS: list[tuple[Any, dict[str, Any], list[str]]] = [
    (no_parameters, {}, []),
    (simple, {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}}, ["city"]),
    (
        optional,
        {
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "b": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "c": {"type": "number", "default": 1.5},
        },
        ["a"],
    ),
    (
        choices,
        {
            "unit": {"enum": ["c", "f"], "default": "c"},
            "flags": {"type": "array", "items": {"type": "boolean"}, "default": []},
        },
        [],
    ),
    (
        described,
        {"city": {"type": "string", "description": "Which city", "minLength": 1}},
        ["city"],
    ),
]


@pytest.mark.parametrize(
    ("function", "properties", "required"), FUNCTIONS, ids=[row[0].__name__ for row in FUNCTIONS]
)
def test_a_function_becomes_a_tool(
    function: Any, properties: dict[str, Any], required: list[str]
) -> None:
    tool = Tool.from_function(function)
    assert tool.name == function.__name__
    assert tool.description == (function.__doc__ or "")
    assert tool.parameters["type"] == "object"
    assert tool.parameters["properties"] == properties
    assert tool.parameters["required"] == required
    assert "title" not in tool.parameters
    assert all_references_hold(tool.parameters)


def references(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        own = [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        return own + [ref for value in tree.values() for ref in references(value)]
    return [ref for value in tree for ref in references(value)] if isinstance(tree, list) else []


def all_references_hold(schema: dict[str, Any]) -> bool:
    known = {f"#/$defs/{name}" for name in schema.get("$defs", {})}
    return set(references(schema)) <= known


def test_structs_and_dataclasses_are_described_beside_the_parameters() -> None:
    parameters = Tool.from_function(nested).parameters
    assert parameters["required"] == ["place", "box"]
    assert set(parameters["$defs"]) == {"Place", "Box"}
    assert all_references_hold(parameters)
    assert parameters["$defs"]["Place"]["required"] == ["city"]


def test_a_parameters_type_may_have_the_tools_name() -> None:
    def look(place: Place) -> None: ...

    parameters = Tool.from_function(look, name="Place").parameters
    assert list(parameters["properties"]) == ["place"]
    assert all_references_hold(parameters)


def test_recursive_types_keep_their_definitions() -> None:
    def plant(tree: Tree) -> None: ...

    assert all_references_hold(Tool.from_function(plant).parameters)


def test_name_and_description_can_be_given() -> None:
    tool = Tool.from_function(simple, name="weather", description="Tell it.")
    assert (tool.name, tool.description) == ("weather", "Tell it.")


def test_a_method_is_described_without_self() -> None:
    class Service:
        def look(self, city: str) -> None: ...

    assert list(Tool.from_function(Service().look).parameters["properties"]) == ["city"]


def no_hint(city) -> None: ...  # type: ignore[no-untyped-def]


def star(*cities: str) -> None: ...


def double_star(**cities: str) -> None: ...


def positional(city: str, /) -> None: ...


def undescribable(city: complex) -> None: ...


def unknown_name(city: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (no_hint, "'city' has no type hint"),
        (star, "'cities' cannot be given by name"),
        (double_star, "'cities' cannot be given by name"),
        (positional, "'city' cannot be given by name"),
        (undescribable, "complex"),
        (unknown_name, "Nowhere"),
    ],
)
def test_a_function_that_cannot_be_described_is_an_error_that_says_why(
    function: Any, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        Tool.from_function(function)
    assert function.__name__ in str(caught.value)
    assert caught.value.hint


# Output schemas.


@pytest.mark.parametrize(
    ("type_", "name", "kind"),
    [
        (Place, "Place", "object"),
        (Box, "Box", "object"),
        (list[Place], "list", "array"),
        (dict[str, int], "dict", "object"),
    ],
)
def test_an_output_schema_describes_any_type(type_: Any, name: str, kind: str) -> None:
    output = OutputSchema.of(type_)
    assert output.name == name
    assert output.schema["type"] == kind
    assert all_references_hold(output.schema)


@pytest.mark.parametrize("type_", [Tree, list[Tree], Tree | None, Place | None, dict[str, Tree]])
def test_the_references_of_an_output_schema_hold(type_: Any) -> None:
    assert all_references_hold(OutputSchema.of(type_).schema)


def test_a_type_without_a_schema_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match="complex"):
        OutputSchema.of(complex)


class Answer(msgspec.Struct):
    place: Place
    boxes: list[Box]


def test_an_output_schema_lets_its_objects_have_no_other_members() -> None:
    schema = OutputSchema.of(Answer).schema
    assert schema["additionalProperties"] is False
    assert all(each["additionalProperties"] is False for each in schema["$defs"].values())


@pytest.mark.parametrize(
    ("type_", "strict"), [(Box, True), (Place, False), (Answer, False), (int, True)]
)
def test_an_output_schema_is_strict_where_every_member_is_required(
    type_: Any, strict: bool
) -> None:
    assert OutputSchema.of(type_).strict is strict
