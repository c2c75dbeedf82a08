"""The three forms of a response body, each cut into frames that go to the family's translator.

`SseBody` is what a stream should be. Lines that are no SSE field are collected until the next frame
or the end; if they turn out to be JSON that holds an error, or ``error: ...``, the answer fails, as
it would had the error been framed. Together they are bounded as one event is. The last event counts
without its blank line if it is whole JSON.

`JsonBody` is JSON where a stream was asked for. A single object is a whole answer, or an error. Of
several, or in an array, each object is a frame. A single object that something else follows, or that
a broken connection ended, may have been the first of several: what it says counts, and it proves no
end.

`PageBody` is a page for people: a login, a proxy's error.

``close`` gives whether the body was whole, as far as its own form can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.failures import read_page, read_stray, read_stream_failure
from gateway_stream.wire.json_sequence import JsonSequence
from gateway_stream.wire.json_text import DEPTH_LIMIT, read_tree, too_deep
from gateway_stream.wire.sse import Frame, FrameDecoder, Stray, too_large

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.family import Translator

__all__ = ["Intake", "JsonBody", "PageBody", "SseBody"]

_SENTINEL: Final = b"[DONE]"
_PAGE_HEAD: Final = 8192
_EXCERPT: Final = 2048
_SHALLOW: Final = 2 * DEPTH_LIMIT  # bytes; JSON up to so long cannot be nested too deeply
_TOO_DEEP: Final = f"a frame of the stream is nested deeper than {DEPTH_LIMIT} levels"


class Intake:
    """Where the frames of a body go: the translator, and a list where somebody wants them raw."""

    def __init__(self, writer: AnswerWriter, translator: Translator, limit: int) -> None:
        self.writer = writer
        self.translator = translator
        self.limit = limit
        self.kept: list[Frame] | None = None

    def take(self, frame: Frame) -> None:
        """Take the next frame, unless the answer has ended."""
        if self.writer.done:
            return
        if self.kept is not None:
            self.kept.append(frame)
        data = frame.data
        if data == _SENTINEL:
            self.translator.done()
        elif len(data) > _SHALLOW and too_deep(data):
            self.writer.broken(_TOO_DEEP, data)
        else:
            self.translator.frame(data, frame.event)

    def take_answer(self, value: bytes) -> None:
        """Take the one JSON object that a body is."""
        if self.kept is not None:
            self.kept.append(Frame(value))
        if too_deep(value):
            self.writer.broken(_TOO_DEEP, value)
            return
        failure = read_stream_failure(value)
        if failure is not None:
            self.writer.fail(failure)
        else:
            self.translator.answer(value)


class SseBody:
    """A body of server-sent events."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._frames = FrameDecoder(limit=intake.limit, strays=True)
        self._strays: list[bytes] = []
        self._room = intake.limit  # bytes that strays may still have

    def feed(self, chunk: bytes) -> None:
        """Take more of the body."""
        self._take(self._frames.read(chunk))
        if self._frames.overflowed and not self._intake.writer.done:
            self._frames.read(b"")

    def close(self, *, clean: bool) -> bool:  # noqa: ARG002  frames say themselves whether they are whole
        """Take the end of the body."""
        last = self._frames.close()
        self._take(list(self._frames.strays()))
        whole = last is None or self._take_unterminated(last)
        if self._strays:
            self._judge_strays()
        return whole

    def _take(self, items: list[Frame | Stray]) -> None:
        take = self._intake.take
        for item in items:
            if type(item) is Stray:
                self._keep_stray(item.line)
                continue
            if self._strays:
                self._judge_strays()
            take(item)  # type: ignore[arg-type]  # what is no stray is a frame

    def _take_unterminated(self, frame: Frame) -> bool:
        if frame.data != _SENTINEL:
            try:
                read_tree(frame.data)
            except ValueError:
                return False
        self._intake.writer.notice("unterminated", "the last event had no blank line after it")
        self._take([frame])
        return True

    def _keep_stray(self, line: bytes) -> None:
        self._strays.append(line)
        self._room -= len(line)
        if self._room < 0:
            what = "what the stream holds outside of events is"
            raise too_large(what, self._intake.limit)

    def _judge_strays(self) -> None:
        lines = b"\n".join(self._strays)
        self._strays.clear()
        self._room = self._intake.limit
        failure = None if too_deep(lines) else read_stray(lines)
        if failure is not None:
            self._intake.writer.fail(failure)
        else:
            excerpt = lines[:_EXCERPT].decode("utf-8", "replace")
            self._intake.writer.notice("unknown_event", excerpt)


class JsonBody:
    """A body of JSON objects."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._values = JsonSequence(limit=intake.limit)
        self._first: bytes | None = None
        self._several = False

    def feed(self, chunk: bytes) -> None:
        """Take more of the body."""
        try:
            self._take_all(self._values.feed(chunk))
            if self._values.overflowed:
                self._values.feed(b" ")
        except ProtocolError:
            self._take_first()
            raise

    def close(self, *, clean: bool) -> bool:
        """Take the end of the body."""
        writer = self._intake.writer
        writer.unproved = not clean or self._values.broken
        if self._values.unfinished:
            self._take_first()
        elif self._first is not None and not self._several:
            self._intake.take_answer(self._first)
        if self._values.broken and not writer.done:
            writer.broken("the body is JSON up to a point and then is not")
        return not self._values.unfinished

    def _take_all(self, values: list[bytes]) -> None:
        for value in values:
            if self._values.array or self._several:
                self._intake.take(Frame(value))
            elif self._first is None:
                self._first = value
            else:
                self._take_first()
                self._intake.take(Frame(value))

    def _take_first(self) -> None:
        """The first of several objects is a frame like the others."""
        if self._first is not None and not self._several:
            self._several = True
            self._intake.take(Frame(self._first))


class PageBody:
    """A body that is a page."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._head = b""

    def feed(self, chunk: bytes) -> None:
        """Take more of the body; its head tells enough."""
        if len(self._head) < _PAGE_HEAD:
            self._head += chunk[: _PAGE_HEAD - len(self._head)]

    def close(self, *, clean: bool) -> bool:  # noqa: ARG002  a page is no answer either way
        """Take the end of the body."""
        self._intake.writer.fail(read_page(self._head))
        return True
