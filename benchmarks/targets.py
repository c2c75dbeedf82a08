"""What this client is to cost, and whether it does.

Every target is a ratio of two rows of one run, medians both, since microseconds of one machine say
nothing on another. Only importing is absolute. Where several families are asked, the worst decides.
``must`` holds for a release; ``stretch`` is what is thought possible.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from benchmarks.rows import FAMILIES, FLOOR, OURS, shown

__all__ = ["DRAIN", "TARGETS", "Judged", "Target", "figure", "judge"]

DRAIN: Final = "drain"
"""The floor's name in the measurements without a kernel."""

_OPENAI: Final = ("openai_chat", "openai_responses")


class Target(NamedTuple):
    """A bound. ``over`` is the row that ours is compared with; ``at_least`` asks for its ratio to ours."""

    name: str
    mode: str
    over: str
    must: float
    stretch: float
    at_least: bool = False
    families: tuple[str, ...] = FAMILIES
    ours: str = OURS


TARGETS: Final = (
    Target("fed without a kernel, over the drain", "fed", DRAIN, 2.0, 1.3, ours="events"),
    Target("burst, over plain aiohttp", "burst", FLOOR, 2.7, 2.0),
    Target("one token per segment, over plain aiohttp", "paced", FLOOR, 1.3, 1.0),
    Target("burst, less than openai", "burst", "openai, httpx", 20, 30, True, _OPENAI),
    Target(
        "burst, less than anthropic over aiohttp",
        "burst",
        "anthropic, aiohttp",
        4,
        7,
        True,
        ("anthropic",),
    ),
    Target(
        "burst, less than litellm",
        "burst",
        "litellm",
        75,
        110,
        True,
        ("openai_chat", "anthropic", "gemini"),
    ),
    Target("short request, over plain aiohttp", "request", FLOOR, 2.0, 1.3),
    Target("import, ms of CPU over bare Python", "import", "", 100, 100, families=("",)),
)


class Judged(NamedTuple):
    """A target beside what was measured: by family, and the worst of them."""

    target: Target
    by_family: dict[str, float]
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


def figure(result: dict[str, Any], mode: str, family: str, row: str) -> dict[str, Any] | None:
    """One figure of a result, if it has it."""
    for found in result["figures"]:
        if (found["mode"], found["family"], found["row"]) == (mode, family, row):
            kept: dict[str, Any] = found
            return kept
    return None


def judge(result: dict[str, Any]) -> list[Judged]:
    """Every target beside what was measured."""
    judged = []
    for target in TARGETS:
        by_family = {
            shown(family): value
            for family in target.families
            if (value := _value(result, target, family)) is not None
        }
        worst = None
        if by_family:
            worst = (min if target.at_least else max)(by_family.values())
        judged.append(Judged(target, by_family, worst))
    return judged


def _value(result: dict[str, Any], target: Target, family: str) -> float | None:
    ours = figure(result, target.mode, family, target.ours)
    if ours is None:
        return None
    if not target.over:
        return float(ours["median"]) * 1000
    if "ratio" in ours:
        return float(ours["ratio"])
    other = figure(result, target.mode, family, target.over)
    if other is None:
        return None
    ratio = ours["median"] / other["median"]
    return float(1 / ratio if target.at_least else ratio)
