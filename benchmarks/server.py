"""The server: it plays answers made beforehand, so that what is measured is the client.

A request says what to play, in its model's name or elsewhere: ``play-<tokens>-<in a write>-<milliseconds>``,
the number of token events, how many go into one write, and the time between writes. 0 ms writes as
fast as the client takes it, with backpressure. Every event is an HTTP chunk of its own, as gateways
send them, and the connection is kept after an answer. The opening goes with the first tokens and the
closing with the last, so a short answer is one write.

``stamp-...`` plays the same, but says in the place of a word when it was written: see `benchmarks.stamps`.

A paced stream says its first token at once, so that whoever opens thousands need not wait for each. The
second comes at a moment of the interval that differs between streams, spread evenly over each hundred of
them, so that their tokens do not come in one lump. asyncio sets TCP_NODELAY on every connection, so
each write of a paced stream is a segment of its own, and a TLS record of its own where there is TLS.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import json
import re
import ssl
import sys
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.answers import ANSWERS, CYCLE, chunked
from benchmarks.pacing import Pacer
from benchmarks.places import open_many_files, pin
from benchmarks.stamps import stamp, unstamped

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Asked", "Player", "read_request", "serve", "writes"]

_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"x-request-id: 7c1f0b52\r\ntransfer-encoding: chunked\r\n\r\n"
)
_END: Final = b"0\r\n\r\n"
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_PLAY: Final = re.compile(rb"(play|stamp)-(\d+)-(\d+)-(\d+(?:\.\d+)?)")
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
    """What to play. ``interval`` is in milliseconds."""

    family: str
    tokens: int
    each: int
    interval: float
    stamped: bool = False


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
    kind, tokens, each, interval = play.groups()
    return Asked(family, int(tokens), int(each), float(interval), kind == b"stamp")


def writes(family: str, tokens: int, each: int, *, stamped: bool = False) -> Iterator[bytes]:
    """The bytes of one response, write by write."""
    answer = ANSWERS[family]
    said_before, said_after = unstamped(family)
    before = _HEAD + (chunked(answer.opening) if answer.opening else b"")
    for said in range(0, tokens, each):
        many = min(each, tokens - said)
        text = (
            before + (said_before + stamp() + said_after) * many
            if stamped
            else before + _run(family, said % CYCLE, many)
        )
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

    due = 0.0

    def __init__(self, numbers: Iterator[int], pacer: Pacer) -> None:
        self._numbers = numbers
        self._pacer = pacer
        self._received = b""
        self._writes: Iterator[bytes] = iter(())
        self._interval = 0.0
        self._next: asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Over TLS it is of no public class; it has all that a transport has.
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._writes = iter(())
        self._pacer.remove(self)
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
        self._interval = asked.interval
        self._writes = writes(asked.family, asked.tokens, asked.each, stamped=asked.stamped)
        if asked.interval:
            phase = (1 + next(self._numbers) % _PHASES) / _PHASES
            self.due = self._pacer.now() + asked.interval * (phase - 1)
            if self.speak():
                self._pacer.add(self)
        else:
            self._burst()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if not self._interval:
            self._burst()

    def speak(self) -> bool:
        """Write what is due, unless the client takes nothing; whether there is more."""
        self.due += self._interval
        if self._paused:
            return True
        text = next(self._writes, None)
        if text is None:
            return False
        self._transport.write(text)
        return True

    def _burst(self) -> None:
        if self._next is not None:
            self._next.cancel()
        for _ in range(_AHEAD):
            text = None if self._paused else next(self._writes, None)
            if text is None:
                return
            self._transport.write(text)
        self._next = self._loop.call_soon(self._burst)


async def serve(certificate: str | None = None) -> asyncio.Server:
    """Listen on a port of this machine that the system chooses.

    Args:
        certificate: the path of a certificate with its key, to listen with TLS.
    """
    numbers, pacer = count(), Pacer(asyncio.get_running_loop())
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    return await asyncio.get_running_loop().create_server(
        lambda: Player(numbers, pacer), "127.0.0.1", 0, backlog=4096, ssl=context
    )


async def main() -> None:
    pin(1)
    open_many_files()
    # Requests are small: thousands of TLS connections need no 256 KiB each to read them.
    asyncio.sslproto.SSLProtocol.max_size = 16 * 1024
    servers = [await serve(certificate) for certificate in (None, *sys.argv[1:2])]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    # The parent holds the other end: when it goes, however it goes, so does the server.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
