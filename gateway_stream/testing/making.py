"""Making up a JSON value that fits a JSON schema.

The value is the least that the schema asks for: of an object the required properties, of an array
one element, of a choice the first that is not ``null``. What the schema itself offers is taken first:
``const``, the first of ``enum``, the first of ``examples``, ``default``. A type may be written in
capitals, as OpenAPI dialects write it, and is told by the other keywords where it is left out.

A part that would hold itself without an end is left out where it may be: its array stays empty, or
its choice takes another branch. Not heeded are ``pattern``, ``not``, ``if``, ``uniqueItems``, and
what depends on which other properties are there; ``examples`` help with those.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Unfit", "example_of", "tree", "trees"]

Tree: TypeAlias = dict[str, Any]

_PLACES: Final = ("city", "cities", "place", "location")
_WORD: Final = "blue"
_FORMATS: Final = {
    "date": "2025-06-01",
    "date-time": "2025-06-01T12:00:00Z",
    "decimal": "1.5",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
}
_MOST: Final = 1000
"""Elements or characters that a schema may demand before it is taken for a mistake."""


class Unfit(ValueError):
    """Nothing can be made up for a schema."""


def example_of(schema: Tree, name: str = "") -> Any:
    """A value that fits ``schema``; ``name`` is what it is for, which says what strings to take.

    Raises:
        Unfit: none can be made up.
    """
    return _Maker(schema).value(schema, name, frozenset())


def tree(value: object) -> Tree:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def trees(value: object) -> list[Tree]:
    """The JSON objects in ``value``, if it is an array."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


class _Maker:
    """Makes values of one schema. ``within`` are the references that lead to a part."""

    def __init__(self, root: Tree) -> None:
        self._root = root

    def value(self, schema: object, name: str, within: frozenset[str]) -> Any:
        if schema is False:
            message = f"the schema allows no value for {name!r}"
            raise Unfit(message)
        flat, within = self._flat(tree(schema), within)
        if offered := _offered(flat):
            return offered[0]
        branches = trees(flat.pop("anyOf", None)) or trees(flat.pop("oneOf", None))
        if branches:
            return self._first(branches, flat, name, within)
        kind = _kind(flat)
        if kind == "object":
            return self._object(flat, within)
        if kind == "array":
            return self._array(flat, name, within)
        return _PLAIN.get(kind, _string)(flat, name)

    def _flat(self, schema: Tree, within: frozenset[str]) -> tuple[Tree, frozenset[str]]:
        """The schema with what it refers to, and all that it is made of, in one."""
        flat = dict(schema)
        parts = trees(flat.pop("allOf", None))
        reference = flat.pop("$ref", None)
        if isinstance(reference, str):
            if reference in within:
                message = f"the schema {reference!r} holds itself without an end"
                raise Unfit(message)
            within |= {reference}
            parts.append(self._referred(reference))
        for part in parts:
            added, within = self._flat(part, within)
            flat = _merged(added, flat)
        return flat, within

    def _referred(self, reference: str) -> Tree:
        found: Any = self._root
        start, *steps = reference.split("/")
        for step in steps:
            found = tree(found).get(unquote(step).replace("~1", "/").replace("~0", "~"))
        if start != "#" or not isinstance(found, dict | bool):
            message = f"the schema refers to {reference!r}, which it does not define"
            raise Unfit(message)
        return tree(found)

    def _first(self, branches: list[Tree], rest: Tree, name: str, within: frozenset[str]) -> Any:
        refusal: Unfit | None = None
        for branch in sorted(branches, key=lambda branch: branch.get("type") == "null"):
            try:
                return self.value(_merged(rest, branch), name, within)
            except Unfit as error:
                refusal = refusal or error
        raise refusal or Unfit

    def _object(self, schema: Tree, within: frozenset[str]) -> Tree:
        properties = tree(schema.get("properties"))
        others = schema.get("additionalProperties", True)
        required = schema.get("required")
        names = required if isinstance(required, list) else []
        return {
            name: self.value(properties.get(name, others), name, within)
            for name in names
            if isinstance(name, str)
        }

    def _array(self, schema: Tree, name: str, within: frozenset[str]) -> list[Any]:
        rest = schema.get("items", True)
        fixed = rest if isinstance(rest, list) else schema.get("prefixItems")
        made = [self.value(part, name, within) for part in trees(fixed)]
        least = _count(schema, "minItems", 0)
        wanted = min(max(least, 1), _count(schema, "maxItems", _MOST)) - len(made)
        if wanted > 0:
            try:
                made += [self.value(rest, name, within)] * wanted
            except Unfit:
                if len(made) < least:
                    raise
        return made


