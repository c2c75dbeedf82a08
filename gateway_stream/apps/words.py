"""Errors in the words of the command line.

The library's hints name its own arguments, which whoever types a command cannot give. `PHRASES`
says what to write for each; a test holds it against every hint of the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.apps.render import without_controls
from gateway_stream.errors import GatewayError

if TYPE_CHECKING:
    from gateway_stream.events import Failure

__all__ = ["PHRASES", "in_command_words", "line_of"]

PHRASES: Final = (
    (
        "pass token=, or name the profile of this host",
        "set DATABRICKS_TOKEN, or name the profile of this host in DATABRICKS_CONFIG_PROFILE",
    ),
    ("pass token=, or name ", "name "),
    (" in allow_host=", " with --allow-host"),
    ("pass token=, or set DATABRICKS_TOKEN", "set DATABRICKS_TOKEN"),
    (", or pass token=", ""),
    (": pass token=", ": set DATABRICKS_AUTH_TYPE=pat and DATABRICKS_TOKEN"),
    ("as token= or in DATABRICKS_TOKEN", "in DATABRICKS_TOKEN"),
    ("Pass host=, or set DATABRICKS_HOST", "Pass --host, or set DATABRICKS_HOST"),
    ("pass allow_http=True", "pass --allow-http to chat"),
    ("SSL_CERT_FILE or ssl=", "SSL_CERT_FILE"),
    ("HTTPS_PROXY, NO_PROXY or proxy=", "HTTPS_PROXY and NO_PROXY"),
    (
        "or give host and token as arguments or in the environment",
        "or set DATABRICKS_HOST and DATABRICKS_TOKEN",
    ),
    ("Lower max_tokens", "Lower --max-tokens"),
    (", or make pool_size= smaller: every stream", ": every stream"),
)
"""What the library says -> what the command line says. The first that fits comes first."""


def in_command_words(hint: str) -> str:
    """A hint of the library's as the command line gives it."""
    for phrase, words in PHRASES:
        hint = hint.replace(phrase, words)
    return hint


def line_of(error: GatewayError) -> str:
    """An error as one line: what happened, how long to wait, what identifies it, what to do."""
    failure: Failure = error.failure()
    message = failure.message
    if failure.retry_after is not None:
        message = f"{message.rstrip('.')}; retry after {failure.retry_after:g} s"
    hint = in_command_words(failure.hint) if failure.hint else None
    told = msgspec.structs.replace(failure, message=message, hint=hint)
    return without_controls(str(GatewayError.from_failure(told)))
