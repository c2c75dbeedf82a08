"""The frames of one response that is being written: numbered, and each in its place.

Items come one after another, so the place of an item is how many are behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway_stream.events import Start
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_responses.envelope import response_of
from gateway_stream.wire.sse import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Frames", "Text"]


class Text:
    """A kind of text that streams: the names of its frames, and of the members that place it."""

    def __init__(
        self, prefix: str, whole: str, part: str = "", index: str = "", **beside: object
    ) -> None:
        self.delta = f"response.{prefix}.delta"
        self.done = f"response.{prefix}.done"
        self.whole = whole
        self.part = f"response.{part}"
        self.index = index
        self.beside = beside


class Frames:
    """Writes frames, and keeps the ``output`` that the last of them repeats."""

    def __init__(self) -> None:
        self.start: Start = Start()
        self.output: list[msgspec.Raw] = []
        self._number = 0
        self._item_id = ""

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self._number > 0

    @property
    def place(self) -> int:
        """Where the item stands that is written now."""
        return len(self.output)

    def frame(self, type_: str, **members: object) -> Frame:
        """A frame with the next number."""
        number = self._number
        self._number += 1
        tree = {"type": type_, "sequence_number": number, **members}
        return Frame(compact(tree).encode(), type_)

    def response(self, type_: str, status: str, **told: Any) -> Frame:
        """A frame with the response as it stands."""
        start = self.start
        response = response_of(start.id, start.model, status, output=self.output, **told)
        return self.frame(f"response.{type_}", response=response)

    def added(self, item: Mapping[str, object], item_id: str) -> Frame:
        """An item begins; ``item_id`` is what the frames inside it call it."""
        self._item_id = item_id
        return self.frame("response.output_item.added", output_index=self.place, item=item)

    def done(self, item: object, *, left_open: bool = False) -> Iterator[Frame]:
        """An item ends, in its last form; one that is left open is told by the last frame only."""
        written = msgspec.Raw(msgspec.json.encode(item))
        if not left_open:
            yield self.frame("response.output_item.done", output_index=self.place, item=written)
        self.output.append(written)

    def delta(self, text: Text, at: int, delta: str) -> Frame:
        """More of a text, the one at ``at`` of its item."""
        return self.frame(text.delta, **self._where(text, at), delta=delta, **text.beside)

    def whole(self, text: Text, at: int, whole: object) -> Frame:
        """A text as it came out."""
        return self.frame(text.done, **self._where(text, at), **{text.whole: whole}, **text.beside)

    def part(self, text: Text, at: int, word: str, part: object) -> Frame:
        """The part that holds a text begins (``added``) or ends (``done``)."""
        return self.frame(f"{text.part}.{word}", **self._where(text, at), part=part)

    def _where(self, text: Text, at: int) -> dict[str, object]:
        where: dict[str, object] = {"item_id": self._item_id, "output_index": self.place}
        return {**where, text.index: at} if text.index else where
