"""One request on its way: authorized, sent, and answered or refused.

One thing runs backwards here. A response that refuses the token itself (401, or 403 where the body says
that the token is invalid or has expired) has the token replaced, once, and the request sent again, once.
Nothing of an answer came by then, so nothing can come twice. Any other 403 is about what the token may do, and
another one may do no more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.auth.withheld import withheld
from gateway_stream.errors import AuthError, GatewayError
from gateway_stream.events import Notice
from gateway_stream.wire.failures import read_failure

if TYPE_CHECKING:
    from gateway_stream.auth.service import Credentials, TokenService
    from gateway_stream.net.loops import LoopState
    from gateway_stream.net.transport import Exchange

__all__ = ["send_authorized"]

_OK: Final = 200
_TOKEN_REFUSED: Final = (401, 403)


async def send_authorized(
    state: LoopState,
    service: TokenService | None,
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    no_token: str | None,
) -> tuple[Exchange, list[Notice]]:
    """The response that brings an answer, and what is to be told of the credentials.

    Args:
        state: the loop's pool.
        service: what authorizes the request; ``None`` sends it without credentials.
        url: where it goes.
        headers: its headers, credentials aside.
        body: its body.
        no_token: why there are no credentials, for whoever is refused without.

    Raises:
        GatewayError: what came instead.
    """
    if service is None:
        return await _answered(await state.send(url, headers, body), no_token=no_token), []
    credentials = service.ready() or await service.credentials(state)
    try:
        why = None if credentials.headers else no_token
        exchange = await _answered(
            await state.send(url, headers | credentials.headers, body), credentials, why
        )
    except AuthError as error:
        if error.status not in _TOKEN_REFUSED:
            raise
        other = await service.replace(credentials, state)
        if other is None:
            raise
        credentials = other
        try:
            exchange = await _answered(
                await state.send(url, headers | credentials.headers, body), credentials
            )
        except AuthError as again:
            if again.status in _TOKEN_REFUSED:
                service.in_vain()
            raise
    credentials.accepted = True
    trouble = service.trouble
    return exchange, [Notice("token_not_renewed", trouble)] if trouble else []


async def _answered(
    exchange: Exchange, credentials: Credentials | None = None, no_token: str | None = None
) -> Exchange:
    """The exchange, if it brings an answer."""
    if exchange.status == _OK:
        return exchange
    try:
        body = await exchange.read_error()
    finally:
        exchange.abort()
    failure = read_failure(exchange.status, exchange.headers, body, now=time.time())
    if credentials is not None:
        failure = withheld(failure, credentials.headers.values())
    if failure.kind == "auth" and no_token:
        failure = msgspec.structs.replace(failure, hint=no_token)
    raise GatewayError.from_failure(failure)
