"""A reply written out for the request that it answers: its content type and its writes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway_stream.testing.bodies import (
    answer_body,
    error_event,
    events_with_text,
    long_stream,
    split_events,
    stream_events,
)
from gateway_stream.testing.replies import Fault, LongBody, Reply
from gateway_stream.testing.script import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.script import FamilyName

__all__ = ["Rendered", "render"]

_SSE: Final = "text/event-stream; charset=utf-8"
_JSON: Final = "application/json"
_UNNAMED: Final = "scripted-model"


@dataclass(frozen=True)
class Rendered:
    """What goes over the wire. ``length`` is ``None`` where the body is a stream."""

    content_type: str
    pieces: Iterator[bytes]
    length: int | None


def render(reply: Reply, received: Received) -> Rendered:
    """Write a reply out.

    Raises:
        ValueError: the reply needs a family and has none, its family cannot say what it holds, or a
            fault breaks off between the events of a body that has none.
        TypeError: a fault counts the text of a reply that is no script.
    """
    if isinstance(reply.body, bytes):
        content_type = reply.content_type or _content_type(reply.body, reply.status)
        stream = content_type.startswith("text/event-stream")
        pieces: Iterable[bytes] = split_events(reply.body) if stream else [reply.body]
        return _finish(reply, received, content_type, pieces, stream=stream)
    family = _family(reply, received)
    model = received.model or _UNNAMED
    if isinstance(reply.body, LongBody):
        pieces = long_stream(family, size=reply.body.size, piece=reply.body.piece, model=model)
        return _finish(reply, received, reply.content_type or _SSE, pieces, stream=True)
    if not received.stream:
        pieces = [answer_body(family, reply.body, model=model)]
        return _finish(reply, received, reply.content_type or _JSON, pieces, stream=False)
    array = _as_array(family, received)
    pieces = list(stream_events(family, reply.body, model=model, array=array))
    content_type = reply.content_type or (_JSON if array else _SSE)
    return _finish(reply, received, content_type, pieces, stream=True)


def _finish(
    reply: Reply, received: Received, content_type: str, pieces: Iterable[bytes], *, stream: bool
) -> Rendered:
    pieces = _failing(reply, received, content_type, pieces, stream=stream)
    if reply.cuts is not None:
        return Rendered(content_type, reply.cuts.pieces(b"".join(pieces)), None)
    length = None if stream else _length(reply.fault, sum(map(len, pieces)))
    return Rendered(content_type, (piece for piece in pieces if piece), length)


def _failing(
    reply: Reply, received: Received, content_type: str, pieces: Iterable[bytes], *, stream: bool
) -> Iterable[bytes]:
    """The events up to what goes wrong between them."""
    fault = reply.fault
    for name in ("error_after", "cut_after_events", "cut_after_text"):
        if getattr(fault, name) is not None and not stream:
            message = f"{name} breaks off between events, and a body of {content_type} has none"
            raise ValueError(message)
    if fault.error_after is not None:
        after = fault.error_after
        array_place = after if content_type == _JSON else None
        error = error_event(_family(reply, received), array_place=array_place)
        pieces = itertools.chain(itertools.islice(pieces, after), [error])
    kept = fault.cut_after_events
    if fault.cut_after_text is not None:
        kept = _with_text(reply, received, fault.cut_after_text)
    return pieces if kept is None else itertools.islice(pieces, kept)


def _with_text(reply: Reply, received: Received, pieces: int) -> int | None:
    if not isinstance(reply.body, Script):
        message = "cut_after_text counts pieces of a script's text, and this reply is no script"
        raise TypeError(message)
    if pieces > len(reply.body.text):
        return None
    return events_with_text(_family(reply, received), reply.body, pieces)


def _length(fault: Fault, whole: int) -> int:
    """A clean cut is clean: the response says how short it is."""
    if fault.cut_after is not None and fault.cut == "clean":
        return min(whole, fault.cut_after)
    return whole


def _family(reply: Reply, received: Received) -> FamilyName:
    family = reply.family or received.family
    if family is None:
        message = f"this reply needs a family, for {received.path} is a path of none"
        raise ValueError(message)
    return family


def _as_array(family: FamilyName, received: Received) -> bool:
    return family == received.family == "gemini" and received.query.get("alt") != "sse"


def _content_type(body: bytes, status: int) -> str:
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return _JSON
    if start == b"<":
        return "text/html; charset=utf-8"
    return _SSE if status == 200 else "text/plain; charset=utf-8"  # noqa: PLR2004  OK
