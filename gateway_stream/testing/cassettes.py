"""Recorded exchanges: one request, and its response read by read, with the time of each.

**The format.** A cassette is a file of JSON lines, one exchange long. Each line is an object whose ``type``
says what it is:

``cassette``
    The first: ``format``, which is 1, and ``recorded_at``, seconds since 1970.
``request``
    ``method``, ``path``, ``query``, ``headers`` (a list of pairs) and the body.
``response``
    ``at``, ``status`` and ``headers``, a pair for each line.
``read``
    ``at`` and the bytes that came in one read of the body, none joined and none divided.
``end``
    ``at``; ``how``, one of ``clean`` (as HTTP ends a body), ``cut`` (the connection was lost), ``reset`` (the
    other side reset it) and ``left`` (the client had enough); ``reason``, an error's text; ``masked``, how many
    bytes of the body are asterisks because a credential stood there.

``at`` is seconds since the request began to be sent. Bytes are ``text`` where they are UTF-8, else ``base64``.
The shape, a line for what a file is and a line with a time for each thing that happened, is that of asciicast
(https://docs.asciinema.org/manual/asciicast/v2).

**Growth.** Lines of an unknown ``type`` and unknown fields are skipped, so that more can be told within format 1.
A file of another format is refused. One that breaks off was left.

**Replay.** The same bytes in the same reads at the same times with the same end; or faster, or cut elsewhere:
each byte is then still due when the read was due that it came in.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.testing.chop import Cuts
from gateway_stream.testing.replies import Fault, Reply
from gateway_stream.testing.routes import locate
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.failures import read_failure

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from gateway_stream.events import Event
    from gateway_stream.testing.script import FamilyName

__all__ = ["Cassette", "How", "Read"]

How: TypeAlias = Literal["clean", "cut", "reset", "left"]
"""How an exchange ended."""

_FORMAT: Final = 1
_OK: Final = 200
_PATIENCE: Final = 0.05
"""Seconds before a reset, which throws away what its reader has not read."""

_NOT_REPLAYED: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "date", "server"),
        "transfer-encoding",
    }
)


class Read(NamedTuple):
    """One read of the body: when it came, in seconds since the request, and what."""

    at: float
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Cassette:
    """One recorded exchange.

    Attributes:
        recorded_at: when the response began, in seconds since 1970.
        method: the request's method.
        path: its path, percent-encoded as it was sent.
        query: its query.
        request_headers: its headers that were kept, in lower case.
        request_body: its body.
        status: the response's status.
        headers: its headers that were kept, each line a pair.
        headers_at: seconds from the request to the response's head.
        reads: what came, read by read.
        ended_at: seconds from the request to the end.
        how: how it ended.
        reason: the text of the error that ended it.
        masked: bytes of the body that are asterisks in place of a credential.
    """

    recorded_at: float
    method: str
    path: str
    query: str = ""
    request_headers: dict[str, str]
    request_body: bytes = b""
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    headers_at: float
    reads: tuple[Read, ...] = ()
    ended_at: float
    how: How
    reason: str | None = None
    masked: int = 0

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Cassette:
        """Read a cassette.

        Raises:
            ConfigError: the file cannot be read, or is no cassette of a format known here.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise ConfigError(message, hint="Give the path of a cassette.") from error
        try:
            return _read_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            message = f"{path} is no cassette: {error}"
            hint = "Give a file that a Recorder wrote."
            raise ConfigError(message, hint=hint) from error

    @property
    def body(self) -> bytes:
        """The response's body, as far as it was read."""
        return b"".join(read.data for read in self.reads)

    @property
    def read_sizes(self) -> list[int]:
        """Bytes of each read."""
        return [len(read.data) for read in self.reads]

    @property
    def family(self) -> FamilyName | None:
        """The wire family of the path; ``None`` where it is of none."""
        place = locate(self.path)
        return place.family if place else None

    def lines(self) -> bytes:
        """The cassette as a file holds it."""
        request = {
            "type": "request",
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": list(self.request_headers.items()),
            **_written(self.request_body),
        }
        response = {"type": "response", "at": self.headers_at, "status": self.status}
        end = {"type": "end", "at": self.ended_at, "how": self.how, "reason": self.reason}
        lines: list[dict[str, Any]] = [
            {"type": "cassette", "format": _FORMAT, "recorded_at": self.recorded_at},
            request,
            {**response, "headers": self.headers},
            *({"type": "read", "at": read.at, **_written(read.data)} for read in self.reads),
            {**end, "masked": self.masked},
        ]
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

    def events(self, family: FamilyName | None = None) -> list[Event]:
        """What the response decodes to, read by read as it came, without sockets or waiting.

        Args:
            family: the wire family, instead of that of the request's path.

        Raises:
            ConfigError: the path is of no family, and none is given.
        """
        headers = {name.lower(): value for name, value in self.headers}
        if self.status != _OK:
            return [read_failure(self.status, headers, self.body, now=self.recorded_at)]
        family = family or self.family
        if family is None:
            message = f"{self.path} is the path of no wire family"
            raise ConfigError(message, hint=f"Give one of {', '.join(FAMILIES)}.")
        decoder = Decoder(FAMILIES[family], request_id=headers.get("x-request-id"))
        events = [event for read in self.reads for event in decoder.feed(read.data)]
        return events + decoder.close(clean=self.how == "clean")

    def reply(self, *, pace: float = 1.0) -> Reply:
        """The same response, for a `FakeGateway`: what the client left goes on without a word.

        Args:
            pace: what the recorded times are multiplied by. 1 (or ``True``) keeps them, 0 (or
                ``False``) waits for nothing, 0.1 is ten times as fast.
        """
        body = self.body
        named = {name.lower(): value for name, value in self.headers}
        last = self.reads[-1].at if self.reads else self.headers_at
        delays = Fault(
            delay_headers=self.headers_at * pace,
            delay_end=max((self.ended_at - last) * pace, _PATIENCE if self.how == "reset" else 0.0),
        )
        counted = itertools.accumulate(self.read_sizes)
        sized = "content-length" in named or "chunked" in named.get("transfer-encoding", "")
        return Reply(
            body=body,
            status=self.status,
            content_type=named.get("content-type", ""),
            headers=tuple(each for each in self.headers if each[0].lower() not in _NOT_REPLAYED),
            cuts=Cuts(sizes=tuple(self.read_sizes)) if body else None,
            due=tuple(
                (size, max(0.0, read.at - self.headers_at) * pace)
                for size, read in zip(counted, self.reads, strict=True)
            ),
            framing="chunked" if sized else "close",
            fault=_ending(delays, self.how, len(body)),
        )


