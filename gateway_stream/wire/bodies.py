"""The three forms of a response body, each cut into frames that go to the family's translator.

What holds for a frame of any form and family, `Intake` sees to:

- A frame whose data is blank says nothing, whatever its name.
- ``[DONE]`` is the sentinel, blanks around it or not.
- A frame *named* ``error`` is an error, whatever its data: JSON of any shape, or plain text.
- Data of several lines is one JSON text, as the standard says. Where it is none and each line is,
  the server left out the blank lines between its frames, and each line is a frame.
- Any other data that is no JSON cannot be read, and the answer cannot be whole without it.

`SseBody` is what a stream should be. Lines that are no SSE field are collected until the next frame
or the end; if they turn out to be JSON that holds an error, or ``error: ...``, the answer fails, as
it would had the error been framed. Together they are bounded as one event is. JSON among them that
the end of the body cut proves that the body was cut. Where they are all that the body holds, it is
no stream but a text, and the text is the failure. The last event counts without its blank line if
it is whole JSON, and of several lines those that are.

`JsonBody` is JSON where a stream was asked for. A single object is a whole answer, or an error. Of
several, or in an array, each object is a frame. A single object that something else follows, or that
a broken connection ended, may have been the first of several: what it says counts, and it proves no
end.

`PageBody` is a page for people: a login, a proxy's error.

``close`` gives whether the body was whole, as far as its own form can tell.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.failures import (
    is_cut,
    named_error,
    read_page,
    read_stray,
    read_stream_failure,
    read_text,
)
from gateway_stream.wire.json_sequence import JsonSequence
from gateway_stream.wire.json_text import DEPTH_LIMIT, NotJson, read_tree, too_deep
from gateway_stream.wire.sse import Frame, FrameDecoder, Stray, too_large

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.family import Translator

__all__ = ["Intake", "JsonBody", "PageBody", "SseBody"]

_SENTINEL: Final = b"[DONE]"
_ERROR: Final = "error"
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:")
_PAGE_HEAD: Final = 8192
_EXCERPT: Final = 2048
_SHALLOW: Final = 2 * DEPTH_LIMIT  # bytes; JSON up to so long cannot be nested too deeply
_TOO_DEEP: Final = f"a frame of the stream is nested deeper than {DEPTH_LIMIT} levels"


def _is_whole(data: bytes) -> bool:
    """Whether data is a frame's that is not cut."""
    if data.strip() == _SENTINEL:
        return True
    try:
        read_tree(data)
    except ValueError:
        return False
    return True


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
        data, event = frame.data, frame.event
        if data == _SENTINEL:
            self.translator.done()
        elif len(data) > _SHALLOW and too_deep(data):
            self.writer.broken(_TOO_DEEP, data)
        elif event == _ERROR:
            self._take_error(data)
        else:
            try:
                self.translator.frame(data, event)
            except NotJson as error:
                self._take_unreadable(data, event, error)

    def _take_error(self, data: bytes) -> None:
        """The translator reads the error, in a shape that it knows: the answer may need settling."""
        if not data.strip():
            return
        data = named_error(data)
        self.translator.frame(data, _ERROR)
        failure = None if self.writer.done else read_stream_failure(data)
        if failure is not None:
            self.writer.fail(failure)

    def _take_unreadable(self, data: bytes, event: str, error: NotJson) -> None:
        lines = [line.strip() for line in data.split(b"\n") if line.strip()]
        if lines == [_SENTINEL]:
            self.translator.done()
        elif len(lines) > 1 and all(map(_is_whole, lines)):
            for line in lines:
                if self.writer.done:
                    return
                if line == _SENTINEL:
                    self.translator.done()
                else:
                    self.translator.frame(line, event)
        elif lines:
            self.writer.broken(str(error), data)

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
            return
        try:
            self.translator.answer(value)
        except NotJson as error:
            self.writer.broken(str(error), value)


class SseBody:
    """A body of server-sent events."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._frames = FrameDecoder(limit=intake.limit, strays=True)
        self._strays = bytearray()
        self._framed = False

    def feed(self, chunk: bytes) -> None:
        """Take more of the body."""
        frames = self._frames
        self._take(frames.read(chunk))
        if frames.overflowed and not self._intake.writer.done:
            frames.read(b"")

    def close(self, *, clean: bool) -> bool:  # noqa: ARG002  frames say themselves whether they are whole
        """Take the end of the body."""
        last = self._frames.close()
        self._take(list(self._frames.strays()))
        whole = last is None or self._take_unterminated(last)
        if not self._strays:
            return whole
        lines = bytes(self._strays)
        begun = any(field.startswith(lines) for field in _FIELDS)
        self._judge_strays(lines, alone=last is None and not self._framed and not begun)
        return whole and not begun and not is_cut(lines)

    def _take(self, items: list[Frame | Stray]) -> None:
        take = self._intake.take
        for item in items:
            if type(item) is Frame:
                if self._strays:
                    self._judge_strays(bytes(self._strays))
                    self._strays.clear()
                self._framed = True
                take(item)
            else:
                self._keep_stray(item.lines)  # type: ignore[union-attr]  # what is no frame is a stray

    def _take_unterminated(self, frame: Frame) -> bool:
        """Take the last event as far as it is whole; tells whether all of it is."""
        data, lines = frame.data, frame.data.split(b"\n")
        whole = _is_whole(data) or (frame.event == _ERROR and bool(data.strip()))
        if not whole:
            read = list(takewhile(_is_whole, lines))
            whole = len(read) == len(lines)
            if not read:
                return False
            frame = Frame(b"\n".join(read), frame.event, frame.id, frame.retry)
        self._intake.writer.notice("unterminated", "the last event had no blank line after it")
        self._take([frame])
        return whole

    def _keep_stray(self, lines: bytearray) -> None:
        if self._strays:
            self._strays += b"\n"
        self._strays += lines
        if len(self._strays) > self._intake.limit:
            what = "what the stream holds outside of events is"
            raise too_large(what, self._intake.limit)

    def _judge_strays(self, lines: bytes, *, alone: bool = False) -> None:
        failure = None if too_deep(lines) else read_stray(lines)
        if failure is None and alone:
            failure = read_text(lines)
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
            for value in self._values.feed(chunk):
                self._take(value)
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

    def _take(self, value: bytes) -> None:
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
