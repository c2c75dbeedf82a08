"""The part of a JSON text that its first bytes already prove.

Tool arguments arrive in fragments, and a screen wants to show them while they grow. What is shown
must never claim more than the bytes prove: a string may be shown as far as it came, because more
text only extends it; a number or a literal may not, because ``10`` may become ``1000`` and ``nu``
says nothing yet. So an unfinished trailing number or literal is left out, an object's key without
its value too, and a text that no continuation can make into JSON is an error. Raw control
characters inside strings are let through: models write them, and a preview does no harm by showing
them, where running such arguments would. A whole number of more digits than the interpreter reads
is an error too.

The reader keeps its own stack, so depth costs memory and never the interpreter's recursion limit;
each character is visited once.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

__all__ = ["NOTHING", "read_partial"]

NOTHING: Final = object()
"""What `read_partial` gives for a text that proves no value yet."""

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\]*')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_BEGUN = re.compile(
    r"-?(?:0|[1-9][0-9]*)?(?:(?<=[0-9])\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?\Z"
)
_LITERALS: Final = {"true": True, "false": False, "null": None}


class _Unfinished(Exception):
    """The text ends inside a value; ``value`` is what it proves of it."""

    def __init__(self, value: Any = NOTHING) -> None:
        self.value = value


def read_partial(text: str) -> tuple[Any, bool]:
    """What ``text``, a whole JSON text or the beginning of one, proves, and whether it is whole.

    The value is `NOTHING` where none is proved yet.

    Raises:
        ValueError: no continuation of ``text`` is JSON.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._stack: list[tuple[Any, Any]] = []  # (container, key of the value being read in it)

    def read(self) -> tuple[Any, bool]:
        root: Any = NOTHING
        try:
            self._skip()
            root = self._open_or_scalar()
            self._fill()
            self._skip_to_end()
        except _Unfinished as unfinished:
            if self._stack:
                root = self._stack[0][0]
                if unfinished.value is not NOTHING:
                    self._put(unfinished.value)
                return root, False
            return unfinished.value, False
        return root, True

    def _fill(self) -> None:
        """Read on until the outermost container is closed."""
        while self._stack:
            container, _ = self._stack[-1]
            self._skip()
            if isinstance(container, dict):
                if self._next_key(container):
                    continue
            elif self._next_item(container):
                continue
            value = self._open_or_scalar()
            if not isinstance(value, dict | list):
                self._put(value)

    def _next_key(self, container: dict[str, Any]) -> bool:
        """Go to an object's next value. True when the object closed instead."""
        closed = self._closes("}", first=not container and self._stack[-1][1] is NOTHING)
        if closed:
            return True
        if self._text[self._at] != '"':
            self._fail("expected a key")
        try:
            key = self._string()
        except _Unfinished:
            raise _Unfinished from None
        self._skip()
        if self._text[self._at] != ":":
            self._fail("expected ':'")
        self._at += 1
        self._stack[-1] = (container, key)
        self._skip()
        return False

    def _next_item(self, container: list[Any]) -> bool:
        """Go to an array's next value. True when the array closed instead."""
        return self._closes("]", first=not container)

    def _closes(self, bracket: str, *, first: bool) -> bool:
        mark = self._text[self._at]
        if mark == bracket:
            self._at += 1
            self._stack.pop()
            return True
        if not first:
            if mark != ",":
                self._fail(f"expected ',' or '{bracket}'")
            self._at += 1
            self._skip()
            if self._text[self._at] == bracket:
                self._fail("a comma with nothing after it")
        return False

    def _put(self, value: Any) -> None:
        container, key = self._stack[-1]
        if isinstance(container, dict):
            container[key] = value
        else:
            container.append(value)

    def _open_or_scalar(self) -> Any:
        mark = self._text[self._at]
        if mark in "{[":
            self._at += 1
            container: Any = {} if mark == "{" else []
            if self._stack:
                self._put(container)
            self._stack.append((container, NOTHING))
            return container
        if mark == '"':
            return self._string()
        if mark == "-" or mark.isdigit():
            return self._number()
        return self._literal()

    def _string(self) -> str:
        """Read a string; what came of an unfinished one is raised as unfinished."""
        text = self._text
        begin = self._at
        at = begin + 1
        while True:
            at = _match_end(_PLAIN, text, at)
            if at == len(text):
                raise _Unfinished(_unescape(text[begin:at]))
            if text[at] == '"':
                self._at = at + 1
                return _unescape(text[begin:at])
            escape = _ESCAPE.match(text, at)
            if escape is None:
                if _ESCAPE_BEGUN.match(text, at):
                    raise _Unfinished(_unescape(text[begin:at]))
                self._fail("an escape that JSON does not know")
            at = escape.end()

    def _number(self) -> int | float:
        number = _NUMBER.match(self._text, self._at)
        if _NUMBER_BEGUN.match(self._text, self._at):
            raise _Unfinished
        if number is None:
            self._fail("not a number")
        try:
            value: int | float = json.loads(number.group())
        except ValueError:
            self._fail("a number with too many digits")
        self._at = number.end()
        return value

    def _literal(self) -> bool | None:
        rest = self._text[self._at : self._at + 5]
        for word, value in _LITERALS.items():
            if rest.startswith(word):
                self._at += len(word)
                return value
            if word.startswith(rest):
                raise _Unfinished
        return self._fail("not a value")

    def _skip(self) -> None:
        self._at = _match_end(_BLANK, self._text, self._at)
        if self._at == len(self._text):
            raise _Unfinished

    def _skip_to_end(self) -> None:
        self._at = _match_end(_BLANK, self._text, self._at)
        if self._at != len(self._text):
            self._fail("more text after the value")

    def _fail(self, what: str) -> NoReturn:
        message = f"not JSON: {what} at character {self._at}"
        raise ValueError(message)


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _unescape(quoted: str) -> str:
    """The value of a string from its opening quote up to what came; half a surrogate pair waits."""
    value: str = json.loads(quoted + '"', strict=False)
    if value and "\ud800" <= value[-1] <= "\udbff":
        return value[:-1]
    return value
