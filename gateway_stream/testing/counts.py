"""What the fake gateway counts, and waiting for a state of the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.testing.routes import Received

__all__ = ["Counts"]


class Counts:
    """What a test of a streaming client asks about.

    Attributes:
        requests: what was received, in order.
        connections_open: connections that are open now.
        connections_made: connections since the start.
        in_flight: requests being answered now.
        disconnects: replies whose client left before their end.
        bytes_written: bytes of bodies that sockets took.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections_open: int = 0
        self.connections_made: int = 0
        self.in_flight: int = 0
        self.disconnects: int = 0
        self.bytes_written: int = 0
        self._changed: anyio.Event | None = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} requests={len(self.requests)} in_flight={self.in_flight} "
            f"connections_open={self.connections_open} connections_made={self.connections_made} "
            f"disconnects={self.disconnects} bytes_written={self.bytes_written}>"
        )

    async def wait_for(self, condition: Callable[[Self], object], within: float = 5.0) -> None:
        """Wait until ``condition(gateway)`` is true. It is asked again when a count changes.

        Raises:
            TimeoutError: it is still false after ``within`` seconds.
        """
        with anyio.move_on_after(within):
            while not condition(self):
                if self._changed is None:
                    self._changed = anyio.Event()
                await self._changed.wait()
            return
        message = f"the condition is still false after {within} s: {self!r}"
        raise TimeoutError(message)

    def changed(self) -> None:
        """Have those who wait ask again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None
