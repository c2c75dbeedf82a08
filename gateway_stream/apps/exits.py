"""Exit statuses, one meaning each, so that scripts can tell what to do next.

| status | meaning |
|---|---|
| 0 | done; every answer was whole |
| 1 | a fault of this program |
| 2 | the command was called wrongly |
| 3 | an answer was not whole: truncated, failed midway, or bytes that broke the rules |
| 4 | you can mend it: settings, credentials, permissions, the request itself, where output goes |
| 5 | the network or the gateway: later may be better |
| 130 | interrupted (Ctrl-C) |
"""

from __future__ import annotations

from enum import IntEnum

from gateway_stream.errors import (
    AccessDenied,
    AuthError,
    BadRequest,
    BudgetExceeded,
    ConfigError,
    GatewayError,
    ModelNotFound,
    ProtocolError,
    RouteNotFound,
    StreamFailed,
    StreamTruncated,
)

__all__ = ["Exit", "exit_of"]


class Exit(IntEnum):
    """What a command's status says."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    NOT_WHOLE = 3
    YOURS = 4
    THEIRS = 5
    INTERRUPTED = 130


_NOT_WHOLE = (StreamTruncated, StreamFailed, ProtocolError)
_YOURS = (
    ConfigError,
    AuthError,
    AccessDenied,
    BadRequest,
    BudgetExceeded,
    ModelNotFound,
    RouteNotFound,
)


def exit_of(error: GatewayError) -> Exit:
    """The exit status that an error ends a command with."""
    if isinstance(error, _YOURS):
        return Exit.YOURS
    if isinstance(error, _NOT_WHOLE) or error.delivered:
        return Exit.NOT_WHOLE
    return Exit.THEIRS
