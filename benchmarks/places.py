"""Where the benchmarks keep what they make, and which cores they run on."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ENVIRONMENTS", "RESULTS", "ROOT", "pin"]

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
RESULTS = ROOT / "benchmarks" / "results"


def pin(place: int) -> None:
    """Stay on one core: 0 is the client's, 1 the server's. Does nothing where there is only one."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[place]})
