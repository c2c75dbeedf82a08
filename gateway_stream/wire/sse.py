"""Bytes to frames, by the WHATWG standard for server-sent events (HTML, section 9.2).

A stream is lines; a line ends with LF, CRLF or CR. A blank line dispatches what the lines before it
set: ``data`` lines joined with LF, the ``event`` name, the last ``id`` seen, the ``retry`` of this
event. An event without data is not dispatched, so a comment heartbeat after an ``id`` gives nothing.
One blank after the colon is not part of the value. A byte order mark counts only at the very start.

Three things decide the shape of the reader:

- Reads cut anywhere. A CR at the end of a read may be half of a CRLF, so the LF that may follow is
  dropped when it comes, and the line is not held back for it.
- Time is linear. A line that comes in many reads grows in one buffer and is cut out of it once.
- What a stream may make us hold is bounded: one event, its line ends aside, may be ``limit`` bytes.

Vendors also write what is no field at all: a bare JSON error after the events, or ``error: {...}``.
The standard ignores such lines; ``strays=True`` gives them, in their place, as `Stray`, because an
ignored error is a cut answer that looks whole; those of one read that follow each other come as one,
for a line may be a single byte. Likewise the standard drops a last event without its
blank line; `FrameDecoder.close` gives it, so that its reader can judge whether it is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EVENT_LIMIT", "Frame", "FrameDecoder", "Stray", "encode_frame", "too_large"]

EVENT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes that one event may have, unless told otherwise."""

_DATA: Final = b"data: "
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def _lines_of_line_feeds(text: bytes) -> list[bytes]:
    """The lines of a text, and what comes after the last line end."""
    return text.split(b"\n")


