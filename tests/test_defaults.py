"""The page of limits and defaults says what the code does.

Its third column names where a number is set: an argument that can be given, or a name in the code. Each row is
followed there, so that neither can change without the other. What can be set has to have a row.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import gateway_stream
from gateway_stream import (
    Client,
    EventStream,
    Limits,
    Overloaded,
    Retry,
    Timeouts,
    budget,
    client,
    fan_out,
    tee,
    writing,
)
from gateway_stream.gateway.retries import retry_of
from gateway_stream.net import admission, breaker, connections, retry
from gateway_stream.testing import FakeGateway, Reply

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "limits-and-defaults.md"
ARGUMENT = re.compile(r"`(?P<owner>[\w.]+)\((?P<name>\w+)=\)`")
CONSTANT = re.compile(r"`(?P<module>[a-z_.]+)\.(?P<name>[A-Z_]+(?:\.\w+)?)`")
UNITS = {"s": 1, "d": 86_400, "bytes": 1, "KiB": 1024, "MiB": 1024 * 1024}
NUMBERS_OF = (
    "net.breaker",
    "net.connections",
    "net.loops",
    "net.names",
    "net.place",
    "net.reads",
    "net.retry",
)
"""Modules whose public numbers each decide how something goes, and so have a row."""


class Row(NamedTuple):
    what: str
    default: str
    set_by: str
    environment: str
    why: str


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(*row) for row in cells if row[1] not in ("", "default")]


ROWS = rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.set_by.strip("`"))


def told(default: str) -> object:
    """What a cell of the table means."""
    if default == "none":
        return None
    if default.startswith("`"):
        return default.strip("`")
    number, _, unit = default.partition(" ")
    return float(number.replace(",", "")) * (UNITS[unit] if unit else 1)


def meant(set_by: str) -> object:
    """What the code has where a cell of the table says that it is set."""
    if argument := ARGUMENT.fullmatch(set_by):
        owner: Any = gateway_stream
        for name in argument["owner"].split("."):
            owner = getattr(owner, name)
        return inspect.signature(owner).parameters[argument["name"]].default
    constant = CONSTANT.fullmatch(set_by)
    assert constant, set_by
    value: Any = importlib.import_module(f"gateway_stream.{constant['module']}")
    for name in constant["name"].split("."):
        value = getattr(value, name)
    return value


@each_row
def test_a_default_is_what_the_page_says(row: Row) -> None:
    assert told(row.default) == meant(row.set_by)


@each_row
def test_a_default_has_a_reason(row: Row) -> None:
    assert row.what
    assert row.why


def test_whatever_can_be_set_is_on_the_page() -> None:
    by_argument = {
        *(f"{struct.__name__}({name}=)" for struct in (Timeouts, Retry, Limits)
          for name in struct.__struct_fields__),
        *(f"{name}({parameter}=)" for name, settable in (
            ("Client", Client), ("Client.session", Client.session), ("fan_out", fan_out),
            ("EventStream.tee", EventStream.tee))
          for parameter, given in inspect.signature(settable).parameters.items()
          if type(given.default) in (int, float)),
    }  # fmt: skip
    assert by_argument - {row.set_by.strip("`") for row in ROWS} == set()


@pytest.mark.parametrize("name", NUMBERS_OF)
def test_whatever_a_module_fixes_is_on_the_page(name: str) -> None:
    module = importlib.import_module(f"gateway_stream.{name}")
    fixed = {
        f"{name}.{public}" for public in module.__all__ if type(getattr(module, public)) in (int, float)
    }  # fmt: skip
    assert fixed - {row.set_by.strip("`") for row in ROWS} == set()


def test_what_is_written_twice_is_the_same() -> None:
    assert client.QUEUE_SIZE == admission.QUEUE_SIZE
    assert writing._BYTES_OF_A_TOKEN == budget.BYTES_OF_A_TOKEN
    given, taken = (inspect.signature(way).parameters for way in (EventStream.tee, tee.tee))
    for name in ("slow", "journal", "on_no_readers", "grace"):
        assert given[name].default == taken[name].default, name


def test_other_pages_say_the_same() -> None:
    reference = (PAGE.parent / "client.md").read_text()
    for value in (Timeouts(), Retry()):
        assert f"`{value!r}`".replace("'", '"') in reference
    explanation = (PAGE.parent.parent / "explanation" / "retries-and-clocks.md").read_text()
    ends = re.findall(r"ends after (\d+) s, `(\w+)`", explanation)
    assert {clock for _, clock in ends} == {"first_content", "silence", "progress"}
    assert [float(seconds) for seconds, _ in ends] == [
        getattr(Timeouts(), clock) for _, clock in ends
    ]
    for said in (
        f"more than {retry.LONGEST_STATED_WAIT:g} s",
        f"After {breaker.FIRST_PAUSE:g} s it lets one request through",
        f"{breaker.LONGEST_PAUSE:g} s at most",
        f"among the {connections.HANDSHAKES} that are made at once",
        f"{Retry().longest_wait:g} at most",
        "After ten faults in a row",
    ):
        assert said in explanation
    assert breaker.FAULTS == 10


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.environment], ids=lambda row: row.environment
)
def test_a_variable_sets_what_the_page_says(row: Row) -> None:
    argument = ARGUMENT.fullmatch(row.set_by)
    assert argument
    variable = row.environment.strip("`")
    plain, changed = retry_of({}), retry_of({variable: "7"})
    seconds = 7 / 1000 if variable.endswith("_MS") else 7
    assert getattr(plain, argument["name"]) == told(row.default)
    assert getattr(changed, argument["name"]) == seconds
    others = [name for name in Retry.__struct_fields__ if name != argument["name"]]
    assert [getattr(changed, name) for name in others] == [getattr(plain, name) for name in others]


async def test_a_client_takes_its_retries_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABRICKS_MAX_RETRIES", "1")
    monkeypatch.setenv("DATABRICKS_INITIAL_RETRY_INTERVAL_MS", "0")
    async with (
        FakeGateway(default=Reply.error(503, b"busy")) as gateway,
        Client(host=gateway.url, token="dapi-x") as client,
    ):
        with pytest.raises(Overloaded):
            await client.complete("claude", "why?")
        assert len(gateway.requests) == 2
        with pytest.raises(Overloaded):
            await client.complete("claude", "why?", retry=Retry(retries=0))
        assert len(gateway.requests) == 3
