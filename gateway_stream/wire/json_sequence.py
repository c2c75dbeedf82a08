"""Bytes to whole JSON values, for bodies that are JSON where a stream of events was asked for.

Three bodies have this form: one object (a server that ignored ``stream``, or an error), an array of
objects that grows (Gemini without ``alt=sse``), and objects one after another, a line each or not.
All are read alike: at depth 0, or 1 inside the outer array, blanks and commas separate values, and
a value is given when its last bracket closes. Nothing is parsed here; only brackets and strings are
told apart, in one pass over the bytes however they are cut.
"""

from __future__ import annotations

import re
from typing import Final

from gateway_stream.wire.sse import EVENT_LIMIT, too_large

__all__ = ["JsonSequence"]

_IN_STRING: Final = re.compile(rb'["\\]')
_IN_VALUE: Final = re.compile(rb'["{}\[\]]')
_BETWEEN: Final = re.compile(rb"[^ \t\r\n,]")


class JsonSequence:
    """Takes bytes as they come and gives whole values. ``array`` tells whether an array holds them."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._after_backslash = False
        self._ended = False
        self.array: bool | None = None
        self.broken = False
        """Whether bytes came that belong to no value; nothing is given from there on."""
        self.overflowed = False

    @property
    def unfinished(self) -> bool:
        """Whether a value, or the array around the values, is still open."""
        return self._depth > 0 or (self.array is True and not self._ended)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the values that ``chunk`` completes.

        Raises:
            ProtocolError: a value is larger than the limit. Values before it are given first.
        """
        values: list[bytes] = []
        at = 0
        while at < len(chunk) and not self.broken and not self.overflowed:
            at = self._within(chunk, at, values) if self._depth else self._between(chunk, at)
        if self.overflowed and not values:
            what = "a value of the stream is"
            raise too_large(what, self._limit)
        return values

    def _between(self, chunk: bytes, at: int) -> int:
        """Go to the first byte of the next value."""
        found = _BETWEEN.search(chunk, at)
        if found is None:
            return len(chunk)
        at = found.start()
        mark = found.group()
        if mark == b"[" and self.array is None:
            self.array = True
            return at + 1
        if mark == b"]" and self.array and not self._ended:
            self._ended = True
            return at + 1
        if mark not in b"{[" or self._ended:
            self.broken = True
            return at
        if self.array is None:
            self.array = False
        self._depth = 1
        return self._keep(chunk, at, at + 1)

    def _within(self, chunk: bytes, at: int, values: list[bytes]) -> int:
        """Go to the next bracket or quote of the open value."""
        begin = at
        if self._after_backslash:
            self._after_backslash = False
            return self._keep(chunk, begin, at + 1)
        found = (_IN_STRING if self._in_string else _IN_VALUE).search(chunk, at)
        if found is None:
            return self._keep(chunk, begin, len(chunk))
        mark = found.group()
        if mark == b"\\":
            self._after_backslash = True
        elif mark == b'"':
            self._in_string = not self._in_string
        elif mark in b"{[":
            self._depth += 1
        else:
            self._depth -= 1
        at = self._keep(chunk, begin, found.end())
        if not self._depth and not self.overflowed:
            values.append(b"".join(self._pieces))
            self._pieces.clear()
            self._size = 0
        return at

    def _keep(self, chunk: bytes, begin: int, end: int) -> int:
        self._pieces.append(chunk[begin:end])
        self._size += end - begin
        if self._size > self._limit:
            self.overflowed = True
            self._pieces.clear()
        return end
