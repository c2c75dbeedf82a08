"""The token service: one source's token, kept fresh, for everybody who wants it.

**On the way of a request** there is a look-up and nothing else, as long as the token is fresh. Tokens
are renewed behind the scenes, by a task that sleeps until the stale window begins (see
`gateway_stream.auth.token`) and then fetches the next one while the old one still serves. It does so for
tokens that were looked up since they came and within the last `IDLE` seconds: what was wanted once is left to
expire. The look-up that finds a token stale, because nobody asked for so long or because the machine was
suspended, starts the fetch itself and does not wait for it; only one that finds the token over waits.

**One flight.** Whoever needs a new token joins the fetch that is under way, or starts one, for at most
`FETCH_SECONDS` (see `gateway_stream.auth.flights`).

**Failure.** While the old token lives, a failed fetch is told (`trouble`, a line in the log) and tried again
after a back-off with full jitter: a second at least, a minute at most, longer where the server said so. Without
a living token the error goes to all who waited; those who come within the back-off, at most `RECALL` seconds,
are told the same without asking again.

**Refusal.** A token that the gateway refused is replaced, and those who were refused with the same token
share the one fetch. If the one that came instead is refused too, it was not the token's fault, and no third one
is asked for in the next `SETTLING` seconds, unless the gateway has accepted it since. Where it refused the very
same request again (`in_vain`), none is asked for even so: one model whose own credentials are bad would
otherwise cost a token with each request, as long as others answer.

**Windows.** A token may come with its stale window begun, from a cache or from a clock that goes wrong. It is
renewed halfway through what is left of it, and serves for a second in any case, so that no source is asked
with every request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway_stream.auth.authority import Desk
from gateway_stream.auth.flights import Flights
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import Token
from gateway_stream.errors import AuthError, ConfigError, GatewayError, TimedOut
from gateway_stream.net.clocks import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.auth.discovery import Endpoints
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.net.clocks import Clock
    from gateway_stream.net.loops import LoopState

__all__ = ["FETCH_SECONDS", "IDLE", "RECALL", "SETTLING", "Credentials", "TokenService"]

FETCH_SECONDS: Final = 90.0
IDLE: Final = 900.0
RECALL: Final = 5.0
SETTLING: Final = 60.0
_LEAST_LIFE: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_log = logging.getLogger("gateway_stream.auth")


class Credentials:
    """A token as requests use it: the headers, and until when.

    Attributes:
        accepted: whether the gateway has answered a request that it authorized.
    """

    __slots__ = (
        "accepted",
        "came_at",
        "headers",
        "over_at",
        "replaces_refused",
        "stale_at",
        "token",
    )

    def __init__(self, token: Token, now: float, *, replaces_refused: bool = False) -> None:
        self.token = token
        self.headers: dict[str, str] = token.authorization()
        self.came_at = now
        self.over_at = max(token.over_at, now + _LEAST_LIFE)
        halfway = now + (self.over_at - now) / 2
        self.stale_at = token.stale_at if token.stale_at > now else halfway
        self.replaces_refused = replaces_refused
        self.accepted = False


class TokenService:
    """Keeps the token of one source.

    Args:
        source: where tokens come from.
        workspace: the origin of the workspace that they are for, where one is known.
        account_id: its account.
        known: OAuth endpoints by host, shared between services.
        clock: what tells the time.
        draw: gives numbers from 0 to 1, for the jitter.
        patience: seconds that a fetch may take.
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
        patience: float = FETCH_SECONDS,
    ) -> None:
        self.source = source
        self.trouble: str | None = None
        """Why the last renewal failed, while the token before it still serves."""
        self.renamed: Callable[[], object] | None = None
        """Called when the source may have another identity than before."""
        self.fetched: Callable[[], object] = lambda: None
        """Called for each token that was fetched."""
        self._place = (workspace, account_id)
        self._known = {} if known is None else known
        self._clock = clock
        self._draw = draw
        self._patience = patience
        self._kept: Credentials | None = None
        self._flights = Flights[Credentials]("gateway_stream: token")
        self._keeper: asyncio.Task[None] | None = None
        self._pid = os.getpid()  # the keeper's
        self._failures = 0
        self._failed_at = self._retry_at = 0.0
        self._settled_at = 0.0
        self._error: GatewayError | None = None
        self._used_at = clock.time()

    @property
    def fetching(self) -> bool:
        """Whether a token is being fetched."""
        return self._flights.under_way

    def idle_since(self, moment: float) -> bool:
        """Whether nobody has asked for a token since then, and nobody waits for one."""
        return self._used_at < moment and not self.fetching

    def ready(self) -> Credentials | None:
        """The credentials, if they are fresh. Costs a look at the clock."""
        kept = self._kept
        if kept is not None and (now := self._clock.time()) < kept.stale_at:
            self._used_at = now
            return kept
        return None

    async def credentials(self, state: LoopState) -> Credentials:
        """The credentials, fetched now if there are none that serve.

        Raises:
            AuthError: the source's own credentials are refused, or somebody has to log in.
            GatewayError: no token can be had just now.
        """
        now = self._used_at = self._clock.time()
        kept = self._kept
        if kept is not None and now < kept.over_at:
            if now >= kept.stale_at and now >= self._retry_at:
                self._flights.start(state, lambda: self._renewed(state, kept))
            return kept
        self._recall(now)
        return await self._landing(state, kept)

    async def replace(self, refused: Credentials, state: LoopState) -> Credentials | None:
        """Credentials other than those that the gateway refused; ``None`` where there are no others.

        Raises:
            GatewayError: as `credentials` does.
        """
        if not self.source.renewable:
            return None
        kept = self._kept
        now = self._used_at = self._clock.time()
        if kept is refused:
            settling = now < refused.came_at + SETTLING
            if settling and refused.replaces_refused and not refused.accepted:
                return None
            if now < self._settled_at:
                return None
        if kept is None or kept is refused or now >= kept.over_at:
            self._recall(now)
            kept = await self._landing(state, refused, refused=True)
        return None if kept.token.value == refused.token.value else kept

    async def replaced(self, refused: Credentials, state: LoopState) -> bool:
        """Whether there are other credentials now than those that were refused.

        Raises:
            GatewayError: as `credentials` does.
        """
        return await self.replace(refused, state) is not None

    def in_vain(self) -> None:
        """Take note that a request was refused with what `replace` gave for it, too."""
        self._settled_at = self._clock.time() + SETTLING

    def _recall(self, now: float) -> None:
        """Tell what has just failed, instead of trying it again.

        Raises:
            GatewayError: a fetch failed a moment ago.
        """
        error = self._error
        if error is not None and self._failed_at <= now < min(
            self._retry_at, self._failed_at + RECALL
        ):
            raise _again(error) from error.__cause__

    # Flights.

    async def _landing(
        self, state: LoopState, kept: Credentials | None, *, refused: bool = False
    ) -> Credentials:
        """Wait for the credentials of the flight under way, or of a new one."""
        try:
            return await self._flights.landing(
                state, lambda: self._renewed(state, kept, refused=refused)
            )
        except GatewayError as error:
            raise _again(error) from error.__cause__

    async def _renewed(
        self, state: LoopState, kept: Credentials | None, *, refused: bool = False
    ) -> Credentials:
        """What a flight does."""
        try:
            token = await self._fetch(state, kept.token if kept else None)
        except GatewayError as error:
            self._failed(error, refused=refused)
            raise
        made = Credentials(token, self._clock.time(), replaces_refused=refused)
        self._keep(made, state)
        return made

    async def _fetch(self, state: LoopState, instead_of: Token | None) -> Token:
        """Ask the source; whatever it raises becomes an error of ours."""
        workspace, account_id = self._place
        desk = Desk(
            state.calls,
            self._clock,
            workspace=workspace,
            account_id=account_id,
            known=self._known,
            state=state,
        )
        limit = asyncio.timeout(self._patience)
        try:
            async with limit:
                given: object = await self.source.fetch(desk, instead_of=instead_of)
        except GatewayError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise self._foreign(error) from error  # it was cancelled inside the source
        except Exception as error:
            if limit.expired():
                raise self._too_slow() from None
            raise self._foreign(error) from error
        if isinstance(given, Token) and isinstance(given.value, Secret):
            if self.source.renewable:
                self.fetched()
            return given
        raise self._no_token(given)

    def _foreign(self, error: BaseException) -> GatewayError:
        """The error for one of somebody else's code. Its text may hold a credential and is not told."""
        message = f"the source of tokens ({self.source.method}) failed: {type(error).__name__}"
        hint = "Look at the error's cause."
        return AuthError(message, phase="token", retryable=True, hint=hint)

    def _no_token(self, given: object) -> GatewayError:
        what = f"a {type(given).__name__}"
        if isinstance(given, Token):
            what += f" with a {type(given.value).__name__} in it"
        message = f"the source of tokens ({self.source.method}) gave {what}"
        hint = "Have it give a gateway_stream.auth.Token, its value a Secret."
        return ConfigError(message, phase="token", hint=hint)

    def _too_slow(self) -> GatewayError:
        message = f"the source of tokens ({self.source.method}) gave none in {self._patience:g} s"
        hint = "See what it waits for; send the request again."
        return TimedOut(message, phase="token", retryable=True, hint=hint)

    def _failed(self, error: GatewayError, *, refused: bool) -> None:
        self._failures += 1
        ceiling = min(_LONGEST_WAIT, 2.0 ** min(self._failures, 10))
        wait = max(1.0, ceiling * self._draw(), error.retry_after or 0.0)
        self._failed_at = now = self._clock.time()
        self._retry_at = now + wait
        self._error = error
        kept = self._kept
        if kept is not None and now < kept.over_at and not refused:
            self.trouble = str(error)
            _log.warning("the token was not renewed, the old one still serves: %s", error)

    def _keep(self, made: Credentials, state: LoopState) -> None:
        self._failures, self._retry_at = 0, 0.0
        self._error = self.trouble = None
        self._kept = made
        if self.renamed is not None:
            self.renamed()
        if made.token.expires_at is not None and self.source.renewable:
            self._keep_fresh(state)

    # Behind the scenes.

    def _keep_fresh(self, state: LoopState) -> None:
        keeper = self._keeper
        gone = self._pid != os.getpid()  # with the parent of this process
        if keeper is None or gone or keeper.done() or not keeper.get_loop().is_running():
            self._pid = os.getpid()
            self._keeper = state.spawn(self._renew(state), "gateway_stream: renewal")

    async def _renew(self, state: LoopState) -> None:
        """Renew the token whenever it grows stale, until one comes that nobody wants."""
        while (kept := self._kept) is not None and not state.closed:
            now = self._clock.time()
            wait = max(kept.stale_at, self._retry_at) - now
            if now >= kept.over_at:
                return
            if wait > 0:
                await self._clock.sleep(wait)
            elif self._used_at <= max(kept.came_at, now - IDLE):
                return
            else:
                with suppress(GatewayError):
                    await self._landing(state, kept)


def _again(error: GatewayError) -> GatewayError:
    """The same error for another who asked: one that is raised twice grows."""
    return GatewayError.from_failure(error.failure())
