"""Whose call it is, and when it closes.

Agents behind this dialect call tools of their own and put the output beside the call. A call that the answer
itself answers is not the client's:

- A function call that comes only whole waits for the next block, and is a server tool if its output is
  there by then. Such calls and outputs may come in groups. Its block cannot begin before: it would have to
  say whose the call is.
- A function call that streamed is a tool call from its start, so it closes only with the answer. If its
  output comes before, it ends as invalid, and nobody runs it a second time.

A custom tool call's input is free text, not arguments. Its block ends as invalid even where the text
happens to be JSON, so that nobody runs it as such; the text is in the block and in its opaque data.

Arguments told in two ways that differ as JSON are nobody's to run either.

Other items that a client is to act on (a shell command, a patch, an approval) are server tools without an
output in the answer; like calls, they make its stop a ``tool_use``.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Final

from gateway_stream.wire.openai_responses.views import Fields, fields_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.events import BlockStatus
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_responses.items import WireItem
    from gateway_stream.wire.openai_responses.slots import Item

__all__ = ["CALLS", "Calls"]

CALLS: Final = ("function_call", "custom_tool_call")
_OUTPUT: Final = "function_call_output"


class Calls:
    """The calls of one answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._waiting: list[tuple[Item, WireItem, Fields]] = []
        self._ended: dict[int, tuple[WireItem, Fields, BlockStatus | None]] = {}
        self._unanswered: defaultdict[str | None, deque[int]] = defaultdict(deque)
        self._asked: set[str | None] = set()

    def may_wait(self, wire: WireItem) -> bool:
        """Whether an item that comes only whole is to wait for what follows it."""
        return wire.type == "function_call" or (bool(self._waiting) and wire.type == _OUTPUT)

    def wait(self, item: Item, wire: WireItem, extra: Fields) -> None:
        """Let it wait."""
        self._waiting.append((item, wire, extra))

    def waited(self) -> Iterator[tuple[Item, WireItem, Fields, bool]]:
        """What waited, in order; true with the calls whose output came after them."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        outputs: Counter[str | None] = Counter()
        answered: list[bool] = []
        for _, wire, _ in reversed(waiting):
            is_output = wire.type == _OUTPUT
            answered.append(not is_output and outputs[wire.call_id] > 0)
            outputs[wire.call_id] += 1 if is_output else -answered[-1]
        for (item, wire, extra), is_answered in zip(waiting, reversed(answered), strict=True):
            yield item, wire, extra, is_answered

    def end(self, index: int, wire: WireItem, extra: Fields, *, disputed: bool) -> None:
        """A call came in its last form."""
        status: BlockStatus | None = wire.status
        if status is None and (disputed or wire.type == "custom_tool_call"):
            status = "invalid"
        self._ended[index] = (wire, extra, status)
        self._unanswered[wire.call_id].append(index)

    def meet(self, wire: WireItem) -> None:
        """An item of another type, which may answer a call or be one of a kind of its own."""
        if wire.waits_for_client:
            self._asked.add(wire.call_id)
        if not wire.type.endswith("_output"):
            return
        self._asked.discard(wire.call_id)
        if self._unanswered[wire.call_id]:
            index = self._unanswered[wire.call_id].popleft()
            call, extra, _ = self._ended.pop(index)
            self._writer.end(
                index, status="invalid", opaque=call.whole(), vendor=fields_text(extra)
            )

    def close(self) -> bool:
        """Close the calls that are the client's; gives whether there are any."""
        asks = bool(self._ended or self._asked)
        for index, (wire, extra, status) in self._ended.items():
            self._writer.end(index, status=status, opaque=wire.opaque(), vendor=fields_text(extra))
        self._ended.clear()
        self._unanswered.clear()
        return asks
