"""Places in the pool, one for each request in flight.

A lease is a slot in use. It has one owner at any moment, who releases it once, so there is never a
question of who gives it back: the exchange that holds it, until its response is read to the end or
its connection is closed. The connector's own limit is off; this is the only queue, first come first
served, and a waiter that is cancelled in the very moment it is served passes its slot on.
"""

from __future__ import annotations

from collections import deque

import anyio

from gateway_stream.errors import ConnectionLost

__all__ = ["Lease", "Leases", "closed"]


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
        self._closed = False

    @property
    def queued(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    async def acquire(self) -> Lease:
        """Wait for a slot and take it.

        Raises:
            ConnectionLost: the pool was closed.
        """
        if self._closed:
            raise closed()
        if self.in_use < self.limit and not self._waiting:
            self.in_use += 1
            return Lease(self)
        waiter = _Waiter()
        self._waiting.append(waiter)
        try:
            await waiter.served.wait()
        except BaseException:
            if waiter.has_slot:
                self.give_back()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise
        if not waiter.has_slot:
            raise closed()
        return Lease(self)

    def close(self) -> None:
        """Give no more slots; whoever waits for one is told."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().served.set()

    def give_back(self) -> None:
        """Pass a slot to whoever waits longest, or free it."""
        if self._waiting:
            waiter = self._waiting.popleft()
            waiter.has_slot = True
            waiter.served.set()
        else:
            self.in_use -= 1


class _Waiter:
    __slots__ = ("has_slot", "served")

    def __init__(self) -> None:
        self.has_slot = False
        self.served = anyio.Event()


def closed() -> ConnectionLost:
    """The error of a request whose client was closed before it was sent."""
    message = "the client was closed before the request was sent"
    return ConnectionLost(
        message, code="closed", phase="queue", hint="Send it again if it is wanted."
    )
