"""The ``response`` object: counts, why it ended, and what no event holds.

Usage is in the sense of `Usage` already: ``input_tokens`` includes what the cache gave and took,
``output_tokens`` includes reasoning. Servers that translate from Chat leave its names in place
(``prompt_tokens``, ``completion_tokens``): they count where the others do not tell. A count is a whole
number that is not negative, and may be written as one with a fraction of nothing (``10.0``) or in
digits (``"10"``). What is no count stays in the stop's ``vendor``.

How a response ended is told by the frame that brings it and by its own ``status``. Where both are words of
an end and differ, the graver one holds: gateways send what was cut, or failed, as ``response.completed``.

The response repeats most of the request. Four of these fields can be as large as the request itself
(`_ECHOES`) and are dropped; the rest is kept once: in the start's ``vendor`` as far as the first frame
tells it, in the stop's what the last frame tells otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from gateway_stream.wire.counts import as_count
from gateway_stream.wire.json_text import UNREADABLE, read_tree
from gateway_stream.wire.openai_responses.views import Fields, read_fields

if TYPE_CHECKING:
    from gateway_stream.events import StopReason

__all__ = ["ENDS", "Response"]

ENDS: Final = ("completed", "incomplete", "cancelled", "failed")
"""The words for an end, the gravest last."""

_ECHOES: Final = frozenset({"instructions", "tools", "text", "prompt"})
_HELD: Final = _ECHOES | {
    "id",
    "object",
    "model",
    "output",
    "output_text",
    "usage",
    "status",
    "error",
}
_NULL: Final = msgspec.Raw(b"null")
_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw] | None).decode
_Counted: TypeAlias = dict[str, tuple[tuple[str, ...], int]]
_REASONS: Final[dict[str, StopReason]] = {
    "max_output_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
}
_COUNTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "input": (("input_tokens",), ("prompt_tokens",)),
    "output": (("output_tokens",), ("completion_tokens",)),
    "cache_read": (
        ("input_tokens_details", "cached_tokens"),
        ("prompt_tokens_details", "cached_tokens"),
    ),
    "cache_write": (
        ("input_tokens_details", "cache_write_tokens"),
        ("prompt_tokens_details", "cache_write_tokens"),
    ),
    "reasoning": (
        ("output_tokens_details", "reasoning_tokens"),
        ("completion_tokens_details", "reasoning_tokens"),
    ),
}


class Response:
    """A response object as it came."""

    __slots__ = ("_counted", "_usage", "fields")

    def __init__(self, raw: msgspec.Raw | bytes) -> None:
        self.fields = read_fields(raw)
        self._usage = self._value("usage")
        self._counted = _counted(self._usage)

    def _value(self, name: str) -> Any:
        raw = self.fields.get(name)
        try:
            return None if raw is None else read_tree(bytes(raw))
        except ValueError:
            return None

    def word(self, name: str) -> str | None:
        """A field that is a word, if it is there and is one."""
        value = self._value(name)
        return value if isinstance(value, str) and value else None

    @property
    def error(self) -> bytes | None:
        """The error that the response holds, as JSON."""
        return bytes(self.fields["error"]) if self._value("error") else None

    def items(self) -> list[bytes]:
        """Its output items, as they came; none where the list is missing or null."""
        try:
            raws = _decode_items(self.fields.get("output", b"null"))
        except UNREADABLE:
            return []
        return list(map(bytes, raws or ()))

    def counts(self) -> dict[str, int]:
        """The counts that it tells, by `Usage`'s names."""
        return {name: count for name, (_, count) in self._counted.items()}

    def ended_as(self, event: str) -> str | None:
        """The graver of how ``event`` says that it ended, and of how it says so itself."""
        own = self.word("status")
        told = [word for word in (event, own) if word in ENDS]
        return max(told, key=ENDS.index) if told else own

    def stop(self, status: str | None) -> tuple[StopReason, str | None]:
        """Why it ended, in our words and its own; ``end_turn`` says nothing yet of tool calls."""
        if status == "completed":
            return "end_turn", status
        if status != "incomplete":
            return "unknown", status
        details = self._value("incomplete_details")
        why = details.get("reason") if isinstance(details, dict) else None
        if not isinstance(why, str):
            return "unknown", status
        return _REASONS.get(why, "unknown"), f"{status}:{why}"

    def vendor(self, told: Fields) -> Fields:
        """What no event holds and ``told`` does not tell already."""
        rest = {
            name: value
            for name, value in self.fields.items()
            if value != _NULL and name not in _HELD and value != told.get(name)
        }
        if isinstance(self._usage, dict) and (extra := _uncounted(self._usage, self._counted)):
            rest["usage"] = msgspec.Raw(msgspec.json.encode(extra))
        return rest


def _counted(usage: Any) -> _Counted:
    """Where each count stands, and the count."""
    found: _Counted = {}
    if not isinstance(usage, dict):
        return found
    for name, paths in _COUNTS.items():
        for path in paths:
            value = usage.get(path[0])
            if len(path) > 1:
                value = value.get(path[1]) if isinstance(value, dict) else None
            count = as_count(value)
            if count is not None:
                found[name] = (path, count)
                break
    return found


def _uncounted(usage: dict[str, Any], counted: _Counted) -> dict[str, Any]:
    """What usage tells beyond our counts. The total is kept where it is not the sum."""
    rest = {k: dict(v) if isinstance(v, dict) else v for k, v in usage.items() if v is not None}
    for path, _ in counted.values():
        holder = rest if len(path) == 1 else rest[path[0]]
        del holder[path[-1]]
    sums = [counted[name][1] for name in ("input", "output") if name in counted]
    if sums and as_count(rest.get("total_tokens")) == sum(sums):
        del rest["total_tokens"]
    return {key: value for key, value in rest.items() if value != {}}
