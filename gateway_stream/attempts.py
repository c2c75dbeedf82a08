"""One request on all its tries: which model is asked next, when, and whether at all.

A try that fails is looked at once, wherever it failed: refused, lost, or ended inside its stream under a status
that said all was well. Then, in this order:

1. What the client did itself, and a deadline that has passed, ends it.
2. Content that the reader has seen ends it too, unless the policy is ``reset``.
3. Credentials that are refused inside a stream are replaced, once, and the same is sent again at once.
4. A failure that may pass is tried again as `gateway_stream.net.retry` says, if the wait ends before the
   deadline does.
5. Otherwise the next model takes over, if one is named for such a failure, with tries of its own.

An endpoint that is left alone (``circuit_open``) or asked for a pause (``paused``) is not waited for where another
model may be asked.

Each further try is told by a `Notice`: ``retry``, ``fallback`` or ``fast_model_failed``.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from gateway_stream.errors import ConfigError, GatewayError
from gateway_stream.events import Event, Failure, FailureKind, Notice, NoticeCode, Reset
from gateway_stream.net.breaker import LOAD
from gateway_stream.net.leases import CLOSED
from gateway_stream.net.retry import LONGEST_STATED_WAIT, Retry
from gateway_stream.net.watchdog import Watch

if TYPE_CHECKING:
    from gateway_stream.net.breaker import Passage
    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.loops import LoopState, LoopStates
    from gateway_stream.net.transport import Exchange
    from gateway_stream.net.watchdog import Timeouts
    from gateway_stream.wire.decoder import Decoder

__all__ = ["Attempts", "Fallback", "Opened", "Try", "after_any_failure", "read_fallback"]

Fallback: TypeAlias = Sequence[str] | Mapping[type[GatewayError], Sequence[str]]
"""The models to ask instead, in order: for failures of the model or its host, or by class of error."""

_LEFT_ALONE: Final = ("circuit_open", "paused")
_NOT_OURS: Final = frozenset[FailureKind]({"config", "budget_exceeded"})
_NO_OTHERS: Final = _NOT_OURS | {"auth"}
_FALLS_BACK: Final = frozenset[FailureKind](
    {
        "connect",
        "connection_lost",
        "gateway_unavailable",
        "model_not_found",
        "overloaded",
        "protocol",
        "queue_full",
        "rate_limited",
        "route_not_found",
        "stream_failed",
        "stream_truncated",
        "timed_out",
    }
)


class Opened:
    """An answer that has begun, and those who have to hear how it ends."""

    __slots__ = ("_passage", "decoder", "exchange", "notices", "over", "renew", "state")

    def __init__(
        self,
        state: LoopState,
        exchange: Exchange,
        decoder: Decoder,
        notices: list[Event],
        *,
        passage: Passage,
        renew: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self.state = state
        self.exchange = exchange
        self.decoder = decoder
        self.notices = notices
        self.renew = renew
        self._passage = passage
        self.over = False

    def answered(self) -> None:
        """Content came, or a proved end: the request was taken."""
        self.exchange.lease.accepted(self.exchange.headers)
        self._passage.succeeded()

    def ended(self, failure: Failure | None) -> None:
        """The terminal event came: keep the connection if it can be kept."""
        if self.over:
            return
        self.over = True
        exchange = self.exchange
        if failure is not None:
            if failure.status in LOAD and failure.retryable:
                exchange.lease.refused(failure.retry_after)
            self._passage.failed(failure.kind, failure.phase, failure.status)
        if failure is None or exchange.at_end:
            self.state.finish(exchange)
        else:
            exchange.abort()

    def left(self) -> None:
        """Nobody reads it any more: close the connection, unless that is a forked parent's."""
        if not self.over:
            self.over = True
            self._passage.left()
            if self.state.pid == os.getpid():
                self.exchange.abort()


class Try(NamedTuple):
    """A model to ask, how often, and what is told when it is its turn."""

    model: str
    retry: Retry
    notice: NoticeCode = "fallback"


