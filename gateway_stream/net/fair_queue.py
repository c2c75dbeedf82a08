"""A queue that is fair between flows: start-time fair queueing.

A flow is whoever is to have a share: one agent's session. Inside a flow, first come is first served.
Between flows, what is shared out is turns, and a flow of weight 2 gets two where others get one.

**Why not round robin.** Round robin over the flows that wait at this moment knows nothing of a session that asks
for one answer after the other: while its request is in flight it does not wait, so its turn passes, and a session
with hundreds of requests in line takes that turn and the next. So a flow's turns are counted in *virtual time*
(Goyal, Vin and Cheng, "Start-Time Fair Queueing", SIGCOMM 1996, for packets). Each turn costs a flow one
over its weight. The flow whose next turn starts earliest is served, and that start is then the queue's time. Who comes
back continues where his last turn ended.

**A little credit.** What was not wanted is not saved up, or else a session that slept for an hour could take an hour's turns at
once. So whoever comes back lies at most four turns behind the queue's time. None at all, as in the paper, would
be unfair to sessions that ask for one answer after the other where answers differ in length: each time that one takes
longer than a round of turns, the rest is lost, and the session that always has something in line takes it.

**Who came first.** Where nobody waits, everybody has what he wants, and turns are not counted. When somebody has to wait, what each
flow has in flight by then counts as turns that it had (fifty at most), so that the one that found everything free
does not keep it.

**What is forgotten.** All, when nobody waits any more. Before that, flows that have nothing in line: those lie between four
turns behind the queue's time and one ahead, so forgetting one gives or takes no more than that. So the queue
remembers about as many flows as wait.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from math import isfinite
from typing import Final, Generic, TypeVar

from gateway_stream.errors import ConfigError

__all__ = ["FairQueue", "Flow"]

Item = TypeVar("Item")

_REMEMBERED: Final = 1024
"""Flows without anything in line that are remembered, beside as many as have something."""
_STALE: Final = 16
_CREDIT: Final = 4
_DEBT: Final = 50


class Flow:
    """Whoever has a share of every queue: one session.

    Args:
        name: what to call it, for people.
        weight: turns that it gets where others get one; more than 0.

    Raises:
        ConfigError: a weight that is no share.
    """

    __slots__ = ("name", "weight")

    def __init__(self, name: str | None = None, weight: float = 1.0) -> None:
        if not (weight > 0 and isfinite(weight) and isfinite(1 / weight)):
            message = f"a session's weight is {weight}"
            raise ConfigError(message, hint="Give a number above 0; 1 is an equal share.")
        self.name = name
        self.weight = weight

    def __repr__(self) -> str:
        return f"Flow({self.name!r}, weight={self.weight:g})"


class _Line(Generic[Item]):
    """What one flow has in line, and when its next turn starts."""

    __slots__ = ("again", "listed", "start", "step", "waiting")

    def __init__(self, step: float, start: float) -> None:
        self.step = step
        self.start = start
        self.listed = False  # whether the heap holds it
        self.waiting: OrderedDict[Item, None] = OrderedDict()
        self.again: OrderedDict[Item, None] | None = None

    def __bool__(self) -> bool:
        return bool(self.waiting or self.again)

    @property
    def head(self) -> OrderedDict[Item, None]:
        return self.again or self.waiting


class FairQueue(Generic[Item]):
    """Items in line, each of a flow. Items are hashable, and each is in line once."""

    __slots__ = (
        "_heap",
        "_in_flight",
        "_lines",
        "_now",
        "_numbers",
        "_size",
        "_stale",
        "_sweep_at",
    )

    def __init__(self) -> None:
        self._lines: dict[Flow, _Line[Item]] = {}
        self._in_flight: dict[Flow, int] = {}
        self._heap: list[tuple[float, int, _Line[Item]]] = []
        self._numbers = count()
        self._now = 0.0
        self._size = 0
        self._stale = 0  # lines in the heap whose items have all left
        self._sweep_at = _REMEMBERED

    def __len__(self) -> int:
        return self._size

    @property
    def remembered(self) -> int:
        """How many flows the queue knows."""
        return len(self._lines)

    def begun(self, flow: Flow) -> None:
        """A flow has one more in flight, whether it was in line or not."""
        self._in_flight[flow] = self._in_flight.get(flow, 0) + 1

    def ended(self, flow: Flow) -> None:
        """It has one less."""
        left = self._in_flight[flow] - 1
        if left:
            self._in_flight[flow] = left
        else:
            del self._in_flight[flow]

    def put(self, item: Item, flow: Flow, *, first: bool = False) -> None:
        """Add an item behind its flow's others; ``first`` puts it before those that were not put so."""
        line = self._lines.get(flow)
        if line is None:
            debt = min(self._in_flight.get(flow, 0), _DEBT) / flow.weight
            line = self._lines[flow] = _Line(1 / flow.weight, self._now + debt)
        if line.listed:
            self._stale -= not line
        else:
            line.start = max(line.start, self._now - _CREDIT * line.step)
            line.listed = True
            heappush(self._heap, (line.start, next(self._numbers), line))
        if first:
            if line.again is None:
                line.again = OrderedDict()
            line.again[item] = None
        else:
            line.waiting[item] = None
        self._size += 1

    def peek(self) -> Item | None:
        """Whose turn it is; ``None`` where nobody waits."""
        heap = self._heap
        while heap:
            line = heap[0][2]
            if line:
                return next(iter(line.head))
            heappop(heap)
            line.listed = False
            self._stale -= 1
        return None

    def take(self) -> Item:
        """Take the item out whose turn it is.

        Raises:
            IndexError: nobody waits.
        """
        if self.peek() is None:
            message = "nobody waits"
            raise IndexError(message)
        start, _, line = self._heap[0]
        item, _ = line.head.popitem(last=False)
        self._now = max(self._now, start)
        line.start = start + line.step
        if line:
            heapreplace(self._heap, (line.start, next(self._numbers), line))
        else:
            heappop(self._heap)
            line.listed = False
        self._left()
        return item

    def discard(self, item: Item, flow: Flow) -> None:
        """Take an item out that wants no turn any more. Does nothing if it is not in line."""
        line = self._lines.get(flow)
        if line is None:
            return
        if item in line.waiting:
            del line.waiting[item]
        elif line.again and item in line.again:
            del line.again[item]
        else:
            return
        self._stale += not line
        if self._stale > _STALE and self._stale * 2 > len(self._heap):
            self._drop_stale()
        self._left()

    def _left(self) -> None:
        self._size -= 1
        if not self._size:
            self._lines.clear()
            self._heap.clear()
            self._now = 0.0
            self._stale = 0
            self._sweep_at = _REMEMBERED
        elif len(self._lines) > self._sweep_at:
            self._forget()

    def _drop_stale(self) -> None:
        for _, _, line in self._heap:
            line.listed = bool(line)
        self._heap = [entry for entry in self._heap if entry[2].listed]
        heapify(self._heap)
        self._stale = 0

    def _forget(self) -> None:
        """Forget who has all the credit there is; if those are few, all that have nothing in line."""
        lines, now = self._lines, self._now
        kept = {f: x for f, x in lines.items() if x.listed or x.start + _CREDIT * x.step > now}
        if len(kept) * 2 > len(lines):
            kept = {flow: line for flow, line in lines.items() if line.listed}
        self._lines = kept
        self._sweep_at = 2 * len(kept) + _REMEMBERED
