"""A result as people read it: a table in Markdown, and a plot.

``python -m benchmarks.report`` writes both again from the JSON that was kept.
"""

from __future__ import annotations

import json
from html import escape
from math import log10
from typing import TYPE_CHECKING, Any, Final

from benchmarks.places import RESULTS
from benchmarks.rows import FAMILIES, FLOOR, MODES, ROWS, Mode, shown
from benchmarks.targets import figure, judge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["plot", "table", "targets", "write"]

_SHOWN: Final = {
    "fed": MODES["fed"],
    "fed 32": Mode("Fed without a kernel, 32 events at a time: CPU µs for each token"),
    **MODES,
}
_READING: Final = (
    "Medians of one run, with the least and the most in brackets, then the ratio to plain aiohttp in "
    "the same column. What is measured, and how, stands in [the README](../README.md)."
)
_FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'
_PACKAGES: Final = (
    *("aiohttp", "httpx", "httpx2", "openai", "anthropic", "google-genai", "litellm"),
    *("pydantic-ai-slim", "databricks-openai", "msgspec", "pydantic", "uvloop"),
)
_COLOURS: Final = {
    "openai_chat": "#0072b2",
    "openai_responses": "#d55e00",
    "anthropic": "#009e73",
    "gemini": "#cc79a7",
}


def _lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def targets(result: dict[str, Any]) -> str:
    """The targets beside what was measured."""
    rows = []
    for judged in judge(result):
        target = judged.target
        sign = "≥" if target.at_least else "≤"
        seen = ", ".join(f"{name} {value:.3g}".strip() for name, value in judged.by_column.items())
        bounds = [f"{sign} {target.must:g}", f"{sign} {target.stretch:g}"]
        rows.append([target.name, *bounds, seen or "-", judged.verdict])
    return _lines(("target", "must", "stretch", "measured", "verdict"), rows)


def table(result: dict[str, Any]) -> str:
    """All figures: for each mode a table of rows and columns."""
    parts = []
    for name, mode in _SHOWN.items():
        found = [figure for figure in result["figures"] if figure["mode"] == name]
        known = {row.name: None for row in ROWS} | {figure["row"]: None for figure in found}
        rows = [row for row in known if any(figure["row"] == row for figure in found)]
        columns = [
            column for column in mode.columns if any(figure["column"] == column for figure in found)
        ]
        if rows:
            cells = [
                [row, *[_cell(result, name, column, row) for column in columns]] for row in rows
            ]
            head = ("client", *[shown(column) for column in columns])
            parts.append(f"## {mode.title}\n\n{_lines(head, cells)}")
    return "\n\n".join(parts)


