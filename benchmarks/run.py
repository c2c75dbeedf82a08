"""Measures this client beside others: ``make bench``, or ``python -m benchmarks.run --help``.

One run on one machine. The repetition is the outer loop: within one, every row of every column has its
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
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import environments, report
from benchmarks.places import RESULTS, ROOT
from benchmarks.playing import playing
from benchmarks.rows import CHAT, COUNTS, FAMILIES, IMPORTS, MODES, OURS, ROWS, Row
from benchmarks.targets import DRAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.playing import Playing

__all__ = ["Bench", "figures", "main", "options"]

_SECONDS: Final = 100  # that one measurement may take
_CPU: Final = "import resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime, flush=True)"
_TOGETHER: Final = (
    ("request", "burst"),
    *(("paced",), ("streams",), ("memory",), ("delay",), ("saturation",)),
)
"""Modes that one process measures, one after the other."""
_INTERVAL_MS: Final = 50
_RATE: Final = 10  # tokens a millisecond, where numbers of streams are compared
_OPEN: Final = {"memory": 1000, "delay": 200, "saturation": 500}
_STAMPED: Final = ("delay", "saturation")


class Failed(Exception):
    """A measurement gave no figure; its text is the reason, in one line."""


def options(arguments: list[str]) -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument(
        "--peers", help="rows whose names begin so, separated by ';' (default: all)"
    )
    parser.add_argument("--modes", default=",".join(MODES), help="default: all, %(default)s")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one short repetition, to see that all works"
    )
    return parser.parse_args(arguments)


def _child(
    environment: str, arguments: list[str], surroundings: Mapping[str, str] | None = None
) -> Any:
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
            env={**os.environ, **(surroundings or {})},
        )
    except subprocess.TimeoutExpired:
        message = f"it took longer than {_SECONDS} s"
        raise Failed(message) from None
    if done.returncode:
        raise Failed((done.stderr.strip() or "it ended without a word").splitlines()[-1][:300])
    return json.loads(done.stdout.splitlines()[-1])


class Bench:
    """What is to be measured, and what was."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.quick: bool = chosen.quick
        self.repetitions: int = 1 if self.quick else chosen.repetitions
        self.families = [name for name in FAMILIES if name in chosen.families.split(",")]
        self.modes = [name for name in MODES if name in chosen.modes.split(",")]
        begins = tuple(chosen.peers.split(";")) if chosen.peers else ("",)
        self.rows = [
            row for row in ROWS if row.name.startswith(begins) and set(row.modes) & set(self.modes)
        ]
        self.imports = [
            name for name in IMPORTS if name.startswith(begins) and "import" in self.modes
        ]
        self.figures: dict[tuple[str, str, str], list[tuple[float, dict[str, float]]]] = {}
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

    def note(self, mode: str, column: str, name: str, figures: dict[str, float]) -> None:
        """Keep one measurement."""
        rounded = {what: float(f"{value:.4g}") for what, value in figures.items()}
        known = MODES[mode]
        for each in known.columns if known.figures else (column,):
            value = rounded[each if known.figures else "cpu"]
            self.figures.setdefault((mode, each, name), []).append((value, rounded))
            print(f"{mode} {each} {name}: {value * known.unit:.4g}", file=sys.stderr)

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
                        figures = {"ratio": seconds / floor}
                        self.figures.setdefault((mode, family, name), []).append((seconds, figures))

    def played(self, server: Playing) -> None:
        """Everything that needs the server."""
        groups = [[mode for mode in group if mode in self.modes] for group in _TOGETHER]
        if not server.tls:
            self.failures["all with TLS"] = "openssl made no certificate"
        for repetition in range(self.repetitions):
            for modes in filter(None, groups):
                rows = self.rows[repetition:] + self.rows[:repetition]
                rows = [row for row in rows if self._due(row, modes[0], repetition)]
                for column in self._columns(modes[0]):
                    for row in rows:
                        if column in row.families or column not in FAMILIES:
                            wanted = [mode for mode in modes if mode in row.modes]
                            self._play(row, column, wanted, server)

    @staticmethod
    def _due(row: Row, mode: str, repetition: int) -> bool:
        often, else_ = MODES[mode].every
        return repetition % (often if row.often else else_) == 0

    def _columns(self, mode: str) -> list[str]:
        """What is measured one after the other: families, numbers of streams, or one thing."""
        if MODES[mode].columns == FAMILIES:
            return self.families
        return [str(count) for count in COUNTS] if mode == "streams" else [""]

    def _play(self, row: Row, column: str, modes: list[str], server: Playing) -> None:
        if not modes or (row.tls and not server.tls):
            return
        task = {
            "peer": row.peer,
            "variant": "stamped" if modes[0] in _STAMPED else row.variant,
            "family": column if column in FAMILIES else CHAT[0],
            "address": server.tls if row.tls else server.plain,
            "loop": row.loop,
            "measures": [self._measure(row, column, mode) for mode in modes],
        }
        trusted = {"SSL_CERT_FILE": server.certificate} if row.tls else {}
        try:
            found = _child(row.environment, ["-m", "benchmarks.child", json.dumps(task)], trusted)
        except Failed as error:
            self.failures[f"{row.name}, {column}, {' and '.join(modes)}"] = str(error)
            print(f"{row.name} {column}: {error}", file=sys.stderr)
            return
        for mode, figures in zip(modes, found, strict=True):
            self.note(mode, column, row.name, figures)

    def _measure(self, row: Row, column: str, mode: str) -> tuple[str, dict[str, float]]:
        """What the child is to measure, and how much of it."""
        few = 10 if self.quick else 1
        window = 1.0 if self.quick else 2.0
        if mode == "request":
            return mode, {"requests": max(20, row.tokens // 50 // few)}
        if mode == "burst":
            return mode, {"tokens": max(1000, row.tokens // few)}
        if mode == "paced":
            return mode, {"streams": row.streams, "interval": _INTERVAL_MS, "window": window}
        if mode == "streams":
            many = int(column)
            return "paced", {"streams": many, "interval": many / _RATE, "window": window}
        how: dict[str, float] = {"streams": _OPEN[mode]}
        if mode == "delay":
            return mode, {**how, "interval": _INTERVAL_MS, "window": window}
        return mode, how if mode == "memory" else {**how, "window": window / 2}

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


def figures(bench: Bench) -> list[dict[str, Any]]:
    """What was measured, as it is kept: the median of the repetitions, and all of them."""
    kept = []
    for (mode, column, name), found in bench.figures.items():
        values, details = [value for value, _ in found], [detail for _, detail in found]
        figure: dict[str, Any] = {"mode": mode, "column": column, "row": name}
        figure |= {"min": min(values), "median": statistics.median(values), "max": max(values)}
        if "ratio" in details[0]:
            figure["ratio"] = statistics.median([detail["ratio"] for detail in details])
            figure["repetitions"] = len(found)
        else:
            figure["repetitions"] = details
        kept.append(figure)
    return kept


def _result(bench: Bench, began: float, load: list[float]) -> dict[str, Any]:
    """All that was found, as it is kept."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "quick": bench.quick,
        "machine": _machine(),
        "load": {"before": load[0], "after": os.getloadavg()[0]},
        "versions": bench.versions,
        "failures": bench.failures,
        "figures": figures(bench),
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
    bench = Bench(options(sys.argv[1:]))
    bench.prepare()
    began, load = time.monotonic(), list(os.getloadavg())
    if "fed" in bench.modes:
        bench.fed()
    if any(mode in bench.modes for group in _TOGETHER for mode in group):
        with playing() as server:
            bench.played(server)
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
