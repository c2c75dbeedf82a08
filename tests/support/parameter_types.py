"""Holding a tree against the parameter types that an official SDK gives its users.

The types are TypedDicts. A validator that is made for data lets unknown keys pass and reads iterables
lazily, so this one is strict on both: a key that the type does not name is a mistake.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import is_typeddict

__all__ = ["misfits"]


def misfits(value: Any, annotation: Any, where: str = "$") -> list[str]:
    """Where and how ``value`` is not what ``annotation`` says; empty where it is."""
    annotation = _bare(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object):
        return []
    if is_typeddict(annotation):
        return _of_object(value, annotation, where)
    if origin in (Union, types.UnionType):
        return min((misfits(value, member, where) for member in arguments), key=_distance)
    if origin is Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if origin in (list, Iterable, Sequence, dict, Mapping):
        return _of_container(value, origin, arguments[-1], where)
    return _of_class(value, origin or annotation, where)


def _distance(found: list[str]) -> tuple[int, int, int]:
    """How far a member of a union is from fitting: another word is another kind, and so is another form."""
    words = sum("is none of" in one for one in found)
    depths = [one.partition(":")[0].count(".") + one.partition(":")[0].count("[") for one in found]
    return words, -min(depths, default=99), len(found)


def _of_container(value: Any, origin: Any, inner: Any, where: str) -> list[str]:
    kinds = dict if origin in (dict, Mapping) else (list, tuple)
    if not isinstance(value, kinds):
        return [f"{where}: {type(value).__name__} is no {origin.__name__}"]
    places = value.items() if isinstance(value, dict) else enumerate(value)
    return [found for place, one in places for found in misfits(one, inner, f"{where}[{place}]")]


def _bare(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in (Annotated, Required, NotRequired):
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return getattr(annotation, "__value__", annotation)


def _of_object(value: Any, annotation: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {type(value).__name__} is no object"]
    hints = typing.get_type_hints(annotation, include_extras=True)
    missing = sorted(annotation.__required_keys__ - value.keys())
    found = [f"{where}: {key} is missing" for key in missing]
    for key, one in value.items():
        if key in hints:
            found += misfits(one, hints[key], f"{where}.{key}")
        else:
            found.append(f"{where}: {key} is unknown")
    return found


def _of_class(value: Any, annotation: Any, where: str) -> list[str]:
    if annotation is None or annotation is type(None):
        return [] if value is None else [f"{where}: {value!r} is not null"]
    known = (int, float) if annotation is float else annotation
    if isinstance(known, type | tuple):
        fits = isinstance(value, known) and not (isinstance(value, bool) and annotation is not bool)
        return [] if fits else [f"{where}: {value!r} is no {annotation}"]
    return [f"{where}: {annotation!r} is an annotation that is not understood"]
