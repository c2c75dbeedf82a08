"""How long to wait, from whatever states it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.wire.failures import read_failure
from gateway_stream.wire.retry_after import delay, header_wait, reset_wait, text_wait
from tests.support.corpus import conformance, needs_corpus

NOW = 1_696_004_797.0
IN_20_SECONDS = "Fri, 29 Sep 2023 16:26:57 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": " 1.58 "}, 1.58),
        ({"retry-after": "30s"}, 30),
        ({"retry-after": "86400"}, 86_400),
        ({"retry-after": IN_20_SECONDS}, 20),
        ({"retry-after": "Friday, 29-Sep-23 16:26:57 GMT"}, 20),
        ({"retry-after": "Fri Sep 29 16:26:57 2023"}, 20),
        ({"retry-after": "2023-09-29T16:26:57Z"}, 20),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "abc", "retry-after": "20"}, 20),
        ({"retry-after-ms": "-5", "retry-after": "20"}, 20),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-10"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "2592001"}, None),
        ({"retry-after": "Fri, 29 Sep 2023 16:26:27 GMT"}, None),
        ({"retry-after": "Fri, 29 Sep 100000 16:26:57 GMT"}, None),
        ({}, None),
    ],
)
def test_a_header_states_seconds_in_every_form(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert header_wait(headers, NOW) == seconds


def test_a_date_needs_a_clock_and_the_servers_own_comes_first() -> None:
    headers = {"Retry-After": IN_20_SECONDS}
    assert read_failure(503, headers, b"").retry_after is None
    assert read_failure(503, headers, b"", now=NOW).retry_after == 20
    dated = headers | {"DATE": "Fri, 29 Sep 2023 16:26:50 GMT"}
    assert read_failure(503, dated, b"", now=NOW).retry_after == 7
    assert read_failure(503, headers | {"date": "yesterday"}, b"", now=NOW).retry_after == 20


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 6ms. Contact us", 0.006),
        ("Please try again in 23.03s.", 23.03),
        ("try again in 1m2.5s", 62.5),
        ("Try again in 1h2m3s", 3723),
        ("Please retry after 17 seconds.", 17),
        ("retry in about 2 minutes", 120),
        ("wait for 1 hour and 5 minutes", 3900),
        ("Please\nretry your request after\n9 s", 9),
        ("Retry after the daily spend limit resets", None),
        ("try again in 5 attempts", None),
        ("try again in 5", None),
        ("if created within the last 5 minutes, please wait a moment and try again", None),
        ("try again in 0s", None),
        ("", None),
    ],
)
def test_a_sentence_states_a_wait_only_with_its_unit(text: str, seconds: float | None) -> None:
    assert text_wait(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("42.000000001s", 42.000000001),
        ("34s", 34),
        ({"seconds": 42, "nanos": 500_000_000}, 42.5),
        ({"seconds": "42"}, 42),
        ({}, None),
        (7, 7),
        (0.5, 0.5),
        (True, None),
        (-1, None),
        (10**400, None),
        (float("nan"), None),
        ([1], None),
        ("x", None),
    ],
)
def test_a_value_of_json_states_seconds(value: Any, seconds: float | None) -> None:
    assert delay(value) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1696004807000"}, 10),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1696004807"}, 10),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "10"}, 10),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s"}, None),
        (
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6.5s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
            },
            6.5,
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2023-09-29T16:26:57Z",
                "anthropic-ratelimit-requests-remaining": "5",
                "anthropic-ratelimit-requests-reset": "2023-09-29T17:26:57Z",
            },
            20,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1696004790000"}, None),
    ],
)
def test_a_reset_counts_only_for_a_limit_that_is_used_up(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert reset_wait(headers, NOW) == seconds


def test_a_reset_is_no_wait_for_what_is_no_limit() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "10"}
    assert read_failure(429, headers, b"").retry_after == 10
    assert read_failure(500, headers, b"").retry_after is None


HEADERS = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1696004807000"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        (
            {"retry-after": "3"},
            {"message": "try again in 4s", "details": [{"retryDelay": "5s"}]},
            3,
        ),
        (
            {"retry-after": "0"},
            {"message": "try again in 4s", "details": [{"retryDelay": "5s"}]},
            5,
        ),
        ({}, {"error": {"message": "m", "details": [{"retry_delay": {"seconds": 5}}]}}, 5),
        ({}, {"error": {"message": "m", "retry_after": 6}}, 6),
        ({}, {"message": "try again in 4s"}, 4),
        ({}, {"error": {"message": "m", "metadata": {"headers": HEADERS}}}, 10),
        ({}, {"error": {"message": "m", "metadata": {"headers": {"Retry-After": "8"}}}}, 8),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"},
            {"message": "try again in 4s"},
            4,
        ),
    ],
)
def test_the_header_counts_before_the_body_and_the_body_before_a_reset(
    headers: dict[str, str], body: Any, seconds: float
) -> None:
    assert read_failure(429, headers, json.dumps(body).encode(), now=NOW).retry_after == seconds


@given(
    st.dictionaries(
        st.sampled_from(
            ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-remaining"]
        ),
        st.text(),
    ),
    st.text(),
)
def test_any_header_states_a_usable_wait_or_none(headers: dict[str, str], text: str) -> None:
    for wait in (header_wait(headers, NOW), reset_wait(headers, NOW), text_wait(text), delay(text)):
        assert wait is None or 0 < wait <= 30 * 86_400


# Cases of public test suites. Where two of them contradict each other, one line says what holds here.

OTHER_RULES = {
    # The Databricks SDK reads whole seconds only; RFC 9110 also has dates, and gateways send fractions.
    "retry-082": 1.58,
    "retry-087": 1.58,
    "retry-089": "a date",
    # A cap on how long to wait is the caller's, who knows the deadline: the header is passed on.
    "retry-006": 121,
    "retry-013": 121,
    "retry-027": 61,
    "retry-032": 61,
    "retry-040": True,
    "retry-044": True,
    # 500, 502 and 504 are retried by the SDKs of OpenAI, Anthropic and Google, not by Databricks'.
    "retry-090": True,
    "retry-091": True,
    "retry-092": True,
    # 409 is retried by the SDKs of OpenAI and Anthropic, not by Google's.
    "retry-122": True,
}


def cases(*kinds: str) -> list[Any]:
    folder = conformance()
    if folder is None:
        return []
    listed = json.loads((folder / "retry_cases.json").read_text())["cases"]
    return [pytest.param(case, id=case["id"]) for case in listed if case["kind"] in kinds]


def body_of(case: dict[str, Any]) -> bytes:
    body = case["input"].get("body", "")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@needs_corpus
@pytest.mark.parametrize("case", cases("retry_after"))
def test_a_stated_wait_is_read_as_the_vendors_do(case: dict[str, Any]) -> None:
    given_ = case["input"]
    wait = read_failure(
        given_.get("status", 429), given_["headers"], b"", now=given_.get("now_unix", NOW)
    ).retry_after
    expected = case["expected"]["delay_s"] if case["expected"]["source"] == "server" else None
    other = OTHER_RULES.get(case["id"], expected)
    assert wait == (20 if other == "a date" else other)


@needs_corpus
@pytest.mark.parametrize("case", cases("should_retry", "message_retry"))
def test_what_may_be_retried_is_what_the_vendors_retry(case: dict[str, Any]) -> None:
    given_ = case["input"]
    failure = read_failure(
        given_["status"], given_.get("headers", {}), body_of(case), now=given_.get("now_unix")
    )
    assert failure.retryable is OTHER_RULES.get(case["id"], case["expected"]["retry"])


@needs_corpus
@pytest.mark.parametrize("case", cases("error_mapping"))
def test_an_error_maps_to_what_the_databricks_sdks_map_it_to(case: dict[str, Any]) -> None:
    given_, expected = case["input"], case["expected"]
    failure = read_failure(given_["status"], given_.get("headers", {}), body_of(case))
    kinds = {
        "Unauthenticated": "auth",
        "TooManyRequests": "rate_limited",
        "TemporarilyUnavailable": "overloaded",
        "NotFound": "route_not_found",  # the body names neither a model nor a word for one
    }
    if "class" in expected:
        assert failure.kind == kinds[expected["class"]]
    if "message" in expected:
        assert failure.message in expected["message"]
    if expected.get("error_code") and not expected["error_code"].startswith("SCIM"):
        assert failure.code == expected["error_code"]
    if "Retry-After" in given_.get("headers", {}):
        assert failure.retry_after == expected["retry_after_s"]
