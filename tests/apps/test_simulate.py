"""``gateway-stream simulate`` with scenarios."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest

from gateway_stream.testing.scenarios import SCENARIOS
from tests.apps.commands import COMMAND, run, surroundings, told

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


async def test_the_page_tells_each_option() -> None:
    done = await run("simulate", "--help")
    options = set(re.findall(r"--[a-z]+", done.stdout.decode())) - {"--help"}
    assert options >= {"--port", "--scenario", "--list", "--score"}
    section = PAGE.read_text().split("## `gateway-stream simulate`")[1].split("\n## ")[0]
    assert {option for option in options if f"| `{option}" not in section} == set()


async def test_the_scenarios_are_listed_with_what_a_client_must_do() -> None:
    done = await run("simulate", "--list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 2 * len(SCENARIOS)
    for scenario, happens, must in zip(SCENARIOS, lines[::2], lines[1::2], strict=True):
        assert happens.split()[:2] == [scenario.number, scenario.name]
        assert happens.endswith(scenario.happens)
        assert must.endswith(scenario.must)


@pytest.mark.parametrize("named", ["filtered", "S13", "s13"])
async def test_a_scenario_is_served_by_name_and_by_number(named: str) -> None:
    command = [str(COMMAND), "simulate", "--scenario", named]
    process = await anyio.open_process(
        command, env=surroundings(PYTHONUNBUFFERED="1"), stdout=PIPE, stderr=PIPE
    )
    async with process:
        assert process.stdout is not None
        with anyio.fail_after(20):
            shown = (await process.stdout.receive()).decode()
        url = shown.split("listening on ")[1].split(";")[0]
        refused = await run("chat", "-m", "claude", "why?", "--base-url", url)
        healthy = await run("chat", "-m", "healthy", "why?", "--base-url", url)
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            assert await process.wait() == 130
    assert "S13 filtered: Every try is refused with 400" in shown
    assert "every model does but 'healthy'" in shown
    assert refused.returncode == 4
    assert "content_policy_violation" in told(refused)[0]
    assert healthy.returncode == 0
    assert b"A harbour is judged" in healthy.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--scenario", "nonsense"], "there is no scenario 'nonsense'; --list shows them"),
        (["--scenario", "cut", "--list"], "give one"),
        (["--list", "--score"], "give one"),
        (["--score", "--port", "8000"], "--port is for what is served"),
    ],
)
async def test_what_does_not_go_together_is_refused(arguments: list[str], text: str) -> None:
    done = await run("simulate", *arguments)
    assert done.returncode == 2
    assert text in " ".join(told(done))


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_this_client_passes_all_and_the_score_says_so() -> None:
    with anyio.fail_after(150):
        done = await anyio.run_process(
            [str(COMMAND), "simulate", "--score"], env=surroundings(), check=False
        )
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stdout
    assert len(lines) == 4 * len(SCENARIOS) + 1
    assert all(line.startswith("pass  S") for line in lines[:-1])
    assert lines[-1] == "64 pass, 0 safe, 0 fail"
