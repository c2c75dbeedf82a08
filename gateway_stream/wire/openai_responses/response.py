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

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

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
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
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


class _UsualInput(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    cached_tokens: _Count | msgspec.UnsetType = msgspec.UNSET
    cache_write_tokens: _Count | msgspec.UnsetType = msgspec.UNSET


class _UsualOutput(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    reasoning_tokens: _Count | msgspec.UnsetType = msgspec.UNSET


class _UsualUsage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Usage that has our counts, their sum, and nothing else: reading it so is what proves that."""

    input_tokens: _Count
    output_tokens: _Count
    total_tokens: _Count
    input_tokens_details: _UsualInput | None = None
    output_tokens_details: _UsualOutput | None = None


_decode_usual: Final = msgspec.json.Decoder(_UsualUsage).decode


class Response:
    """A response object as it came."""

    __slots__ = ("_counts", "_uncounted", "fields")

    def __init__(self, raw: msgspec.Raw | bytes) -> None:
        self.fields = read_fields(raw)
        usage = self.fields.get("usage", _NULL)
        usual = None if usage == _NULL else _read_usual(usage)
        self._counts: dict[str, int] = usual or {}
        self._uncounted: dict[str, Any] = {}
        if usual is None and isinstance(tree := self._value("usage"), dict):
            counted = _counted(tree)
            self._counts = {name: count for name, (_, count) in counted.items()}
            self._uncounted = _uncounted(tree, counted)

    def _value(self, name: str) -> Any:
        raw = self.fields.get(name, _NULL)
        try:
            return None if raw == _NULL else read_tree(bytes(raw))
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
        return self._counts

    def ended_as(self, event: str) -> str | None:
        """The graver of how ``event`` says that it ended, and of how it says so itself."""
        own = self.word("status")
        if own == event:
            return own
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
            if name not in _HELD and value != _NULL and value != told.get(name)
        }
        if self._uncounted:
            rest["usage"] = msgspec.Raw(msgspec.json.encode(self._uncounted))
        return rest


def _read_usual(usage: msgspec.Raw) -> dict[str, int] | None:
    """The counts of usage that tells nothing else; ``None`` of any other."""
    try:
        usual = _decode_usual(usage)
    except UNREADABLE:
        return None
    if usual.total_tokens != usual.input_tokens + usual.output_tokens:
        return None
    of_input = usual.input_tokens_details or _UsualInput()
    of_output = usual.output_tokens_details or _UsualOutput()
    counts = {
        "input": usual.input_tokens,
        "output": usual.output_tokens,
        "cache_read": of_input.cached_tokens,
        "cache_write": of_input.cache_write_tokens,
        "reasoning": of_output.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not msgspec.UNSET}


def _counted(usage: dict[str, Any]) -> _Counted:
    """Where each count stands, and the count."""
    found: _Counted = {}
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
