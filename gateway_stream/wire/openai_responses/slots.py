"""Which item a frame means.

- An item's slot is its ``output_index`` and type. Item ids are no key: gateways rewrite them from frame
  to frame. The id that counts is the one of the item's last form, ``response.output_item.done``.
- A frame without an index means the newest open item of its type; if there is none, a new one begins. An
  item that began without an index is met again under the first index that fits.
- A slot is free again when its item is done: what comes next under it is a new item, unless it is the
  same item told again. Two calls whose call ids differ are two calls, whatever their index.
- A call that is told whole is the one that is open in its place, or the newest of its call id; where that
  one is done already, it is the same told again or a new one that uses the id again.
- The terminal frame lists all items. They are matched by id, then by type in order, for gateways leave
  items out of that list and rewrite ids there too; only an item that nothing matches is new.

An answer may have thousands of items, so no rule looks through them: the open items of a type are a
stack, calls are found by call id, and the terminal list is matched through queues of the items of
each name and of each type.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway_stream.wire.openai_responses.items import same_json
from gateway_stream.wire.surrogates import pair_up

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence

    from gateway_stream.wire.openai_responses.items import PartKind, WireItem

__all__ = ["Item", "Part", "PartName", "Slots"]

PartName: TypeAlias = tuple[str | None, int | None, int | None, int | None]
"""How a delta frame names its text: event type, output index, content index, summary index."""

_UNCALLED: Final = "id without a call id"


class Part:
    """One stream of text inside an item. ``index`` is its block's, once that is open."""

    __slots__ = ("at", "disputed", "event", "index", "item", "kind", "said", "sources")

    def __init__(self, item: Item, kind: PartKind, at: int) -> None:
        self.item = item
        self.kind = kind
        self.at = at
        self.index: int | None = None
        self.said: list[str] = []
        self.disputed: str | None = None  # the whole text, where it is not what was said
        self.sources: set[str] = set()
        self.event: str | None = None  # the event type whose deltas are taken


class Item:
    """One output item. ``index`` is its block's where the whole item is one block."""

    __slots__ = ("current", "done", "index", "names", "parts", "told", "type")

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.index: int | None = None
        self.parts: dict[tuple[PartKind, int], Part] = {}
        self.current: Part | None = None  # the part that spoke last
        self.names: list[PartName] = []
        self.told: WireItem | None = None  # the item's last form so far
        self.done = False

    @property
    def call_id(self) -> str | None:
        """The call id that the item was announced with."""
        return self.told.call_id if self.told else None

    @property
    def is_disputed(self) -> bool:
        """Whether arguments of the item were told in two ways that differ as JSON."""
        return any(
            part.disputed is not None and not same_json(pair_up("".join(part.said)), part.disputed)
            for part in self.parts.values()
        )

    def is_told_by(self, wire: WireItem) -> bool:
        """Whether ``wire`` is this item by its own words, not by its place."""
        told = self.told
        if told is None or self.type != wire.type:
            return False
        if told.call_id and wire.call_id:
            return told.call_id == wire.call_id
        if told.id and wire.id:
            return told.id == wire.id
        return told.raw == wire.raw

    def repeats(self, wire: WireItem) -> bool:
        """Whether ``wire`` tells this item once more, and no new one under an id used again."""
        told = self.told
        return told is not None and told.tree | {"status": None} == wire.tree | {"status": None}


