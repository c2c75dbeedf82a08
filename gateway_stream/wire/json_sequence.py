"""Bytes to whole JSON values, for bodies that are JSON where a stream of events was asked for.

Three bodies have this form: one object (a server that ignored ``stream``, or an error), an array of
objects that grows (Gemini without ``alt=sse``), and objects one after another, a line each or not.
All are read alike: at depth 0, or 1 inside the outer array, blanks and commas separate values, and
a value is given when its last bracket closes. Nothing is parsed here; only brackets and strings are
told apart, in one pass over the bytes however they are cut.

What is held is the open value alone, once: a read adds its part of the value as one slice, and of
brackets, quotes and backslashes nothing is kept but the depth and whether the read ended inside a
string or behind a backslash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway_stream.wire.sse import EVENT_LIMIT, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JsonSequence"]

# Possessive, or the engine would remember every escape of a string while it matches.
_TEXT: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+(")?'
_REST_OF_STRING: Final = re.compile(_TEXT, re.DOTALL)
_IN_VALUE: Final = re.compile(rb'([\[{])|([\]}])|"' + _TEXT, re.DOTALL)
_OPENING, _CLOSING, _WHOLE_STRING = 1, 2, 3  # the groups of `_IN_VALUE`
_BETWEEN: Final = re.compile(rb"[^ \t\r\n,]")


class JsonSequence:
    """Takes bytes as they come and gives whole values. ``array`` tells whether an array holds them."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._depth = 0
        self._in_string = False
        self._after_backslash = False
        self._ended = False
        self.open = bytearray()
        """What came of the value that has not ended."""
        self.array: bool | None = None
        self.broken = False
        """Whether bytes came that belong to no value; nothing is given from there on."""

    @property
    def unfinished(self) -> bool:
        """Whether a value, or the array around the values, is still open."""
        return self._depth > 0 or (self.array is True and not self._ended)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the values that ``chunk`` completes; it is read as far as they are taken.

        Raises:
            ProtocolError: a value is larger than the limit. Values before it are given first.
        """
        at = 0
        while at < len(chunk) and not self.broken:
            begin = at if self._depth else self._between(chunk, at)
            if begin == len(chunk):
                return
            at = self._within(chunk, begin)
            if len(self.open) + at - begin > self._limit:
                self.open.clear()
                what = "a value of the stream is"
                raise too_large(what, self._limit)
            if self._depth:
                self.open += chunk[begin:at]
            elif self.open:
                value = bytes(self.open) + chunk[begin:at]
                self.open = bytearray()
                yield value
            else:
                yield chunk[begin:at]

    def _between(self, chunk: bytes, at: int) -> int:
        """Go to the first byte of the next value; to the end of the chunk where there is none."""
        for found in _BETWEEN.finditer(chunk, at):
            mark = found.group()
            if mark == b"[" and self.array is None:
                self.array = True
            elif mark == b"]" and self.array and not self._ended:
                self._ended = True
            elif mark in b"{[" and not self._ended:
                self.array = self.array or False
                return found.start()
            else:
                self.broken = True
                break
        return len(chunk)

    def _within(self, chunk: bytes, at: int) -> int:
        """Go to the end of the open value, or of the chunk."""
        if self._in_string:
            at = self._to_end_of_string(chunk, at)
        for found in _IN_VALUE.finditer(chunk, at):
            group = found.lastindex
            if group == _OPENING:
                self._depth += 1
            elif group == _CLOSING:
                self._depth -= 1
                if not self._depth:
                    return found.end()
            elif group != _WHOLE_STRING:
                self._in_string = True
                self._after_backslash = found.end() < len(chunk)
        return len(chunk)

    def _to_end_of_string(self, chunk: bytes, at: int) -> int:
        """Go behind the quote that ends the open string, or to the end of the chunk."""
        if self._after_backslash:
            at += 1
        found: re.Match[bytes] = _REST_OF_STRING.match(chunk, at)  # type: ignore[assignment]  # any text fits
        self._in_string = not found.lastindex
        self._after_backslash = self._in_string and found.end() < len(chunk)
        return len(chunk) if self._in_string else found.end()
