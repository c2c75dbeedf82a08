"""Places in the pool, one for each request in flight.

A lease is a slot in use. It has one owner at any moment, who releases it once, so there is never a
question of who gives it back: the exchange that holds it, until its response is read to the end or
its connection is closed. The connector's own limit is off; this is the only queue, first come first
served, and a waiter that is cancelled in the very moment it is served passes its slot on.
"""

from __future__ import annotations

from collections import deque

import anyio

__all__ = ["Lease", "Leases"]


class Lease:
    """A slot in use. Released once, however often it is told to."""

    __slots__ = ("_leases",)

    def __init__(self, leases: Leases) -> None:
        self._leases: Leases | None = leases

    def release(self) -> None:
        """Give the slot back."""
        leases, self._leases = self._leases, None
        if leases is not None:
            leases.give_back()


class Leases:
    """``limit`` slots and the queue before them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_use = 0
        self._waiting: deque[_Waiter] = deque()

    @property
    def queued(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    async def acquire(self) -> Lease:
        """Wait for a slot and take it."""
        if self.in_use < self.limit and not self._waiting:
            self.in_use += 1
            return Lease(self)
        waiter = _Waiter()
        self._waiting.append(waiter)
        try:
            await waiter.served.wait()
        except BaseException:
            if waiter.served.is_set():
                self.give_back()
            else:
                self._waiting.remove(waiter)
            raise
        return Lease(self)

    def give_back(self) -> None:
        """Pass a slot to whoever waits longest, or free it."""
        if self._waiting:
            self._waiting.popleft().served.set()
        else:
            self.in_use -= 1


class _Waiter:
    __slots__ = ("served",)

    def __init__(self) -> None:
        self.served = anyio.Event()
