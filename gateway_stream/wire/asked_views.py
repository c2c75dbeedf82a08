"""Requests of other people's clients, read strictly where we read them at all.

A view is a Struct of the members that the neutral request has fields for. What it names must have its
type, or the request is refused in one line that says where; what it does not name is left over, and
is nobody's mistake.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

import msgspec

from gateway_stream.errors import BadRequest
from gateway_stream.wire.json_text import DEPTH_LIMIT, compact

__all__ = ["left_over", "model_named", "read_as", "readable", "refuse"]

View = TypeVar("View", bound=msgspec.Struct)


def refuse(message: str) -> NoReturn:
    """Refuse a request that its family's own service would refuse.

    Raises:
        BadRequest: with this message.
    """
    raise BadRequest(
        message,
        code="invalid_request",
        status=400,
        phase="request",
        hint="Send what the vendor's reference documents.",
    )


def readable(body: Any) -> dict[str, Any]:
    """The body such that it can be written again: halves of surrogate pairs are U+FFFD.

    Raises:
        BadRequest: it is no object, or nested deeper than `DEPTH_LIMIT`.
    """
    if not isinstance(body, dict):
        refuse("body: expected `object`")
    level: list[Any] = [body]
    for _ in range(DEPTH_LIMIT):
        inner = (tree.values() if isinstance(tree, dict) else tree for tree in level)
        level = [tree for trees in inner for tree in trees if isinstance(tree, dict | list)]
    if level:
        refuse(f"body: it is nested deeper than {DEPTH_LIMIT} levels")
    try:
        msgspec.json.encode(body)
    except UnicodeEncodeError:
        read: dict[str, Any] = msgspec.json.decode(compact(body))
        return read
    return body


def model_named(by_body: str | None, by_path: str | None) -> str:
    """The model that is asked: the body's word, else the path's.

    Raises:
        BadRequest: neither names one.
    """
    name = by_body or by_path
    if not name or not name.strip():
        refuse("body.model: it is missing")
    return name


def read_as(view: type[View], tree: Any, where: str) -> View:
    """The members of ``tree`` that ``view`` names; ``where`` is what to call its place.

    Raises:
        BadRequest: the tree is no object, or a member is missing or has another type.
    """
    try:
        return msgspec.convert(tree, view)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`")
        refuse(f"{where}{place}: {message[:1].lower()}{message[1:]}")
    except UnicodeEncodeError:
        refuse(f"{where}: it has half of a surrogate pair in it")


def left_over(tree: dict[str, Any], view: type[msgspec.Struct]) -> dict[str, Any]:
    """The members of ``tree`` that ``view`` does not name, null ones aside."""
    known = view.__struct_encode_fields__
    return {key: value for key, value in tree.items() if key not in known and value is not None}
