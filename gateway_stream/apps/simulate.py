"""``gateway-stream simulate``: a gateway on this machine that answers by script, or fails by one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway_stream.apps.output import flush, write_line
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.gateway.routes import route
from gateway_stream.testing.demo import simulate
from gateway_stream.testing.scenarios import HEALTHY, SCENARIOS
from gateway_stream.testing.voices import TEXTS
from gateway_stream.wire import FAMILIES

if TYPE_CHECKING:
    from gateway_stream.testing import FakeGateway
    from gateway_stream.testing.playing import Score
    from gateway_stream.testing.scenarios import Scenario

__all__ = ["find_scenario", "print_scenarios", "print_scores", "run_simulation"]


async def run_simulation(port: int, scenario: Scenario | None) -> None:
    """Serve until cancelled.

    Raises:
        ConfigError: the port is taken.
        OutputLost: standard output takes no more.
    """
    try:
        await simulate(lambda gateway: _announce(gateway, scenario), port=port, scenario=scenario)
    except OSError as error:
        message = f"port {port} cannot be served: {error.strerror or error}"
        raise ConfigError(message, hint="Give another with --port, or 0 for a free one.") from error


def find_scenario(named: str) -> Scenario | None:
    """The scenario of a name or number."""
    return next((it for it in SCENARIOS if named.lower() in (it.name, it.number.lower())), None)


def print_scenarios() -> None:
    """Print each scenario's number, name, what happens and what a client must do."""
    for scenario in SCENARIOS:
        _print(f"{scenario.number}  {scenario.name:<14}{scenario.happens}")
        _print(f"{'':<19}must: {scenario.must}")


async def print_scores() -> bool:
    """Play every scenario in every family against this client, print how it did, tell if it passed all."""
    from gateway_stream.testing.scorecard import score  # noqa: PLC0415  brings the client along

    scores = await score(tuple(TEXTS), told=_print_score)
    grades = Counter(scored.grade for scored in scores)
    _print(", ".join(f"{grades[grade]} {grade}" for grade in ("pass", "safe", "fail")))
    return grades["pass"] == len(scores)


def _print_score(scored: Score) -> None:
    scenario = scored.scenario
    line = (
        f"{scored.grade}  {scenario.number}  {scenario.name:<14}{scored.family:<18}"
        f"{scored.tries:>3} tries {scored.seconds:>6.1f} s"
    )
    _print("  ".join([line, *(scored.wrong if scored.grade == "fail" else scored.errors[:1])]))
    flush()


def _announce(gateway: FakeGateway, scenario: Scenario | None) -> None:
    url, base = gateway.url, parse_base(gateway.url)
    paths = [(family, route(base, family, "MODEL", stream=True).url) for family in FAMILIES]
    told = [
        f"listening on {url}; Ctrl-C ends it",
        "it answers for every model, in the family whose path is asked:",
    ]
    if scenario is not None:
        told[1:] = [
            f"{scenario.number} {scenario.name}: {scenario.happens}",
            f"a client must: {scenario.must}",
            f"so every model does but {HEALTHY!r}, in the family whose path is asked:",
        ]
    told += [f"  {family:<17} POST {path}" for family, path in paths]
    told.append(f"try: gateway-stream chat -m claude --base-url {url} 'Why is the sky blue?'")
    _print("\n".join(told))
    flush()


def _print(line: str) -> None:
    write_line(line.encode())
