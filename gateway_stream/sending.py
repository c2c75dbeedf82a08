"""Requests on their way: written, authorized, sent, and answered or refused.

`Sender` makes the stream of a request, and sends each of its tries through every door of the house: the family
writes it, the route gives it a URL, the token its header, the queue its place, the pool its connection, and what
comes back goes to the family's decoder and from there to the reader.

One thing runs backwards in here. A response that refuses the token itself (401, or 403 where the body says
that the token is invalid or has expired) has the token replaced, once, and the request sent again, once.
Nothing of an answer came by then, so nothing can come twice. Any other 403 is about what the token may do, and
another one may do no more.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.attempts import Attempts, Fallback, Opened, Try, read_fallback
from gateway_stream.auth.withheld import withheld
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.events import Event, FailureKind, Notice
from gateway_stream.incoming import Incoming, Observer
from gateway_stream.net.breaker import LOAD
from gateway_stream.net.retry import Retry, RetryPolicy, read_retry
from gateway_stream.net.watchdog import Timeouts, checked_timeouts
from gateway_stream.stream import EventStream
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.failures import read_failure
from gateway_stream.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway_stream.auth.service import Credentials, TokenService
    from gateway_stream.auth.services import TokenServices
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.gateway.settings import Settings
    from gateway_stream.net.admission import Flow
    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.loops import LoopState, LoopStates, Post
    from gateway_stream.net.transport import Exchange
    from gateway_stream.net.watchdog import Watch
    from gateway_stream.request import Request

__all__ = ["Sender", "known_family", "send_authorized"]

_OK: Final = 200
_TOKEN_REFUSED: Final = (401, 403)


class Sender:
    """Sends the requests of one client.

    Args:
        settings: where to, and as whom.
        headers: the client's own.
        family: the wire family of every request, if not the one that each model's name tells.
        event_limit: bytes that one event may have.
        timeouts: how long each thing may take, where a request does not say.
        retry: how often and when a request is sent again, where it does not say.
        loops: the pools.
        services: the tokens.
        timer: what tells the time and waits.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        headers: Mapping[str, str],
        family: str | None,
        event_limit: int,
        timeouts: Timeouts,
        retry: Retry,
        loops: LoopStates,
        services: TokenServices,
        timer: Timer,
    ) -> None:
        self._settings = settings
        self._headers = headers
        self._family = family
        self._event_limit = event_limit
        self._timeouts = timeouts
        self._retry = retry
        self._loops = loops
        self._services = services
        self._timer = timer

    def ask(
        self,
        asked: Request,
        *,
        place: str,
        family: str | None = None,
        source: TokenSource | None = None,
        flow: Flow | None = None,
        observer: Observer | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        turn: int | None = None,
    ) -> EventStream:
        """The stream of the answer to ``asked``.

        Args:
            asked: what is asked.
            place: where the user's code asked for it.
            family: the wire family, instead of the client's.
            source: what gives tokens, instead of the client's.
            flow: whose turn it is in the queues.
            observer: what looks at the answer while it comes.
            timeouts: how long each thing may take, instead of the client's.
            retry: how often and when it is sent again, instead of the client's.
            fallback: the models to ask instead.
            turn: the number of the answer in its conversation, for the ids of calls that have none.
        """
        policy = read_retry(retry, self._retry)
        return self.ask_in_turn(
            asked,
            Try(asked.model, policy),
            read_fallback(fallback, policy),
            place=place,
            family=family,
            source=source,
            flow=flow,
            observer=observer,
            timeouts=timeouts,
            turn=turn,
        )

    def ask_in_turn(
        self,
        asked: Request,
        first: Try,
        fallback: Mapping[FailureKind, Sequence[Try]],
        *,
        place: str,
        family: str | None = None,
        source: TokenSource | None = None,
        flow: Flow | None = None,
        observer: Observer | None = None,
        timeouts: Timeouts | None = None,
        turn: int | None = None,
    ) -> EventStream:
        """As `ask`, where it is known already which model is asked after which."""
        if timeouts is not None:
            checked_timeouts(timeouts)
        writing = Writing(
            asked,
            self._settings.base,
            self._headers,
            family=known_family(family) or self._family,
            turn=len(asked.messages) if turn is None else turn,
        )
        attempts = Attempts(
            first,
            partial(self._send, writing, source or self._settings.source, flow),
            fallback=fallback,
            states=self._loops,
            timeouts=timeouts or self._timeouts,
            timer=self._timer,
        )
        return EventStream(Incoming(attempts, observer), place)

    async def _send(
        self,
        writing: Writing,
        source: TokenSource | None,
        flow: Flow | None,
        attempts: Attempts,
        watch: Watch,
    ) -> Opened:
        from gateway_stream.net.admission import Cost, Place  # noqa: PLC0415
        from gateway_stream.net.loops import Post  # noqa: PLC0415

        state = self._loops.ready() or await self._loops.here()
        model = attempts.current.model
        written = writing.of(model)
        service = None if source is None else self._services.of(source)
        place = Place(writing.base.origin, model, service)
        cost = Cost(*written.cost)
        post = Post(
            written.url,
            written.headers,
            written.body,
            place,
            flow,
            cost,
            elsewhere=attempts.has_another("overloaded"),
            watch=watch,
        )
        passage = state.breakers.enter(place[:2])
        try:
            exchange, credentials, trouble = await send_authorized(
                state,
                service,
                post,
                again=attempts.number > 1,
                no_token=self._settings.no_token,
            )
        except GatewayError as error:
            passage.failed(error.kind, error.phase, error.status)
            raise
        except BaseException:
            if watch.error is None:
                passage.left()
            else:  # a clock ran out, which ends the wait as a cancellation does
                passage.failed(watch.error.kind, watch.error.phase)
            raise
        decoder = Decoder(
            written.family,
            request_id=exchange.headers.get("x-request-id"),
            attempt=attempts.number,
            call_id_prefix=f"turn{writing.turn}_",
            event_limit=self._event_limit,
        )
        renew = None
        if service is not None and credentials is not None:
            renew = partial(service.replaced, credentials, state)
        notices = attempts.untold([*written.notices, *trouble])
        return Opened(state, exchange, decoder, notices, passage=passage, renew=renew)


