"""Less than a client: an asyncio protocol that receives bytes and reads no HTTP.

What it costs is the kernel's and the event loop's part, which every client pays on asyncio.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from benchmarks.answers import ANSWERS, chunked
from benchmarks.asked import body, path

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally

_END = b"\r\n0\r\n\r\n"


class Receiver(asyncio.Protocol):
    """A connection that counts what comes, until the end of an answer."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def ask(self, request: bytes, tally: Tally) -> asyncio.Future[None]:
        self._tally = tally
        self._end = asyncio.get_running_loop().create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        return self._end

    def data_received(self, data: bytes) -> None:
        self._tally.tokens += len(data) / self._size
        self._tail = data[-len(_END) :] if len(data) >= len(_END) else self._tail + data
        if self._tail.endswith(_END):
            self._end.set_result(None)


async def connect(
    address: str,
    family: str,
    variant: str,  # noqa: ARG001  it has one
    closing: AsyncExitStack,
) -> Ask:
    host, _, port = address.removeprefix("http://").partition(":")
    size = len(chunked(ANSWERS[family].tokens[0]))
    free: list[Receiver] = []

    async def ask(model: str, tally: Tally) -> None:
        content = json.dumps(body(family, model)).encode()
        head = f"POST {path(family, model)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
        if not free:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(lambda: Receiver(size), host, int(port))
            closing.callback(made.close)
            free.append(made)
        receiver = free.pop()
        await receiver.ask(head.encode() + content, tally)
        free.append(receiver)

    return ask
