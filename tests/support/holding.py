"""Holding a decoded stream to what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.decoding import answer_of, normal
from tests.wire.deviations import ROWS, calls_of, usage_of

if TYPE_CHECKING:
    from tests.support.corpus import Recording

_LOOSE = {"error": "complete", "tool_calls.id": "id", "tool_calls.arguments": "arguments"}


def ours(recording: Recording) -> dict[str, Any]:
    """What we make of a stream, in the terms of its expectation."""
    answer = answer_of(recording.family, recording.body)
    got = normal(answer)
    calls = [
        {**call, "json": block.json}
        for call, block in zip(got["tool_calls"], answer.tool_calls, strict=True)
    ]
    got["tool_calls"] = calls_of(calls, recording.expected["tool_calls"])
    del got["failure"]
    return without_loose(recording, got)


def theirs(recording: Recording) -> dict[str, Any]:
    """What is expected of a stream, by our rules for usage, without our deviations."""
    expected = recording.expected
    wanted = {
        "text": expected["text"],
        "reasoning": "".join((expected["reasoning"] or "").split()),
        "tool_calls": [dict(call) for call in expected["tool_calls"]],
        "usage": usage_of(recording),
        "stop_reason": expected["stop_reason"],
        "complete": expected["error"] is None,
    }
    return without_loose(recording, wanted)


def without_loose(recording: Recording, fields: dict[str, Any]) -> dict[str, Any]:
    """Without the fields on which a client may decide otherwise."""
    out = dict(fields)
    for name in recording.loose:
        field = _LOOSE.get(name, name)
        out.pop(field, None)
        for call in out.get("tool_calls", ()):
            call.pop(field, None)
    return out


def hold_to_expectation(recording: Recording) -> None:
    """Assert that a stream folds to what is expected, its deviations aside."""
    got, wanted = ours(recording), theirs(recording)
    for row in ROWS:
        if row.file == recording.name:
            assert wanted[row.field] != row.ours, f"{row.file}: {row.field} deviates no longer"
            wanted[row.field] = row.ours
    differ = {field: (got[field], want) for field, want in wanted.items() if got[field] != want}
    assert differ == {}, "field: (ours, expected)"