def _short(value: float) -> str:
    """Three digits that count, and all of them before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004  beyond, e+03


def _cell(result: dict[str, Any], mode: str, column: str, row: str) -> str:
    found = figure(result, mode, column, row)
    if found is None:
        return ""
    shown_as = _SHOWN[mode]
    low, middle, high = (_short(found[name] * shown_as.unit) for name in ("min", "median", "max"))
    text = f"{middle} ({low}-{high})" if low != high else middle
    floor = figure(result, mode, column, FLOOR)
    ratio = found.get("ratio") or (floor and found["median"] / floor["median"])
    if ratio and column:
        text += f", {ratio:.3g}x"
    return text + _remark(mode, found["repetitions"])


def _remark(mode: str, repetitions: list[dict[str, float]] | int) -> str:
    """What a figure does not say itself."""
    details = repetitions if isinstance(repetitions, list) else []
    if any(detail.get("server_full") for detail in details):
        return ", all that the server plays"
    kept_up = [detail["kept_up"] for detail in details if "kept_up" in detail]
    # It did not read as fast as the tokens came, so what it read was cheaper than one by one.
    if mode in ("paced", "streams") and kept_up and min(kept_up) < 0.95:  # noqa: PLR2004
        return f", fell behind ({min(kept_up):.0%})"
    return ""


def _document(result: dict[str, Any]) -> str:
    machine, load = result["machine"], result["load"]
    told = [
        "# Results",
        _READING,
        f"{result['date']}, {result['minutes']} minutes. {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}. Load {load['before']:.2f} before, {load['after']:.2f} after.",
        "![CPU for each token](results.svg)",
        "## Targets",
        targets(result),
        table(result),
    ]
    if result["failures"]:
        told += [
            "## Not measured",
            *[f"- {what}: {why}" for what, why in result["failures"].items()],
        ]
    told += ["## Versions", _versions(result)]
    return "\n\n".join(told) + "\n"


def _versions(result: dict[str, Any]) -> str:
    rows = [
        [
            name,
            ", ".join(f"{package} {found[package]}" for package in _PACKAGES if package in found),
        ]
        for name, found in result["versions"].items()
    ]
    return _lines(("environment", "versions"), rows)


def plot(result: dict[str, Any]) -> str:
    """Burst and paced beside each other, a dot for each family, on a logarithmic axis; SVG."""
    drawn = {found["row"] for found in result["figures"] if found["mode"] in ("burst", "paced")}
    names = [row.name for row in ROWS if row.name in drawn]
    left, width, top, line = 215, 330, 56, 24
    bottom = top + line * len(names)
    size = f"0 0 {left + 2 * width + 70} {bottom + 64}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" {_FONT}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, name in enumerate(names):
        weight = ' font-weight="bold"' if name.startswith("gateway_stream") else ""
        y = top + line * number + line / 2 + 4
        parts.append(
            f'<text x="{left - 8}" y="{y}" text-anchor="end"{weight}>{escape(name)}</text>'
        )
    for panel, (mode, title) in enumerate(
        (("burst", "burst"), ("paced", "one token per segment, many streams"))
    ):
        parts += _panel(result, mode, title, names, (left + panel * (width + 40), width, top, line))
    x = float(left)
    for family in FAMILIES:
        parts.append(f'<circle cx="{x + 5}" cy="{bottom + 50}" r="5" fill="{_COLOURS[family]}"/>')
        parts.append(f'<text x="{x + 14}" y="{bottom + 54}">{shown(family)}</text>')
        x += 100
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    result: dict[str, Any],
    mode: str,
    title: str,
    names: list[str],
    place: tuple[int, int, int, int],
) -> list[str]:
    left, width, top, line = place
    ticks = (0.1, 1, 10, 100, 1000)
    bottom = top + line * len(names)

    def across(microseconds: float) -> float:
        share = (log10(microseconds) - log10(ticks[0])) / (log10(ticks[-1]) - log10(ticks[0]))
        return round(left + width * min(max(share, 0), 1), 1)

    parts = [f'<text x="{left}" y="{top - 30}" font-weight="bold">{title}</text>']
    parts.append(f'<text x="{left}" y="{top - 14}" fill="#555">CPU µs for each token</text>')
    for tick in ticks:
        x = across(tick)
        parts.append(f'<path d="M{x} {top}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    for number, name in enumerate(names):
        y = top + line * number + line / 2
        for family in FAMILIES:
            found = figure(result, mode, family, name)
            if found is not None:
                x, colour = across(found["median"] * 1e6), _COLOURS[family]
                parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}" fill-opacity=".8"/>')
    return parts


def write(result: dict[str, Any], folder: Path) -> None:
    """Write JSON, table and plot."""
    folder.mkdir(exist_ok=True)
    figures = ",\n  ".join([json.dumps(figure) for figure in result["figures"]])
    rest = json.dumps({**result, "figures": []}, indent=1)
    whole = rest.replace('"figures": []', f'"figures": [\n  {figures}\n ]')
    (folder / "results.json").write_text(whole + "\n")
    (folder / "README.md").write_text(_document(result))
    (folder / "results.svg").write_text(plot(result))


if __name__ == "__main__":
    write(json.loads((RESULTS / "results.json").read_text()), RESULTS)
