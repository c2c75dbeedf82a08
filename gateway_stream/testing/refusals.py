"""What the gateway says when it refuses: one shape for every family, and a code for each status.

Codes and statuses are those of databricks-sdk-py's error tables and of answers that clients of the gateway
report. The texts are made up.
"""

from __future__ import annotations

from typing import Final

from gateway_stream.testing.routes import gateway_error

__all__ = ["refusal_body"]

_REFUSALS: Final[dict[int, tuple[str, str]]] = {
    400: ("BAD_REQUEST", "The request cannot be understood."),
    403: ("PERMISSION_DENIED", "You do not have permission to query this endpoint."),
    429: ("REQUEST_LIMIT_EXCEEDED", "Exceeded the rate limit of this endpoint."),
    499: ("CANCELLED", "The request was cancelled."),
    500: ("INTERNAL_ERROR", "An internal error occurred."),
    501: ("NOT_IMPLEMENTED", "This is not available in this workspace."),
    502: ("INTERNAL_ERROR", "Bad gateway."),
    503: ("TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."),
    504: ("DEADLINE_EXCEEDED", "The request timed out."),
    529: (
        "TEMPORARILY_UNAVAILABLE",
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    ),
}


def refusal_body(status: int, message: str | None = None) -> dict[str, str | int]:
    """The gateway's own error body for a status. One that it does not use has itself for a code."""
    code, text = _REFUSALS.get(status, (str(status), "The request was refused."))
    return gateway_error(code, text if message is None else message)
