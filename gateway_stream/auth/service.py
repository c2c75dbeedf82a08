"""The token service: one source's token, kept fresh, for everybody who wants it.

**On the way of a request** there is a look-up and nothing else, as long as the token is fresh. Tokens
are renewed behind the scenes, by a task that sleeps until the stale window begins (see
`gateway_stream.auth.token`) and then fetches the next one while the old one still serves. It does so for
tokens that were used since they came: what nobody uses is left to expire, and the next request waits for a
new one. Should the task have slept too long (a machine that was suspended), the look-up finds the token
stale and starts the fetch itself, without waiting for it.

**One flight.** Whoever needs a new token joins the fetch that is under way, or starts one. A fetch is a task
of its own: those who wait for it may be cancelled, and it goes on. It belongs to the loop that started it;
others, in other threads, wait for the same result. If that loop ends first, its waiters start again. After
a fork a child takes nothing of the parent's flights.

**Failure.** While the old token lives, a failed fetch is told (`trouble`, a line in the log) and tried again
after a back-off with jitter, a second at least and a minute at most. Without a living token the error goes to
all who waited; those who come within the back-off, at most `RECALL` seconds, are told the same without
asking again.

**Refusal.** A token that the gateway refused is replaced once, and those who were refused with the same token
share the one fetch.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway_stream.auth.authority import Desk, Endpoints
from gateway_stream.errors import AuthError, GatewayError
from gateway_stream.net.clocks import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.auth.source import TokenSource
    from gateway_stream.auth.token import Token
    from gateway_stream.net.clocks import Clock
    from gateway_stream.net.loops import LoopState

__all__ = ["RECALL", "Credentials", "TokenService"]

RECALL: Final = 5.0
_LOOK: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_log = logging.getLogger("gateway_stream.auth")


class Credentials:
    """A token as requests use it: the headers, and until when."""

    __slots__ = ("headers", "over_at", "stale_at", "token", "used")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.headers: dict[str, str] = token.authorization()
        self.stale_at = token.stale_at
        self.over_at = token.over_at
        self.used = False


class _Flight(Future["Credentials"]):
    """A fetch under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.pid = os.getpid()
        self.loop = loop
        self.set_running_or_notify_cancel()  # so that no waiter that is cancelled can cancel it

    @property
    def under_way(self) -> bool:
        """Whether it can still bring something in this process."""
        return not self.done() and self.pid == os.getpid() and not self.loop.is_closed()


class _LoopEnded(Exception):
    """The loop that a flight belonged to ended before it."""