def known_family(family: str | None) -> str | None:
    """A family that there is, or none named.

    Raises:
        ConfigError: there is no such family.
    """
    if family is not None and family not in FAMILIES:
        message = f"no wire family {family!r}"
        raise ConfigError(message, hint=f"Use one of {', '.join(FAMILIES)}.")
    return family


async def send_authorized(
    state: LoopState,
    service: TokenService | None,
    post: Post,
    *,
    again: bool,
    no_token: str | None,
) -> tuple[Exchange, Credentials | None, list[Event]]:
    """The response that brings an answer, the credentials that it was asked with, and what is to be told.

    Args:
        state: the loop's pool.
        service: what authorizes the request; ``None`` sends it without credentials.
        post: what is sent.
        again: whether it was sent before.
        no_token: why there are no credentials, for whoever is refused without.

    Raises:
        GatewayError: what came instead.
    """
    if service is None:
        exchange = await state.send(post, post.headers, again=again)
        return await _answered(exchange, no_token=no_token), None, []
    credentials = service.ready() or await service.credentials(state)
    try:
        why = None if credentials.headers else no_token
        exchange = await state.send(post, {**post.headers, **credentials.headers}, again=again)
        exchange = await _answered(exchange, credentials, why)
    except AuthError as error:
        if error.status not in _TOKEN_REFUSED:
            raise
        post.watch.enter("idle")  # a token takes its own time, and what follows is asked anew
        post.watch.begin()
        other = await service.replace(credentials, state)
        if other is None:
            raise
        credentials = other
        try:
            exchange = await state.send(post, {**post.headers, **other.headers}, again=True)
            exchange = await _answered(exchange, other)
        except AuthError as refused:
            if refused.status in _TOKEN_REFUSED:
                service.in_vain()
            raise
    credentials.accepted = True
    trouble = service.trouble
    return exchange, credentials, [Notice("token_not_renewed", trouble)] if trouble else []


async def _answered(
    exchange: Exchange, credentials: Credentials | None = None, no_token: str | None = None
) -> Exchange:
    """The exchange, if it brings an answer."""
    if exchange.status == _OK:
        return exchange
    try:
        # In no variable: it may quote credentials, and tools print tracebacks with local variables.
        failure = read_failure(
            exchange.status, exchange.headers, await exchange.read_error(), now=time.time()
        )
        if exchange.status in LOAD and failure.retryable:
            exchange.lease.refused(failure.retry_after)
    finally:
        exchange.abort()
    if credentials is not None:
        failure = withheld(failure, credentials.headers.values())
    if failure.kind == "auth" and no_token:
        failure = msgspec.structs.replace(failure, hint=no_token)
    raise GatewayError.from_failure(failure)
