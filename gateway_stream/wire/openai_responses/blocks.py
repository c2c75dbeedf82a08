"""Items to blocks: every text of an answer exactly once, whichever frames carry it.

A text may come in deltas, in its ``done`` frame, in its part's, in its item's, in the terminal frame,
or in all five. What a later, whole text adds to what was delivered is delivered then; where the two
disagree there is a notice, and nothing is said twice. Deltas of one text under two event types are
taken from the type that spoke first.

Which blocks an item is: a message is one block for each part of its content; a reasoning item is one
block, its parts a blank line apart, for it goes back as one; a call is a block as soon as its id and
name are known, and until then its arguments wait; every other item is one block that ends with the
whole item.

Whose a call is and when it closes: see `calls`.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_responses.calls import CALLS, Calls
from gateway_stream.wire.openai_responses.items import (
    PartKind,
    WireItem,
    annotations_of,
    kind_of_item,
    media_of,
    source_of,
)
from gateway_stream.wire.openai_responses.slots import Item, Part, PartName, Slots
from gateway_stream.wire.openai_responses.views import Fields, fields_text
from gateway_stream.wire.surrogates import pair_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway_stream.events import BlockKind
    from gateway_stream.wire.answer import AnswerWriter

__all__ = ["Blocks"]

_MESSAGE_BLOCKS: Final[dict[PartKind, BlockKind]] = {
    "text": "text",
    "refusal": "refusal",
    "other": "other",
}
_WITH_STATUS: Final = ("message", "function_call")


class Blocks:
    """The blocks of one answer. ``live`` has the texts that deltas may go straight to."""

    def __init__(self, writer: AnswerWriter) -> None:
        self.live: dict[PartName, Part] = {}
        self._writer = writer
        self._slots = Slots(self.live)
        self._calls = Calls(writer)

    # What frames say.

    def restart(self) -> None:
        """A new response begins inside the stream: its indices are its own."""
        self.settle_calls()
        if self._slots:
            self._slots = Slots(self.live)
            self.live.clear()

    def announce(self, slot: int | None, wire: WireItem) -> None:
        """An item begins."""
        item = self._slots.announced(slot, wire)
        if item is None:
            item = self._slots.begin(slot, wire.type)
        elif item.told is not None:
            return
        self._slots.tell(item, wire)
        if wire.type == "reasoning":
            self._open_reasoning(item)
        elif wire.type in CALLS:
            if wire.call_id and wire.name:
                self._open_call(item)
        elif wire.type != "message":
            self._open_whole(item, wire)

    def is_done(self, slot: int | None, type_: str) -> bool:
        """Whether the item in this slot came in its last form, and nothing began there since."""
        return self._slots.is_done(slot, type_)

    def has_open(self, slot: int | None, type_: str) -> bool:
        """Whether the item in this slot has begun and is not done."""
        return self._slots.open_item(slot, type_) is not None

    def begin_part(self, slot: int | None, type_: str, kind: PartKind, at: int) -> Part:
        """A text inside an item begins, or is met again."""
        item = self._slots.open_item(slot, type_) or self._slots.begin(slot, type_)
        return self._part(item, kind, at)

    def delta(self, name: PartName, part: Part, text: str) -> None:
        """More of a text. Its next deltas may find it in ``live``."""
        part.event = part.event or name[0]
        if part.event != name[0]:
            return
        if part.index is not None and name not in self.live:
            self.live[name] = part
            part.item.names.append(name)
        self._say(part, text)

    def settle(self, part: Part, whole: str) -> None:
        """The whole of a text: deliver what was not, and tell where it is not what was delivered."""
        said = "".join(part.said)
        part.said = [said]
        part.disputed = None
        if 2 * len(whole) >= len(said):  # pairs make a text shorter by half at most
            said = pair_up(said)
        if said == whole:
            return
        if said:
            detail = f"the whole {part.kind} of block {part.index} is not what its deltas were"
            self._writer.notice("delta_mismatch", detail)
        if whole.startswith(said):
            self._say(part, whole[len(said) :])
        else:
            part.disputed = whole

    def cite(self, part: Part, annotation: Any) -> None:
        """A citation of a text, told once or again."""
        source = source_of(annotation)
        if source is None or part.index is None:
            return
        key = compact(dict(sorted(annotation.items())))
        if key not in part.sources:
            part.sources.add(key)
            self._writer.source(part.index, **source)

    def tell(self, slot: int | None, wire: WireItem, extra: Fields) -> None:
        """An item in its last form; ``extra`` is what its frame says beside it."""
        item = self._slots.told(slot, wire)
        if item is None:
            self._take(slot, wire, extra)
        elif not item.done:
            self._end(item, wire, extra)

    def _take(self, slot: int | None, wire: WireItem, extra: Fields) -> None:
        """An item that comes only whole."""
        item = self._slots.begin(slot, wire.type)
        if self._calls.may_wait(wire):
            self._slots.tell(item, wire)
            item.done = True
            self._calls.wait(item, wire, extra)
        else:
            self._end(item, wire, extra)

    def conclude(self, listed: Sequence[bytes], *, cut: bool) -> None:
        """The terminal frame's list of all items; ``cut`` where the answer is not complete.

        A message or function call that only such a list tells is whole only if it says so itself. Of
        items of other types, many have no status to tell.
        """
        if self._slots.are_told_by(listed):
            self.settle_calls()
            return
        wires = [wire for wire in map(WireItem, listed) if wire.type]
        for wire, item in zip(wires, self._slots.listed(wires), strict=True):
            doubtful = ("in_progress", None) if wire.type in _WITH_STATUS else ("in_progress",)
            wire.cut = wire.cut or (cut and wire.tree.get("status") in doubtful)
            if item is None:
                self._take(None, wire, {})
            elif not item.done:
                self._end(item, wire, {})
        self.settle_calls()

    def close(self, *, proved: bool) -> bool:
        """The answer ends; gives whether it asks the client to run something.

        Calls that nobody closed are cut unless the end is ``proved``.
        """
        self.settle_calls()
        asks = self._calls.close()
        for item in self._slots.unfinished(CALLS):
            index = self._open_call(item)
            asks = True
            if not proved:
                self._writer.end(index, status="truncated")
        return asks

    def break_off(self) -> None:
        """The answer fails. Calls that came in their last form are whole, though nobody may run them."""
        self.settle_calls()
        self._calls.close()

    def settle_calls(self) -> None:
        """Write the calls that waited for what follows them."""
        for item, wire, extra, answered in self._calls.waited():
            if answered:
                self._open_whole(item, wire, "server_tool")
                self._end_whole(item, wire, extra)
            else:
                self._end(item, wire, extra)

    # Opening.

    def _open(
        self,
        kind: BlockKind,
        wire: WireItem | None,
        *,
        id: str | None = None,
        name: str | None = None,
    ) -> int:
        self.settle_calls()
        item = None if wire is None else wire.id or ""
        return self._writer.open(kind, id=id, name=name, item=item)

    def _part(self, item: Item, kind: PartKind, at: int) -> Part:
        part = item.parts.get((kind, at))
        if part is None:
            part = item.parts[kind, at] = Part(item, kind, at)
            if item.type == "message":
                part.index = self._open(_MESSAGE_BLOCKS[kind], item.told)
            elif item.type == "reasoning":
                part.index = self._open_reasoning(item)
            else:
                part.index = item.index
        return part

    def _open_reasoning(self, item: Item) -> int:
        if item.index is None:
            item.index = self._open("reasoning", item.told)
        return item.index

    def _open_whole(self, item: Item, wire: WireItem, kind: BlockKind | None = None) -> int:
        if item.index is None:
            item.index = self._open(
                kind or kind_of_item(wire.type),
                wire,
                id=wire.call_id or wire.id,
                name=wire.name or wire.type,
            )
        return item.index

    def _open_call(self, item: Item) -> int:
        """Open a call's block, with the arguments that waited for its id and name."""
        if item.index is None:
            wire = item.told
            call_id, name = (wire.call_id, wire.name) if wire else (None, None)
            item.index = self._open("tool_call", wire, id=call_id, name=name)
            for part in item.parts.values():
                part.index = item.index
                item.current = part
                self._writer.delta(part.index, "".join(part.said))
        return item.index

    # Speaking.

    def _say(self, part: Part, text: str) -> None:
        if not text:
            return
        part.said.append(text)
        index = part.index
        if index is None:
            return
        item = part.item
        before = item.current
        if before is not part:
            if before is not None and before.index == index:
                self._writer.delta(index, "\n\n")
            item.current = part
        self._writer.delta(index, text)

    # Ending.

    def _end(self, item: Item, wire: WireItem, extra: Fields) -> None:
        self._slots.tell(item, wire)
        item.done = True
        for name in item.names:
            self.live.pop(name, None)
        match wire.type:
            case "message":
                self._end_message(item, wire, extra)
            case "reasoning":
                index = self._open_reasoning(item)
                if not self._settle_as_one(item, wire):
                    self._settle_all(item, wire)
                self._end_block(index, wire, extra)
            case "function_call" | "custom_tool_call":
                index = self._open_call(item)
                self._settle_all(item, wire)
                self._calls.end(index, wire, extra, disputed=item.is_disputed)
            case _:
                self._end_whole(item, wire, extra)
        item.parts.clear()

    def _settle_all(self, item: Item, wire: WireItem) -> dict[Part, Any]:
        """Settle the texts of an item; gives what its parts hold beside them."""
        held: dict[Part, Any] = {}
        for kind, at, text, fields in wire.texts():
            part = self._part(item, kind, at)
            if text is not None:
                self.settle(part, text)
            for annotation in annotations_of(fields):
                self.cite(part, annotation)
            held[part] = fields.get("logprobs")
        return held

    def _settle_as_one(self, item: Item, wire: WireItem) -> bool:
        """Settle reasoning that came as one text, however many parts its item has; gives if it did."""
        if len(item.parts) != 1:
            return False
        (part,) = item.parts.values()
        said = "".join(part.said)
        texts = [(kind != part.kind, text) for kind, _, text, _ in wire.texts() if text]
        for order in (texts, sorted(texts, key=itemgetter(0))):
            whole = "\n\n".join(text for _, text in order)
            if said and whole.startswith(said):
                self.settle(part, whole)
                return True
        return False

    def _end_message(self, item: Item, wire: WireItem, extra: Fields) -> None:
        logprobs = self._settle_all(item, wire)
        if not item.parts:
            self._part(item, "text", 0)
        cut = wire.message_parts()
        for part in item.parts.values():
            index: int = part.index  # type: ignore[assignment]  # a message's parts are open
            known = dict(extra)
            if logprobs.get(part):
                known["logprobs"] = msgspec.Raw(compact(logprobs[part]).encode())
            if part.disputed is not None:
                known["text"] = msgspec.Raw(compact(part.disputed).encode())
            self._writer.end(
                index,
                status=wire.status,
                opaque=cut.opaque(part.at, part.kind),
                vendor=fields_text(known),
            )
            extra = {}

    def _end_whole(self, item: Item, wire: WireItem, extra: Fields) -> None:
        self._calls.meet(wire)
        index = self._open_whole(item, wire)
        for medium in media_of(wire):
            self._writer.media(index, **medium)
        self._end_block(index, wire, extra)

    def _end_block(self, index: int, wire: WireItem, extra: Fields) -> None:
        self._writer.end(index, status=wire.status, opaque=wire.whole(), vendor=fields_text(extra))
