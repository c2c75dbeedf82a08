"""Measures this client beside others: ``make bench``, or ``python -m benchmarks.run --help``.

One run on one machine. The repetition is the outer loop: within one, every row of every family has its
turn in each mode, so that what the machine does for a minute is not one row's figure alone. Rows
start elsewhere in the round each time. Every measurement is a child process of its own (see `child`), and
the server is one for the whole run, on the other core. A row that fails costs its own figures, and the
reason stands in the result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import environments, report
from benchmarks.places import RESULTS, ROOT
from benchmarks.rows import FAMILIES, IMPORTS, MODES, OURS, ROWS, Row
from benchmarks.targets import DRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_SECONDS: Final = 60  # that one measurement may take
_CPU: Final = "import resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime, flush=True)"


class Failed(Exception):
    """A measurement gave no figure; its text is the reason, in one line."""


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument(
        "--peers", help="rows whose names begin so, separated by ';' (default: all)"
    )
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one short repetition, to see that all works"
    )
    return parser.parse_args(arguments)


def _child(environment: str, arguments: list[str]) -> Any:
    """The last line that a child prints, read as JSON.

    Raises:
        Failed: it gave none.
    """
    python = str(environments.interpreter(environment))
    try:
        done = subprocess.run(  # noqa: S603
            [python, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"it took longer than {_SECONDS} s"
        raise Failed(message) from None
    if done.returncode:
        raise Failed((done.stderr.strip() or "it ended without a word").splitlines()[-1][:300])
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _server() -> Iterator[str]:
    """The address of a server that plays; it ends with the block, or with this process."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin  # noqa: S101
        assert server.stdout  # noqa: S101
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()