def _lines_of_any_end(text: bytes) -> list[bytes]:
    """The same where CR ends lines too: what ends a line to ``bytes.splitlines`` is what does in SSE."""
    lines = text.splitlines()
    if text.endswith((b"\r", b"\n")):
        lines.append(b"")
    return lines


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event. ``retry`` is in milliseconds, if this very event set it."""

    data: bytes
    event: str = "message"
    id: str = ""
    retry: int | None = None


class Stray(msgspec.Struct, gc=False):
    """Lines that are no field of the standard, joined with LF."""

    lines: bytearray


class FrameDecoder:
    """Takes bytes as they come and gives whole frames.

    Args:
        limit: bytes that one event may have, 16 MiB unless given.
        strays: whether `read` is to give lines that are no field of the standard.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT, strays: bool = False) -> None:
        self._limit = limit
        self._strays = strays
        self._out: list[Frame | Stray] = []
        self._head: bytes | None = b""  # what may still become a byte order mark
        self._after_cr = False
        self._held = bytearray()  # what came of the line that has no end yet
        self._size = 0  # bytes of the undispatched event's data lines and of the held line
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None
        self._between = False  # whether all that came are whole events
        self._usual = _DATA  # how the last event that came alone began, up to its data
        self._usual_event = "message"
        self.overflowed = False
        self.last_event_id = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the frames that ``chunk`` completes.

        Raises:
            ProtocolError: an event is larger than the limit. Frames before it are given first, by
                the call that meets them; ``overflowed`` is true from then on.
        """
        frames: list[Frame] = self.read(chunk)  # type: ignore[assignment]  # no strays were asked for
        return frames

    def read(self, chunk: bytes) -> list[Frame | Stray]:
        """Like `feed`, and where ``strays`` were asked for, with them.

        Raises:
            ProtocolError: as `feed` does.
        """
        if self._between and len(chunk) <= self._limit:
            frame = self._alone(chunk)
            if frame is not None:
                return [frame]
        if self._head is not None:
            chunk = self._strip_mark(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            self._take_lines(chunk, _lines_of_any_end)
        elif b"\n" in chunk:
            self._take_lines(chunk)
        elif chunk:
            self._hold(chunk)
        self._between = not (self._held or self._data or self._event) and (
            self._head is None and self._retry is None and not self.overflowed
        )
        out, self._out = self._out, []
        if self.overflowed and not out:
            what = "an event of the stream is"
            raise too_large(what, self._limit)
        return out

    def close(self) -> Frame | None:
        """Give the last event if the stream ended before its blank line, else ``None``."""
        if self.overflowed:
            return None
        if self._held:
            self._take_lines(b"\n")
        if not self._data:
            return None
        return Frame(b"\n".join(self._data), self._event or "message", self._id, self._retry)

    def strays(self) -> list[Stray]:
        """The strays that `close` met."""
        out, self._out = self._out, []
        return [item for item in out if isinstance(item, Stray)]

    def _strip_mark(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BYTE_ORDER_MARK)

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        self._size += len(piece)
        if self._size > self._limit:
            self._overflow()

    def _overflow(self) -> None:
        self.overflowed = True
        self._held.clear()
        self._data.clear()

    def _take_lines(
        self, text: bytes, lines_of: Callable[[bytes], list[bytes]] = _lines_of_line_feeds
    ) -> None:
        if self.overflowed:
            return
        if self._held:
            self._size -= len(self._held)
            text = bytes(self._held) + text
            self._held.clear()
        lines = lines_of(text)
        rest = lines.pop()
        bounded = self._size + len(text) <= self._limit
        if bounded and not (self._data or self._event or self._retry is not None):
            lines = self._take_plain(lines)
        for line in lines:
            if not line:
                self._dispatch()
                continue
            if not bounded and self._size + len(line) > self._limit:
                self._overflow()
                return
            if line.startswith(b"data: "):
                self._size += len(line)
                self._data.append(line[6:])
            else:
                self._take_field(line)
        if rest:
            self._hold(rest)

    def _alone(self, chunk: bytes) -> Frame | None:
        """The frame of one event that came alone, in one ``data`` line, perhaps after its ``event`` line."""
        head = self._usual
        if chunk[: len(head)] != head:
            head = _DATA if chunk[:6] == _DATA else chunk[: chunk.find(b"\n") + 7]
            if head != _DATA and (
                head[:7] != b"event: " or head[-7:] != b"\ndata: " or b"\r" in head
            ):
                return None
            self._usual = head
            self._usual_event = head[7:-7].decode("utf-8", "replace") or "message"
        if chunk[-2:] == b"\n\n":
            data = chunk[len(head) : -2]
        elif chunk[-4:] == b"\r\n\r\n":
            data = chunk[len(head) : -4]
        else:
            return None
        if b"\n" in data or b"\r" in data:
            return None
        self.last_event_id = self._id
        return Frame(data, self._usual_event, self._id)

    def _take_plain(self, lines: list[bytes]) -> list[bytes]:
        """Take such events from the front of what came; give the lines that are left."""
        out, id_ = self._out, self._id
        taken = 0
        if not any(lines[1::2]):
            for line in lines[:-1:2]:
                if line[:6] != b"data: ":
                    break
                out.append(Frame(line[6:], "message", id_))
                taken += 2
        elif not any(lines[2::3]):
            before, event = b"\n", ""  # no line is that
            for name, line in zip(lines[:-2:3], lines[1:-1:3], strict=True):
                if name != before:  # most events are named as the one before
                    if name[:7] != b"event: ":
                        break
                    before, event = name, name[7:].decode("utf-8", "replace") or "message"
                if line[:6] != b"data: ":
                    break
                out.append(Frame(line[6:], event, id_))
                taken += 3
        if taken:
            self.last_event_id = id_
        return lines[taken:]

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(line)
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry":
            if value.isdigit() and len(value) < 20:  # noqa: PLR2004  int() refuses absurd lengths
                self._retry = int(value)
        elif name and self._strays:
            self._stray(line)

    def _stray(self, line: bytes) -> None:
        last = self._out[-1] if self._out else None
        if isinstance(last, Stray):
            last.lines += b"\n" + line
        else:
            self._out.append(Stray(bytearray(line)))

    def _dispatch(self) -> None:
        data = self._data
        self.last_event_id = self._id
        if data:
            joined = data[0] if len(data) == 1 else b"\n".join(data)
            self._out.append(Frame(joined, self._event or "message", self._id, self._retry))
            data.clear()
        self._event = ""
        self._retry = None
        self._size = 0


def too_large(what: str, limit: int) -> ProtocolError:
    """The error of a stream that would make us hold more than ``limit`` bytes."""
    return ProtocolError(
        f"{what} larger than {limit} bytes",
        code="event_too_large",
        phase="stream",
        hint="Raise the limit of one event if the model may send this much at once.",
    )


def encode_frame(data: bytes, event: str = "") -> bytes:
    """One event as bytes: an ``event`` line if it has a name, its ``data`` lines, a blank line.

    The name ``message`` is that of events without one, so `Frame.event` can be given as it is.
    """
    name = b"event: " + event.encode() + b"\n" if event not in ("", "message") else b""
    lines = b"".join(b"data: " + line + b"\n" for line in data.split(b"\n"))
    return name + lines + b"\n"
