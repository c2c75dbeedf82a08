"""Four variables of the environment, each a number of the retry policy."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stream import Client, ConfigError, Retry
from gateway_stream.gateway.retries import retry_of

RETRIES = "DATABRICKS_MAX_RETRIES"
FIRST = "DATABRICKS_INITIAL_RETRY_INTERVAL_MS"
FACTOR = "DATABRICKS_BACKOFF_MULTIPLIER"
LONGEST = "DATABRICKS_MAX_RETRY_INTERVAL_MS"
NAMES = (RETRIES, FIRST, FACTOR, LONGEST)
LEAST = {RETRIES: 0, FIRST: 0, FACTOR: 1, LONGEST: 0}


def test_an_empty_environment_leaves_the_defaults() -> None:
    assert retry_of({}) == Retry()
    assert Retry() == Retry(
        retries=3, first_wait=1, factor=2, longest_wait=60, policy="before_first_content"
    )


@pytest.mark.parametrize("nothing", ["", " ", "\t"])
def test_an_empty_variable_is_an_unset_one(nothing: str) -> None:
    assert retry_of(dict.fromkeys(NAMES, nothing)) == Retry()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        (RETRIES, "0", "retries", 0),
        (RETRIES, "7", "retries", 7),
        (RETRIES, " 7 ", "retries", 7),
        (FIRST, "250", "first_wait", 0.25),
        (FIRST, "0", "first_wait", 0),
        (FACTOR, "1", "factor", 1),
        (FACTOR, "1.5", "factor", 1.5),
        (LONGEST, "90000", "longest_wait", 90),
        (LONGEST, "1e3", "longest_wait", 1),
    ],
)
def test_a_variable_sets_its_own_number_alone(
    name: str, text: str, field: str, value: float
) -> None:
    fields: dict[str, Any] = {field: value}
    assert retry_of({name: text}) == Retry(**fields)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["many", "1,5", "0x10", "nan", "inf", "-1", "-0.001", "1e999"])
def test_nonsense_is_refused_with_the_variables_name(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        retry_of({name: text})
    assert f"{LEAST[name]} or more" in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["0", "0.5", "0.999"])
def test_waits_may_not_shrink(text: str) -> None:
    with pytest.raises(ConfigError, match=FACTOR):
        retry_of({FACTOR: text})


def test_retries_are_counted_whole() -> None:
    with pytest.raises(ConfigError, match=RETRIES):
        retry_of({RETRIES: "2.5"})


def test_a_long_value_is_not_told_whole() -> None:
    with pytest.raises(ConfigError) as caught:
        retry_of({RETRIES: "x" * 10_000})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", NAMES)
def test_a_client_reads_them_where_it_is_made(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "nonsense")
    with pytest.raises(ConfigError, match=name):
        Client(host="http://127.0.0.1:1", token="dapi-x")


def test_what_is_given_in_code_counts_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(RETRIES, "9")
    policy = Client(host="http://127.0.0.1:1", token="dapi-x")._sender._retry
    assert policy == Retry(retries=9)
    mine = Retry(retries=1)
    assert Client(host="http://127.0.0.1:1", token="dapi-x", retry=mine)._sender._retry == mine
    word = Client(host="http://127.0.0.1:1", token="dapi-x", retry="reset")._sender._retry
    assert word == Retry(retries=9, policy="reset")
