"""What the wire counts, in the sense of `Usage`.

Every count is a snapshot, and any event may tell any of them: the first tells the input, a later one
may tell it again, or tell only now what was zero before. So each of the vendor's fields keeps its
last value that is not null, zero included, and the sums are made from the fields anew: tokens read
from and written to the cache are counted beside ``input_tokens`` by this vendor, and inside ``input``
by us. Thinking is inside ``output_tokens`` for both. What is no count is left to ``vendor``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.wire.counts import as_count

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.anthropic.views import Texts, VendorObject

__all__ = ["Counts"]

_INPUT: Final = "input_tokens"
_READ: Final = "cache_read_input_tokens"
_WRITTEN: Final = "cache_creation_input_tokens"
_OUTPUT: Final = "output_tokens"
_DETAILS: Final = "output_tokens_details"
_THINKING: Final = "thinking_tokens"
_COUNTS: Final = (_INPUT, _READ, _WRITTEN, _OUTPUT)


class Counts:
    """The vendor's fields so far."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def take(self, usage: VendorObject) -> Texts:
        """Take a usage object; gives what of it no count holds."""
        values = usage.values
        known: set[str] = {key for key in _COUNTS if key in values and self._read(usage, key)}
        if _DETAILS in values:
            details = usage.member(_DETAILS)
            whole = {_THINKING} if self._read(details, _THINKING) else set()
            if not details.rest(whole):
                known.add(_DETAILS)
        return usage.rest(known)

    def _read(self, source: VendorObject, key: str) -> bool:
        count = as_count(source.values.get(key))
        if count is not None:
            self._known[key] = count
        return count is not None

    def tell(self, writer: AnswerWriter) -> None:
        """Write the counts so far."""
        known = self._known.get
        uncached, read, written = known(_INPUT), known(_READ), known(_WRITTEN)
        writer.usage(
            input=None if uncached is None else uncached + (read or 0) + (written or 0),
            output=known(_OUTPUT),
            cache_read=read,
            cache_write=written,
            reasoning=known(_THINKING),
        )
