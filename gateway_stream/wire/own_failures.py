"""Failures that no vendor reports: bytes that break their protocol, answers that end too early."""

from __future__ import annotations

from typing import Final

from gateway_stream.events import Failure

__all__ = ["cut_off", "malformed"]

_EXCERPT: Final = 200  # bytes of what broke, for who has to find out why


def malformed(message: str, data: bytes, *, retryable: bool) -> Failure:
    """The bytes broke the rules of their protocol; ``data`` is what broke them."""
    excerpt = data[:_EXCERPT].decode("utf-8", "replace")
    return Failure(
        kind="protocol",
        message=f"{message}: {excerpt!r}" if excerpt else message,
        code="malformed",
        retryable=retryable,
        hint="Send the request again; if it repeats, report the bytes to the gateway's owner.",
    )


def cut_off(message: str, code: str | None) -> Failure:
    """The answer ended without proof that it is whole."""
    return Failure(
        kind="stream_truncated",
        message=message,
        code=code,
        retryable=True,
        hint="Send the request again; what came before is kept.",
    )