class Bench:
    """What is to be measured, and what was."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.quick: bool = options.quick
        self.repetitions: int = 1 if self.quick else options.repetitions
        self.families = [name for name in FAMILIES if name in options.families.split(",")]
        self.modes = [name for name in MODES if name in options.modes.split(",")]
        begins = tuple(options.peers.split(";")) if options.peers else ("",)
        self.rows = [row for row in ROWS if row.name.startswith(begins)]
        self.imports = [name for name in IMPORTS if name.startswith(begins)]
        self.figures: dict[tuple[str, str, str], list[dict[str, float]]] = {}
        self.failures: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def prepare(self) -> None:
        """Make the environments that are wanted."""
        wanted = [row.environment for row in self.rows] + [
            IMPORTS[name][0] for name in self.imports
        ]
        if "fed" in self.modes:
            wanted.append("gateway_stream")
        for name in dict.fromkeys(wanted):
            print(f"environment {name} ...", file=sys.stderr)
            try:
                environments.make(name)
                self.versions[name] = environments.versions(name)
            except environments.NotInstalled as error:
                self.failures[name] = f"not installed: {error}"
        self.rows = [row for row in self.rows if row.environment in self.versions]
        self.imports = [name for name in self.imports if IMPORTS[name][0] in self.versions]

    def note(self, mode: str, family: str, name: str, figures: dict[str, float]) -> None:
        """Keep one measurement."""
        rounded = {what: float(f"{value:.4g}") for what, value in figures.items()}
        self.figures.setdefault((mode, family, name), []).append(rounded)
        print(f"{mode} {family} {name}: {figures['cpu'] * 1e6:.2f} µs", file=sys.stderr)

    def fed(self) -> None:
        """Without a kernel: see `benchmarks.fed`."""
        rounds = 15 if self.quick else 100
        arguments = ["-m", "benchmarks.fed", ",".join(self.families), str(rounds)]
        try:
            found = _child("gateway_stream", arguments)
        except Failed as error:
            self.failures["fed"] = str(error)
            return
        for family, by_size in found.items():
            for size, readers in by_size.items():
                for name, spent in readers.items():
                    mode = "fed" if size == "1" else f"fed {size}"
                    for seconds, floor in zip(spent, readers[DRAIN], strict=True):
                        figures = {"cpu": seconds, "ratio": seconds / floor}
                        self.figures.setdefault((mode, family, name), []).append(figures)

    def played(self, address: str) -> None:
        """Everything that needs the server."""
        groups = [
            [mode for mode in group if mode in self.modes]
            for group in (("request", "burst"), ("paced",))
        ]
        for repetition in range(self.repetitions):
            for modes in filter(None, groups):
                rows = self.rows[repetition:] + self.rows[:repetition]
                for family in self.families:
                    for row in rows:
                        if family in row.families and self._due(row, modes, repetition):
                            self._play(row, family, modes, address)

    @staticmethod
    def _due(row: Row, modes: Sequence[str], repetition: int) -> bool:
        """Most rows take part in every other repetition, and in every third that takes its time."""
        return row.often or repetition % (3 if modes == ["paced"] else 2) == 0

    def _play(self, row: Row, family: str, modes: Sequence[str], address: str) -> None:
        few = 10 if self.quick else 1
        how: dict[str, dict[str, float]] = {
            "request": {"requests": max(20, row.tokens // 50 // few)},
            "burst": {"tokens": max(1000, row.tokens // few)},
            "paced": {"streams": row.streams, "window": 1.0 if self.quick else 2.0},
        }
        task = {
            "peer": row.peer,
            "variant": row.variant,
            "family": family,
            "address": address,
            "loop": row.loop,
            "modes": {mode: how[mode] for mode in modes},
        }
        try:
            found = _child(row.environment, ["-m", "benchmarks.child", json.dumps(task)])
        except Failed as error:
            self.failures[f"{row.name}, {family}, {' and '.join(modes)}"] = str(error)
            print(f"{row.name} {family}: {error}", file=sys.stderr)
            return
        for mode, figures in found.items():
            self.note(mode, family, row.name, figures)

    def imported(self) -> None:
        """CPU of a fresh process that imports, over that of one that does not."""
        for repetition in range(3 if self.quick else 15):
            for name in self.imports:
                # What takes seconds need not be asked so often.
                if name not in (OURS, "aiohttp") and repetition >= (1 if self.quick else 3):
                    continue
                environment, code = IMPORTS[name]
                try:
                    bare = _child(environment, ["-c", _CPU])
                    spent = _child(environment, ["-c", f"{code}; {_CPU}"])
                except Failed as error:
                    self.failures[f"{name}, import"] = str(error)
                    continue
                self.note("import", "", name, {"cpu": max(spent - bare, 0.0), "bare": bare})


def _result(bench: Bench, began: float, load: list[float]) -> dict[str, Any]:
    """All that was found, as it is kept."""
    figures = [
        {
            "mode": mode,
            "family": family,
            "row": name,
            "min": min(cpus),
            "median": statistics.median(cpus),
            "max": max(cpus),
            "repetitions": len(found) if "ratio" in found[0] else found,
            **(
                {"ratio": statistics.median(f["ratio"] for f in found)}
                if "ratio" in found[0]
                else {}
            ),
        }
        for (mode, family, name), found in bench.figures.items()
        for cpus in [[f["cpu"] for f in found]]
    ]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "quick": bench.quick,
        "machine": _machine(),
        "load": {"before": load[0], "after": os.getloadavg()[0]},
        "versions": bench.versions,
        "failures": bench.failures,
        "figures": figures,
    }


def _machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def main() -> None:
    bench = Bench(_options(sys.argv[1:]))
    bench.prepare()
    began, load = time.monotonic(), list(os.getloadavg())
    if "fed" in bench.modes:
        bench.fed()
    if set(bench.modes) & {"burst", "request", "paced"}:
        with _server() as address:
            bench.played(address)
    if "import" in bench.modes:
        bench.imported()
    result = _result(bench, began, load)
    print(report.targets(result))
    if bench.quick or bench.modes != list(MODES) or bench.rows != list(ROWS):
        print(report.table(result))  # a part of a run replaces no whole one
    else:
        report.write(result, RESULTS)


if __name__ == "__main__":
    main()
