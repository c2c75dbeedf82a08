"""What the fake gateway answers: plain values that say everything about one response.

A `Reply` has a status, headers, a body and a pace, and may carry a `Fault`. Its body is bytes that
were recorded, a script that is written out in the family of the request, or a stream of any length
that is made while it is read. Each piece of a streamed body is written to the socket by itself.

Faults count in three units. ``cut_after`` and ``stall_after`` count bytes of the body, for a
connection may break anywhere. ``error_after`` and ``cut_after_events`` count the family's events, of
which each family sends others before its first text. ``cut_after_text`` counts pieces of a script's
text, so that the same fault lets the same text through in every family.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from gateway_stream.testing.chop import Cuts
from gateway_stream.testing.script import FamilyName, Script, ScriptedCall, split_text

if TYPE_CHECKING:
    from gateway_stream.events import StopReason, Usage

__all__ = ["Fault", "LongBody", "Reply"]

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

_NOT_REPLAYED: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
    }
)
"""Headers of a recording that tell how its bytes travelled, and what the gateway sets itself."""

_CUTS: Final = ("cut_after", "cut_after_events", "cut_after_text")
_ENDS: Final = (*_CUTS, "stall_after")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with a reply.

    Attributes:
        delay_headers: seconds before the response begins.
        no_response: the connection is closed without a response, or reset where ``cut`` says so.
        error_after: after so many events the family's error event comes, and the body ends.
        cut_after: the body ends after so many bytes, or at its end if it has fewer.
        cut_after_events: likewise after so many events.
        cut_after_text: likewise after so many pieces of a script's text; with 0 just before the
            first, after the reasoning.
        cut: how a cut ends: ``clean`` as HTTP says a body ends, ``close`` in the middle of it with
            the connection closed, ``reset`` with the connection reset, which may lose the last bytes
            of a client that is slow to read.
        stall_after: after so many bytes, or after the last, nothing more comes until the client
            leaves or the gateway closes.
        delay_end: seconds between the last byte of the body and the end of the response.

    Raises:
        ValueError: a number is negative, the body ends in more than one way, ``cut`` is given where
            nothing is cut, or a response that does not come is to go wrong.
    """

    delay_headers: float = 0.0
    no_response: bool = False
    error_after: int | None = None
    cut_after: int | None = None
    cut_after_events: int | None = None
    cut_after_text: int | None = None
    cut: Literal["clean", "close", "reset"] = "clean"
    stall_after: int | None = None
    delay_end: float = 0.0

    def __post_init__(self) -> None:
        """Hold the fault to its rules."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0:
                message = f"{field.name} is {value}, and cannot be negative"
                raise ValueError(message)
        ends = [name for name in _ENDS if getattr(self, name) is not None]
        if len(ends) > 1:
            message = f"a body ends once; give one of {', '.join(ends)}"
            raise ValueError(message)
        if self.no_response and (ends or self.error_after is not None or self.delay_end):
            message = "without a response there is no body that could go wrong"
            raise ValueError(message)
        if self.cut != "clean" and not (self.cuts or self.no_response):
            message = f"cut={self.cut!r} cuts nothing; say where: {', '.join(_CUTS)} or no_response"
            raise ValueError(message)

    @property
    def cuts(self) -> bool:
        """Whether the body is cut."""
        return any(getattr(self, name) is not None for name in _CUTS)

    @property
    def ends_at(self) -> int | None:
        """The byte of the body after which nothing more comes."""
        return self.stall_after if self.cut_after is None else self.cut_after


@dataclass(frozen=True)
class LongBody:
    """A body of at least ``size`` bytes in text events of ``piece`` bytes."""

    size: int
    piece: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One response. Make it with `scripted`, `recorded`, `from_recording`, `long` or `error`.

    Attributes:
        body: recorded bytes, or what is written out for each request.
        family: the family to write it out in; ``None`` takes that of the request.
        status: the HTTP status.
        headers: what goes beside the content type.
        content_type: ``None`` takes what fits the body.
        cuts: where the body is cut into writes; ``None`` writes an event at a time.
        pace: seconds between two writes; with 0 there is a turn of the event loop between them.
        framing: ``chunked``, or ``close``: the body ends when the connection does, as with old proxies.
        fault: what goes wrong.
    """

    body: bytes | Script | LongBody = b""
    family: FamilyName | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    cuts: Cuts | None = None
    pace: float = 0.0
    framing: Literal["chunked", "close"] = "chunked"
    fault: Fault = Fault()

    @staticmethod
    def scripted(
        family: FamilyName | None = None,
        *,
        text: str | Iterable[str] = "",
        reasoning: str | Iterable[str] = "",
        tool_calls: Iterable[ScriptedCall] = (),
        usage: Usage | None = None,
        stop: StopReason | None = None,
        pace: float = 0.0,
    ) -> Reply:
        """A whole, correct answer. A string is sent word by word, pieces are sent as they are.

        Without ``family`` it is written in the family of the path it answers; with one, in that
        family wherever it goes. A request that asks for no stream gets it as one JSON object.
        """
        script = Script(
            text=split_text(text),
            reasoning=split_text(reasoning),
            tool_calls=tuple(tool_calls),
            stop=stop,
        )
        if usage is not None:
            script = dataclasses.replace(script, usage=usage)
        return Reply(body=script, family=family, pace=pace)

    @staticmethod
    def long(family: FamilyName | None = None, *, size: int, piece: int = 1024) -> Reply:
        """A whole, correct stream of at least ``size`` bytes, made only as fast as it is read."""
        return Reply(body=LongBody(size, piece), family=family)

    @staticmethod
    def recorded(
        body: Path | str | bytes,
        *,
        content_type: str | None = None,
        read_sizes: Iterable[int] | None = None,
        pace: float = 0.0,
    ) -> Reply:
        """The bytes of ``body``, or of the file it names, unchanged.

        ``read_sizes`` are the sizes of the writes; without them a write is an event.
        """
        data = body if isinstance(body, bytes) else Path(body).read_bytes()
        cuts = None if read_sizes is None else Cuts(sizes=tuple(read_sizes))
        return Reply(body=data, content_type=content_type, cuts=cuts, pace=pace)

    @staticmethod
    def from_recording(path: Path | str, *, pace: float = 0.0) -> Reply:
        """A recorded response: the body at ``path``, and beside it ``<name>.meta.json``.

        The latter is an object that may have ``status``, ``content_type``, ``response_headers`` (an
        object) and ``chunk_sizes`` (bytes of each read). Headers that tell how the bytes travelled
        are left out.
        """
        path = Path(path)
        meta: dict[str, Any] = json.loads(path.with_suffix(".meta.json").read_bytes())
        recorded: dict[str, str] = meta.get("response_headers") or {}
        reply = Reply.recorded(path, read_sizes=meta.get("chunk_sizes"), pace=pace)
        return dataclasses.replace(
            reply,
            status=meta.get("status") or 200,
            content_type=meta.get("content_type"),
            headers=tuple(
                item for item in recorded.items() if item[0].lower() not in _NOT_REPLAYED
            ),
        )

    @staticmethod
    def error(
        status: int, body: Mapping[str, Any] | bytes | str = b"", *, headers: Headers = ()
    ) -> Reply:
        """A response that is no answer: ``body`` is a JSON tree, or bytes or text as they are."""
        if isinstance(body, Mapping):
            body = msgspec.json.encode(body)
        data = body.encode() if isinstance(body, str) else body
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return Reply(body=data, status=status, headers=tuple(pairs))

    def with_fault(self, fault: Fault) -> Reply:
        """The same reply, going wrong."""
        return dataclasses.replace(self, fault=fault)

    def chopped(
        self,
        *,
        sizes: Iterable[int] | None = None,
        seed: int | None = None,
        every: int | None = None,
    ) -> Reply:
        """The same reply in other writes; see `chop`. The body is held as a whole for it.

        Raises:
            ValueError: not exactly one of the three is given, or a size is below 1.
        """
        cuts = Cuts(sizes=None if sizes is None else tuple(sizes), seed=seed, every=every)
        return dataclasses.replace(self, cuts=cuts)
