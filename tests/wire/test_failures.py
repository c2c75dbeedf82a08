"""Every error shape is read alike: hand-written bodies for each rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.wire.failures import read_failure, read_page, read_stray, read_stream_failure
from tests.support.failing import databricks, http, inside

# What is taken from which shape.


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (databricks("BAD_REQUEST", "no"), "no", "BAD_REQUEST"),
        ({"error": {"message": "no", "type": "t", "code": "c"}}, "no", "c"),
        ({"error": {"message": "no", "type": "t", "code": None}}, "no", "t"),
        ({"type": "error", "error": {"type": "t", "message": "no"}}, "no", "t"),
        ({"error": {"code": 400, "message": "no", "status": "S"}}, "no", "S"),
        ({"error": {"code": 400, "message": "no"}}, "no", "400"),
        ([{"error": {"message": "no", "status": "S"}}], "no", "S"),
        ({"error": "no"}, "no", None),
        ({"code": "a phrase", "error": "no"}, "no", "a phrase"),
        ({"error": "invalid_client", "error_description": "no"}, "no", "invalid_client"),
        ({"error": "outer", "external_model_message": databricks("C", "no")}, "no", "C"),
        (
            {
                "error": {
                    "message": "outer",
                    "metadata": {"raw": '{"error":{"message":"no","code":"c"}}'},
                }
            },
            "no",
            "c",
        ),
        ({"error": {"message": "outer", "metadata": {"raw": "no"}}}, "no", None),
        (databricks("OUTER", '{"error":{"message":"no","type":"t"}}'), "no", "t"),
        (databricks("OUTER", 'from upstream: {"message":"no"}'), "no", "OUTER"),
        (databricks("OUTER", json.dumps(json.dumps({"message": "no"}))), "no", "OUTER"),
        (databricks("C", 'give JSON such as {"a": 1}'), 'give JSON such as {"a": 1}', "C"),
        ({"detail": "no"}, "no", None),
        ({"detail": [{"loc": ["body", "x"], "msg": "no", "type": "t"}]}, "body.x: no", None),
        ({"scimType": "t", "detail": "no", "status": "400"}, "no", "t"),
        ({"object": "error", "message": "no", "type": "T", "code": 400}, "no", "T"),
        (
            databricks(
                "C",
                '{"input_guardrail":[{"categories":{"a":true,"b":false}}],"finishReason":"input_x"}',
            ),
            "input x: a",
            "C",
        ),
        ("no", "no", None),
        (b"SOME_CODE: no", "no", "SOME_CODE"),
        (b"plain words: no", "plain words: no", None),
        (b"502: no", "no", None),
        (b"<html><title>t</title><pre>n<b>o</b> &amp;</pre></html>", "n o &", None),
        (b"<!DOCTYPE html><html><head><title>no</title></head><body>b</body></html>", "no", None),
        (b"<html><script>x()</script><body>no</body></html>", "no", None),
        (b'event: error\ndata: {"error":{"message":"no","type":"t"}}\n\n', "no", "t"),
        (b": ping\n\nevent: error\ndata: no\n\n", "no", None),
        (b'{"error":{"message":"no"}} and more', "no", None),
        (b'{"error":{"code":"c","message":"no', "no", "c"),
        (b'\xef\xbb\xbf {"error":{"message":"no"}}\n', "no", None),
        (b'{"error":{"message":"n\\ud83do"}}', "n\ufffdo", None),
        (b"", "Bad Request", None),
        (b"{}", "Bad Request", None),
        (b"\x1f\x8b\x08\x00\x00\x01\x02\xff\xfe\xfd" * 9, "Bad Request", None),
    ],
)
def test_the_innermost_text_and_word_are_taken(body: Any, message: str, code: str | None) -> None:
    failure = http(400, body)
    assert (failure.message, failure.code) == (message, code)


def test_a_message_is_one_bounded_line() -> None:
    assert http(400, {"message": "a\r\n\tb\x00\x1b[0mc\u2028d"}).message == "a b [0mc d"
    long = http(400, {"message": "word " * 20_000}).message
    assert len(long) <= 2000
    assert long.endswith("…")


@pytest.mark.parametrize(
    "secret",
    [
        "dapi0123456789abcdef-2",
        "sk-ant-api03-abcdef",
        "Bearer abcdefghijkl",
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "dose00112233445566",
    ],
)
def test_no_secret_of_a_body_is_shown(secret: str) -> None:
    failure = http(403, {"error": {"message": f"the key {secret} is bad", "code": f"x {secret}"}})
    assert secret not in str(failure)
    assert failure.message == "the key [secret] is bad"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"X-Request-Id": "a", "request-id": "b"}, {"request_id": "c"}, "a"),
        ({"request-id": "b"}, {}, "b"),
        ({}, {"type": "error", "error": {"message": "m"}, "request_id": "c"}, "c"),
        (
            {},
            {"message": "m", "details": [{"@type": "google.rpc.RequestInfo", "request_id": "d"}]},
            "d",
        ),
        ({}, {"message": '{"request_id":"inner","message":"m"}', "request_id": "outer"}, "outer"),
        ({}, {}, None),
    ],
)
def test_the_request_id_is_the_gateways_before_an_upstreams(
    headers: dict[str, str], body: Any, expected: str | None
) -> None:
    assert read_failure(500, headers, json.dumps(body).encode()).request_id == expected


# Errors inside a stream.


@pytest.mark.parametrize(
    ("tree", "kind", "retryable", "status"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            "overloaded",
            True,
            529,
        ),
        (
            {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}},
            "rate_limited",
            True,
            429,
        ),
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "m"},
            "rate_limited",
            True,
            429,
        ),
        (
            {"type": "error", "error": {"type": "api_error", "message": "m"}},
            "stream_failed",
            True,
            500,
        ),
        ({"type": "error"}, "stream_failed", True, None),
        (
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}},
            "overloaded",
            True,
            503,
        ),
        (
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m"}},
            "rate_limited",
            True,
            429,
        ),
        (
            {"error": {"code": 499, "status": "CANCELLED", "message": "m"}},
            "stream_failed",
            True,
            499,
        ),
        ({"error": {"code": 502, "message": "m"}, "user_id": "u"}, "stream_failed", True, 502),
        ({"error": {"code": "502", "message": "m"}}, "stream_failed", True, 502),
        ({"error": {"code": 400, "message": "m"}, "choices": [{}]}, "stream_failed", False, 400),
        ({"error": {"code": "invalid_prompt", "message": "m"}}, "bad_request", False, 400),
        ({"error": {"code": "tool_use_failed", "status_code": 400}}, "stream_failed", True, 400),
        ({"error": {"message": "m", "code": 401}}, "auth", False, 401),
        ({"error": {"message": "prompt is too long"}}, "bad_request", False, None),
        ({"error": {"code": "content_filter", "message": "m"}}, "bad_request", False, None),
        ({"error": "Rate limit exceeded"}, "rate_limited", True, None),
        ({"error": "boom"}, "stream_failed", True, None),
        ({"error": True, "message": "m"}, "stream_failed", True, None),
        (databricks("PERMISSION_DENIED", "m"), "access_denied", False, 403),
        (
            databricks("INTERNAL_ERROR", '{"error":{"code":429,"message":"m"}}'),
            "rate_limited",
            True,
            429,
        ),
        ({"error": {"message": "429: m", "type": "Exception"}}, "rate_limited", True, 429),
        ({"error": {"message": "503: m", "type": "Exception"}}, "overloaded", True, 503),
        ({"error": "401: m"}, "auth", False, 401),
        ({"error": "4290: m"}, "stream_failed", True, None),
        ({"error": "200: m"}, "stream_failed", True, None),
        ({"detail": "m"}, "stream_failed", True, None),
        ({"detail": [{"loc": ["x"], "msg": "m"}]}, "stream_failed", False, 422),
        ({"code": 429, "message": "m"}, "rate_limited", True, 429),
        ({"object": "error", "message": "m"}, "stream_failed", True, None),
        ([{"candidates": []}, {"error": {"code": 503, "message": "m"}}], "overloaded", True, 503),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error"}},
            },
            "stream_failed",
            True,
            500,
        ),
        (
            {"object": "response", "status": "failed", "error": None, "output": []},
            "stream_failed",
            True,
            None,
        ),
    ],
)
def test_an_error_inside_a_stream_has_the_kind_and_status_of_its_cause(
    tree: Any, kind: str, retryable: bool, status: int | None
) -> None:
    failure = inside(tree)
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, status)
    assert failure.phase == "stream"


@pytest.mark.parametrize(
    "tree",
    [
        {"error": None, "choices": [{"message": {"role": "assistant", "content": "hi"}}]},
        {"error": {}},
        {"error": {"code": 0, "message": ""}},
        {"type": "message_start", "message": {"id": "x", "content": []}},
        {"type": "response.created", "response": {"status": "in_progress", "error": None}},
        {"type": "response.mcp_call.failed", "item_id": "x"},
        {"type": "response.incomplete", "response": {"status": "incomplete", "error": None}},
        {"candidates": [], "message": "hi", "code": 500},
        {"message": "hi"},
        {"detail": ""},
        ["error"],
        "error",
        None,
        500,
    ],
)
def test_an_answer_is_no_error(tree: Any) -> None:
    assert read_stream_failure(json.dumps(tree).encode()) is None


def test_what_is_no_json_is_no_error_of_a_stream() -> None:
    assert read_stream_failure(b"upstream connect error") is None
    assert read_stream_failure(b'{"error": {') is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b'{\n "error": {\n  "code": 503,\n  "message": "m"\n }\n}', "m"),
        (b'[{\n "error": {"message": "m"}\n}]', "m"),
        (b'{\n "error": {\n  "message": "m', "m"),
        (b'a proxy was here\n{"error": {"message": "m"}}', "m"),
        (b'error: {"message": "m"}', "m"),
        (b"error: m", "m"),
        (b"ERROR: m", "m"),
        (b"error:", "an error without a message"),
    ],
)
def test_a_stray_error_is_found(lines: bytes, message: str) -> None:
    failure = read_stray(lines)
    assert failure is not None
    assert failure.message == message
    assert failure.phase == "stream"


@pytest.mark.parametrize(
    "lines", [b"", b"upstream connect error", b"stream timeout", b'{"a": 1}', b'"code": 5', b"{"]
)
def test_a_stray_remark_is_no_error(lines: bytes) -> None:
    assert read_stray(lines) is None


# Pages.


def test_a_login_page_asks_for_other_credentials_and_any_other_page_for_another_host() -> None:
    login = b"<!DOCTYPE html><html><head><title>Workspace - Sign In</title>"
    for failure in (read_page(login), http(200, login)):
        assert (failure.kind, failure.retryable, failure.status) == ("auth", False, None)
        assert "Workspace - Sign In" in failure.message
        assert "host" in (failure.hint or "")
    other = read_page(b"<html><body>bad gateway</body></html>")
    assert (other.kind, other.retryable) == ("gateway_unavailable", True)
    assert http(502, login).kind == "gateway_unavailable"


def test_a_success_that_is_no_answer_is_a_broken_protocol() -> None:
    assert http(200, b"hello").kind == "protocol"
    assert http(204).kind == "protocol"
    assert http(200, {"error": {"code": 429, "message": "m"}}).kind == "rate_limited"
