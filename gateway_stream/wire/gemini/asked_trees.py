"""The JSON of a request, as the vendor's own parser takes it.

It is protobuf's JSON, and read with a wide sleeve: names in camel or snake case, a null for a field
that is absent, one object where a list of one is meant, enumerations in either case. The vendor's
guides use all of these. Only names of the vendor's are changed; arguments, results and schemas have
names of the user's.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from gateway_stream.wire.asked_views import refuse
from gateway_stream.wire.counts import as_count
from gateway_stream.wire.gemini.views import camel_case

__all__ = ["Tree", "json_schema", "left_unsaid", "named", "several", "word"]

Tree: TypeAlias = dict[str, Any]

_LENGTHS = frozenset(
    {"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"}
)


def named(value: Any, where: str) -> Tree:
    """The fields of an object by their camel-case names; ``where`` is what to call its place.

    Raises:
        BadRequest: it is no object, or has a field twice.
    """
    if not isinstance(value, dict):
        refuse(f"{where}: expected an object, got {_kind(value)}")
    tree: Tree = {}
    for name, field in value.items():
        if field is None:
            continue
        known = camel_case(name)
        if known in tree:
            refuse(f"{where}.{known}: it is there twice, in camel and in snake case")
        tree[known] = field
    return tree


def several(value: Any, where: str) -> list[Any]:
    """A list, also where its one object stands for it.

    Raises:
        BadRequest: it is neither.
    """
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        refuse(f"{where}: expected a list, got {_kind(value)}")
    return value


def word(value: Any) -> str:
    """A word of an enumeration, as the vendor writes it; ``""`` for what is none."""
    return value.upper() if isinstance(value, str) else ""


def left_unsaid(asked: Tree, written: Tree) -> Tree:
    """What of ``asked`` has to be merged into ``written``, name by name, to get all of it."""
    left: Tree = {}
    for name, value in asked.items():
        known = written.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            rest = left_unsaid(value, known)
            if rest:
                left[name] = rest
        elif name not in written or value != known:
            left[name] = value
    return left


def json_schema(schema: Any) -> Any:
    """The vendor's own form of a schema, which is OpenAPI's, as a JSON schema."""
    if not isinstance(schema, dict):
        return schema
    written: Tree = {}
    for name, value in schema.items():
        known = camel_case(name)
        if known in _LENGTHS:
            count = as_count(value)
            written[known] = value if count is None else count
        elif known in ("items", "additionalProperties"):
            written[known] = json_schema(value)
        elif known in ("anyOf", "prefixItems") and isinstance(value, list):
            written[known] = [json_schema(one) for one in value]
        elif known == "properties" and isinstance(value, dict):
            written[known] = {key: json_schema(one) for key, one in value.items()}
        elif known == "type" and isinstance(value, str):
            written[known] = value.lower()
        elif known != "nullable":
            written[known] = value
    return _with_null(written) if schema.get("nullable") is True else written


def _with_null(schema: Tree) -> Tree:
    """The same schema, which takes null too."""
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _kind(value: Any) -> str:
    kinds = {str: "a text", bool: "a truth value", list: "a list", type(None): "nothing"}
    return kinds.get(type(value), "a number")
