"""Recording what a client exchanges: each exchange becomes a cassette, a file of its own.

A recorder stands between a connection and its reader and passes on what comes, so what is on a cassette is
what the client read: read by read, nothing joined and nothing divided, and nothing that it did not wait for.
Refused attempts are recorded as well. A request that got no response leaves nothing.

**Memory and disk.** An exchange is held in memory while it goes on, for credentials are looked for in the
whole of it (`gateway_stream.testing.redaction`): a mark may be torn apart by the reads. When it ends, a thread of
the recorder masks and writes it, under a name that is the final one only once all is there. So the event loop never
waits for a disk, a file is whole or not there, and a program that dies loses the exchanges that were still running.
The end of a program waits for those that were not.

Files are readable by their owner alone, since they hold what was asked and answered.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import secrets
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import anyio.to_thread

from gateway_stream.errors import GatewayError
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing.cassettes import Cassette, How, Read
from gateway_stream.testing.redaction import (
    Mask,
    kept_query,
    kept_request_headers,
    kept_response_headers,
)
from gateway_stream.wire.failure_text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.recording import Followed

__all__ = ["Recorder"]

_REASON: Final = 300
_MOMENT: Final = 0.5
_log = logging.getLogger("gateway_stream.testing")


class Recorder:
    """Writes a cassette of each exchange of the clients that it is given to: ``Client(recorder=...)``.

    Args:
        folder: where the cassettes go; it is made with the first. Their names sort as the responses began.
        clock: what tells the times of the reads.
    """

    def __init__(self, folder: str | os.PathLike[str], *, clock: Timer = SYSTEM) -> None:
        self._folder = Path(folder)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._begin_writing()

    def follow(
        self, exchange: Followed, *, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Record an exchange whose response has begun; see `gateway_stream.net.recording.Follower`."""
        self._survive_a_fork()
        now = self._clock.time()
        name = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{next(self._numbers):05}"
        path = self._folder / f"{name}-{secrets.token_hex(2)}.jsonl"
        asked = _Asked(now, method, url, dict(headers), body)
        cassette: Future[Path] = Future()
        self._cassettes.append(cassette)
        _Tape(exchange, self._clock, lambda tape: self._keep(cassette, path, asked, tape))

    async def saved(self) -> list[Path]:
        """Wait until every exchange that has ended is on disk, and give the files, by name.

        After an answer's last event its response goes on for a moment, to HTTP's own end. So whatever
        still goes on is waited for, half a second at most.

        Raises:
            OSError: one could not be written.
        """
        self._survive_a_fork()
        cassettes = self._cassettes.copy()
        await anyio.to_thread.run_sync(partial(wait, cassettes, timeout=_MOMENT))
        ended = [each for each in cassettes if each.running() or each.done()]
        await anyio.to_thread.run_sync(wait, ended)
        return sorted(each.result() for each in ended)

    def _survive_a_fork(self) -> None:
        """A fork takes no threads along, so what they were at is not waited for."""
        if self._process != os.getpid():
            self._begin_writing()

    def _begin_writing(self) -> None:
        self._process = os.getpid()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway_stream: recorder")
        self._cassettes: list[Future[Path]] = []

    def _keep(self, cassette: Future[Path], path: Path, asked: _Asked, tape: _Tape) -> None:
        cassette.set_running_or_notify_cancel()
        try:
            self._thread.submit(_write, cassette, path, asked, tape)
        except RuntimeError:  # the interpreter is ending and starts no thread any more
            _write(cassette, path, asked, tape)


