"""A reply written out for the request that it answers: its content type and its writes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway_stream.testing.bodies import (
    answer_body,
    error_event,
    events_with_arguments,
    events_with_text,
    keep_alive,
    long_stream,
    split_events,
    spoiled,
    stream_events,
)
from gateway_stream.testing.replies import LongBody, Reply
from gateway_stream.testing.script import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.testing.faults import Fault
    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.script import FamilyName

__all__ = ["Rendered", "render"]

_SSE: Final = "text/event-stream; charset=utf-8"
_JSON: Final = "application/json"
_UNNAMED: Final = "scripted-model"
_BETWEEN_EVENTS: Final = ("error_after", "events", "text", "arguments", "spoil_text")


@dataclass(frozen=True)
class Rendered:
    """What goes over the wire: an empty content type is not told, and ``length`` is ``None`` in a stream."""

    content_type: str
    pieces: Iterator[bytes]
    length: int | None
    keep_alive: bytes


def render(reply: Reply, received: Received) -> Rendered:
    """Write a reply out.

    Raises:
        ValueError: the reply needs a family and has none, its family cannot say what it holds, or a
            fault goes wrong between the events of a body that has none.
        TypeError: a fault counts the text or arguments of a reply that is no script.
    """
    if isinstance(reply.body, bytes):
        fitting = _content_type(reply.body, reply.status)
        stream = (reply.content_type or fitting).startswith("text/event-stream")
        pieces: Iterable[bytes] = split_events(reply.body) if stream else [reply.body]
        return _finish(reply, received, fitting, pieces, stream=stream)
    family = _family(reply, received)
    model = received.model or _UNNAMED
    if isinstance(reply.body, LongBody):
        long = reply.body
        pieces = long_stream(family, size=long.size, piece=long.piece, model=model, of=long.of)
        return _finish(reply, received, _SSE, pieces, stream=True)
    if not received.stream:
        pieces = [answer_body(family, reply.body, model=model)]
        return _finish(reply, received, _JSON, pieces, stream=False)
    array = _as_array(family, received)
    pieces = list(stream_events(family, reply.body, model=model, array=array))
    return _finish(reply, received, _JSON if array else _SSE, pieces, stream=True)


def _finish(
    reply: Reply, received: Received, fitting: str, pieces: Iterable[bytes], *, stream: bool
) -> Rendered:
    content_type = fitting if reply.content_type is None else reply.content_type
    pieces = _failing(reply, received, fitting, pieces, stream=stream)
    alive = keep_alive(reply.family or received.family, stream=stream and fitting != _JSON)
    if reply.cuts is not None:
        return Rendered(content_type, reply.cuts.pieces(b"".join(pieces)), None, alive)
    length = None
    if not stream and reply.fault.keep_alive is None:  # which would be more than was told
        length = _length(reply.fault, sum(map(len, pieces)))
    return Rendered(content_type, (piece for piece in pieces if piece), length, alive)


def _failing(
    reply: Reply, received: Received, fitting: str, pieces: Iterable[bytes], *, stream: bool
) -> Iterable[bytes]:
    """The events up to what goes wrong between them."""
    fault = reply.fault
    for name in _BETWEEN_EVENTS:
        if getattr(fault, name) is not None and not stream:
            message = f"{name} counts events, and a body of {fitting} has none"
            raise ValueError(message)
    if fault.spoil_text is not None:
        pieces = _spoiled(reply, received, list(pieces), fault.spoil_text)
    if fault.error_after is not None:
        after = fault.error_after
        array_place = after if fitting == _JSON else None
        error = error_event(_family(reply, received), array_place=array_place)
        pieces = itertools.chain(itertools.islice(pieces, after), [error])
    kept = fault.events
    if fault.text is not None and fault.text <= len(_script(reply).text):
        kept = events_with_text(_family(reply, received), _script(reply), fault.text)
    if fault.arguments is not None:
        kept = events_with_arguments(_family(reply, received), _script(reply), fault.arguments)
    return pieces if kept is None else itertools.islice(pieces, kept)


def _spoiled(reply: Reply, received: Received, pieces: list[bytes], place: int) -> Iterable[bytes]:
    script = _script(reply)
    if place >= len(script.text):
        return pieces
    at = events_with_text(_family(reply, received), script, place)
    spoilt = spoiled(pieces[at], reply.fault.spoil, script.text[place])
    return [*pieces[:at], spoilt, *pieces[at + 1 :]]


def _script(reply: Reply) -> Script:
    if not isinstance(reply.body, Script):
        message = "a fault counts the text or arguments of a script, and this reply is no script"
        raise TypeError(message)
    return reply.body


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
