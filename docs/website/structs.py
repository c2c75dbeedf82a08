"""Signatures of structs for the API pages.

A `msgspec.Struct` is made by a signature that no line of source states: its fields, those of its
bases first. Griffe, which reads source only, knows this of dataclasses; here it is told of structs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCT = "msgspec.Struct"


class Structs(griffe.Extension):
    """Gives every struct the ``__init__`` that it has at run time."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Take the package once all of it is read, so that the bases are known."""
        for made in _classes(pkg):
            made.members.pop("__post_init__", None)  # it checks values, and makes none
            lineage = [*reversed(made.mro()), made]
            if any(_is_struct(parent) for parent in lineage):
                made.set_member("__init__", _signature(made, lineage))


def _classes(scope: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    for member in scope.members.values():
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _classes(member)


def _is_struct(made: griffe.Class) -> bool:
    return any(getattr(base, "canonical_path", base) == STRUCT for base in made.bases)


def _signature(made: griffe.Class, lineage: list[griffe.Class]) -> griffe.Function:
    positional = griffe.ParameterKind.positional_or_keyword
    fields: dict[str, griffe.Parameter] = {}
    for parent in lineage:
        named = parent.keywords.get("kw_only") == "True"
        for field in parent.attributes.values():
            if field.annotation is None or "instance-attribute" not in field.labels:
                continue
            fields[field.name] = griffe.Parameter(
                field.name,
                annotation=field.annotation,
                kind=griffe.ParameterKind.keyword_only if named else positional,
                default=field.value,
            )
    in_order = sorted(fields.values(), key=lambda field: field.kind is not positional)
    own = griffe.Parameter("self", kind=positional)
    return griffe.Function("__init__", parent=made, parameters=griffe.Parameters(own, *in_order))