class Slots:
    """The items of one response, by where they come.

    Args:
        live: the texts that deltas go straight to, by the names that their frames give them. It is
            emptied whenever an item takes a place, since the same name may mean another text then.
    """

    def __init__(self, live: dict[PartName, Part]) -> None:
        self._live = live
        self._items: list[Item] = []
        self._slots: dict[tuple[int | None, str], Item] = {}
        self._open: defaultdict[str, list[Item]] = defaultdict(list)
        self._calls: dict[tuple[str, str], Item] = {}

    def __bool__(self) -> bool:
        return bool(self._items)

    def begin(self, index: int | None, type_: str) -> Item:
        """A new item."""
        item = Item(type_)
        self._items.append(item)
        self._place(item, index)
        self._open[type_].append(item)
        return item

    def tell(self, item: Item, wire: WireItem) -> None:
        """Keep what was told of an item last."""
        item.told = wire
        if wire.call_id:
            self._calls[wire.type, wire.call_id] = item

    def open_item(self, index: int | None, type_: str) -> Item | None:
        """The item that a frame inside an item means."""
        item = self._slots.get((index, type_))
        if item is not None and not item.done:
            return item
        if index is None:
            return self._newest_open(type_)
        unplaced = self._slots.get((None, type_))
        if unplaced is None or unplaced.done:
            return None
        del self._slots[None, type_]
        self._place(unplaced, index)
        return unplaced

    def _place(self, item: Item, index: int | None) -> None:
        self._slots[index, item.type] = item
        self._live.clear()

    def _newest_open(self, type_: str) -> Item | None:
        items = self._open[type_]
        while items and items[-1].done:
            items.pop()
        return items[-1] if items else None

    def is_done(self, index: int | None, type_: str) -> bool:
        """Whether the slot's item is done and nothing began there since."""
        item = self._slots.get((index, type_))
        return item is not None and item.done

    def unfinished(self, types: Collection[str]) -> list[Item]:
        """The items of these types that never came in their last form."""
        return [item for item in self._items if item.type in types and not item.done]

    def announced(self, index: int | None, wire: WireItem) -> Item | None:
        """The item that is announced again or late; ``None`` for a new one."""
        item = self.open_item(index, wire.type)
        if item is None or item.told is None:
            return item
        if item.call_id and wire.call_id and item.call_id != wire.call_id:
            return None
        return item if index is not None or item.is_told_by(wire) else None

    def told(self, index: int | None, wire: WireItem) -> Item | None:
        """The item that ``wire`` is the last form of; done already if it is told again."""
        item = self._slots.get((index, wire.type))
        if item is None or item.done or item.call_id != wire.call_id:
            called = self._calls.get((wire.type, wire.call_id or ""))
            if called is not None and (not called.done or called.repeats(wire)):
                return called
            item = self.open_item(index, wire.type)
        if item is not None:
            fits = index is not None or item.call_id in (None, wire.call_id)
            return item if fits else None
        item = self._slots.get((index, wire.type))
        return item if item is not None and item.repeats(wire) else None

    def are_told_by(self, listed: Sequence[bytes]) -> bool:
        """Whether all items are done, and the terminal frame's list repeats their last forms to the byte."""
        items = self._items
        return len(listed) == len(items) and all(
            item.done and item.told is not None and item.told.raw == raw
            for item, raw in zip(items, listed, strict=True)
        )

    def listed(self, wires: Sequence[WireItem]) -> list[Item | None]:
        """For each item of the terminal frame's list, the item that it is."""
        left = _Left(self._items)
        found = [left.take(_names_sought(wire)) for wire in wires]
        return [item or left.take([wire.type]) for wire, item in zip(wires, found, strict=True)]


class _Left:
    """Items that are still to be matched, in order under each of their names and their type."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._queues: defaultdict[Hashable, deque[Item]] = defaultdict(deque)
        self._taken: set[Item] = set()
        for item in items:
            self._queues[item.type].append(item)
            for name in _names(item.told) if item.told else ():
                self._queues[name].append(item)

    def take(self, names: Sequence[Hashable]) -> Item | None:
        """The first item under the first of these names that has one left."""
        for name in names:
            queue = self._queues.get(name)
            while queue:
                item = queue.popleft()
                if item not in self._taken:
                    self._taken.add(item)
                    return item
        return None


def _names(wire: WireItem) -> Iterator[Hashable]:
    """What an item may be called by: its call id, its id, or else all of it."""
    if wire.call_id:
        yield wire.type, "call_id", wire.call_id
    if wire.id:
        yield wire.type, "id", wire.id
        if not wire.call_id:
            yield wire.type, _UNCALLED, wire.id
    elif not wire.call_id:
        yield wire.type, "raw", wire.raw


def _names_sought(wire: WireItem) -> list[Hashable]:
    """By what its item is found: call ids that differ are not outweighed by ids that are the same."""
    if not wire.call_id:
        return list(_names(wire))
    return [(wire.type, "call_id", wire.call_id), (wire.type, _UNCALLED, wire.id)]
