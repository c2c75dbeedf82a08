"""A family made up for tests of what all families share.

Its frames are flat objects: ``text``, ``think``, ``refuse`` (more of a block), ``call`` (begins a
tool call) and ``args`` (more of it), ``stop`` (a reason), ``end`` (the end is proved), ``tokens``,
``fault`` (an error). A new block begins when the kind changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    Failure,
    Notice,
    Start,
    Stop,
    TextDelta,
    Usage,
)
from gateway_stream.turn import fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.family import WireRequest, check_grammar
from gateway_stream.wire.json_text import UNREADABLE, read_view
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.events import Event
    from gateway_stream.request import Request
    from gateway_stream.wire.answer import AnswerWriter


class PlainView(msgspec.Struct):
    id: str | None = None
    text: str | None = None
    think: str | None = None
    refuse: str | None = None
    call: str | None = None
    args: str | None = None
    stop: str | None = None
    end: bool | None = None
    tokens: int | None = None
    fault: str | None = None


_read = msgspec.json.Decoder(PlainView).decode


class PlainTranslation:
    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._kind: BlockKind | None = None
        self._index = -1

    def frame(self, data: bytes, event: str) -> None:
        try:
            view: PlainView | None = _read(data)
        except UNREADABLE:
            view = read_view(PlainView, data, self._writer)
        if view is not None:
            self._take(view, event)

    def _take(self, view: PlainView, event: str) -> None:
        writer = self._writer
        writer.start(id=view.id, model=event if event != "message" else None)
        if view.fault is not None:
            writer.fail(Failure(kind="stream_failed", message=view.fault))
            return
        writer.usage(output=view.tokens)
        self._more("text", view.text)
        self._more("reasoning", view.think)
        self._more("refusal", view.refuse)
        if view.call is not None:
            self._change(None)
            self._kind, self._index = "tool_call", writer.open("tool_call", name=view.call)
        if view.args is not None and self._kind == "tool_call":
            writer.delta(self._index, view.args)
        if view.stop is not None:
            writer.stop("end_turn" if view.stop == "stop" else "unknown", view.stop)
        if view.end:
            writer.finish()

    def _more(self, kind: BlockKind, text: str | None) -> None:
        if text is None:
            return
        if self._kind != kind:
            self._change(kind)
        self._writer.delta(self._index, text)

    def _change(self, kind: BlockKind | None) -> None:
        if self._writer.is_open(self._index):
            self._writer.end(self._index)
        self._kind = kind
        if kind is not None:
            self._index = self._writer.open(kind)

    def answer(self, data: bytes) -> None:
        self.frame(data, "message")
        if not self._writer.done and self._writer.stop_seen:
            self._writer.finish()

    def done(self) -> None:
        self._writer.finish()


def _encode(request: Request, provider: str | None) -> WireRequest:
    return WireRequest(
        family="plain", model=request.model, stream=request.stream, body={"provider": provider}
    )


PLAIN: Final = FAMILIES["openai_chat"]._replace(
    name="plain", translator=PlainTranslation, encode_request=_encode
)


def plain(*chunks: bytes, clean: bool = True) -> list[Event]:
    """The events of a body of the made-up family that comes in these reads."""
    return plain_reads(chunks, clean=clean)


def plain_reads(chunks: Iterable[bytes], *, clean: bool = True) -> list[Event]:
    """The events of a body of the made-up family that comes in these reads."""
    decoder = Decoder(PLAIN)
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.close(clean=clean)


def by_byte(body: bytes) -> list[bytes]:
    """A body in reads of one byte."""
    return [body[at : at + 1] for at in range(len(body))]


DONE: Final = b"data: [DONE]\n\n"


def sse(*frames: dict[str, Any]) -> bytes:
    """Objects as frames."""
    return b"".join(encode_frame(json.dumps(frame).encode()) for frame in frames)


def every_cut(body: bytes) -> Iterator[list[bytes]]:
    """A body byte by byte, and cut in two at every offset."""
    yield by_byte(body)
    for at in range(1, len(body)):
        yield [body[:at], body[at:]]


def same_however_cut(body: bytes, *, clean: bool = True) -> list[Event]:
    """The events of a body, held to the grammar and to be the same at every cut."""
    events = plain(body, clean=clean)
    check_grammar(events)
    for reads in every_cut(body):
        assert plain_reads(reads, clean=clean) == events, reads
    return events


def notices(events: list[Event]) -> list[str]:
    """The codes of the notices."""
    return [event.code for event in events if isinstance(event, Notice)]


def text_of(events: list[Event]) -> str:
    """The prose that events add up to."""
    return fold(events).text


def failure_of(events: list[Event]) -> Failure:
    """The failure that ends the events."""
    failure = events[-1]
    assert isinstance(failure, Failure), events
    return failure


HELLO = sse({"id": "1", "text": "Hel"}, {"text": "lo"}, {"stop": "stop", "tokens": 2})
EVENTS: list[Event] = [
    Start("1"),
    BlockStart(0, "text"),
    TextDelta(0, "Hel"),
    TextDelta(0, "lo"),
    Usage(output=2),
    BlockEnd(0),
    Stop("end_turn", "stop"),
]
