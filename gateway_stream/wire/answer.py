"""Writing the events of one answer so that they obey the grammar, whatever the wire does.

A family's translator says what it reads (`open`, `text`, `end`, `usage`, `stop`, `finish`), and the
writer sees to what holds for every family:

- `Start` comes first, once: as soon as the answer has an id, at the latest with its first block.
- Blocks are numbered densely from 0 in order of first appearance; deltas go to open blocks only.
- Usage is a snapshot: what a frame does not tell keeps its value. Some vendors count in every frame;
  so it is written when the first count is known, and before the end if it has changed since.
- A stop is *held*: vendors send usage, text and even errors after it. `finish` (the family's own
  proof of the end) releases it, and so does the clean end of a body (`close`); an error that comes
  before wins over it. Without either the answer is truncated, and the stop is only `stop_seen`.
  What it carries for the vendor may be made when it is asked for, since frames may go on adding.
- A tool call is ``complete`` only when its text, strictly parsed, is a JSON object, or nothing at
  all. Text that could still grow into one is ``truncated``, text that could not is ``invalid``. The
  last call is ``truncated`` even if it parses when it was still open as the model ran out of room
  or was stopped: nobody said that it was closed.
- Halves of surrogate pairs that arrive in two deltas are joined; one that stays alone is U+FFFD.
- After the terminal event nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Failure,
    Media,
    Notice,
    NoticeCode,
    Opaque,
    Source,
    Start,
    Stop,
    StopReason,
    Usage,
)
from gateway_stream.wire.open_block import OpenBlock
from gateway_stream.wire.own_failures import cut_off, malformed
from gateway_stream.wire.surrogates import pair_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.wire.open_block import Ending

__all__ = ["CUT_SHORT", "AnswerWriter"]

_HALF: Final = "half of a surrogate pair was replaced by U+FFFD"
_NO_BLOCK: Final = -1  # the index that `open` gives after the terminal event
CUT_SHORT: Final = frozenset[StopReason]({"max_tokens", "content_filter", "refusal"})
"""Reasons for which a model may have stopped in the middle of a block."""


class AnswerWriter:
    """Takes what a family's translator reads; the events go to ``out``, which its owner empties.

    Args:
        request_id: the gateway's id of the request, for `Start` and `Failure`.
        attempt: which try of the request this is, from 1.
        call_id_prefix: what makes ids of tool calls that the wire left without one unique beyond
            this answer: they are ``<prefix>call_<index>``.
    """

    def __init__(
        self, *, request_id: str | None = None, attempt: int = 1, call_id_prefix: str = ""
    ) -> None:
        self.out: list[Event] = []
        self.done = False
        self.started = False
        self.delivered = False
        self.has_tool_calls = False
        self.unproved = False
        """Whether the body can prove no end any more: `finish` then leaves the stop held."""
        self._request_id = request_id
        self._attempt = attempt
        self._call_id_prefix = call_id_prefix
        self._pending = Start()
        self._stop: Stop | None = None
        self._stop_vendor: Callable[[], str | None] | None = None
        self._open: dict[int, OpenBlock] = {}
        self._count = 0
        self._usage = self._told_usage = Usage()
        self.counting: Callable[[], None] | None = None
        """Calls `usage` with counts that came in many frames, before they are told for the last time."""
        self._surrogates = False
        self._noticed: set[tuple[NoticeCode, str]] = set()

    # The beginning.

    def start(
        self,
        *,
        id: str | None = None,
        model: str | None = None,
        vendor: str | None = None,
    ) -> None:
        """The answer's id, model and vendor fields, as far as this frame tells them; first one holds."""
        if self.started or self.done:
            return
        known = self._pending
        self._pending = Start(
            id=known.id or self._writable(id) or None,
            model=known.model or self._writable(model) or None,
            request_id=self._request_id,
            attempt=self._attempt,
            vendor=known.vendor or vendor,
        )
        if self._pending.id:
            self._begin()

    def _begin(self) -> None:
        if not self.started:
            self.started = True
            start = self._pending
            self.out.append(
                Start(start.id, start.model, self._request_id, self._attempt, start.vendor)
            )

    # Blocks.

    def open(
        self,
        kind: BlockKind,
        *,
        id: str | None = None,
        name: str | None = None,
        item: str | None = None,
        ending: Callable[[bool], Ending] | None = None,
    ) -> int:
        """Begin a block and give its index. A tool call without an id gets one.

        ``ending`` is asked, whoever ends the block, for what `end` is not told; its argument says
        whether the block is cut. It may still write deltas.
        """
        if self.done:
            return _NO_BLOCK
        self._begin()
        index = self._count
        self._count += 1
        if kind == "tool_call":
            self.has_tool_calls = True
            id = id or f"{self._call_id_prefix}call_{index}"  # noqa: A001
        self._open[index] = OpenBlock(kind, ending)
        name = self._writable(name) or None
        self.out.append(BlockStart(index, kind, self._writable(id), name, self._writable(item)))
        return index

    def is_open(self, index: int | None) -> bool:
        """Whether ``index`` is a block that has not ended."""
        return index in self._open

    def delta(self, index: int, text: str) -> None:
        """More text, reasoning, refusal or arguments of an open block, by the block's kind."""
        if self.done:
            return
        block = self._open[index]
        if self._surrogates:
            text, replaced = block.paired(text)
            if replaced:
                self.notice("replaced_bytes", _HALF)
        if not text or block.delta is None:
            return
        if block.kind == "tool_call":
            block.arguments.append(text)
        self.delivered = True
        self.out.append(block.delta(index, text))

    def media(
        self,
        index: int,
        *,
        media_type: str | None = None,
        data: str | None = None,
        url: str | None = None,
    ) -> None:
        """An image or file of an open block."""
        if self.done:
            return
        self.delivered = True
        self.out.append(Media(index, media_type, data, self._writable(url)))

    def source(
        self,
        index: int,
        *,
        url: str | None = None,
        title: str | None = None,
        span: tuple[int, int] | None = None,
    ) -> None:
        """A citation of an open block."""
        if self.done:
            return
        self.out.append(Source(index, self._writable(url), self._writable(title), span))

    def end(
        self,
        index: int,
        *,
        status: BlockStatus | None = None,
        opaque: Opaque | None = None,
        vendor: str | None = None,
    ) -> None:
        """End an open block. Without ``status`` a tool call is judged by its text, others are complete."""
        if self.done:
            return
        block = self._open[index]
        if block.ending is not None:
            own = block.ending(status == "truncated")
            status, opaque, vendor = status or own[0], opaque or own[1], vendor or own[2]
        if block.half:
            block.half = ""
            self.notice("replaced_bytes", _HALF)
            self.delta(index, "\ufffd")
        del self._open[index]
        if status is None:
            status = block.status()
        self.out.append(BlockEnd(index, status, opaque, vendor))

    def end_open(self, *, cut: bool = False) -> None:
        """End every open block; ``cut`` when nothing says that they are whole."""
        for index in sorted(self._open):
            self.end(index, status="truncated" if cut else None)

    # Counts, notices.

    def usage(
        self,
        *,
        input: int | None = None,
        output: int | None = None,
        cache_read: int | None = None,
        cache_write: int | None = None,
        reasoning: int | None = None,
    ) -> None:
        """Counts so far, in the sense of `Usage`; ``None`` leaves what was told before.

        They are told when the first of them is known, and before the end if they have changed since.
        """
        known = self._usage
        merged = Usage(
            known.input if input is None else input,
            known.output if output is None else output,
            known.cache_read if cache_read is None else cache_read,
            known.cache_write if cache_write is None else cache_write,
            known.reasoning if reasoning is None else reasoning,
        )
        if merged != known and not self.done:
            self._usage = merged
            if known == Usage():
                self._begin()
                self._told_usage = merged
                self.out.append(merged)

    def _tell_last_usage(self) -> None:
        if self.counting is not None:
            self.counting()
        if self._usage != self._told_usage:
            self._told_usage = self._usage
            self.out.append(self._usage)

    def notice(self, code: NoticeCode, detail: str = "") -> None:
        """Something odd that costs nothing; the same notice is written once."""
        detail = self._writable(detail) or ""
        if not self.done and (code, detail) not in self._noticed:
            self._noticed.add((code, detail))
            self.out.append(Notice(code, detail))

    # The end.

    @property
    def stopped(self) -> bool:
        """Whether the wire has named a stop, proved or not."""
        return self._stop is not None

    @property
    def stop_seen(self) -> Stop | None:
        """The stop that the wire has named so far, proved or not."""
        stop = self._stop
        vendor = self._stop_vendor() if self._stop_vendor is not None else None
        return Stop(stop.reason, stop.raw, vendor) if stop is not None and vendor else stop

    def stop(
        self,
        reason: StopReason,
        raw: str | None,
        vendor: str | Callable[[], str | None] | None = None,
    ) -> None:
        """Why the model stopped. Held until the end is proved; the last one told holds.

        ``vendor`` may be what makes the text once it is wanted; without any the one before holds.
        """
        if self.done:
            return
        text = self._stop.vendor if self._stop is not None else None
        if callable(vendor):
            self._stop_vendor = vendor
        elif vendor:
            self._stop_vendor, text = None, vendor
        self._stop = Stop(reason, self._writable(raw), text)

    def finish(self) -> None:
        """The end is proved: write what is still open and the stop."""
        if self.done or self.unproved:
            return
        stop = self.stop_seen
        if stop is None:
            stop = Stop("unknown")
            self.notice("missing_reason", "the answer ended without a reason")
        self._begin()
        if stop.reason in CUT_SHORT and self._open:
            last = max(self._open)
            if self._open[last].kind == "tool_call" and last == self._count - 1:
                self.end(last, status="truncated")
        self.end_open()
        self._tell_last_usage()
        self.out.append(stop)
        self.done = True

    def fail(self, failure: Failure) -> None:
        """The answer failed: end what is open as cut, and write the failure."""
        if self.done:
            return
        self.end_open(cut=True)
        self._tell_last_usage()
        failure = msgspec.structs.replace(
            failure,
            delivered=self.delivered,
            request_id=failure.request_id or self._request_id,
            phase=failure.phase or "stream",
        )
        self.out.append(failure)
        self.done = True

    def broken(self, message: str, data: bytes = b"") -> None:
        """The bytes broke the rules of their protocol."""
        self.fail(malformed(message, data, retryable=not self.delivered))

    def truncated(self, message: str, *, code: str | None = None) -> None:
        """The answer ended without proof that it is whole."""
        self.fail(cut_off(message, code))

    # Surrogate pairs.

    def expect_surrogates(self) -> None:
        """From here on texts may hold halves of surrogate pairs."""
        self._surrogates = True

    def _writable(self, text: str | None) -> str | None:
        """A text that is no delta, such that it can be written as UTF-8."""
        return pair_up(text) if text and self._surrogates else text
