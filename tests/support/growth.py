"""Whether work grows with its size and not with the square of it.

Clocks lie on a busy machine, so the measure is CPU time, the best of several runs, and a ratio: work
that is linear costs the same for each unit however many there are, work that is quadratic costs
``large / small`` times as much. The bound lies far from both. The collector of garbage rests meanwhile:
what it costs grows with what all other tests have left in memory.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNS = 3
_ROUNDS = 8


def cost(run: Callable[[int], object], size: int) -> float:
    """CPU seconds for each unit, at best."""
    best = float("inf")
    collects = gc.isenabled()
    gc.disable()
    try:
        for _ in range(_RUNS):
            begun = time.process_time()
            run(size)
            best = min(best, time.process_time() - begun)
    finally:
        if collects:
            gc.enable()
    return max(best, 1e-6) / size


def growth(run: Callable[[int], object], small: int, large: int, *, enough: float) -> float:
    """How much dearer a unit is in a large run than in a small one; tried again above ``enough``."""
    ratio = float("inf")
    for _ in range(_ROUNDS):
        ratio = min(ratio, cost(run, large) / cost(run, small))
        if ratio <= enough:
            break
    return ratio
