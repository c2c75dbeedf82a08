"""Waking who waits, all of them at once.

A hand-over between two tasks by a future costs 1.0 µs, by an `anyio.Event` 3.6, by an anyio memory stream
17: enough to count where every read of every socket is handed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["Bell"]


class Bell:
    """Belongs to one event loop. Who comes after it rang waits for the next time."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """Wake all who wait."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next time."""
        from asyncio import get_running_loop  # noqa: PLC0415  who waits has loaded it, an import need not

        future = get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except BaseException:
            if future in self._waiting:
                self._waiting.remove(future)
            raise
