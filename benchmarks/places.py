"""Where the benchmarks keep what they make, which cores they run on, and how many files they may open."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ENVIRONMENTS", "RESULTS", "ROOT", "open_many_files", "pin"]

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
RESULTS = ROOT / "benchmarks" / "results"


def pin(place: int) -> None:
    """Stay on one core: 0 is the client's, 1 the server's. Does nothing where there is only one."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[place]})


def open_many_files() -> None:
    """Let this process open as many files as the system allows it: a socket for each stream is one."""
    import resource  # noqa: PLC0415  Windows has none, and only reads where things are

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
