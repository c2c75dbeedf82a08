"""Counts of tokens as wires write them.

Most write ``10``. Services that keep counts as doubles or as 64-bit protobuf fields write ``10.0`` or
``"10"``, which is the same count. Anything else counts nothing and is left to be told as it came:
fractions, negative numbers, numbers beyond 64 bits, truth values, words.
"""

from __future__ import annotations

from typing import Final

__all__ = ["as_count"]

_LIMIT: Final = 2**63
_DIGITS: Final = len(str(_LIMIT))


def as_count(value: object) -> int | None:
    """The count that a JSON value is; ``None`` where it is none."""
    if isinstance(value, str):
        if len(value) > _DIGITS or not (value.isascii() and value.isdigit()):
            return None
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < _LIMIT else None
