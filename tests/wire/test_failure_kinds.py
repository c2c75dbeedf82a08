"""Which kind of failure a status, a word or a text is, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.wire.failure_hints import HINTS, Hint, choose_hint
from gateway_stream.wire.failure_words import WORDS
from tests.support.failing import databricks, http, inside

if TYPE_CHECKING:
    from gateway_stream.events import FailureKind


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, "bad_request", False),
        (401, "auth", False),
        (402, "rate_limited", False),
        (403, "access_denied", False),
        (404, "route_not_found", False),
        (405, "route_not_found", False),
        (407, "auth", False),
        (408, "gateway_unavailable", True),
        (409, "gateway_unavailable", True),
        (410, "model_not_found", False),
        (413, "bad_request", False),
        (425, "gateway_unavailable", True),
        (418, "bad_request", False),
        (422, "bad_request", False),
        (424, "gateway_unavailable", True),
        (429, "rate_limited", True),
        (499, "gateway_unavailable", True),
        (500, "gateway_unavailable", True),
        (501, "route_not_found", False),
        (502, "gateway_unavailable", True),
        (503, "overloaded", True),
        (504, "gateway_unavailable", True),
        (505, "gateway_unavailable", False),
        (511, "gateway_unavailable", False),
        (524, "gateway_unavailable", True),
        (529, "overloaded", True),
    ],
)
def test_a_status_alone_names_a_kind(status: int, kind: str, retryable: bool) -> None:
    failure = http(status)
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, status)
    assert failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "hint"),
    [
        (403, databricks("403", "Invalid access token."), "auth", False, "token"),
        (403, b"Token is expiring within 30 seconds.", "auth", False, "new token"),
        (403, databricks("PERMISSION_DENIED", "Error 403 Invalid Token"), "auth", False, "token"),
        (400, databricks("BAD_REQUEST", "Invalid Token"), "auth", False, "token"),
        (400, databricks("BAD_REQUEST", "Invalid token count in prompt"), "bad_request", False, ""),
        (401, databricks("PERMISSION_DENIED", "no"), "auth", False, "token"),
        (401, b"Credential was not sent or was of an unsupported type", "auth", False, "Send cred"),
        (
            403,
            databricks("PERMISSION_DENIED", "needs EXECUTE on x"),
            "access_denied",
            False,
            "EXECUTE",
        ),
        (
            403,
            databricks("PERMISSION_DENIED", "needs USE SCHEMA"),
            "access_denied",
            False,
            "USE SCHEMA",
        ),
        (
            403,
            databricks("PERMISSION_DENIED", "needs CAN QUERY"),
            "access_denied",
            False,
            "CAN QUERY",
        ),
        (403, b"Source IP address 1.2.3.4 is blocked", "access_denied", False, "IP access list"),
        (403, databricks("X", "Invalid access to Org: 1"), "access_denied", False, "geography"),
        (403, {"message": "disabled due to a rate limit of 0"}, "access_denied", False, "enable"),
        (404, databricks("ENDPOINT_NOT_FOUND", "Invalid path"), "route_not_found", False, "route"),
        (404, databricks("FEATURE_DISABLED", "off"), "route_not_found", False, "enable AI Gateway"),
        (404, databricks("NOT_FOUND", "no"), "model_not_found", False, "model"),
        (500, databricks("RESOURCE_DOES_NOT_EXIST", "no"), "model_not_found", False, "model"),
        (
            400,
            {"error": {"message": "The model `m` does not exist"}},
            "model_not_found",
            False,
            "model",
        ),
        (
            400,
            {"error": {"code": "model_decommissioned"}},
            "model_not_found",
            False,
            "still served",
        ),
        (404, b"AI Gateway endpoint does not exist", "model_not_found", False, "model"),
        (404, {"detail": "Not Found"}, "route_not_found", False, "route"),
        (404, b"/v1beta/models/m was not found", "route_not_found", False, "route"),
        (404, {"error": {"message": "Item with id 'rs_1' not found."}}, "bad_request", False, ""),
        (
            501,
            databricks("X", "Use Unity Catalog model services"),
            "route_not_found",
            False,
            "system.ai",
        ),
        (
            400,
            {"message": "m is not available on the chat_completions endpoint"},
            "route_not_found",
            False,
            "Responses",
        ),
        (400, databricks("REQUEST_LIMIT_EXCEEDED", "no"), "rate_limited", True, "fewer"),
        (
            429,
            databricks("X", "account daily spend limit exceeded"),
            "rate_limited",
            False,
            "spend",
        ),
        (429, {"error": {"message": "100 requests per day"}}, "rate_limited", False, "resets"),
        (429, {"error": {"code": "insufficient_quota"}}, "rate_limited", False, "quota"),
        (429, {"error": {"message": "Request too large for m"}}, "rate_limited", False, "smaller"),
        (
            400,
            {"error": {"message": "Your credit balance is too low"}},
            "rate_limited",
            False,
            "credit",
        ),
        (429, databricks("X", "output tokens per minute"), "rate_limited", True, "max_tokens"),
        (429, databricks("X", "input tokens per minute"), "rate_limited", True, "shorter"),
        (429, {"error": {"type": "engine_overloaded_error"}}, "overloaded", True, "pause"),
        (429, {"error": {"message": "The engine is overloaded"}}, "overloaded", True, "pause"),
        (500, {"error": {"type": "overloaded_error"}}, "overloaded", True, "pause"),
        (504, databricks("TEMPORARILY_UNAVAILABLE", "no"), "overloaded", True, "pause"),
        (503, b"scaled to zero", "overloaded", True, "start"),
        (400, b"<pre>Worker environment not ready</pre>", "gateway_unavailable", True, "again"),
        (
            400,
            databricks("X", "RPC token bucket limit has been exceeded"),
            "rate_limited",
            True,
            "",
        ),
        (
            400,
            databricks("X", "max_tokens (9) cannot exceed 8"),
            "bad_request",
            False,
            "max_tokens",
        ),
        (400, databricks("X", "prompt is too long: 9 > 8"), "bad_request", False, "Shorten"),
        (400, databricks("X", 'json: unknown field "metadata"'), "bad_request", False, "field"),
        (400, {"error": {"code": "content_filter"}}, "bad_request", False, "content"),
        (400, {"error": {"code": "tool_use_failed"}}, "stream_failed", True, "tools"),
        (409, databricks("ALREADY_EXISTS", "no"), "bad_request", False, ""),
        (500, {"error": {"message": "no", "code": 400}}, "bad_request", False, ""),
        (504, {"error": {"message": "no", "code": 400}}, "gateway_unavailable", True, "times out"),
    ],
)
def test_words_and_texts_say_what_a_status_cannot(
    status: int, body: Any, kind: str, retryable: bool, hint: str
) -> None:
    failure = http(status, body)
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, status)
    assert hint in (failure.hint or "")


@pytest.mark.parametrize(
    ("asked", "status", "expected"), [("true", 400, True), ("false", 503, False), ("?", 503, True)]
)
def test_the_server_decides_whether_to_retry_where_it_says_so(
    asked: str, status: int, expected: bool
) -> None:
    assert http(status, X_Should_Retry=asked).retryable is expected


@pytest.mark.parametrize(
    ("location", "kind", "hint"),
    [
        ("https://h.example/login?next=/x", "auth", "host"),
        ("", "auth", "host"),
        ("/login.html?error=private-link-validation-error:1", "access_denied", "private link"),
        ("https://other.example/?token=abcdef", "config", "redirect"),
    ],
)
def test_a_redirect_is_a_login_or_another_host(location: str, kind: str, hint: str) -> None:
    failure = http(303, Location=location)
    assert (failure.kind, failure.status, failure.retryable) == (kind, 303, False)
    assert hint in (failure.hint or "")
    assert "?" not in failure.message


@pytest.mark.parametrize(
    ("status", "header", "text", "kind", "retryable", "code"),
    [
        (403, "ExpiredTokenException", "no", "auth", False, "ExpiredTokenException"),
        (403, "AccessDeniedException:http://x/", "no", "access_denied", False, None),
        (400, "ThrottlingException:http://x/", "no", "rate_limited", True, "ThrottlingException"),
        (424, "ModelErrorException", "no", "gateway_unavailable", True, "ModelErrorException"),
        (400, "ValidationException", "model id is invalid", "model_not_found", False, None),
        (400, "", "no", "bad_request", False, None),
    ],
)
def test_a_header_may_name_the_word(
    status: int, header: str, text: str, kind: str, retryable: bool, code: str | None
) -> None:
    failure = http(status, {"message": text}, X_Amzn_ErrorType=header)
    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert code is None or failure.code == code


def test_a_word_of_the_body_counts_before_that_of_a_header() -> None:
    failure = http(400, databricks("NOT_FOUND", "no"), X_Amzn_ErrorType="ThrottlingException")
    assert (failure.kind, failure.code) == ("model_not_found", "NOT_FOUND")


def test_a_word_counts_without_its_namespace() -> None:
    body = {"__type": "com.example.service#ThrottlingException", "message": "m"}
    assert http(400, body).kind == "rate_limited"


QUOTA = "You exceeded your current quota"


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "hint"),
    [
        (
            404,
            databricks("FEATURE_DISABLED", "not for this model"),
            "route_not_found",
            False,
            "",
        ),
        (404, {"message": "Invalid path: no model is here"}, "route_not_found", False, ""),
        (400, b"Malformed function call: f{", "stream_failed", True, "tools"),
        (429, {"message": QUOTA}, "rate_limited", False, "quota"),
        (
            429,
            {"message": QUOTA, "details": [{"retryDelay": "34s"}]},
            "rate_limited",
            True,
            "fewer",
        ),
        (
            429,
            {"message": "m", "details": [{"violations": [{"quotaId": "PerDayPerUser"}]}]},
            "rate_limited",
            False,
            "resets",
        ),
        (429, {"message": "the limit is 0"}, "rate_limited", False, "above 0"),
        (500, {"error": "Rate limit exceeded"}, "rate_limited", True, "fewer"),
        (
            500,
            {"error": {"message": "m", "code": "content_filter"}},
            "bad_request",
            False,
            "content",
        ),
        (403, b"Content violates usage guidelines", "access_denied", False, "content"),
        (407, b"", "auth", False, "proxy"),
        (413, b"", "bad_request", False, "4 MB"),
        (501, b"", "route_not_found", False, "serving-endpoints"),
        (404, b"This is not a chat model", "route_not_found", False, "a route that serves it"),
        (400, b"temperature is not supported with this model", "bad_request", False, "parameter"),
        (400, b"Invalid JSON schema", "bad_request", False, "schema"),
        (400, b"No tool output found for tool call a", "bad_request", False, "tool call"),
        (400, b"Too many tokens, please wait and try again", "rate_limited", True, "fewer"),
        (400, b"Too many tokens per day, please wait", "rate_limited", False, "resets"),
        (400, b"Too many tokens: the input is too long", "bad_request", False, "Shorten"),
        (400, b"User location is not supported here", "access_denied", False, "geography"),
        (400, b"The model identifier is invalid", "model_not_found", False, "name"),
        (400, {"error": {"type": "budget_exceeded"}}, "rate_limited", False, "spend"),
        (400, b"Budget has been exceeded! Cost: 1", "rate_limited", False, "spend"),
        (429, b"budget_tokens per minute", "rate_limited", True, "fewer"),
        (429, b"thinking budget tokens per minute", "rate_limited", True, "fewer"),
        (403, b"Your input was flagged", "access_denied", False, "content"),
        (400, b"Your prompt was flagged", "bad_request", False, "content"),
        (403, b"Public access is disabled", "access_denied", False, "private link"),
        (505, b"", "gateway_unavailable", False, "proxy"),
        (511, b"", "gateway_unavailable", False, "network"),
    ],
)
def test_a_detail_of_the_text_decides_what_to_do(
    status: int, body: Any, kind: str, retryable: bool, hint: str
) -> None:
    failure = http(status, body)
    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert hint in (failure.hint or "")


def test_a_failure_midway_that_the_request_caused_says_to_change_it() -> None:
    assert "Change" in (inside({"error": {"code": 400, "message": "m"}}).hint or "")
    assert "again" in (inside({"error": {"code": 502, "message": "m"}}).hint or "")


@pytest.mark.parametrize("kind", HINTS)
def test_every_kind_has_a_sentence_that_always_fits(kind: FailureKind) -> None:
    assert choose_hint(kind, None, "", retryable=True) == HINTS[kind][-1].sentence
    assert choose_hint(kind, None, "", retryable=False)


@pytest.mark.parametrize("hint", [hint for hints in HINTS.values() for hint in hints])
def test_a_hint_that_retrying_does_not_help_is_given_only_where_it_does_not(hint: Hint) -> None:
    if re.search(r"does not help|never fit|switched off for you", hint.sentence):
        assert hint.retryable is False


def test_a_server_that_asks_for_a_retry_is_not_contradicted() -> None:
    body = {"error": {"code": "insufficient_quota", "message": "over budget"}}
    assert "does not help" in (http(429, body).hint or "")
    asked = http(429, body, X_Should_Retry="true")
    assert asked.retryable
    assert "does not help" not in (asked.hint or "")


@pytest.mark.parametrize("hint", [hint for hints in HINTS.values() for hint in hints])
def test_a_hint_speaks_of_no_name_of_this_library(hint: Hint) -> None:
    assert not re.search(r"\bpartial\b|\bevent_limit\b|\(\)|\bclient\b|\w+Error\b", hint.sentence)


def test_a_throttle_inside_a_stream_is_one() -> None:
    failure = inside({"error": {"message": "Too many tokens, please wait before trying again."}})
    assert (failure.kind, failure.retryable) == ("rate_limited", True)


@pytest.mark.parametrize("status", sorted(set(WORDS.values())))
def test_a_word_that_stands_for_a_status_gives_it_to_an_error_inside_a_stream(status: int) -> None:
    for word in (word for word, stands_for in WORDS.items() if stands_for == status):
        assert inside({"error": {"type": word.upper(), "message": "m"}}).status == status
