"""Grounding and citations as `Source` events.

Grounding comes late, usually with the last part, and says of stretches of text which pages they
rest on. Stretches are counted in bytes of UTF-8 from the beginning of the answer's text, or, where
an answer has several text parts, of one part. Events count characters of a block. So a stretch is
told (``span``) only where it can be proved: its ends lie in the block, and where the metadata
repeats the words of the stretch, the block has these words there. A source whose stretch is not
proved is told without; one whose stretch lies in a block that has ended is left to the metadata
itself, which goes whole into the stop's ``vendor``.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Said", "SourceFacts", "sources_in"]

Span: TypeAlias = tuple[int, int]
SourceFacts: TypeAlias = tuple[str | None, str | None, Span | None]
"""(url, title, span)"""

_PIECE: Final = 4096  # characters between two marks
_LIMIT: Final = 1000  # what one answer has at most is tens; more would be read for hours


class Said:
    """The text of a block so far, as bytes whose place among its characters is known.

    Every frame may be grounded, so text is taken in once, and marks along it tell how many
    characters come before. Characters are counted in bytes of UTF-8 by no other means than reading.
    """

    def __init__(self) -> None:
        self._new: list[str] = []
        self.add: Final = self._new.append
        """Take more text."""
        self._bytes = bytearray()
        self._places = [0]
        self._characters = [0]

    def __bool__(self) -> bool:
        return bool(self._new or self._bytes)

    def read(self) -> bytearray:
        """All of it."""
        for text in self._new:
            for at in range(0, len(text), _PIECE):
                piece = text[at : at + _PIECE]
                self._bytes += piece.encode("utf-8", "replace")
                self._places.append(len(self._bytes))
                self._characters.append(self._characters[-1] + len(piece))
        self._new.clear()
        return self._bytes

    def characters(self, end: int) -> int:
        """How many whole characters come before a byte."""
        mark = bisect_right(self._places, end) - 1
        rest = self._bytes[self._places[mark] : end]
        return self._characters[mark] + len(rest.decode("utf-8", "ignore"))


def sources_in(
    grounding: dict[str, Any], citations: dict[str, Any], said: Said, before: int
) -> list[SourceFacts]:
    """The sources that the text of a block has, each once.

    Args:
        grounding: the ``groundingMetadata``.
        citations: the ``citationMetadata``.
        said: the block's text so far.
        before: bytes of text in the blocks before it.
    """
    stretch = _Stretch(said, before)
    found: dict[SourceFacts, None] = {}
    for facts in (*_grounded(grounding, stretch), *_cited(citations, stretch)):
        found[facts] = None
        if len(found) == _LIMIT:
            break
    return list(found)


class _Outside(Exception):
    """The stretch lies in a block that has ended."""


class _Stretch:
    """Turns stretches of the answer into spans of one block."""

    def __init__(self, said: Said, before: int) -> None:
        self._said = said
        self._block = said.read()
        self._before = before

    def span(self, segment: Any) -> Span | None:
        if not isinstance(segment, dict):
            return None
        start, end = segment.get("startIndex") or 0, segment.get("endIndex")
        words = segment.get("text")
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
            return None
        if end <= self._before and not self._says(start, end, words):
            raise _Outside
        for shift in (self._before, 0):
            if self._says(start - shift, end - shift, words) or (
                words is None and start >= shift and end - shift <= len(self._block)
            ):
                return self._said.characters(start - shift), self._said.characters(end - shift)
        return None

    def _says(self, start: int, end: int, words: Any) -> bool:
        return (
            isinstance(words, str)
            and start >= 0
            and self._block[start:end] == words.encode("utf-8", "replace")
        )


def _grounded(grounding: dict[str, Any], stretch: _Stretch) -> Iterator[SourceFacts]:
    pages = [_page(chunk) for chunk in _items(grounding, "groundingChunks")]
    named: set[int] = set()
    for support in _items(grounding, "groundingSupports"):
        numbers = support.get("groundingChunkIndices")
        indices = [
            number
            for number in (numbers if isinstance(numbers, list) else [])
            if isinstance(number, int) and 0 <= number < len(pages)
        ]
        named.update(indices)
        try:
            span = stretch.span(support.get("segment"))
        except _Outside:
            continue
        for number in indices:
            if page := pages[number]:
                yield (*page, span)
    for number, page in enumerate(pages):
        if page and number not in named:
            yield (*page, None)


def _cited(citations: dict[str, Any], stretch: _Stretch) -> Iterator[SourceFacts]:
    for name in ("citationSources", "citations"):
        for source in _items(citations, name):
            page = _page({"cited": source})
            try:
                span = stretch.span(source)
            except _Outside:
                continue
            if page:
                yield (*page, span)


def _page(chunk: dict[str, Any]) -> tuple[str | None, str | None] | None:
    """The address and title in a chunk, whatever kind of chunk it is."""
    for value in chunk.values():
        if isinstance(value, dict):
            url, title = value.get("uri"), value.get("title")
            url = url if isinstance(url, str) and url else None
            title = title if isinstance(title, str) and title else None
            if url or title:
                return url, title
    return None


def _items(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = tree.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
