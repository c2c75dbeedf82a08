"""All hosts of the world, on loopback: each answers every path with 404.

Programs that ask hosts that do not exist are sent here by the variables that name a proxy and the
certificates to trust. So nothing is looked up by name, and nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["Nowhere", "nowhere"]

_ANSWER = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


class Nowhere:
    """The proxy.

    Attributes:
        url: its address.
        certificates: the file of the authority that signs for all hosts.
        asked: what was asked for, as ``GET https://host/path``.
        headers: the heads of these requests, in full.
    """

    def __init__(self, url: str, certificates: Path, authority: trustme.CA) -> None:
        self.url = url
        self.certificates = certificates
        self.asked: list[str] = []
        self.headers: list[str] = []
        self._authority = authority

    @property
    def variables(self) -> dict[str, str]:
        """What sends a program here."""
        named = {"HTTPS_PROXY": self.url, "NO_PROXY": "127.0.0.1"}
        return {**named, "REQUESTS_CA_BUNDLE": str(self.certificates)}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            opening = await reader.readuntil(b"\r\n\r\n")
            host = opening.split()[1].decode().rpartition(":")[0]
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._authority.issue_cert(host).configure_cert(context)
            await writer.start_tls(context)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            self.asked.append(f"{method} https://{host}{path}")
            self.headers.append(head)
            writer.write(_ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # whoever asked has left
        finally:
            writer.close()


@asynccontextmanager
async def nowhere(folder: Path) -> AsyncIterator[Nowhere]:
    """Serve for the time of a test; ``folder`` is where the authority's file goes."""
    authority = trustme.CA()
    certificates = folder / "nowhere.pem"
    authority.cert_pem.write_to_path(str(certificates))
    places: list[Nowhere] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await places[0].serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    places.append(Nowhere(f"http://127.0.0.1:{port}", certificates, authority))
    try:
        yield places[0]
    finally:
        server.close()
        await server.wait_closed()