def _merged(one: Tree, other: Tree) -> Tree:
    """Both in one; of what both say, the other's, but all properties and all that is required."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**tree(one["properties"]), **tree(other["properties"])}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        both["required"] = [*one["required"], *other["required"]]
    return both


def _offered(schema: Tree) -> list[Any]:
    """The values that a schema itself names, the one to take first."""
    const, default = ([schema[name]] if name in schema else [] for name in ("const", "default"))
    choices, examples = (schema.get(name) for name in ("enum", "examples"))
    named = (const, choices, examples, default)
    return next((one for one in named if isinstance(one, list) and one), [])


def _kind(schema: Tree) -> str:
    told = schema.get("type")
    kinds = [str(kind).lower() for kind in (told if isinstance(told, list) else [told]) if kind]
    if kinds:
        return next((kind for kind in kinds if kind != "null"), "null")
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if _bounds(schema) != (-math.inf, math.inf) else "string"


def _count(schema: Tree, name: str, otherwise: int) -> int:
    told = schema.get(name)
    try:
        count = int(told) if isinstance(told, int | float | str) else otherwise
    except (ValueError, OverflowError):
        count = otherwise
    if count > _MOST and name.startswith("min"):
        message = f"the schema demands {name} {count}, and {_MOST} is the most that is made up"
        raise Unfit(message)
    return count


def _limits(schema: Tree, *names: str) -> list[float]:
    told = [schema.get(name) for name in names]
    return [one for one in told if isinstance(one, int | float) and not isinstance(one, bool)]


def _bounds(schema: Tree) -> tuple[float, float]:
    return (
        max(_limits(schema, "minimum", "exclusiveMinimum"), default=-math.inf),
        min(_limits(schema, "maximum", "exclusiveMaximum"), default=math.inf),
    )


def _integer(schema: Tree, _: str) -> int:
    least = [math.ceil(limit) for limit in _limits(schema, "minimum")]
    least += [math.floor(limit) + 1 for limit in _limits(schema, "exclusiveMinimum")]
    most = [math.floor(limit) for limit in _limits(schema, "maximum")]
    most += [math.ceil(limit) - 1 for limit in _limits(schema, "exclusiveMaximum")]
    value = min([max([1, *least]), *most])
    for step in _limits(schema, "multipleOf"):
        return math.ceil(value / step) * int(step) if step >= 1 else value
    return value


def _number(schema: Tree, _: str) -> float:
    least, most = _bounds(schema)
    value = 1.5
    if not least < value < most:
        if math.isinf(most):
            value = least + 1
        else:
            value = most - 1 if math.isinf(least) else (least + most) / 2
    for step in _limits(schema, "multipleOf"):
        return math.ceil(value / step) * step if step > 0 else value
    return value


def _string(schema: Tree, name: str) -> str:
    told = _FORMATS.get(str(schema.get("format")))
    if told is not None:
        return told
    word = "Paris" if any(place in name.lower() for place in _PLACES) else _WORD
    most = _count(schema, "maxLength", len(word))
    length = max(_count(schema, "minLength", 0), min(len(word), most))
    return (word * (length // len(word) + 1))[:length]


_PLAIN: Final[dict[str, Callable[[Tree, str], Any]]] = {
    "boolean": lambda _schema, _name: True,
    "integer": _integer,
    "null": lambda _schema, _name: None,
    "number": _number,
}
