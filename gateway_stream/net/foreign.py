"""The border at which foreign errors become ours.

aiohttp's errors say what failed in its own terms, hold the request with its credentials, or are the system's with
a number. Each becomes the one error of ours that says what happened, between whom, and what to do about it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http import HttpProcessingError

from gateway_stream.errors import (
    ConnectError,
    ConnectionLost,
    GatewayError,
    ProtocolError,
    TimedOut,
)

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["BROKEN", "broken_off", "not_answered", "showable"]

BROKEN: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)
"""What reading a body raises where it breaks off."""

_TOO_MANY_FILES: Final = (errno.EMFILE, errno.ENFILE)


def broken_off(error: Exception) -> ConnectionLost:
    """The error of a body that broke off."""
    message = f"the connection to the gateway was lost: {_reason(error)}"
    lost = ConnectionLost(
        message,
        code=type(error).__name__,
        phase="stream",
        retryable=True,
        hint="Send the request again; what came before is kept.",
    )
    lost.__cause__ = error
    return lost


def not_answered(error: Exception, target: URL, *, connect_timeout: float) -> GatewayError:
    """The error of a request that got no response."""
    place = f"{target.host}:{target.port}"
    if isinstance(error, TimeoutError):
        message = f"no connection to {place} within {connect_timeout:g} s"
        hint = "Check the network and the proxy settings."
        return TimedOut(message, phase="connect", retryable=True, hint=hint)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        message = f"TLS with {place} failed: {_reason(error)}"
        hint = "If a private authority signs there, name its certificates in SSL_CERT_FILE or ssl=."
        return ConnectError(message, code="tls", phase="connect", hint=hint)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        message = f"the proxy refused the way to {place}: {error.status} {error.message}"
        hint = "Check HTTPS_PROXY, NO_PROXY or proxy=."
        status = error.status
        return ConnectError(message, code="proxy", status=status, phase="connect", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _no_connection(error, place)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        message = f"{place} did not answer in HTTP: {error.message}"
        hint = "Check that the host and port are the gateway's."
        return ProtocolError(message, code="http", phase="response", hint=hint)
    message = f"the connection to {place} was lost before it answered: {_reason(error)}"
    return ConnectionLost(
        message,
        code=type(error).__name__,
        phase="response",
        retryable=True,
        hint="Send the request again.",
    )


def _no_connection(error: aiohttp.ClientConnectorError, place: str) -> ConnectError:
    code, hint = "connect", "Check the host's name, the network and the proxy settings."
    if error.os_error.errno in _TOO_MANY_FILES:
        code = "too_many_files"
        hint = (
            "Raise the limit (ulimit -n), or make pool_size= smaller: every stream is an open file."
        )
    message = f"no connection to {place}: {_reason(error)}"
    return ConnectError(message, code=code, phase="connect", retryable=True, hint=hint)


def showable(error: Exception) -> Exception | None:
    """The error, unless it holds the request with its credentials."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the other side closed it"  # its text may be all of a response's head
    system = getattr(error, "os_error", None)
    if isinstance(error, HttpProcessingError):
        system = error.message
    text = str(system or error) or type(error).__name__
    return " ".join(text.split())[:300]
