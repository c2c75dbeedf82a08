"""Answers that are not what they say they are, and refusals in the gateway's words."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.testing import FakeGateway, FamilyName, Fault, Reply
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.failures import read_failure
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask, reads

if TYPE_CHECKING:
    import aiohttp

HELLO = Reply.scripted(text=["Grüß ", "dich, ", "du."])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spoil", ["json", "utf-8", "page"])
async def test_one_event_is_spoilt_and_the_others_are_not(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName, spoil: Any
) -> None:
    fake_gateway.add(HELLO, HELLO.with_fault(Fault(spoil_text=1, spoil=spoil)))
    async with ask(session, fake_gateway, family) as response:
        whole = await reads(response)
    async with ask(session, fake_gateway, family) as response:
        spoilt = await reads(response)
    different = [
        at for at, pair in enumerate(zip(whole, spoilt, strict=True)) if len(set(pair)) > 1
    ]
    assert len(different) == 1
    (place,) = different
    assert b"dich" in whole[place]
    assert spoilt[place].endswith(b"\r\n\r\n" if family == "gemini" else b"\n\n")
    if spoil == "utf-8":
        assert b'"dic\xff\xfeh, "' in spoilt[place] or b'"di\xff\xfech, "' in spoilt[place]
    elif spoil == "json":
        assert whole[place].startswith(spoilt[place].rstrip())
    else:
        assert spoilt[place].startswith(b"<html>")


@pytest.mark.parametrize("family", FAMILIES)
async def test_an_event_that_is_no_json_is_not_overlooked(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(spoil_text=1))
    async with ask(session, fake_gateway, family) as response:
        assert not isinstance(fold(decode(family, await response.read())), Turn)


async def test_a_place_beyond_the_text_spoils_nothing(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(spoil_text=9))
    async with ask(session, fake_gateway) as response:
        assert isinstance(fold(decode("anthropic", await response.read())), Turn)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"spoil": "page"}, "spoils nothing"),
        ({"keep_alive": 1.0}, "keeps nothing alive"),
        ({"cut_after_text": 1, "keep_alive": 1.0}, "keeps nothing alive"),
        ({"stall_after_text": 1, "stall_after_arguments": 1}, "a body ends once"),
        ({"cut": "reset", "stall_after_text": 1}, "'reset' cuts nothing"),
        ({"delay_body": -1}, "delay_body is -1"),
        ({"no_response": True, "delay_body": 1}, "without a response"),
        ({"no_response": True, "spoil_text": 1}, "without a response"),
        ({"no_response": True, "stall_after_events": 1}, "without a response"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Fault(**fields)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply.error(200, "<html>Sign in</html>"), "text/html; charset=utf-8"),
        (Reply.error(200, {"error_code": "BAD_REQUEST", "message": "No."}), "application/json"),
        (dataclasses.replace(HELLO, content_type="text/html"), "text/html"),
        (dataclasses.replace(HELLO, content_type=""), None),
        (dataclasses.replace(HELLO, content_type="", framing="close"), None),
        (Reply.recorded(b"data: a\n\n", content_type=""), None),
        (Reply(body=b"", content_type=""), None),
    ],
)
async def test_a_body_says_that_it_is_something_else_or_nothing(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, reply: Reply, told: str | None
) -> None:
    fake_gateway.default = reply
    async with ask(session, fake_gateway) as response:
        assert response.headers.get("Content-Type") == told
        body = await response.read()
    if reply.body is HELLO.body:
        assert isinstance(fold(decode("anthropic", body)), Turn)


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, "BAD_REQUEST", "bad_request", False),
        (403, "PERMISSION_DENIED", "access_denied", False),
        (429, "REQUEST_LIMIT_EXCEEDED", "rate_limited", True),
        (499, "CANCELLED", None, True),
        (500, "INTERNAL_ERROR", "gateway_unavailable", True),
        (502, "INTERNAL_ERROR", "gateway_unavailable", True),
        (503, "TEMPORARILY_UNAVAILABLE", None, True),
        (504, "DEADLINE_EXCEEDED", None, True),
        (529, "TEMPORARILY_UNAVAILABLE", "overloaded", True),
        (418, "418", None, False),
    ],
)
async def test_a_refusal_is_the_gateways_own(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    status: int,
    code: str,
    kind: str | None,
    retryable: bool,
) -> None:
    fake_gateway.default = Reply.refused(status)
    async with ask(session, fake_gateway) as response:
        assert response.status == status
        tree = await response.json()
        failure = read_failure(status, response.headers, await response.read(), now=0)
    assert set(tree) == {"error_code", "message"}
    assert tree["error_code"] == code
    assert kind in (None, failure.kind)
    assert failure.retryable == retryable


async def test_a_refusal_may_say_what_the_test_says(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = Reply.refused(429, "Daily limit.", headers={"x-ratelimit-limit": "5"})
    async with ask(session, fake_gateway) as response:
        assert (await response.json())["message"] == "Daily limit."
        assert response.headers["x-ratelimit-limit"] == "5"
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("wait", "header", "seconds"),
    [
        (7, "7", 7.0),
        (0.5, "0.5", 0.5),
        ("1m", "1m", 60.0),
        (datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC), "Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
    ],
)
async def test_a_wait_is_said_in_each_of_its_forms(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    wait: Any,
    header: str,
    seconds: float,
) -> None:
    reply = Reply.refused(429, retry_after=wait, headers={"Date": "Fri, 20 Nov 2026 12:00:00 GMT"})
    fake_gateway.default = reply
    async with ask(session, fake_gateway) as response:
        assert response.headers["Retry-After"] == header
        failure = read_failure(429, response.headers, await response.read(), now=None)
    assert failure.retry_after == seconds
