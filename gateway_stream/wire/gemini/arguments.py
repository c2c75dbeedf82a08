"""Arguments of a function call that arrive value by value, written as JSON text while they come.

A streamed call names places and what is new there: ``$.items[0].name`` is ``"app"`` and will
continue, then ``"le"``. Readers of the event protocol want fragments of one JSON text. Both agree
as long as places come in document order, which is how models write: each new place either lies in
a container that is still open, or closes what is open up to the container that holds it. So:

- The text begins with ``{`` and gets its closing brackets only with `close`. A call that never
  ends is therefore never whole JSON.
- A place that the text has passed (a value set again, a string taken up again, a closed container
  reopened) cannot be written where it belongs. Its top-level member is written again, whole, at
  the end: readers of JSON take the last of two members with one name. No argument is lost and
  none is guessed, and what was delivered stays a prefix of the whole.
- A string that was said to continue and did not keeps the text from being closed.
- A place or a value that cannot be understood breaks the call: arguments with a hole are not to
  be run.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

import msgspec

__all__ = ["StreamedArguments"]

Path: TypeAlias = tuple[str | int, ...]

_STEP: Final = re.compile(
    r"\.(?P<name>[^.\[\]'\"]+)|\[(?P<index>\d{1,9})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\[\"(?P<double>(?:[^\"\\]|\\.)*)\"\]"
)
_ESCAPED: Final = re.compile(r"\\(.)")
_DEPTH: Final = 100

# A container is a dict, an array's with the keys 0, 1, ...; a value is its JSON text in pieces.
_Node: TypeAlias = "dict[str | int, Any] | list[str]"


class StreamedArguments:
    """The arguments of one call. Every method gives the text to deliver, which may be ``""``."""

    def __init__(self) -> None:
        self.broken = False
        self._root: dict[str | int, Any] = {}
        self._at: Path = ()  # the place that the text has reached
        self._in_string = False
        self._growing: set[Path] = set()
        self._again: dict[str | int, None] = {}  # top-level members to write again, in order

    def open(self) -> str:
        """Begin."""
        return "{"

    def put_string(self, place: str, text: str, *, continues: bool) -> str:
        """More text of the string at ``place``; ``continues`` when it is not the last."""
        path = self._path(place)
        if path is None:
            return ""
        piece = _escape(text)
        grows = path in self._growing
        if continues:
            self._growing.add(path)
        else:
            self._growing.discard(path)
        if grows:
            return self._grow(path, piece, continues=continues)
        return self._put(path, f'"{piece}' if continues else f'"{piece}"', in_string=continues)

    def put_json(self, place: str, value: str) -> str:
        """The whole value at ``place``, as JSON text."""
        path = self._path(place)
        if path is None:
            return ""
        self._growing.discard(path)
        return self._put(path, value, in_string=False)

    def put_member(self, name: str, value: str) -> str:
        """The whole value of a top-level member, as JSON text."""
        self._growing.discard((name,))
        return self._put((name,), value, in_string=False)

    def end_string(self, place: str) -> str:
        """The string at ``place`` is whole without more text."""
        if self._path(place) not in self._growing:
            self.broken = True
            return ""
        return self.put_string(place, "", continues=False)

    def close(self) -> str:
        """Everything came: what makes the text whole, unless something is missing."""
        if self.broken or self._growing:
            return ""
        text = self._leave(0)
        for name in self._again:
            text += f",{_quote(name)}:{_render(self._root[name])}"
        return text + "}"

    def _path(self, place: str) -> Path | None:
        """The steps of a JSON path; a path that is none breaks the call."""
        steps: list[str | int] = []
        at = 1
        while at < len(place) and len(steps) < _DEPTH:
            found = _STEP.match(place, at)
            if found is None:
                break
            kind = str(found.lastgroup)
            value = found[kind]
            if kind == "index":
                steps.append(int(value))
            else:
                steps.append(value if kind == "name" else _ESCAPED.sub(r"\1", value))
            at = found.end()
        if not place.startswith("$") or at != len(place) or not steps or isinstance(steps[0], int):
            self.broken = True
            return None
        return tuple(steps)

    def _grow(self, path: Path, piece: str, *, continues: bool) -> str:
        if self.broken:  # the string may never have found its place
            return ""
        piece = piece if continues else piece + '"'
        node: Any = self._root
        for step in path:
            node = node[step]
        node.append(piece)
        if path != self._at or not self._in_string or path[0] in self._again:
            self._again[path[0]] = None
            return ""
        self._in_string = continues
        return piece

    def _put(self, path: Path, value: str, *, in_string: bool) -> str:
        shared = 0
        while shared < min(len(path), len(self._at)) and path[shared] == self._at[shared]:
            shared += 1
        known = self._set(path, value)
        if known is None:
            self.broken = True
        if known is None or path[0] in self._again:
            return ""
        if known > shared or shared == len(path):
            self._again[path[0]] = None
            return ""
        text = self._leave(shared)
        text += self._enter(path, shared)
        self._at = path
        self._in_string = in_string
        return text + value

    def _set(self, path: Path, value: str) -> int | None:
        """Keep a value. Gives how many of its steps were there before, None if it cannot stand there."""
        node: dict[str | int, Any] = self._root
        known = 0
        for step, following in zip(path, (*path[1:], None), strict=True):
            in_array = isinstance(step, int)
            if node and in_array != isinstance(next(iter(node)), int):
                return None
            if in_array and step > len(node):  # type: ignore[operator]  # in_array says it is one
                return None
            if step in node:
                known += 1
            child = node.get(step)
            if following is None and not isinstance(child, dict):
                node[step] = [value]
                return known
            child = node.setdefault(step, {})
            if following is None or not isinstance(child, dict):
                return None
            node = child
        return None

    def _leave(self, depth: int) -> str:
        """Close the string, and the containers that lie deeper than ``depth`` steps."""
        text = '"' if self._in_string else ""
        self._in_string = False
        for step in reversed(self._at[depth + 1 :]):
            text += "]" if isinstance(step, int) else "}"
        return text

    def _enter(self, path: Path, depth: int) -> str:
        """Go from the open container at ``depth`` to the place of a new value."""
        text = "," if self._at else ""
        for place, step in enumerate(path[depth:]):
            if place:
                text += "[" if isinstance(step, int) else "{"
            if not isinstance(step, int):
                text += f"{_quote(step)}:"
        return text


def _render(node: _Node) -> str:
    if isinstance(node, list):
        return "".join(node)
    if 0 in node:
        return "[" + ",".join(_render(child) for child in node.values()) + "]"
    members = (f"{_quote(name)}:{_render(child)}" for name, child in node.items())
    return "{" + ",".join(members) + "}"


def _quote(name: str | int) -> str:
    return f'"{_escape(str(name))}"'


def _escape(text: str) -> str:
    try:
        return msgspec.json.encode(text).decode()[1:-1]
    except UnicodeEncodeError:
        return json.dumps(text)[1:-1]
