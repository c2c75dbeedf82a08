"""Bytes of a response body to events: the form of the body, its frames, its end.

The form is told from the first byte that is no blank: ``{`` or ``[`` is JSON where a stream was
asked for, ``<`` is a page of some proxy or login, anything else is SSE; `gateway_stream.wire.bodies`
has a reader for each. The same bytes give the same events however they are cut, so no decision here
or there looks at where a read ended.

The end: `close` is told how the body ended. A body that ends inside an event was cut, however clean
its HTTP end. A stop that was held is released by a clean end of a body that was not cut; see
`gateway_stream.wire.family`.

Nothing raises: what is wrong with the bytes is a `Failure`, the terminal event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.bodies import Intake, JsonBody, PageBody, SseBody
from gateway_stream.wire.sse import EVENT_LIMIT

if TYPE_CHECKING:
    from gateway_stream.events import Event, Failure, Stop
    from gateway_stream.wire.family import Family
    from gateway_stream.wire.sse import Frame

__all__ = ["Decoder"]

_BLANK: Final = b" \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_TELLING: Final = _BLANK + _BYTE_ORDER_MARK[:1] + b"{[<"
"""First bytes of bodies that are no SSE, or that do not tell yet."""


class Decoder:
    """Decodes one response body. Feed it bytes as they come, then close it.

    Args:
        family: the wire dialect of the body.
        request_id: the gateway's id of the request, for `Start` and `Failure`.
        attempt: which try of the request this is, from 1.
        call_id_prefix: see `AnswerWriter`.
        event_limit: bytes that one event may have.
    """

    def __init__(
        self,
        family: Family,
        *,
        request_id: str | None = None,
        attempt: int = 1,
        call_id_prefix: str = "",
        event_limit: int = EVENT_LIMIT,
    ) -> None:
        self._writer = AnswerWriter(
            request_id=request_id, attempt=attempt, call_id_prefix=call_id_prefix
        )
        self._intake = Intake(self._writer, family.translator(self._writer), event_limit)
        self._body: SseBody | JsonBody | PageBody | None = None
        self._head = b""
        self._seen = False

    @property
    def done(self) -> bool:
        """Whether the terminal event was given."""
        return self._writer.done

    @property
    def stop_seen(self) -> Stop | None:
        """A stop that the wire named, proved or not."""
        return self._writer.stop_seen

    @property
    def delivered(self) -> bool:
        """Whether content was given."""
        return self._writer.delivered

    def feed(self, chunk: bytes) -> list[Event]:
        """Give the events that ``chunk`` completes."""
        writer = self._writer
        if chunk and not writer.done:
            self._seen = True
            if self._body is None:
                chunk = self._tell_form(chunk)
            if self._body is not None:
                try:
                    self._body.feed(chunk)
                except ProtocolError as error:
                    writer.fail(error.failure())
        out, writer.out = writer.out, []
        return out

    def close(self, *, clean: bool = True) -> list[Event]:
        """Give the last events. ``clean`` tells that the body ended as HTTP says it should.

        Gives the terminal event unless it was given before.
        """
        writer = self._writer
        whole = True
        if not writer.done and self._body is not None:
            try:
                whole = self._body.close(clean=clean)
            except ProtocolError as error:
                writer.fail(error.failure())
        if not writer.done:
            if not clean:
                writer.truncated("the connection broke inside the answer", code="connection_lost")
            elif not whole:
                writer.truncated("the answer was cut inside an event", code="cut_event")
            elif writer.stopped:
                writer.finish()
            elif self._seen:
                writer.truncated("the answer ended without a stop", code="no_stop")
            else:
                writer.truncated("the answer had no content at all", code="empty")
        return self._take()

    def fail(self, failure: Failure) -> list[Event]:
        """End the answer for a reason that is not in the bytes: a clock, a lost connection."""
        self._writer.fail(failure)
        return self._take()

    def keep_frames(self) -> None:
        """Keep the raw frames from here on, for `take_frames`."""
        if self._intake.kept is None:
            self._intake.kept = []

    def take_frames(self) -> list[Frame]:
        """The raw frames since the last call, where `keep_frames` asked for them."""
        kept = self._intake.kept or []
        if kept:
            self._intake.kept = []
        return kept

    def _take(self) -> list[Event]:
        out, self._writer.out = self._writer.out, []
        return out

    def _tell_form(self, chunk: bytes) -> bytes:
        """Choose the body's reader once its first byte is there; give what it is to read."""
        if not self._head and chunk[0] not in _TELLING:
            self._body = SseBody(self._intake)
            return chunk
        head = self._head + chunk
        mark = _BYTE_ORDER_MARK if head.startswith(_BYTE_ORDER_MARK) else b""
        start = head[len(mark) :].lstrip(_BLANK)
        head = mark + _squeezed(head[len(mark) : len(head) - len(start)]) + start
        if not start or _BYTE_ORDER_MARK.startswith(head):
            self._head = head
            return b""
        if start[:1] in (b"{", b"["):
            self._body = JsonBody(self._intake)
            return start
        if start[:1] == b"<":
            self._body = PageBody(self._intake)
            return start
        self._body = SseBody(self._intake)
        return head


def _squeezed(blanks: bytes) -> bytes:
    """What blanks before a body say to a reader of lines, in two bytes at most."""
    if not blanks:
        return b""
    return b"\n " if blanks.endswith((b" ", b"\t")) else b"\n"
