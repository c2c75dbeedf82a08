"""The server: it plays answers made beforehand, so that what is measured is the client.

A request says what to play, in its model's name or elsewhere: ``play-<tokens>-<in a write>-<milliseconds>``,
the number of token events, how many go into one write, and the time between writes. 0 ms writes as
fast as the client takes it, with backpressure. Every event is an HTTP chunk of its own, as gateways
send them, and the connection is kept after an answer. The opening goes with the first tokens and the
closing with the last, so a short answer is one write.

Paced streams begin at different moments of the interval, spread evenly over each hundred of them, so
that their tokens do not come in one lump. asyncio sets TCP_NODELAY on every connection, so each
write of a paced stream is a segment of its own.
"""

from __future__ import annotations

import asyncio
import re
import sys
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.answers import ANSWERS, CYCLE, chunked
from benchmarks.places import pin

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Asked", "Player", "read_request", "serve", "writes"]

_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"x-request-id: 7c1f0b52\r\ntransfer-encoding: chunked\r\n\r\n"
)
_END: Final = b"0\r\n\r\n"
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_PLAY: Final = re.compile(rb"play-(\d+)-(\d+)-(\d+)")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATHS: Final = {
    b"/chat/completions": "openai_chat",
    b"/responses": "openai_responses",
    b"/messages": "anthropic",
    b":streamGenerateContent": "gemini",
}
_PHASES: Final = 100
_AHEAD: Final = 32  # unpaced writes in one go, before other connections have their turn


class Asked(NamedTuple):
    """What to play. ``interval`` is in seconds."""

    family: str
    tokens: int
    each: int
    interval: float


def read_request(received: bytes) -> Asked | None:
    """What a request asks for; ``None`` while it is not whole.

    Raises:
        ValueError: it asks for nothing that can be played.
    """
    head, blank, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not blank or len(body) < (int(length[1]) if length else 0):
        return None
    line = head.partition(b"\r\n")[0]
    family = next((_PATHS[path] for path in _PATHS if path in line), None)
    play = _PLAY.search(received)
    if family is None or play is None:
        raise ValueError(line)
    tokens, each, milliseconds = map(int, play.groups())
    return Asked(family, tokens, each, milliseconds / 1000)


def writes(family: str, tokens: int, each: int) -> Iterator[bytes]:
    """The bytes of one response, write by write."""
    answer = ANSWERS[family]
    before = _HEAD + (chunked(answer.opening) if answer.opening else b"")
    for said in range(0, tokens, each):
        many = min(each, tokens - said)
        text = before + _run(family, said % CYCLE, many)
        before = b""
        yield text + _closing(family, tokens) if said + many == tokens else text


@cache
def _run(family: str, first: int, many: int) -> bytes:
    tokens = ANSWERS[family].tokens
    return b"".join([chunked(tokens[(first + n) % CYCLE]) for n in range(many)])


@cache
def _closing(family: str, tokens: int) -> bytes:
    return chunked(ANSWERS[family].closing(tokens)) + _END


class Player(asyncio.Protocol):
    """One connection. ``numbers`` counts the paced streams of all of them."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._received = b""
        self._writes: Iterator[bytes] = iter(())
        self._next: asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._writes = iter(())
        if self._next is not None:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            asked = read_request(self._received)
        except ValueError:
            self._received = b""
            self._transport.write(_NOT_FOUND)
            return
        if asked is None:
            return
        self._received = b""
        self._writes = writes(asked.family, asked.tokens, asked.each)
        if asked.interval:
            self._interval = asked.interval
            phase = next(self._numbers) % _PHASES / _PHASES
            self._due = self._loop.time() + asked.interval * phase
            self._next = self._loop.call_at(self._due, self._pace)
        else:
            self._burst()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._burst()

    def _pace(self) -> None:
        text = next(self._writes, None)
        if text is not None:
            self._transport.write(text)
            self._due += self._interval
            self._next = self._loop.call_at(self._due, self._pace)

    def _burst(self) -> None:
        if self._next is not None:
            self._next.cancel()
        for _ in range(_AHEAD):
            text = None if self._paused else next(self._writes, None)
            if text is None:
                return
            self._transport.write(text)
        self._next = self._loop.call_soon(self._burst)


async def serve() -> asyncio.Server:
    """Listen on a port of this machine that the system chooses."""
    numbers = count()
    return await asyncio.get_running_loop().create_server(
        lambda: Player(numbers), "127.0.0.1", 0, backlog=1024
    )


async def main() -> None:
    pin(1)
    server = await serve()
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent holds the other end: when it goes, however it goes, so does the server.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
