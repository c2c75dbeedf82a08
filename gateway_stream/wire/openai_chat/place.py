"""The vendor's own text of what goes back, cut out of its frame.

A `Place` is a delta or message in a frame, and cuts the JSON text of a value below it out of the
frame's bytes, byte for byte. A frame may hold thousands of values that go back, so each container on
the way is split into the texts of its members once, and once only, for all places of the frame
(`FrameText`). Where a frame could only be read leniently, a value is written anew.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree

__all__ = ["FrameText", "Place"]

_UNREAD: Final = object()


class FrameText:
    """A frame's bytes, and the containers in it that were split already."""

    __slots__ = ("_data", "_splits", "_tree")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._splits: dict[tuple[str | int, ...], Any] = {}
        self._tree: Any = _UNREAD

    def cut(self, path: tuple[str | int, ...]) -> str:
        """The JSON text at ``path``.

        Raises:
            LookupError: there is none, or no way to it that can be read strictly.
            UnicodeDecodeError: it is not UTF-8.
        """
        return bytes(self._text(path)).decode()

    def tree(self, path: tuple[str | int, ...]) -> Any:
        """The value at ``path``, read leniently.

        Raises:
            LookupError, TypeError: there is none.
        """
        if self._tree is _UNREAD:
            try:
                self._tree = read_tree(self._data)
            except ValueError:
                self._tree = None
        tree = self._tree
        for step in path:
            tree = tree[step]
        return tree

    def _text(self, path: tuple[str | int, ...]) -> Any:
        if not path:
            return self._data
        *above, step = path
        return self._members(tuple(above), step)[step]

    def _members(self, path: tuple[str | int, ...], step: str | int) -> Any:
        """The texts of what a container holds; of one that cannot be split, none."""
        members = self._splits.get(path)
        if members is None:
            form: Any = dict[str, msgspec.Raw] if isinstance(step, str) else list[msgspec.Raw]
            text = self._text(path)
            try:
                members = msgspec.json.decode(text, type=form)
            except UNREADABLE:
                members = {}
            self._splits[path] = members
        return members


class Place:
    """Where in a frame a delta or message lies."""

    __slots__ = ("_frame", "_steps")

    def __init__(self, frame: FrameText, *steps: str | int) -> None:
        self._frame = frame
        self._steps = steps

    def cut(self, value: Any, *steps: str | int) -> str:
        """The JSON text that ``value`` was read from, found by ``steps`` below the place."""
        path = (*self._steps, *steps)
        try:
            return self._frame.cut(path)
        except (LookupError, UnicodeDecodeError):
            pass
        try:
            return compact(self._frame.tree(path))
        except (LookupError, TypeError):
            return compact(msgspec.to_builtins(value))
