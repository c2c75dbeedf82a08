"""One flight for all who want the same: work that is under way once, whoever asks for it.

Whoever wants the result joins the flight that is under way, or starts one. A flight is a task of its own:
those who wait for it may be cancelled, and it goes on. It belongs to the loop that started it; others, in
other threads, wait for the same result. If that loop ends or is left standing, its waiters start again. After
a fork a child takes nothing of the parent's flights. Nothing of the request that happened to start it goes
along (its context variables say who asked): the result is for all.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from gateway_stream.net.leases import closed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway_stream.net.loops import LoopState

__all__ = ["Flights"]

_LOOK: Final = 1.0

Result = TypeVar("Result")
_Work: TypeAlias = "Callable[[], Coroutine[Any, Any, Result]]"


class _Flight(Future[Result]):
    """Work under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.pid = os.getpid()
        self.loop = loop
        self.set_running_or_notify_cancel()  # so that no waiter that is cancelled can cancel it

    @property
    def under_way(self) -> bool:
        """Whether it can still bring something in this process."""
        return not self.done() and self.pid == os.getpid() and self.loop.is_running()


class _LoopEnded(Exception):
    """The loop that a flight belonged to ended before it."""


class Flights(Generic[Result]):
    """Flights of one kind, one at a time.

    Args:
        name: what their tasks are called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._flight: _Flight[Result] | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @property
    def under_way(self) -> bool:
        """Whether there is one."""
        return self._flight is not None and self._flight.under_way

    async def landing(self, state: LoopState, work: _Work[Result]) -> Result:
        """Wait for what the flight under way brings, or a new one.

        Args:
            state: the running loop's.
            work: what a new flight does.

        Raises:
            ConnectionLost: the client was closed.
            Exception: what the work raised, the same one to all who wait.
        """
        while True:
            flight = self._join(state, work)
            landing = asyncio.wrap_future(flight)
            # Another thread's loop may end without a word, and so is looked at now and then.
            look = None if flight.loop is state.loop else _LOOK
            try:
                while flight.under_way and not landing.done():
                    await asyncio.wait([landing], timeout=look)
                if flight.done():
                    return await landing
            except _LoopEnded:
                pass
            finally:
                landing.cancel()

    def start(self, state: LoopState, work: _Work[Result]) -> None:
        """Have one under way, and wait for nothing.

        Raises:
            ConnectionLost: the client was closed.
        """
        self._join(state, work)

    def _join(self, state: LoopState, work: _Work[Result]) -> _Flight[Result]:
        if state.closed:
            raise closed()
        if (
            self._pid != os.getpid()
        ):  # what the parent was about is its own, the holder of its lock too
            self._pid, self._lock, self._flight = os.getpid(), threading.Lock(), None
        with self._lock:
            flight = self._flight
            if flight is not None and flight.under_way:
                return flight
            flight = self._flight = _Flight(state.loop)
        task = contextvars.Context().run(state.spawn, _fly(flight, work), self._name)
        # Not in a `finally` of the flight: a task that is cancelled before it runs has none.
        task.add_done_callback(lambda _: _land(flight))
        return flight


async def _fly(flight: _Flight[Result], work: _Work[Result]) -> None:
    try:
        result = await work()
    except Exception as error:  # noqa: BLE001  whoever waits is told; a flight without an end is begun again
        flight.set_exception(error)
    else:
        flight.set_result(result)


def _land(flight: _Flight[Any]) -> None:
    """A flight whose task has ended without a word will bring nothing."""
    if not flight.done():
        flight.set_exception(_LoopEnded())
