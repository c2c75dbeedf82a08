"""What can go wrong, sorted by who can act on it.

- You: `ConfigError`, `AuthError`, `AccessDenied`.
- You, too, where you set a limit: `BudgetExceeded`.
- The network or the load: `ConnectError`, `ConnectionLost`, `TimedOut`, `QueueFull`.
- The gateway said no: `RateLimited`, `Overloaded`, `ModelNotFound`, `RouteNotFound`, `BadRequest`,
  `GatewayUnavailable`.
- The bytes broke the rules: `ProtocolError`, `StreamTruncated`.
- The model failed midway: `StreamFailed`.

Every error carries what a `Failure` event carries, and where an answer had begun, the part that
came (``partial``). Errors are data where many requests share a fate (`Failure` in a batch) and
raised where one caller waits; `GatewayError.from_failure` and `GatewayError.failure` go from one
form to the other. An error that the gateway reports inside a stream has the class that its cause
has elsewhere (`Overloaded`, `RateLimited`, ...); `StreamFailed` is what remains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gateway_stream.events import Failure, FailureKind

if TYPE_CHECKING:
    from gateway_stream.turn import PartialTurn

__all__ = [
    "AccessDenied",
    "AuthError",
    "BadRequest",
    "BudgetExceeded",
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "GatewayError",
    "GatewayUnavailable",
    "ModelNotFound",
    "Overloaded",
    "ProtocolError",
    "QueueFull",
    "RateLimited",
    "RouteNotFound",
    "StreamFailed",
    "StreamTruncated",
    "TimedOut",
]


class GatewayError(Exception):
    """Base of every error of this library. Its text is one line: what happened, and what to do.

    Attributes:
        message: what happened.
        code: the gateway's or vendor's own word, verbatim.
        status: the HTTP status that the error stands for.
        request_id: what to quote to whoever runs the gateway.
        phase: when it happened.
        retryable: whether the same request may succeed later.
        retry_after: seconds to wait first, where the gateway said so.
        delivered: whether content came before the error.
        hint: what to do.
        partial: the part of the answer that came, or ``None``.
    """

    kind: ClassVar[FailureKind]

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        phase: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        delivered: bool = False,
        hint: str | None = None,
        partial: PartialTurn | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.phase = phase
        self.retryable = retryable
        self.retry_after = retry_after
        self.delivered = delivered
        self.hint = hint
        self.partial = partial

    def __str__(self) -> str:
        """One line: the message, what identifies it, and what to do."""
        facts = [
            f"status {self.status}" if self.status else "",
            self.code if self.code and self.code != str(self.status) else "",
            f"request id {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        text = f"{self.message} ({known})" if known else self.message
        if self.hint:
            text = f"{text.rstrip('.')}. {self.hint}"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders whole."""
        return _restore, (self.failure(), self.partial)

    def failure(self) -> Failure:
        """The same error as an event."""
        return Failure(
            kind=self.kind,
            message=self.message,
            code=self.code,
            status=self.status,
            request_id=self.request_id,
            phase=self.phase,
            retryable=self.retryable,
            retry_after=self.retry_after,
            delivered=self.delivered,
            hint=self.hint,
        )

    @staticmethod
    def from_failure(failure: Failure, partial: PartialTurn | None = None) -> GatewayError:
        """The error of the class that ``failure.kind`` names."""
        return _CLASSES[failure.kind](
            failure.message,
            code=failure.code,
            status=failure.status,
            request_id=failure.request_id,
            phase=failure.phase,
            retryable=failure.retryable,
            retry_after=failure.retry_after,
            delivered=failure.delivered,
            hint=failure.hint,
            partial=partial,
        )


def _restore(failure: Failure, partial: PartialTurn | None) -> GatewayError:
    return GatewayError.from_failure(failure, partial)


class ConfigError(GatewayError):
    """A setting, an argument or a request cannot work as it is."""

    kind = "config"


class AuthError(GatewayError):
    """The gateway does not accept the credentials, or there are none."""

    kind = "auth"


class AccessDenied(GatewayError):
    """The credentials are good and do not allow this."""

    kind = "access_denied"


class ConnectError(GatewayError):
    """No connection to the gateway: name, route, TLS or refusal."""

    kind = "connect"


class ConnectionLost(GatewayError):
    """The connection broke before the answer was whole."""

    kind = "connection_lost"


class TimedOut(GatewayError):
    """A clock ran out; ``phase`` names which."""

    kind = "timed_out"


class QueueFull(GatewayError):
    """More requests wait than the client was told to hold."""

    kind = "queue_full"


class RateLimited(GatewayError):
    """Too many requests or tokens for a limit of the gateway."""

    kind = "rate_limited"


class Overloaded(GatewayError):
    """The model or its host has no capacity just now."""

    kind = "overloaded"


class ModelNotFound(GatewayError):
    """The gateway has no such model."""

    kind = "model_not_found"


class RouteNotFound(GatewayError):
    """The gateway has no such path, or this model is not served on it."""

    kind = "route_not_found"


class BadRequest(GatewayError):
    """The gateway or model refuses the request as it is."""

    kind = "bad_request"


class GatewayUnavailable(GatewayError):
    """The gateway or what stands behind it failed."""

    kind = "gateway_unavailable"


class ProtocolError(GatewayError):
    """The bytes that came break the rules of their protocol."""

    kind = "protocol"


class StreamTruncated(GatewayError):
    """The answer ended without proof that it was whole; ``partial`` holds what came."""

    kind = "stream_truncated"


class StreamFailed(GatewayError):
    """The model failed in the middle of its answer; ``partial`` holds what came."""

    kind = "stream_failed"


class BudgetExceeded(GatewayError):
    """A session has used what its budget allows; ``partial`` holds what came of the answer it ended."""

    kind = "budget_exceeded"


_CLASSES: dict[FailureKind, type[GatewayError]] = {
    error.kind: error
    for error in (
        ConfigError,
        AuthError,
        AccessDenied,
        ConnectError,
        ConnectionLost,
        TimedOut,
        QueueFull,
        RateLimited,
        Overloaded,
        ModelNotFound,
        RouteNotFound,
        BadRequest,
        GatewayUnavailable,
        ProtocolError,
        StreamTruncated,
        StreamFailed,
        BudgetExceeded,
    )
}