def _ending(delays: Fault, how: How, size: int) -> Fault:
    if how == "clean":
        return delays
    if how == "left":
        return dataclasses.replace(delays, stall_after=size)
    return dataclasses.replace(delays, cut_after=size, cut="reset" if how == "reset" else "close")


def _written(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


class _Line(msgspec.Struct):
    """A line, whatever its type: each field is some type's, and each is optional."""

    type: str
    format: int = 0
    recorded_at: float = 0.0
    at: float = 0.0
    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: list[tuple[str, str]] = []
    status: int = 0
    text: str | None = None
    base64: str | None = None
    how: str = "left"
    reason: str | None = None
    masked: int = 0

    @property
    def data(self) -> bytes:
        """The bytes that it holds."""
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        return (self.text or "").encode()


class _Kind(msgspec.Struct):
    type: str = ""


_KINDS: Final = frozenset({"cassette", "request", "response", "read", "end"})


def _read_lines(data: bytes) -> Cassette:
    """The exchange that lines tell.

    Raises:
        ValueError: they are no cassette's; likewise what msgspec raises.
    """
    lines = list(_known_lines(data))
    if not lines or lines[0].type != "cassette":
        message = "its first line does not say so"
        raise ValueError(message)
    if lines[0].format != _FORMAT:
        message = f"its format is {lines[0].format}, and only {_FORMAT} is known here"
        raise ValueError(message)
    found = {line.type: line for line in lines}
    if not found.keys() >= {"request", "response"}:
        message = "its request or its response is missing"
        raise ValueError(message)
    request, response = found["request"], found["response"]
    reads = tuple(Read(line.at, line.data) for line in lines if line.type == "read")
    last = reads[-1].at if reads else response.at
    end = found.get("end") or _Line("end", at=last, reason="the recording breaks off")
    return Cassette(
        recorded_at=lines[0].recorded_at,
        method=request.method,
        path=request.path,
        query=request.query,
        request_headers=dict(request.headers),
        request_body=request.data,
        status=response.status,
        headers=tuple((name, value) for name, value in response.headers),
        headers_at=response.at,
        reads=reads,
        ended_at=end.at,
        how=_how(end.how),
        reason=end.reason,
        masked=end.masked,
    )


def _known_lines(data: bytes) -> Iterator[_Line]:
    *whole, last = data.split(b"\n")
    for text in whole:
        if text.strip() and msgspec.json.decode(text, type=_Kind).type in _KINDS:
            yield msgspec.json.decode(text, type=_Line)
    with suppress(msgspec.DecodeError):  # where a file breaks off
        if last.strip() and msgspec.json.decode(last, type=_Kind).type in _KINDS:
            yield msgspec.json.decode(last, type=_Line)


def _how(word: str) -> How:
    """An end of a kind that is not known here was left as it is."""
    return next((how for how in get_args(How) if how == word), "left")
