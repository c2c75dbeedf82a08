"""Where our answer differs from what is expected of a recorded or hostile stream, and why.

Expectations count tokens as the wire does and were folded by a reader that decides some things
otherwise. What differs by a rule is a rule here (`usage_of`, `calls_of`); what differs once is a row.
A row that no longer differs fails the test: this table holds nothing stale. Long values are given by
their digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.corpus import Recording

Counts = dict[str, int | None]


def usage_of(recording: Recording) -> Counts:
    """The expected usage in our sense: input with cached tokens, output with reasoning."""
    usage = dict(recording.expected["usage"])
    rule = {"anthropic": _anthropic, "gemini": _gemini, "openai_chat": _chat}.get(recording.family)
    return rule(usage, recording.body) if rule else usage


def _anthropic(usage: Counts, _body: bytes) -> Counts:
    """Tokens read from and written to the cache are counted beside the input."""
    if usage["input"] is not None:
        usage["input"] += (usage["cached_read"] or 0) + (usage["cache_write"] or 0)
    return usage


def _gemini(usage: Counts, body: bytes) -> Counts:
    """Thoughts are counted beside the candidates, and what tools put into the prompt beside it.

    Where the candidates are not counted, the total tells what the output is.
    """
    total = _last_count(body, "totalTokenCount")
    if usage["input"] is not None:
        usage["input"] += _last_count(body, "toolUsePromptTokenCount") or 0
    if usage["output"] is not None:
        usage["output"] += usage["reasoning"] or 0
    elif usage["reasoning"] and total:
        usage["output"] = total - (usage["input"] or 0)
    return usage


def _chat(usage: Counts, body: bytes) -> Counts:
    """Some count reasoning beside the completion; the total tells who does.

    Some write a detailed count at the top level of the usage.
    """
    total, reasoning = _last_count(body, "total_tokens"), usage["reasoning"] or 0
    parts = (usage["input"] or 0) + (usage["output"] or 0) + reasoning
    if reasoning and total == parts:
        usage["output"] = (usage["output"] or 0) + reasoning
    flat = re.findall(rb'"usage"\s*:\s*\{[^{}]*\}', body)
    for field, name in (("cached_read", "cached_tokens"), ("reasoning", "reasoning_tokens")):
        if usage[field] is None and flat:
            usage[field] = _last_count(flat[-1], name)
    return usage


def _last_count(body: bytes, name: str) -> int | None:
    found = re.findall(rb'"%s"\s*:\s*(\d+)' % name.encode(), body)
    return int(found[-1]) if found else None


def calls_of(calls: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our calls in the terms of the expected ones.

    - An id that the wire left out is ours to make up; there it is None.
    - Arguments that are free text, not JSON, are expected under ``$custom``.
    """
    out = []
    for place, call in enumerate(calls):
        own, other = dict(call), expected[place] if place < len(expected) else {}
        text = own.pop("json")
        if other.get("id", "") is None and re.fullmatch(r"call_\d+", own["id"]):
            own["id"] = None
        if "$custom" in (other.get("arguments") or {}):
            own["arguments"] = {"$custom": text}
        out.append(own)
    return out


@dataclass(frozen=True)
class Digest:
    """Equal to any value whose JSON has this digest."""

    sha256: str

    def __eq__(self, other: object) -> bool:
        """Compare by digest."""
        if isinstance(other, Digest):
            return self.sha256 == other.sha256
        return digest(other) == self.sha256

    __hash__ = None  # type: ignore[assignment]  # equal to what has other hashes


def digest(value: object) -> str:
    """The first 16 digits of the SHA-256 of a value's JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Row:
    """One field of one stream that is ours and not as expected."""

    file: str
    field: str
    ours: Any
    reason: str


_STREAMED = "arguments that come in pieces by JSON path are put together; the reader left them out"

ROWS: tuple[Row, ...] = (
    Row(
        "gemini/google-ai-studio--pydai--test-native-output-with-builtin-tools-stream.sse",
        "usage",
        Digest("e5680bd1305e748a"),
        "a count that the last frame leaves out keeps the value that an earlier one told",
    ),
    Row(
        "gemini/google-ai-studio--vercel--google-stream-no-args-tool-call.sse",
        "tool_calls",
        Digest("3cc8834956ba51e0"),
        _STREAMED,
    ),
    Row(
        "gemini/google-ai-studio--vercel--google-stream-tool-call-arguments.sse",
        "tool_calls",
        Digest("7864de22eede3c85"),
        _STREAMED,
    ),
    Row(
        "gemini/google-ai-studio--vercel--google-stream-tool-call-array-arguments-missing-terminal-function-call.sse",
        "tool_calls",
        Digest("c787aedbf29c57ad"),
        _STREAMED,
    ),
    Row(
        "openai_chat/openrouter--reqllm--google-gemini-2-5-flash-lite-object-streaming.sse",
        "usage",
        dict.fromkeys(("input", "output", "cached_read", "cache_write", "reasoning")),
        "the counts come after the error that ended the answer",
    ),
    Row(
        "openai_responses/openai--vercel--openai-error.1.sse",
        "stop_reason",
        None,
        "a response that failed has no stop: its status is told by the failure",
    ),
    Row(
        "openai_responses/openai--vercel--openai-shell-container.1.sse",
        "text",
        Digest("256899943ce9c8bc"),
        "the deltas are the text that was delivered; the closing copy differs, which a notice says",
    ),
)
