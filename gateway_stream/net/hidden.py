"""Text that does not show itself.

Headers with credentials pass through frames that are not ours, and tools that print tracebacks with
local variables print them too. What prints a dict prints the ``repr`` of its values, so a value
whose ``repr`` says nothing stays out of sight, while whoever writes it to the wire gets it whole.
"""

from __future__ import annotations

__all__ = ["Hidden"]


class Hidden(str):
    """A string whose ``repr`` is ``***``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
