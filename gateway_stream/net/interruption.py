"""Ending, from outside, what a task waits for.

A stream may be closed, or a clock of its may run out, while its own task waits for a place, a connection or a
response. Whoever closes it is another task or a callback of the loop; so the waiting task is always suspended
inside of what is to end, and one cancellation reaches it there.

The task may be cancelled by its owner at the same time, and that has to go on. So who interrupts takes the
cancellation back where it has arrived (``Task.uncancel``), and what is more than that stays, as in
``asyncio.timeout``. A cancel scope would do the same for ten times as much, on the way of each request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from asyncio import Task
    from types import TracebackType
    from typing import Any

__all__ = ["Interruption"]


class Interruption:
    """A block of one task that `cancel` ends: it is left without an error, as if nothing had been in it."""

    __slots__ = ("_before", "_called", "_task")

    def __init__(self, task: Task[Any]) -> None:
        self._task = task
        self._before = task.cancelling()
        self._called = False

    def cancel(self) -> None:
        """End the block. For others than its own task, while that waits in there."""
        if not self._called:
            self._called = True
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Take the cancellation back; one of somebody else's goes on."""
        if not self._called:
            return False
        from asyncio import CancelledError  # noqa: PLC0415  who has a task has loaded it

        return self._task.uncancel() <= self._before and isinstance(error, CancelledError)
