"""What stands around an answer where it is written: its name, why it stopped, counts, errors.

- *Names*: each chunk repeats the answer's id and model. When it was made is not known, so ``created``
  is 0.
- *Reasons*: the vendor has five words. ``stop`` is also told for stop sequences, and where there is no
  word; an answer with calls that stops so says ``tool_calls``, as its readers look for that.
- *Counts* that are not known are null, as zero would say something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.wire.carries import TOLD_AS

if TYPE_CHECKING:
    from gateway_stream.events import Failure, FailureKind, StopReason, Usage

__all__ = ["UNNAMED", "counts", "error", "finish_reason", "head"]

UNNAMED: Final = "chatcmpl-unnamed"

_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "unknown": "stop",
}
_ERRORS: Final[dict[FailureKind, tuple[str, str | None]]] = {
    "auth": ("authentication_error", "invalid_api_key"),
    "access_denied": ("permission_error", "permission_denied"),
    "bad_request": ("invalid_request_error", None),
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "rate_limited": ("rate_limit_error", "rate_limit_exceeded"),
    "overloaded": ("service_unavailable_error", "overloaded"),
    "stream_failed": ("server_error", "internal_error"),
}


def head(id: str | None, model: str | None, what: str) -> dict[str, Any]:
    """The members that begin a chunk or a whole answer; ``what`` of the two it is."""
    return {"id": id or UNNAMED, "object": what, "created": 0, "model": model or ""}


def finish_reason(reason: StopReason, *, calls: bool) -> str:
    """The vendor's word for why an answer, with ``calls`` in it or not, stopped."""
    word = _WORDS[reason]
    return "tool_calls" if calls and word == "stop" else word


def counts(usage: Usage) -> dict[str, Any]:
    """What was counted, in the vendor's names."""
    known = usage.input is not None and usage.output is not None
    told: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": (usage.input or 0) + (usage.output or 0) if known else None,
    }
    cached = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    of_prompt = {name: count for name, count in cached.items() if count is not None}
    if of_prompt:
        told["prompt_tokens_details"] = of_prompt
    if usage.reasoning is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return told


def error(failure: Failure) -> dict[str, Any]:
    """The object that tells of a failure."""
    kind, code = _ERRORS[TOLD_AS[failure.kind]]
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}
