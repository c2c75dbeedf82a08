"""What the fake gateway answers: plain values that say everything about one response.

A `Reply` has a status, headers, a body and a pace, and may carry a `Fault`. Its body is bytes that
were recorded, a script that is written out in the family of the request, or a stream of any length
that is made while it is read. Each piece of a streamed body is written to the socket by itself.

What goes wrong with a reply is said apart from it: any reply can go wrong in any way that its body has.
"""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from gateway_stream.testing.chop import Cuts
from gateway_stream.testing.faults import NO_FAULT, Fault
from gateway_stream.testing.refusals import refusal_body
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


@dataclass(frozen=True)
class LongBody:
    """A body of at least ``size`` bytes, without end if that is ``None``, in events of ``piece`` bytes.

    ``of`` is what the events hold.
    """

    size: int | None
    piece: int
    of: Literal["text", "reasoning"] = "text"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One response. Make it with `scripted`, `recorded`, `from_recording`, `long`, `error` or `refused`.

    Attributes:
        body: recorded bytes, or what is written out for each request.
        family: the family to write it out in; ``None`` takes that of the request.
        status: the HTTP status.
        headers: what goes beside the content type.
        content_type: ``None`` takes what fits the body; empty sends none.
        cuts: where the body is cut into writes; ``None`` writes an event at a time.
        pace: seconds between two writes; with 0 there is a turn of the event loop between them.
        due: pairs of bytes and seconds after the response's head: a write that ends within so many
            bytes of the body waits until then, wherever it is cut.
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
    due: tuple[tuple[int, float], ...] = ()
    framing: Literal["chunked", "close"] = "chunked"
    fault: Fault = NO_FAULT

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
    def long(
        family: FamilyName | None = None,
        *,
        size: int | None,
        piece: int = 1024,
        of: Literal["text", "reasoning"] = "text",
        pace: float = 0.0,
    ) -> Reply:
        """A whole, correct stream of at least ``size`` bytes, made only as fast as it is read.

        With ``size=None`` it has no end: text, or reasoning that comes to nothing, for ever.
        """
        return Reply(body=LongBody(size, piece, of), family=family, pace=pace)

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

    @staticmethod
    def refused(
        status: int = 429,
        message: str | None = None,
        *,
        retry_after: float | str | datetime | None = None,
        headers: Headers = (),
    ) -> Reply:
        """A refusal in the gateway's own words: the code, and unless given the message, of ``status``.

        ``retry_after`` is sent as that header: seconds, text as it is, or a moment as an HTTP date.
        529 is a vendor's: it comes as the gateway passes it on, with the vendor's JSON for a message.
        """
        reply = Reply.error(status, refusal_body(status, message), headers=headers)
        if retry_after is None:
            return reply
        if isinstance(retry_after, datetime):
            retry_after = format_datetime(retry_after.astimezone(UTC), usegmt=True)
        return dataclasses.replace(
            reply, headers=(*reply.headers, ("Retry-After", str(retry_after)))
        )

    def due_at(self, size: int) -> float:
        """Seconds after the response's head at which the first ``size`` bytes of the body are due."""
        place = bisect_left(self.due, (size,))
        return self.due[place][1] if place < len(self.due) else 0.0

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
