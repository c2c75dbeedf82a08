"""Plain calls beside the streams: token endpoints, discovery documents, listings.

A call is small, is answered whole and takes no slot of the pool: a pool full of streams must not
keep the token from being renewed that they all need. It shares the pool's connections, proxy and
certificates.

Redirects are not followed, because what is sent may be a secret and is for this server alone.

**Sending again.** A call that reached nobody is sent again, as is one whose answer is an error that may pass
(by the rules for every answer of the gateway, `gateway_stream.wire.failure_kinds`), up to `ATTEMPTS` times in
all, after what the answer says or a back-off with full jitter. All of it takes at most `SECONDS`: where a wait
would last longer, the last answer is the answer.

A call that may have been taken is sent again only if it is ``repeatable``: a refresh token that is used a
second time can cost the whole login. What is not repeatable goes out again after a connection that did not
come about, after 429 and after 503, which say that nothing was done. Not after 500, 502 or 504, behind which a
proxy may have lost the answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import backoff
import msgspec
from backoff import full_jitter

from gateway_stream.errors import ConnectError, ConnectionLost, GatewayError, TimedOut
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.wire.failures import read_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway_stream.net.clocks import Clock
    from gateway_stream.net.transport import Transport

__all__ = ["ATTEMPTS", "SECONDS", "Called", "Calls"]

ATTEMPTS: Final = 4
SECONDS: Final = 15.0
"""How long a call may take, with all its attempts: databricks-sdk-py and others give token calls as long."""

_LONGEST_WAIT: Final = 8.0
_FIRST_ERROR: Final = 400
_NOTHING_DONE: Final = frozenset({429, 503})


class Called(NamedTuple):
    """What a call was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Called({self.status}, {len(self.body)} bytes)"  # which may be a token

    @property
    def tree(self) -> Any:
        """The body as JSON; ``None`` where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def error(self) -> GatewayError:
        """The error that the answer stands for, read as every other answer of the gateway is."""
        return GatewayError.from_failure(
            read_failure(self.status, self.headers, self.body, now=time.time())
        )


class Calls:
    """Makes calls over one pool.

    Args:
        transport: the pool.
        clock: what tells the time and waits between attempts.
        draw: gives numbers from 0 to its argument, for the jitter.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock = SYSTEM,
        draw: Callable[[float], float] = full_jitter,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._draw = draw

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Called:
        """Ask for a document. Raises as `post` does."""
        return await self._call("GET", url, headers or {}, None, repeatable=True)

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool = True,
    ) -> Called:
        """Send a form.

        Raises:
            ConnectError: no connection came about.
            ConnectionLost: the answer was lost.
            TimedOut: it took longer than `SECONDS`.
            ProtocolError: what answered does not speak HTTP.
        """
        return await self._call("POST", url, headers or {}, form, repeatable=repeatable)

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        *,
        repeatable: bool,
    ) -> Called:
        ends_at = self._clock.time() + SECONDS
        waits = backoff.expo(base=2, factor=0.5, max_value=_LONGEST_WAIT)
        next(waits)  # the generator's first value is none
        attempts = 0
        while True:
            attempts += 1
            called: Called | None = None
            error: GatewayError | None
            try:
                called = await self._attempt(method, url, headers, form, until=ends_at)
                error = called.error() if called.status >= _FIRST_ERROR else None
                if error is None or not (repeatable or called.status in _NOTHING_DONE):
                    return called
            except (ConnectError, TimedOut, ConnectionLost) as failure:
                if not (repeatable or failure.phase == "connect"):
                    raise
                error = failure
            wait = error.retry_after or self._draw(next(waits))
            in_time = self._clock.time() + wait < ends_at
            if attempts == ATTEMPTS or not (error.retryable and in_time):
                if called is None:
                    raise error
                return called
            await self._clock.sleep(wait)

    async def _attempt(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        *,
        until: float,
    ) -> Called:
        with anyio.move_on_after(max(0.0, until - self._clock.time())):
            return await self._transport.call(method, url, headers, form)
        message = f"{url.partition('?')[0]} did not answer within {SECONDS:g} s"
        hint = "Check the network; send the request again."
        raise TimedOut(message, phase="response", retryable=True, hint=hint)
