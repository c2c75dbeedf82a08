"""JSON schemas from Python types: what a tool takes, what an answer must be.

msgspec knows both directions of a type, its schema and its decoding, so what a model is asked for and
what its answer is read with cannot drift apart.
"""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CacheHint", "OutputSchema", "Tool"]

CacheHint: TypeAlias = Literal["5m", "1h"]
"""Ask the vendor to cache the request up to and with this part, for so long, where it can."""


class Tool(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A tool that the model may ask for. ``parameters`` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None
    cache: CacheHint | None = None

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> Tool:
        """Describe ``function`` by its name, docstring and type hints, through msgspec.

        Every parameter needs a type hint that msgspec can turn into a schema; parameters with a
        default are optional.

        Raises:
            ConfigError: a parameter has no hint, no schema, or is ``*args`` or ``**kwargs``.
        """
        name = name or function.__name__
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            message = f"tool {name!r}: a type hint cannot be read: {error}"
            raise ConfigError(message, hint="Import the type where the function is.") from error
        parameters = inspect.signature(function).parameters.values()
        fields = [_field(name, parameter, hints) for parameter in parameters]
        model = msgspec.defstruct(name, fields, kw_only=True)
        schema = _schema(model, f"tool {name!r}")
        schema.pop("title", None)
        return cls(
            name=name,
            description=description or inspect.getdoc(function) or "",
            parameters=schema,
        )


def _field(
    tool: str, parameter: inspect.Parameter, hints: dict[str, Any]
) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.kind in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
        parameter.POSITIONAL_ONLY,
    ):
        message = f"tool {tool!r}: parameter {parameter.name!r} cannot be given by name"
        raise ConfigError(message, hint="Give the function named parameters only.")
    if parameter.name not in hints:
        message = f"tool {tool!r}: parameter {parameter.name!r} has no type hint"
        raise ConfigError(message, hint="Add one; the model's schema is built from it.")
    if parameter.default is parameter.empty:
        return (parameter.name, hints[parameter.name])
    default = parameter.default
    if isinstance(default, list | dict | set | bytearray) and default:
        default = msgspec.field(default_factory=lambda: parameter.default)
    return (parameter.name, hints[parameter.name], default)


class OutputSchema(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The JSON schema that the answer's text must fit."""

    schema: dict[str, Any]
    name: str = "answer"
    strict: bool = True

    @classmethod
    def of(cls, type: Any) -> OutputSchema:
        """The schema of any type that msgspec can decode; `Turn.parse` reads the answer with it.

        Its objects allow no other members, as vendors ask of an output schema. It is strict where
        every member is required, which is what strictness means to them.

        Raises:
            ConfigError: the type has no schema.
        """
        name = getattr(type, "__name__", "answer")
        schema = _schema(type, f"output {name!r}")
        objects = list(_objects(schema))
        for members in objects:
            members.setdefault("additionalProperties", False)
        strict = all(set(each["properties"]) <= set(each.get("required", ())) for each in objects)
        return cls(schema=schema, name=name, strict=strict)


def _schema(type_: Any, what: str) -> dict[str, Any]:
    """The JSON schema of a type itself, beside the definitions that it refers to."""
    try:
        schema = msgspec.json.schema(type_)
    except TypeError as error:
        message = f"{what}: {error}"
        raise ConfigError(message, hint="Use types that msgspec can describe.") from error
    definitions = schema.pop("$defs", {})
    own = schema.pop("$ref", "").removeprefix("#/$defs/")
    if own:
        schema = dict(definitions[own])
        if f'"#/$defs/{own}"'.encode() not in msgspec.json.encode(definitions):
            del definitions[own]
    if definitions:
        schema["$defs"] = definitions
    return schema


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """The schemas of objects with known members inside a schema, itself among them."""
    if isinstance(schema, list):
        for part in schema:
            yield from _objects(part)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
            yield schema
        for part in schema.values():
            yield from _objects(part)
