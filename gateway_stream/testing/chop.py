"""Ways to cut a body into reads, for the same bytes must give the same events however they are cut.

The pieces joined are the body, and no piece is empty: an empty read means the end to a socket.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Cuts", "chop"]

_DRAWN: Final = (1, 1, 2, 3, 5, 8, 16, 64, 256, 1500)
"""Sizes that a seed draws from: small ones tear lines and characters, large ones join events."""


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Where to cut: one of the three.

    Attributes:
        sizes: bytes of each piece; what they leave over is the last piece.
        seed: sizes drawn by a generator with this seed.
        every: all pieces have this many bytes, but for the last.

    Raises:
        ValueError: not exactly one is given, or a size is below 1.
    """

    sizes: tuple[int, ...] | None = None
    seed: int | None = None
    every: int | None = None

    def __post_init__(self) -> None:
        """Hold the cuts to their rule."""
        if (self.sizes is not None) + (self.seed is not None) + (self.every is not None) != 1:
            message = "give one of sizes, seed and every"
            raise ValueError(message)
        given = self.sizes or (() if self.every is None else (self.every,))
        if any(size < 1 for size in given):
            message = "a piece has at least 1 byte"
            raise ValueError(message)

    def pieces(self, body: bytes) -> Iterator[bytes]:
        """The body in pieces, in order."""
        at = 0
        for size in self._lengths():
            if at >= len(body):
                return
            yield body[at : at + size]
            at += size
        if at < len(body):
            yield body[at:]

    def _lengths(self) -> Iterator[int]:
        if self.sizes is not None:
            yield from self.sizes
        elif self.every is not None:
            while True:
                yield self.every
        else:
            drawn = random.Random(self.seed)  # noqa: S311  a test that can be run again
            while True:
                yield drawn.choice(_DRAWN)


def chop(
    body: bytes,
    *,
    sizes: Iterable[int] | None = None,
    seed: int | None = None,
    every: int | None = None,
) -> list[bytes]:
    """Cut ``body`` into reads: of these ``sizes``, drawn from a ``seed``, or of ``every`` many bytes.

    Without any of them every byte is a read of its own.

    Raises:
        ValueError: more than one way is given, or a size is below 1.
    """
    if sizes is None and seed is None and every is None:
        every = 1
    cuts = Cuts(sizes=None if sizes is None else tuple(sizes), seed=seed, every=every)
    return list(cuts.pieces(body))
