r"""Vendors' JSON, read as tolerantly as is safe.

Families declare a *view*: one flat Struct with only the fields they use, each optional. msgspec
reads it in one pass, and that is all that happens to a frame without oddities. These oddities are
real, and each has a general rule here:

- *Half a surrogate pair* (``"\ud83d"`` alone, its other half in the next delta), *bytes that are not
  UTF-8*, *numbers out of range*: msgspec refuses the whole frame. It is read again with the standard
  library, bad bytes replaced; halves of pairs stay in the text for `AnswerWriter` to join.
- *A field of a type that the view does not expect*: the field is treated as absent, and a `Notice`
  names it. One wrong extra must not cost the text beside it.
- *JSON that is no object*: not an event of any family. Ignored, with a `Notice`.
- *No JSON at all*: `NotJson`, for whoever gave the frame to judge by its other bytes what it is.
- *A number of more digits than an interpreter turns into an integer*: out of range, as ``1e999`` is.
- *JSON that is nested deeper* than `DEPTH_LIMIT`: a failure too. What an interpreter can read is
  a matter of how deep its own stack is just then; a limit of our own makes the same bytes give the
  same events.

What a view does not name is not gone: `remainder` gives it as JSON text for an event's ``vendor``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from gateway_stream.wire.surrogates import pair_up

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway_stream.wire.answer import AnswerWriter

__all__ = [
    "DEPTH_LIMIT",
    "UNREADABLE",
    "NotJson",
    "compact",
    "read_object",
    "read_tree",
    "read_view",
    "remainder",
    "too_deep",
]

View = TypeVar("View")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a frame that needs `read_view`."""

DEPTH_LIMIT: Final = 256
"""How many containers may lie within each other in a frame."""

# Possessive, or the engine would remember every escape of a string while it matches.
_BRACKET_OR_STRING: Final = re.compile(rb'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_REPAIRS: Final = 16
_DIGITS: Final = 4300  # what msgspec and the interpreter read as an integer
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")


class NotJson(ValueError):
    """The data of a frame is no JSON."""


def compact(tree: Any) -> str:
    """JSON text without blanks; halves of surrogate pairs become U+FFFD, numbers out of range null."""
    try:
        return msgspec.json.encode(tree).decode()
    except UnicodeEncodeError:
        text = json.dumps(tree, ensure_ascii=False)
        whole = pair_up(text)
        return msgspec.json.encode(json.loads(whole)).decode()


def too_deep(data: bytes) -> bool:
    """Whether JSON is nested deeper than `DEPTH_LIMIT`."""
    if data.count(b"[") + data.count(b"{") <= DEPTH_LIMIT:
        return False
    depth = 0
    for found in _BRACKET_OR_STRING.finditer(data):
        mark = found.group()
        if mark in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                return True
        elif mark in b"]}":
            depth -= 1
    return False


def read_tree(data: bytes) -> Any:
    """Any JSON as Python values, with the oddities of the module's docstring let through.

    Raises:
        ValueError: not JSON, or deeper than can be read.
    """
    try:
        return msgspec.json.decode(data)
    except UNREADABLE:
        try:
            return json.loads(data.decode("utf-8", "replace"), parse_int=_integer)
        except RecursionError as error:
            message = "nested too deeply"
            raise ValueError(message) from error


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def read_object(text: str) -> dict[str, Any]:
    """Opaque JSON text as an object that can be written again; empty where it holds none."""
    try:
        try:
            tree = msgspec.json.decode(text)
        except UNREADABLE:
            tree = msgspec.json.decode(compact(read_tree(text.encode("utf-8", "replace"))))
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}


def read_view(view: type[View], data: bytes, writer: AnswerWriter) -> View | None:
    """Read a frame that msgspec refused at the first go, or that may be refused.

    Gives ``None`` where the frame holds nothing to read, of which the writer has then got a notice.

    Raises:
        NotJson: the frame is no JSON.
    """
    try:
        return msgspec.json.decode(data, type=view)
    except UNREADABLE:
        pass
    try:
        tree = read_tree(data)
    except ValueError as error:
        message = f"a frame of the stream is not JSON: {error}"
        raise NotJson(message) from error
    if not isinstance(tree, dict):
        writer.notice("unknown_event", _excerpt(data))
        return None
    if b"\xef\xbf\xbd" not in data and "\ufffd" in str(tree):
        writer.notice("replaced_bytes", "bytes that are not UTF-8 were replaced by U+FFFD")
    writer.expect_surrogates()
    return _convert(view, tree, writer)


def _convert(view: type[View], tree: Any, writer: AnswerWriter) -> View | None:
    """The view of ``tree`` without the fields that have the wrong type."""
    for _ in range(_REPAIRS):
        try:
            return msgspec.convert(tree, view)
        except msgspec.ValidationError as error:
            what, _, path = str(error).rpartition(" - at `$")
            path = path.removesuffix("`")
            writer.notice("invalid_field", f"{path.removeprefix('.')}: {what}")
            if not _remove(tree, path):
                return None
        except UnicodeEncodeError:  # msgspec cannot look into half of a pair to say what is wrong
            writer.notice("replaced_bytes", "half of a surrogate pair was replaced by U+FFFD")
            tree = msgspec.json.decode(compact(tree))
    return None


def _remove(tree: Any, path: str) -> bool:
    """Take the value at msgspec's error path out of the tree."""
    steps: list[Any] = [
        int(found.group(2)) if found.group(2) else found.group(1) for found in _STEP.finditer(path)
    ]
    if None in steps:  # below a free key, which the path does not tell: all of the table goes
        del steps[steps.index(None) :]
    if not steps:
        return False
    for step in steps[:-1]:
        tree = tree[step]
    if isinstance(tree, list):
        del tree[steps[-1]]
    else:
        tree[steps[-1]] = None
    return True


def remainder(tree: Any, known: Collection[str]) -> str | None:
    """JSON text of what an object holds beside the ``known`` keys and nulls; ``None`` if nothing."""
    rest = {key: value for key, value in tree.items() if key not in known and value is not None}
    return compact(rest) if rest else None


def _excerpt(data: bytes) -> str:
    return data[:2048].decode("utf-8", "replace")
