"""What stands around the items: the response object, and errors.

Strict readers build the response object from every frame that has one, so all members that the vendor
calls required are there. What nobody told is what the vendor says of a plain request: no tools, any
choice of them, no instructions; a moment that is not known is 0.

Counts are told all or not at all, for readers take each as a number: where some are known, the others
are 0. Where none is, ``usage`` is null.

An error of a response that has begun is told twice, as the vendor does: in ``response.failed``, which has the
counts, and in a frame ``error``, which some readers raise. That has its members in an object ``error``, as the
vendor sends them, and beside it, as it documents them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from gateway_stream.events import Usage
from gateway_stream.wire.carries import TOLD_AS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway_stream.events import Failure, FailureKind, StopReason

__all__ = ["REASONS", "UNNAMED", "all_counts", "error_inside", "error_of", "response_of", "stopped"]

UNNAMED: Final = "resp_unnamed"

REASONS: Final[dict[StopReason, StopReason]] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "end_turn",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "unknown",
    "unknown": "unknown",
}
"""Stop reason -> as which it is read back, calls aside."""

_INCOMPLETE: Final[dict[StopReason, dict[str, str] | None]] = {
    "max_tokens": {"reason": "max_output_tokens"},
    "content_filter": {"reason": "content_filter"},
    "unknown": None,
}
_ERRORS: Final[dict[FailureKind, tuple[str, str, str]]] = {
    "auth": ("authentication_error", "invalid_api_key", "invalid_prompt"),
    "access_denied": ("permission_error", "permission_denied", "invalid_prompt"),
    "bad_request": ("invalid_request_error", "invalid_prompt", "invalid_prompt"),
    "model_not_found": ("not_found_error", "model_not_found", "invalid_prompt"),
    "rate_limited": ("rate_limit_error", "rate_limit_exceeded", "rate_limit_exceeded"),
    "overloaded": ("service_unavailable_error", "slow_down", "server_error"),
    "stream_failed": ("server_error", "server_error", "server_error"),
}
"""Kind -> the type, the code, and the code of the few that a response may have."""


def stopped(reason: StopReason) -> tuple[str, dict[str, str] | None]:
    """The status of a response that stopped for ``reason``, and its details."""
    told = REASONS[reason]
    return ("incomplete", _INCOMPLETE[told]) if told in _INCOMPLETE else ("completed", None)


def response_of(
    id: str | None,
    model: str | None,
    status: str,
    *,
    output: Sequence[object] = (),
    usage: Usage | None = None,
    **told: Any,
) -> dict[str, Any]:
    """A response object. ``told`` are members that say how it ended."""
    return {
        "id": id or UNNAMED,
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model or "",
        "output": output,
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        **told,
        "usage": _counts(usage) if usage else None,
    }


def all_counts(usage: Usage) -> Usage:
    """The counts as they are told."""
    if usage == Usage():
        return usage
    return replace(usage, **{name: getattr(usage, name) or 0 for name in Usage.__struct_fields__})


def _counts(usage: Usage) -> dict[str, Any] | None:
    if usage == Usage():
        return None
    told = all_counts(usage)
    details = {"cached_tokens": told.cache_read, "cache_write_tokens": told.cache_write}
    return {
        "input_tokens": told.input,
        "input_tokens_details": details,
        "output_tokens": told.output,
        "output_tokens_details": {"reasoning_tokens": told.reasoning},
        "total_tokens": (told.input or 0) + (told.output or 0),
    }


def error_of(failure: Failure) -> dict[str, Any]:
    """An error object that stands alone."""
    type_, code, _ = _ERRORS[TOLD_AS[failure.kind]]
    return {"type": type_, "code": code, "message": failure.message, "param": None}


def error_inside(failure: Failure) -> dict[str, Any]:
    """An error object inside a response, whose codes are a closed list; the type says more."""
    type_, _, code = _ERRORS[TOLD_AS[failure.kind]]
    return {"code": code, "message": failure.message, "type": type_}