class _Tape:
    """One exchange while it goes on. ``done`` is given the tape at its end."""

    def __init__(self, exchange: Followed, clock: Timer, done: Callable[[_Tape], None]) -> None:
        self._receive_next = exchange.receive
        self._broken = exchange.broken
        self._clock = clock
        self._done: Callable[[_Tape], None] | None = done
        self._status = exchange.status
        self._headers = tuple((str(name), value) for name, value in exchange.headers.items())
        self._headers_at = exchange.headers_at - exchange.sent_at
        # The client may go by another clock: only this one's differences count.
        self._zero = clock.monotonic() - self._headers_at
        self._reads: list[Read] = []
        self._ended_at = 0.0
        self._how: How = "left"
        self._error: Exception | None = None
        exchange.receive = self._receive
        exchange.when_free(self._let_go)

    async def _receive(self) -> bytes:
        try:
            chunk = await self._receive_next()
        except self._broken as error:
            self._end(_how_it_broke(error), error)
            raise
        if chunk and self._done is not None:
            self._reads.append(Read(self._clock.monotonic() - self._zero, chunk))
        elif not chunk:
            self._end("clean")
        return chunk

    def _let_go(self, whole: bool) -> None:  # noqa: FBT001  the exchange's word
        self._end("clean" if whole else "left")

    def _end(self, how: How, error: Exception | None = None) -> None:
        done, self._done = self._done, None
        if done is not None:
            self._ended_at = self._clock.monotonic() - self._zero
            self._how = how
            self._error = error
            done(self)

    def response(self, mask: Mask) -> dict[str, Any]:
        """What a cassette tells of the response."""
        came = b"".join(read.data for read in self._reads)
        masked = mask.bytes(came)
        places = itertools.accumulate((len(read.data) for read in self._reads), initial=0)
        kept = kept_response_headers(self._headers)
        return {
            "status": self._status,
            "headers": tuple((name, mask.text(value)) for name, value in kept),
            "headers_at": self._headers_at,
            "reads": tuple(
                Read(read.at, masked[place : place + len(read.data)])
                for place, read in zip(places, self._reads, strict=False)
            ),
            "ended_at": self._ended_at,
            "how": self._how,
            "reason": _reason(self._error, mask),
            "masked": masked.count(b"*") - came.count(b"*"),
        }


class _Asked(NamedTuple):
    """A request, with its credentials, and when its response began."""

    at: float
    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"_Asked({self.method})"

    def request(self, mask: Mask) -> dict[str, Any]:
        """What a cassette tells of the request."""
        url = urlsplit(self.url)
        return {
            "recorded_at": self.at,
            "method": self.method,
            "path": mask.text(url.path) or "/",
            "query": mask.text(kept_query(url.query)),
            "request_headers": {
                name: mask.text(value) for name, value in kept_request_headers(self.headers).items()
            },
            "request_body": mask.bytes(self.body),
        }


def _how_it_broke(error: Exception) -> How:
    if isinstance(error, GatewayError):  # the client's own clocks
        return "left"
    causes = (error, error.__cause__, error.__context__)
    # aiohttp tells a payload's error of the connection's in its text alone.
    named = any(ConnectionResetError.__name__ in repr(cause) for cause in causes)
    reset = named or any(getattr(each, "errno", None) == errno.ECONNRESET for each in causes)
    return "reset" if reset else "cut"


def _reason(error: Exception | None, mask: Mask) -> str | None:
    if error is None:
        return None
    # Masked first: what is cut off in the middle of a credential shows the rest of it.
    return one_line(mask.text(f"{type(error).__name__}: {error}".removesuffix(": ")), _REASON)


def _write(cassette: Future[Path], path: Path, asked: _Asked, tape: _Tape) -> None:
    """Mask an exchange and write it, and tell ``cassette``."""
    try:
        mask = Mask(asked.headers)
        lines = Cassette(**asked.request(mask), **tape.response(mask)).lines()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = path.with_suffix(".part")
        with open(begun, "xb", opener=_for_the_owner) as file:
            file.write(lines)
        cassette.set_result(begun.rename(path))
    except Exception as error:  # noqa: BLE001  whoever waits for the cassette gets it
        _log.warning("a cassette could not be written: %s", type(error).__name__)
        cassette.set_exception(error)


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
