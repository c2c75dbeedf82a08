"""The ``response`` object: counts, why it ended, and what no event holds.

Usage is in the sense of `Usage` already: ``input_tokens`` includes what the cache gave and took,
``output_tokens`` includes reasoning.

The response repeats most of the request. Four of these fields can be as large as the request itself
(`_ECHOES`) and are dropped; the rest is kept once: in the start's ``vendor`` as far as the first frame
tells it, in the stop's what the last frame tells otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.wire.json_text import UNREADABLE
from gateway_stream.wire.openai_responses.items import WireItem
from gateway_stream.wire.openai_responses.views import Fields, read_fields, read_object

if TYPE_CHECKING:
    from gateway_stream.events import StopReason

__all__ = ["Response"]

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
_REASONS: Final[dict[str, StopReason]] = {
    "max_output_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
}
_COUNTS: Final = {
    "input": ("input_tokens", None),
    "output": ("output_tokens", None),
    "cache_read": ("input_tokens_details", "cached_tokens"),
    "cache_write": ("input_tokens_details", "cache_write_tokens"),
    "reasoning": ("output_tokens_details", "reasoning_tokens"),
}


class Response:
    """A response object as it came."""

    __slots__ = ("_tree", "fields")

    def __init__(self, raw: msgspec.Raw | bytes) -> None:
        self.fields = read_fields(raw)
        small = {k: v for k, v in self.fields.items() if k != "output" and k not in _ECHOES}
        self._tree = read_object(msgspec.json.encode(small))

    def word(self, name: str) -> str | None:
        """A field that is a word, if it is there and is one."""
        value = self._tree.get(name)
        return value if isinstance(value, str) and value else None

    @property
    def error(self) -> bytes | None:
        """The error that the response holds, as JSON."""
        return bytes(self.fields["error"]) if self._tree.get("error") else None

    def items(self) -> list[WireItem]:
        """Its output items; none where the list is missing or null."""
        try:
            raws = msgspec.json.decode(
                self.fields.get("output", b"null"), type=list[msgspec.Raw] | None
            )
        except UNREADABLE:
            return []
        return [item for item in (WireItem(bytes(raw)) for raw in raws or ()) if item.type]

    def counts(self) -> dict[str, int]:
        """The counts that it tells, by `Usage`'s names."""
        usage = self._tree.get("usage")
        found: dict[str, int] = {}
        for name, (key, detail) in _COUNTS.items():
            value = usage.get(key) if isinstance(usage, dict) else None
            if detail:
                value = value.get(detail) if isinstance(value, dict) else None
            if isinstance(value, int):
                found[name] = value
        return found

    def stop(self, status: str | None) -> tuple[StopReason, str | None]:
        """Why it ended, in our words and its own; ``end_turn`` says nothing yet of tool calls."""
        if status == "completed":
            return "end_turn", status
        if status != "incomplete":
            return "unknown", status
        details = self._tree.get("incomplete_details")
        why = details.get("reason") if isinstance(details, dict) else None
        if not isinstance(why, str):
            return "unknown", status
        return _REASONS.get(why, "unknown"), f"{status}:{why}"

    def vendor(self, told: Fields) -> Fields:
        """What no event holds and ``told`` does not tell already."""
        rest = {
            name: value
            for name, value in self.fields.items()
            if name not in _HELD
            and bytes(value) != b"null"
            and bytes(value) != bytes(told.get(name, b""))
        }
        usage = self._tree.get("usage")
        if isinstance(usage, dict) and (extra := _uncounted(usage)):
            rest["usage"] = msgspec.Raw(msgspec.json.encode(extra))
        return rest


def _uncounted(usage: dict[str, Any]) -> dict[str, Any]:
    """What usage tells beyond our counts. The total is kept where it is not the sum."""
    held = {"input_tokens", "output_tokens"}
    if usage.get("total_tokens") == _sum(usage):
        held.add("total_tokens")
    rest = {key: value for key, value in usage.items() if key not in held and value is not None}
    for key, detail in _COUNTS.values():
        value = rest.get(key)
        if detail and isinstance(value, dict):
            rest[key] = {name: count for name, count in value.items() if name != detail}
            if not rest[key]:
                del rest[key]
    return rest


def _sum(usage: dict[str, Any]) -> int | None:
    values = (usage.get("input_tokens"), usage.get("output_tokens"))
    return sum(v for v in values if isinstance(v, int)) if any(values) else None
