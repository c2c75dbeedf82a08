"""What this client is to cost, and whether it does.

A target is a ratio of two figures of one run, medians both, since microseconds of one machine say nothing
on another; most are of two rows, one of two numbers of streams. Absolute are only importing, memory and the
rate that a core takes. Where several families are asked, the worst decides. ``must`` holds for a release;
``stretch`` is what is thought possible.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from benchmarks.rows import CHAT, FAMILIES, FLOOR, MODES, OPENAI, OURS, shown

__all__ = ["DRAIN", "TARGETS", "Judged", "Target", "figure", "judge"]

DRAIN: Final = "drain"
"""The floor's name in the measurements without a kernel."""

_ANTHROPIC: Final = ("anthropic",)
_LARGE_AND_SMALL: Final = ("openai_chat", "anthropic")
_ON_UVLOOP: Final = f"{OURS}, uvloop"


class Target(NamedTuple):
    """A bound.

    Attributes:
        name: what is bounded.
        mode: the kind of measurement.
        over: the row that ours is compared with; none for an absolute bound.
        must: the bound.
        stretch: the bound that is thought possible.
        at_least: whether the figure is to be higher; of two rows it is then theirs over ours.
        columns: where it is looked at.
        ours: the row of this client.
        over_column: the column of the same row that it is compared with, instead of another row.
    """

    name: str
    mode: str
    over: str
    must: float
    stretch: float
    at_least: bool = False
    columns: tuple[str, ...] = FAMILIES
    ours: str = OURS
    over_column: str = ""


TARGETS: Final = (
    Target("fed without a kernel, over the drain", "fed", DRAIN, 2.0, 1.3, ours="events"),
    Target("burst, over plain aiohttp", "burst", FLOOR, 2.0, 1.5),
    Target("burst, less than openai", "burst", "openai, httpx", 30, 30, True, OPENAI),
    Target(
        "burst, less than anthropic over aiohttp",
        "burst",
        "anthropic, aiohttp",
        7,
        10,
        at_least=True,
        columns=_ANTHROPIC,
    ),
    Target("burst, less than litellm", "burst", "litellm", 100, 140, True, CHAT),
    Target("one token per segment, over plain aiohttp", "paced", FLOOR, 0.85, 0.65),
    Target(
        "one token per segment, both on uvloop",
        "paced",
        f"{FLOOR}, uvloop",
        1.2,
        1.0,
        columns=_LARGE_AND_SMALL,
        ours=_ON_UVLOOP,
    ),
    Target(
        "one token per segment, less than openai over aiohttp",
        "paced",
        "openai, aiohttp",
        3.5,
        5,
        at_least=True,
        columns=OPENAI,
    ),
    Target(
        "one token per segment, less than anthropic over aiohttp",
        "paced",
        "anthropic, aiohttp",
        1.7,
        2.2,
        at_least=True,
        columns=_ANTHROPIC,
    ),
    Target(
        "5,000 streams over 10, for each token",
        "streams",
        "",
        1.8,
        1.3,
        columns=("5000",),
        over_column="10",
    ),
    Target(
        "5,000 streams over 10, on uvloop",
        "streams",
        "",
        1.8,
        1.3,
        columns=("5000",),
        ours=_ON_UVLOOP,
        over_column="10",
    ),
    Target(
        "tokens a second on one core, 99 of 100 within 5 ms",
        "saturation",
        "",
        30_000,
        40_000,
        at_least=True,
        columns=("rate",),
    ),
    Target(
        "the same on uvloop",
        "saturation",
        "",
        40_000,
        55_000,
        at_least=True,
        columns=("rate",),
        ours=_ON_UVLOOP,
    ),
    Target("KiB for each open stream", "memory", "", 30, 22, columns=("bytes",)),
    Target(
        "KiB for each open stream, on uvloop",
        "memory",
        "",
        30,
        22,
        columns=("bytes",),
        ours=_ON_UVLOOP,
    ),
    Target(
        "KiB for each open stream with TLS",
        "memory",
        "",
        85,
        85,
        columns=("bytes",),
        ours=f"{OURS}, TLS",
    ),
    Target(
        "KiB for each open stream with TLS, on uvloop",
        "memory",
        "",
        70,
        70,
        columns=("bytes",),
        ours=f"{OURS}, TLS, uvloop",
    ),
    Target("short request, over plain aiohttp", "request", FLOOR, 1.5, 1.3),
    Target("import, ms of CPU over bare Python", "import", "", 100, 100, columns=("",)),
)


class Judged(NamedTuple):
    """A target beside what was measured: by column, and the worst of them."""

    target: Target
    by_column: dict[str, float]
    worst: float | None

    @property
    def verdict(self) -> str:
        """Whether it holds, and by how much."""
        if self.worst is None:
            return "not measured"
        room = self.worst / self.target.must
        room = room - 1 if self.target.at_least else 1 - room
        if room < 0:
            return f"**missed** by {-room:.0%}"
        reached = (
            self.worst >= self.target.stretch
            if self.target.at_least
            else self.worst <= self.target.stretch
        )
        return f"{'stretch' if reached else 'must'} met; {room:.0%} from the must"


def figure(result: dict[str, Any], mode: str, column: str, row: str) -> dict[str, Any] | None:
    """One figure of a result, if it has it."""
    for found in result["figures"]:
        if (found["mode"], found["column"], found["row"]) == (mode, column, row):
            kept: dict[str, Any] = found
            return kept
    return None


def judge(result: dict[str, Any]) -> list[Judged]:
    """Every target beside what was measured."""
    judged = []
    for target in TARGETS:
        by_column = {
            shown(column): value
            for column in target.columns
            if (value := _value(result, target, column)) is not None
        }
        worst = None
        if by_column:
            worst = (min if target.at_least else max)(by_column.values())
        judged.append(Judged(target, by_column, worst))
    return judged


def _value(result: dict[str, Any], target: Target, column: str) -> float | None:
    ours = figure(result, target.mode, column, target.ours)
    if ours is None:
        return None
    if "ratio" in ours:
        return float(ours["ratio"])
    if not (target.over or target.over_column):
        return float(ours["median"] * MODES[target.mode].unit)
    row, beside = target.over or target.ours, target.over_column or column
    other = figure(result, target.mode, beside, row)
    if other is None:
        return None
    ratio = ours["median"] / other["median"]
    return float(1 / ratio if target.at_least else ratio)
