"""Anthropic Messages to events.

An answer is ``message_start``, content blocks (``content_block_start``, ``_delta``, ``_stop``), one or
more ``message_delta`` and ``message_stop``. What an event is stands in its JSON's ``type``; the SSE
``event:`` line counts only where the JSON has none.

Rules beyond that:

- *A whole message* inside ``message_start`` or as a frame of its own, and the object that a request
  without ``stream`` gets, are read by the same code: content, usage and stop reason count wherever
  they stand.
- *A second* ``message_start`` with the same id repeats the first: only its counts count. With another
  id (proxies that try again, or splice) it does not begin a second answer either: what is open ends
  as cut, a `Notice` tells it, and the answer goes on. The first id and model hold.
- *Indexes* say which block a delta belongs to, while it is open. A block that starts under the index
  of an open one ends that one; a delta that does not fit the block under its index, or has none,
  opens the block that it fits. A delta without index belongs to the last block.
- *A missing* ``content_block_stop`` costs nothing: the block ends when the answer does.
- *The end.* ``message_stop`` proves it. A stop reason and the clean end of the body, or ``[DONE]``,
  prove it too. ``[DONE]`` alone does not: this vendor always names a reason, so one that is missing
  means that whoever wrote ``[DONE]`` had lost the rest.
- *A stop reason* that the table does not know is ``unknown``. ``end_turn`` of an answer that asks for
  tools is ``tool_use``.
- *Errors* stand in an event of their own, or as a gateway's object with no type at all. They end the
  answer wherever they come.
- ``ping`` says nothing and gives nothing.
- *What no event holds* is in ``vendor``: of ``message_start`` in `Start`, of ``message_delta`` and
  ``message_stop`` (and of a message that has a stop reason) in `Stop`, of a block in `BlockEnd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.events import Failure, StopReason
from gateway_stream.wire.anthropic.blocks import OPENED_BY, open_block
from gateway_stream.wire.anthropic.usage import Counts
from gateway_stream.wire.anthropic.views import (
    Frame,
    VendorObject,
    decode_frame,
    write_object,
)
from gateway_stream.wire.failures import read_stream_failure
from gateway_stream.wire.json_text import UNREADABLE, read_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.anthropic.blocks import Block
    from gateway_stream.wire.anthropic.views import Delta, Texts

__all__ = ["REASONS", "Translation"]

REASONS: Final[dict[str, StopReason]] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "pause_turn": "pause",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
}
"""The vendor's stop reasons in our words."""

_MESSAGE: Final = frozenset({"id", "model", "type", "role", "content", "stop_reason", "usage"})
_EXCERPT: Final = 200
_DELTA_FIELDS: Final = (
    ("text", "text_delta"),
    ("thinking", "thinking_delta"),
    ("partial_json", "input_json_delta"),
    ("signature", "signature_delta"),
)