class TokenService:
    """Keeps the token of one source.

    Args:
        source: where tokens come from.
        workspace: the origin of the workspace that they are for, where one is known.
        account_id: its account.
        known: OAuth endpoints by host, shared between services.
        clock: what tells the time.
        draw: gives numbers from 0 to 1, for the jitter.
    """

    def __init__(
        self,
        source: TokenSource,
        *,
        workspace: str | None = None,
        account_id: str | None = None,
        known: dict[tuple[str, str | None], Endpoints] | None = None,
        clock: Clock = SYSTEM,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.source = source
        self.trouble: str | None = None
        """Why the last renewal failed, while the token before it still serves."""
        self._place = (workspace, account_id)
        self._known = {} if known is None else known
        self._clock = clock
        self._draw = draw
        self._kept: Credentials | None = None
        self._flight: _Flight | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._failures = 0
        self._failed_at = self._retry_at = 0.0
        self._error: GatewayError | None = None
        self.used_at = clock.time()
        self.renamed: Callable[[], object] | None = None
        """Called when the source may have another identity than before."""

    def ready(self) -> Credentials | None:
        """The credentials, if they are fresh. Costs a look at the clock."""
        kept = self._kept
        if kept is not None and self._clock.time() < kept.stale_at:
            kept.used = True
            return kept
        return None

    async def credentials(self, state: LoopState) -> Credentials:
        """The credentials, fetched now if there are none that serve.

        Raises:
            AuthError: the source's own credentials are refused, or somebody has to log in.
            GatewayError: no token can be had just now.
        """
        now = self.used_at = self._clock.time()
        kept = self._kept
        if kept is not None and now < kept.over_at:
            kept.used = True
            if now >= kept.stale_at and now >= self._retry_at:
                self._join(state, kept)
            return kept
        if self._error is not None and now < min(self._retry_at, self._failed_at + RECALL):
            raise _again(self._error)
        return await self._arrival(state, kept)

    async def replace(self, refused: Credentials, state: LoopState) -> Credentials | None:
        """Credentials other than those that the gateway refused; ``None`` where there are no others.

        Raises:
            GatewayError: as `credentials` does.
        """
        if not self.source.renewable:
            return None
        kept = self._kept
        if kept is None or kept is refused:
            kept = await self._arrival(state, refused)
        kept.used = True
        return None if kept.token.value == refused.token.value else kept

    # Flights.

    async def _arrival(self, state: LoopState, kept: Credentials | None) -> Credentials:
        while True:
            flight = self._join(state, kept)
            landing = asyncio.wrap_future(flight)
            try:
                # Another thread's loop may end without a word, and so is looked at now and then.
                while flight.loop is not state.loop and flight.under_way and not landing.done():
                    await asyncio.wait([landing], timeout=_LOOK)
                if landing.done() or flight.loop is state.loop or flight.done():
                    arrived = await landing
                    arrived.used = True
                    return arrived
            except _LoopEnded:
                pass
            except GatewayError as error:
                raise _again(error) from error.__cause__

    def _join(self, state: LoopState, kept: Credentials | None) -> _Flight:
        if self._pid != os.getpid():
            self._after_fork()
        with self._lock:
            flight = self._flight
            if flight is not None and flight.under_way:
                return flight
            flight = self._flight = _Flight(state.loop)
        task = state.spawn(self._fly(flight, state, kept), "gateway_stream: token")
        # Not in a `finally` of the flight: a task that is cancelled before it runs has none.
        task.add_done_callback(lambda _: _land(flight))
        return flight

    def _after_fork(self) -> None:
        """What the parent was about is the parent's, the holder of its lock too."""
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._flight = self._keeper = None

    async def _fly(self, flight: _Flight, state: LoopState, kept: Credentials | None) -> None:
        workspace, account_id = self._place
        desk = Desk(
            state.calls,
            self._clock,
            workspace=workspace,
            account_id=account_id,
            known=self._known,
        )
        try:
            token = await self.source.fetch(desk, instead_of=kept.token if kept else None)
        except GatewayError as error:
            self._failed(error)
            flight.set_exception(error)
        except Exception as error:  # noqa: BLE001  it is told to everybody who waits
            failure = self._foreign(error)
            self._failed(failure)
            flight.set_exception(failure)
        else:
            flight.set_result(self._keep(token, state))

    def _foreign(self, error: Exception) -> GatewayError:
        """The error for one of somebody else's code. Its text may hold a credential and is not told."""
        message = f"the source of tokens ({self.source.method}) failed: {type(error).__name__}"
        failure = AuthError(
            message, phase="token", retryable=True, hint="Look at the error's cause."
        )
        failure.__cause__ = error
        return failure

    def _failed(self, error: GatewayError) -> None:
        self._failures += 1
        ceiling = min(_LONGEST_WAIT, 2.0 ** min(self._failures, 10))
        wait = max(1.0, ceiling * self._draw(), error.retry_after or 0.0)
        self._failed_at = now = self._clock.time()
        self._retry_at = now + wait
        self._error = error
        kept = self._kept
        if kept is not None and now < kept.over_at:
            self.trouble = str(error)
            _log.warning("the token was not renewed, the old one still serves: %s", error)

    def _keep(self, token: Token, state: LoopState) -> Credentials:
        self._failures, self._retry_at = 0, 0.0
        self._error = self.trouble = None
        self._kept = kept = Credentials(token)
        if self.renamed is not None:
            self.renamed()
        if token.expires_at is not None and self.source.renewable:
            self._keep_fresh(state)
        return kept

    # Behind the scenes.

    def _keep_fresh(self, state: LoopState) -> None:
        keeper = self._keeper
        if keeper is None or keeper.done() or keeper.get_loop().is_closed():
            self._keeper = state.spawn(self._renew(state), "gateway_stream: renewal")

    async def _renew(self, state: LoopState) -> None:
        """Renew the token whenever it grows stale, until one comes that nobody used."""
        while True:
            kept = self._kept
            now = self._clock.time()
            if kept is None or now >= kept.over_at:
                return
            wait = max(kept.stale_at, self._retry_at) - now
            if wait > 0:
                await self._clock.sleep(wait)
            elif not kept.used:
                return
            else:
                with suppress(GatewayError, _LoopEnded):
                    await asyncio.wrap_future(self._join(state, kept))


def _again(error: GatewayError) -> GatewayError:
    """The same error for another who asked: one that is raised twice grows."""
    return GatewayError.from_failure(error.failure())


def _land(flight: _Flight) -> None:
    """A flight whose task has ended without a word will bring nothing."""
    if not flight.done():
        flight.set_exception(_LoopEnded())
