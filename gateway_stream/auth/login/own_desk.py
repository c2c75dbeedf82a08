"""A desk for a few calls, where no client is at hand.

Logging in comes before there is a client that could be asked: a web back end sends a browser away, a
terminal program has a host and nothing else. So such a call opens connections of its own in the loop that
runs, with the proxy and the certificates that the environment names, and closes them behind it.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from gateway_stream.auth.authority import Desk
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.net.calls import Calls
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.loops import running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway_stream.net.transport import Transport

__all__ = ["open_desk"]

_CONNECT_SECONDS: Final = 10.0


@asynccontextmanager
async def open_desk(host: str, account_id: str | None = None) -> AsyncIterator[Desk]:
    """A desk whose connections last as long as the block.

    Args:
        host: the workspace, written as `gateway_stream.Client` takes it.
        account_id: the account, for hosts that serve whole accounts.

    Raises:
        ConfigError: no request can go to the host, or the loop is not asyncio's.
    """
    running_loop()
    base = parse_base(host)
    make = await anyio.to_thread.run_sync(_prepare, base.scheme, base.netloc)
    transport = make()
    try:
        yield Desk(Calls(transport), SYSTEM, workspace=base.origin, account_id=account_id, known={})
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()


def _prepare(scheme: str, netloc: str) -> Callable[[], Transport]:
    """What takes time and no loop: importing aiohttp, reading certificates."""
    from gateway_stream.net.surroundings import (  # noqa: PLC0415
        certificate_settings,
        proxy_for,
        tls_context,
    )
    from gateway_stream.net.transport import Transport  # noqa: PLC0415

    context = tls_context(None, certificate_settings(os.environ))
    proxy = proxy_for(scheme, netloc)
    return lambda: Transport(context, proxy, connect_timeout=_CONNECT_SECONDS)
