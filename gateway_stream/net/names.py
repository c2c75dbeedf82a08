"""Looking hosts up by name, beside the loop.

``getaddrinfo`` blocks, for seconds where a name server is gone, so it runs in a thread. Not in one of the loop's
default executor, as aiohttp has it: that is the program's own, has few threads (the cores and four), and where
they are all at work a name waits for them. Nor for one of the tokens that anyio's other threads share.

The answer says nothing of how long it holds. It is kept for `KEPT_SECONDS`, as the JVM keeps it
(``networkaddress.cache.ttl``), by aiohttp's own cache, which also lets all who wait for a name share one look-up.
"""

from __future__ import annotations

import socket
from typing import Final

import anyio
import anyio.to_thread
from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["KEPT_SECONDS", "Resolver"]

KEPT_SECONDS: Final = 30
_AT_ONCE: Final = 8
"""Hosts, not requests: the gateway, the proxy, and those that give tokens."""

_NUMBERS: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class Resolver(AbstractResolver):
    """Finds hosts' addresses in threads of its own."""

    def __init__(self) -> None:
        self._limit = anyio.CapacityLimiter(_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host, in the order in which the system prefers them.

        Raises:
            OSError: there are none, or nobody could tell.
        """
        return await anyio.to_thread.run_sync(
            _addresses, host, port, family, limiter=self._limit, abandon_on_cancel=True
        )

    async def close(self) -> None:
        """Nothing: a thread that waits for an answer ends when it comes."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [
        {
            "hostname": host,
            # As text, with the link of one that is valid on a single link only.
            "host": socket.getnameinfo(address, _NUMBERS)[0],
            "port": port,
            "family": kind,
            "proto": protocol,
            "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        }
        for kind, _, protocol, _, address in found
    ]