class Attempts:
    """The tries of one request.

    Args:
        first: the model to ask first.
        send: sends one try.
        fallback: what to ask instead, by kind of failure.
        states: the pools, one for each event loop.
        timeouts: how long each thing may take.
        timer: what waits between tries.
        draw: gives numbers from 0 to its argument, for the jitter.
    """

    def __init__(
        self,
        first: Try,
        send: Callable[[Attempts, Watch], Awaitable[Opened]],
        *,
        fallback: Mapping[FailureKind, Sequence[Try]],
        states: LoopStates,
        timeouts: Timeouts,
        timer: Timer,
        draw: Callable[[float], float] | None = None,
    ) -> None:
        self.current = first
        self.number = 1
        self._send = send
        self._fallback = fallback
        self._states = states
        self._timeouts = timeouts
        self.timer = timer
        self._draw = draw
        self._retries = 0
        self._asked = {first.model}
        self._renewed = False
        self._told: list[Event] = []

    async def watch(self) -> Watch:
        """The clocks of this request, which begin to run."""
        called = self.timer.monotonic()
        state = self._states.ready() or await self._states.here()
        return Watch(self._timeouts, state.watchdog, called)

    async def begin(self, watch: Watch) -> Opened:
        """Send the current try.

        Raises:
            GatewayError: it was refused, or no response came.
        """
        if self.number > 1:
            watch.begin()
        return await self._send(self, watch)

    def untold(self, notices: list[Event]) -> list[Event]:
        """Those notices of a try that no try before it had."""
        new = [notice for notice in notices if notice not in self._told]
        self._told += new
        return new

    async def another(
        self, error: GatewayError, opened: Opened | None, *, delivered: bool, left: float
    ) -> list[Event] | None:
        """Get ready for another try and give what is to be told of it; ``None``: there is none.

        Args:
            error: why the last one failed.
            opened: how it was open, if it was.
            delivered: whether the reader has seen content of it.
            left: seconds to the deadline.
        """
        retry = self.current.retry
        if error.kind in _NOT_OURS or error.code == CLOSED:
            return None
        if left <= 0:
            return None
        if delivered and retry.policy != "reset":
            return None
        if error.kind == "auth":
            told = await self._with_other_credentials(error, opened)
        else:
            told = await self._again(error, left) or self._instead(error)
        if told is None:
            return None
        self.number += 1
        return [Reset(str(error), self.number), told] if delivered else [told]

    async def _with_other_credentials(
        self, error: GatewayError, opened: Opened | None
    ) -> Notice | None:
        if opened is None or opened.renew is None or self._renewed:
            return None
        self._renewed = True
        if not await opened.renew():
            return None
        return Notice("retry", f"with other credentials: {error.message}")

    async def _again(self, error: GatewayError, left: float) -> Notice | None:
        retry = self.current.retry
        if retry.policy == "never" or self._retries >= retry.retries or not error.retryable:
            return None
        stated = error.retry_after or 0.0
        if error.code in _LEFT_ALONE and self.has_another(error.kind):
            return None
        wait = retry.wait(self._retries + 1, stated, self._draw)
        if stated > LONGEST_STATED_WAIT or wait >= left:
            return None
        self._retries += 1
        await self.timer.sleep(wait)
        return Notice(
            "retry", f"{self._retries} of {retry.retries}, after {wait:.1f} s: {error.message}"
        )

    def _instead(self, error: GatewayError) -> Notice | None:
        other = self._next(error.kind)
        if other is None:
            return None
        before, self.current = self.current.model, other
        self._retries = 0
        self._asked.add(other.model)
        return Notice(other.notice, f"{other.model} instead of {before}: {error.message}")

    def has_another(self, kind: FailureKind) -> bool:
        """Whether another model may be asked after such a failure."""
        return self._next(kind) is not None

    def _next(self, kind: FailureKind) -> Try | None:
        named = self._fallback.get(kind, ())
        return next((other for other in named if other.model not in self._asked), None)


def after_any_failure(given: Try) -> dict[FailureKind, tuple[Try, ...]]:
    """What to ask whatever went wrong, unless it would go wrong again."""
    return dict.fromkeys(_FALLS_BACK | {"access_denied", "bad_request"}, (given,))


def read_fallback(fallback: Fallback, retry: Retry) -> dict[FailureKind, tuple[Try, ...]]:
    """What to ask instead, by kind of failure.

    Raises:
        ConfigError: what is given names no models, or no errors.
    """
    if not fallback:
        return {}
    if isinstance(fallback, Mapping):
        by_kind: dict[FailureKind, tuple[Try, ...]] = {}
        for kind, models in fallback.items():
            for error in _kinds_of(kind):
                by_kind.setdefault(error, _tries(models, retry))
        return by_kind
    tries = _tries(fallback, retry)
    return dict.fromkeys(_FALLS_BACK, tries)


def _kinds_of(error: object) -> list[FailureKind]:
    """The kind of a class of errors, and of the classes derived from it."""
    if not (isinstance(error, type) and issubclass(error, GatewayError)):
        message = f"fallback names {error!r}, which is no class of errors"
        raise ConfigError(message, hint="Use classes of gateway_stream, such as RateLimited.")
    if error is GatewayError:
        return list(_FALLS_BACK)
    if error.kind in _NO_OTHERS:
        message = f"fallback names {error.__name__}, which another model would not mend"
        raise ConfigError(message, hint="Leave it out.")
    return [error.kind]


def _tries(models: object, retry: Retry) -> tuple[Try, ...]:
    if isinstance(models, str) or not isinstance(models, Sequence):
        message = "fallback is no list of models"
        raise ConfigError(message, hint='Give a list: fallback=["model-a", "model-b"].')
    return tuple(Try(model, retry) for model in models)
