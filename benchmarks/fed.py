"""What a client costs without a kernel: bytes fed straight into aiohttp's protocol.

Sockets, the selector and the scheduler of the system are most of what a token that comes alone
costs, and nearly all of what makes figures differ from run to run. Here they are left out, by public
means and with nothing patched: an event loop may make connections as it likes, and this one makes
them in memory. `Loop.create_connection` gives aiohttp a transport that hands the pieces of an answer
to `data_received`, one in each turn of the loop, so that the reader is woken for every one of them, as
it is by one segment for each token. The loop asks its selector only when it has nothing to do.

So the whole way is the client's own: `Client().stream()`, the pool, aiohttp's HTTP parser, the
decoder and the reader's loop. The floor is plain aiohttp's drain, in the same process and the same
loop, taken in turns. What is timed lies between the first and the last piece of an answer: the
thread's CPU, without the request and the end; the feeding is in it.

Rounds are short, a few milliseconds, and each is one of every reader, so that what disturbs this
machine disturbs them alike: the figure is the median of the rounds' own ratios. Pieces of one event are the
gate. Pieces of 32 are shown beside them: they are what a burst costs without its noise.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import sys
from contextlib import AsyncExitStack
from time import thread_time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crowd import Tally
from benchmarks.peers import aiohttp_drain, gateway_stream
from benchmarks.places import pin
from benchmarks.server import Asked, read_request, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.crowd import Ask

__all__ = ["Loop", "measure"]

_TOKENS: Final = {1: 500, 32: 1600}  # of an answer, by how many are in a piece
_WARM_UP: Final = 5


class Selector(selectors.DefaultSelector):
    """A selector that makes no system call where the loop has work."""

    def select(self, timeout: float | None = None) -> list[Any]:
        return [] if timeout == 0 else super().select(timeout)


class Wire(asyncio.Transport):
    """A connection in memory: it takes requests and feeds their answers."""

    def __init__(
        self, loop: Loop, protocol: asyncio.Protocol, pieces: Callable[[Asked], list[bytes]]
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._pieces = pieces
        self._received = b""
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._received += data
        asked = read_request(self._received)
        if asked is not None:
            self._received = b""
            self._feed_all(self._pieces(asked))

    def _feed_all(self, pieces: list[bytes]) -> None:
        loop, take, rest, last = self._loop, self._protocol.data_received, iter(pieces), pieces[-1]
        call_soon = loop.call_soon
        began = 0.0

        def feed() -> None:
            piece = next(rest)
            if piece is last:
                loop.spent = thread_time() - began
                take(piece)
            else:
                take(piece)
                call_soon(feed)

        def begin() -> None:
            nonlocal began
            take(next(rest))
            began = thread_time()
            call_soon(feed)

        call_soon(begin)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        """Nothing: one piece in each turn never fills a buffer that is read."""

    def resume_reading(self) -> None:
        """Nothing, likewise."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose connections end in this process.

    ``spent`` is the CPU, in seconds, that lay between the first and the last piece of the answer
    that was fed last.
    """

    def __init__(self) -> None:
        super().__init__(Selector())
        self.spent = 0.0
        self._kept: dict[Asked, list[bytes]] = {}

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], *_: object, sock: socket.socket, **__: object
    ) -> tuple[asyncio.Transport, Any]:
        sock.close()
        protocol = protocol_factory()
        wire = Wire(self, protocol, self._pieces)
        protocol.connection_made(wire)
        return wire, protocol

    def _pieces(self, asked: Asked) -> list[bytes]:
        if asked not in self._kept:
            self._kept[asked] = list(writes(asked.family, asked.tokens, asked.each))
        return self._kept[asked]


async def _fed(loop: Loop, ask: Ask, tokens: int, each: int) -> float:
    tally = Tally()
    await ask(f"play-{tokens}-{each}-0", tally)
    if int(tally.tokens) < tokens:
        message = f"{tally.tokens:g} of {tokens} tokens were read"
        raise RuntimeError(message)
    return loop.spent / tokens


async def measure(family: str, *, rounds: int, each: int) -> dict[str, list[float]]:
    """Seconds of CPU for each token, round by round, of the drain and of this client's two ways.

    ``each`` is how many token events are in a piece.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)  # noqa: S101
    tokens = _TOKENS[each]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with AsyncExitStack() as closing:
            asks = {
                "drain": await aiohttp_drain.connect(address, family, "", closing),
                "events": await gateway_stream.connect(address, family, "events", closing),
                "batches": await gateway_stream.connect(address, family, "batches", closing),
            }
            found: dict[str, list[float]] = {name: [] for name in asks}
            for number in range(rounds + _WARM_UP):
                for name, ask in asks.items():
                    spent = await _fed(loop, ask, tokens, each)
                    if number >= _WARM_UP:
                        found[name].append(spent)
    return found


def main() -> None:
    pin(0)
    families, rounds = sys.argv[1].split(","), int(sys.argv[2])
    with asyncio.Runner(loop_factory=Loop) as runner:
        result = {
            family: {
                each: runner.run(measure(family, rounds=rounds, each=each)) for each in _TOKENS
            }
            for family in families
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
