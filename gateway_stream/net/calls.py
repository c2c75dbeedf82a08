"""Plain calls beside the streams: token endpoints, discovery documents, listings.

A call is small, is answered whole and takes no slot of the pool: a pool full of streams must not
keep the token from being renewed that they all need. It shares the pool's connections, proxy and
certificates.

Redirects are not followed, because what is sent may be a secret and is for this server alone.

**Sending again.** A call that reached nobody is sent again, as is one whose answer says to come back (408,
429 and 5xx but 501), up to `ATTEMPTS` times in all, after what ``Retry-After`` says or a back-off with
full jitter, within `SECONDS`. A call that may have been taken and whose answer was lost is sent
again only if it is ``repeatable``: a refresh token that is used a second time can cost the whole login.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import backoff
import msgspec
from backoff import full_jitter

from gateway_stream.errors import ConnectError, ConnectionLost, GatewayError, TimedOut
from gateway_stream.wire.failures import read_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.net.transport import Transport

__all__ = ["ATTEMPTS", "SECONDS", "Called", "Calls"]

ATTEMPTS: Final = 4
SECONDS: Final = 15.0
"""How long a call may take, with all its attempts: databricks-sdk-py and others give token calls as long."""

_LONGEST_WAIT: Final = 8.0
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class Called(NamedTuple):
    """What a call was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        """The body as JSON; ``None`` where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def error(self) -> GatewayError:
        """The error that the answer stands for, read as every other answer of the gateway is."""
        return GatewayError.from_failure(
            read_failure(self.status, self.headers, self.body, now=time.time())
        )


class Calls:
    """Makes calls over one pool."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
        waits = backoff.expo(base=2, factor=0.5, max_value=_LONGEST_WAIT)
        next(waits)  # the generator's first value is none
        with anyio.move_on_after(SECONDS) as scope:
            for attempt in range(1, ATTEMPTS + 1):
                wait = full_jitter(next(waits))
                try:
                    called = await self._transport.call(method, url, headers, form)
                except (ConnectError, TimedOut, ConnectionLost) as error:
                    lost = isinstance(error, ConnectionLost) and not repeatable
                    if lost or not error.retryable or attempt == ATTEMPTS:
                        raise
                else:
                    if called.status not in _AGAIN or attempt == ATTEMPTS:
                        return called
                    told = called.error().retry_after
                    if told is not None and told > scope.deadline - anyio.current_time():
                        return called
                    wait = told or wait
                await anyio.sleep(wait)
        message = f"{url.partition('?')[0]} did not answer within {SECONDS:g} s"
        hint = "Check the network; send the request again."
        raise TimedOut(message, phase="connect", retryable=True, hint=hint)
