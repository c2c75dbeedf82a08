"""The page tells what the values are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_stream.testing.scenarios import SCENARIOS, Scenario

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scenarios.md"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.number)
def test_the_page_tells_each_scenario_as_it_is(scenario: Scenario) -> None:
    row = f"| {scenario.number} | `{scenario.name}` | {scenario.happens} | {scenario.must} |"
    assert row in PAGE.read_text().splitlines()