class Translation:
    """Reads one answer. See `gateway_stream.wire.family.Translator`."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._blocks: dict[int | None, Block] = {}
        self._last: int | None = None
        self._counts = Counts()
        self._raw_reason: str | None = None
        self._left: Texts = {}
        self._left_of_usage: Texts = {}
        self._begun = False
        self._id: str | None = None
        self._asks_for_tools = False
        self._rare: Final[dict[str, Callable[[Frame, VendorObject], None]]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
        }

    def frame(self, data: bytes, event: str) -> None:
        """Take one frame."""
        try:
            view = decode_frame(data)
        except UNREADABLE:
            repaired = read_view(Frame, data, self._writer)
            if repaired is None:
                return
            view = repaired
        name = view.type or event
        delta = view.delta
        if name == "content_block_delta" and delta is not None:
            block = self._blocks.get(view.index)
            if block is not None and delta.type == "text_delta" and block.kind == "text":
                self._writer.delta(block.index, delta.text or "")
            else:
                self._block_delta(view.index, delta, data)
            return
        read = self._rare.get(name)
        if read is not None:
            frame = VendorObject.read(data, self._writer)
            if frame.values.get("error") is None:
                read(view, frame)
            else:
                self._fail(data)
        elif name != "ping":
            self._other(name, data)

    def answer(self, data: bytes) -> None:
        """Take a whole answer at once."""
        message = VendorObject.read(data, self._writer)
        if self._writer.done:
            return
        if message.text_of("type") in self._rare:
            self.frame(data, "message")
        elif isinstance(message.values.get("content"), list):
            self._message(message)
            self._writer.finish()
        else:
            self._writer.broken("the body is no message", data)

    def done(self) -> None:
        """Take ``[DONE]``: it proves the end where a stop reason came."""
        if self._writer.stop_seen is not None:
            self._writer.finish()

    # The message.

    def _message_start(self, _: Frame, frame: VendorObject) -> None:
        message = frame.member("message")
        if self._begun:
            if self._id is not None and message.text_of("id") == self._id:
                self._head(message)
                return
            self._writer.notice("unknown_event", f"message_start again, id {message.text_of('id')}")
            self._writer.end_open(cut=True)
            self._blocks.clear()
            self._asks_for_tools = False
        self._message(message)

    def _message(self, message: VendorObject) -> None:
        """Read a message, whole or only begun."""
        self._head(message)
        for content in message.members("content"):
            self._open(content).end({})
        self._stop(message.text_of("stop_reason"))

    def _head(self, message: VendorObject) -> None:
        """Read what a message says beside its content and its stop."""
        left = message.rest(_MESSAGE)
        left_of_usage = self._counts.take(message.member("usage"))
        vendor = None
        if self._begun or message.text_of("stop_reason"):
            self._leave(left, left_of_usage)
        else:
            vendor = _vendor(left, left_of_usage)
        self._begun = True
        self._id = message.text_of("id")
        self._writer.start(id=self._id, model=message.text_of("model"), vendor=vendor)
        self._counts.tell(self._writer)

    def _message_delta(self, _: Frame, frame: VendorObject) -> None:
        delta = frame.member("delta")
        left_of_usage = self._counts.take(frame.member("usage"))
        self._leave(
            {**frame.rest({"type", "delta", "usage"}), **delta.rest({"stop_reason"})}, left_of_usage
        )
        self._counts.tell(self._writer)
        self._stop(delta.text_of("stop_reason"))

    def _message_stop(self, _: Frame, frame: VendorObject) -> None:
        self._leave(frame.rest({"type"}), {})
        self._stop(None)
        self._writer.finish()

    def _leave(self, members: Texts, of_usage: Texts) -> None:
        """Keep what no event holds for the stop's ``vendor``; what is said again counts last."""
        self._left |= members
        self._left_of_usage |= of_usage

    def _stop(self, raw: str | None) -> None:
        """Tell the stop, or tell it anew with what has come since."""
        self._raw_reason = raw = raw or self._raw_reason
        if raw is None:
            return
        reason = REASONS.get(raw, "unknown")
        if reason == "end_turn" and self._asks_for_tools:
            reason = "tool_use"
        self._writer.stop(reason, raw, lambda: _vendor(self._left, self._left_of_usage))

    # Blocks.

    def _block_start(self, view: Frame, frame: VendorObject) -> None:
        self._close(view.index, {})
        content = frame.member("content_block")
        if content.text_of("type"):
            self._keep(view.index, self._open(content))
        else:
            self._writer.notice("invalid_field", "content_block: it has no type")

    def _block_delta(self, index: int | None, delta: Delta, data: bytes) -> None:
        """Take a delta that is no plain text for a block that waits for it."""
        if index is None:
            index = self._last
        if delta.type is None:
            delta.type = next((name for field, name in _DELTA_FIELDS if getattr(delta, field)), "")
        block = self._blocks.get(index)
        if block is None or not block.accepts(delta.type):
            begins = OPENED_BY.get(delta.type)
            if begins is None:
                name = delta.type
                self._writer.notice("unknown_event", name or "content_block_delta")
                return
            self._close(index, {})
            block = self._open(VendorObject({"type": begins}))
            self._keep(index, block)
        block.take(delta, data)

    def _block_stop(self, view: Frame, frame: VendorObject) -> None:
        index = self._last if view.index is None else view.index
        self._close(index, frame.rest({"type", "index"}))

    def _open(self, content: VendorObject) -> Block:
        block = open_block(self._writer, content)
        if block.kind == "tool_call":
            self._asks_for_tools = True
            self._stop(None)
        return block

    def _keep(self, index: int | None, block: Block) -> None:
        self._blocks[index] = block
        self._last = index

    def _close(self, index: int | None, said: Texts) -> None:
        block = self._blocks.pop(index, None)
        if block is not None:
            block.end(said)

    # What is no part of an answer.

    def _other(self, name: str, data: bytes) -> None:
        """An error, a whole message, or an event that nobody knows."""
        if name == "error" or read_stream_failure(data) is not None:
            self._fail(data)
            return
        frame = VendorObject.read(data, self._writer)
        if name == "message" and isinstance(frame.values.get("content"), list):
            self._message(frame)
        else:
            self._writer.notice("unknown_event", name)

    def _fail(self, data: bytes) -> None:
        message = data[:_EXCERPT].decode("utf-8", "replace")
        self._writer.fail(
            read_stream_failure(data) or Failure(kind="stream_failed", message=message)
        )


def _vendor(left: Texts, left_of_usage: Texts) -> str | None:
    members = {**left, "usage": left_of_usage} if left_of_usage else left
    return write_object(members) if members else None
