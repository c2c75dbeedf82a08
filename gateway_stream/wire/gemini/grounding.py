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

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SourceFacts", "sources_in"]

Span: TypeAlias = tuple[int, int]
SourceFacts: TypeAlias = tuple[str | None, str | None, Span | None]
"""(url, title, span)"""

_LIMIT: Final = 1000  # what one answer has at most is tens; more would be read for hours


def sources_in(
    grounding: dict[str, Any], citations: dict[str, Any], text: str, before: int
) -> list[SourceFacts]:
    """The sources that the text of a block has, each once.

    Args:
        grounding: the ``groundingMetadata``.
        citations: the ``citationMetadata``.
        text: the block's text so far.
        before: bytes of text in the blocks before it.
    """
    stretch = _Stretch(text.encode("utf-8", "replace"), before)
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

    def __init__(self, block: bytes, before: int) -> None:
        self._block = block
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
                return self._characters(start - shift, end - shift)
        return None

    def _says(self, start: int, end: int, words: Any) -> bool:
        return (
            isinstance(words, str)
            and start >= 0
            and self._block[start:end] == words.encode("utf-8", "replace")
        )

    def _characters(self, start: int, end: int) -> Span:
        begin = len(self._block[:start].decode("utf-8", "ignore"))
        return begin, begin + len(self._block[start:end].decode("utf-8", "ignore"))


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
