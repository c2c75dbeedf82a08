"""Cases of other projects' tests of their retries, put to a whole client.

What the cases disagree on among themselves, or what is done otherwise here, is in a table with its reason. How an
error is named is held in ``tests/wire``.
"""

from __future__ import annotations

import json
import math
import socket
from contextlib import AsyncExitStack
from email.utils import formatdate
from typing import Any

import anyio
import pytest

from gateway_stream import (
    AuthError,
    Client,
    ConfigError,
    ConnectionLost,
    GatewayError,
    RateLimited,
    Retry,
    StreamTruncated,
    TimedOut,
    Timeouts,
    Turn,
)
from gateway_stream.testing import FakeGateway, Fault, Reply
from tests.support.clock import HastyClock
from tests.support.corpus import conformance, needs_corpus

MODEL = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three")
REFUSED = Reply.refused(503)
NOW = 1_696_004_797
LONGEST_STATED_WAIT = 120

HELD_ELSEWHERE = {"error_mapping": "tests/wire/test_retry_after.py"}

AGAIN = (
    "500, 502 and 504 are retried by the SDKs of OpenAI, Anthropic and Google, not by Databricks'"
)
FRACTIONS = (
    "Databricks' SDK reads whole seconds only; RFC 9110 has dates, and gateways send fractions"
)
NO_EARLIER = (
    "who is told to wait for longer than anybody waits does not ask earlier, but gives up at once"
)
OTHERWISE: dict[str, tuple[Any, str]] = {
    "retry-090": (True, AGAIN),
    "retry-091": (True, AGAIN),
    "retry-092": (True, AGAIN),
    "retry-122": (True, "409 is retried by the SDKs of OpenAI and Anthropic, not by Google's"),
    "retry-082": (1.58, FRACTIONS),
    "retry-087": (1.58, FRACTIONS),
    "retry-089": (20, FRACTIONS),
    "retry-006": (math.inf, NO_EARLIER),
    "retry-013": (math.inf, NO_EARLIER),
    "retry-027": (61, "Anthropic's SDK waits 60 s at the most, OpenAI's and this client 120 s"),
    "retry-032": (61, "Anthropic's SDK waits 60 s at the most, OpenAI's and this client 120 s"),
    "retry-093": (RateLimited, "the refusal says more than a time-out that never came"),
    "retry-097": ([1, 2], "a poll's schedule is linear; a crowd that was refused has to thin out"),
    "retry-100": ([1, 2, 4, 8, 16, 32, *[60] * 8], "likewise"),
    "retry-127": (
        [1, 2, 4, 8],
        "each wait is drawn from 0 to that: a crowd comes back spread evenly",
    ),
    "retry-142": (4, "Goose's number; that all together do no harm, queues and breakers see to"),
}


def all_cases() -> list[dict[str, Any]]:
    folder = conformance()
    if folder is None:
        return []
    listed: list[dict[str, Any]] = json.loads((folder / "retry_cases.json").read_text())["cases"]
    return listed


def cases(*kinds: str) -> pytest.MarkDecorator:
    RUN.update(kinds)
    listed = [case for case in all_cases() if case["kind"] in kinds]
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in listed])


RUN: set[str] = set()


def wanted(case: dict[str, Any], theirs: Any) -> Any:
    """What is held here: what the case says, or what the table has."""
    return OTHERWISE.get(case["id"], (theirs, ""))[0]


def reply_of(case: dict[str, Any]) -> Reply:
    given, body = case["input"], case["input"].get("body", b"")
    headers = {
        "Date": formatdate(given.get("now_unix", NOW), usegmt=True),
        **given.get("headers", {}),
    }
    return Reply.error(given.get("status", 429), body, headers=headers)


class Asked:
    """A client's request to a gateway that answers as a case says, and then well."""

    def __init__(self, gateway: FakeGateway, *replies: Reply, then: Reply = ANSWER) -> None:
        gateway.add(*replies)
        gateway.default = then
        self.gateway = gateway
        self.clock = HastyClock()
        self.end: Turn | GatewayError | None = None

    @property
    def calls(self) -> int:
        return len(self.gateway.requests)

    async def by(self, retry: Retry | None = None, timeouts: Timeouts | None = None) -> Asked:
        async with Client(
            host=self.gateway.url,
            token="dapi-x",
            clock=self.clock,
            retry=retry or Retry(),
            timeouts=timeouts,
        ) as client:
            try:
                with anyio.fail_after(20):
                    self.end = await client.complete(MODEL, "hi")
            except GatewayError as error:
                self.end = error
        return self


@needs_corpus
def test_every_case_is_run_somewhere() -> None:
    kinds = {case["kind"] for case in all_cases()}
    assert kinds == RUN | set(HELD_ELSEWHERE)
    assert not RUN & set(HELD_ELSEWHERE)


@needs_corpus
def test_what_is_done_otherwise_is_a_case_and_has_a_reason() -> None:
    assert set(OTHERWISE) <= {case["id"] for case in all_cases()}
    assert all(reason for _, reason in OTHERWISE.values())


@needs_corpus
@cases("should_retry", "message_retry")
async def test_what_the_vendors_ask_again_is_asked_again(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    asked = await Asked(fake_gateway, reply_of(case)).by()
    again = wanted(case, case["expected"]["retry"])
    assert asked.calls == 1 + again
    assert isinstance(asked.end, Turn) is again


@needs_corpus
@cases("retry_after")
async def test_a_stated_wait_is_waited_for_and_the_drawn_one_after_it(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    asked = await Asked(fake_gateway, reply_of(case)).by()
    server = case["expected"]["source"] == "server"
    stated = wanted(case, case["expected"]["delay_s"] if server else 0)
    if stated > LONGEST_STATED_WAIT:
        assert (asked.calls, asked.clock.slept) == (1, [])
        assert isinstance(asked.end, RateLimited)
    else:
        assert asked.calls == 2
        assert stated <= asked.clock.slept[0] <= stated + Retry().first_wait


@needs_corpus
@cases("schedule")
async def test_waits_grow_up_to_the_bounds_of_the_schedule(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    longest = wanted(case, None)
    calls = len(case["input"].get("answers", ())) or case["input"]["attempts_until_success"]
    assert calls == len(longest) + 1
    status = case["input"].get("answers", [500])[0]
    asked = await Asked(fake_gateway, *[Reply.refused(status)] * (calls - 1)).by(
        Retry(retries=calls - 1)
    )
    waited = [wait for wait in asked.clock.slept if wait]
    if status == 429 or calls < 10:  # ten faults in a row have the endpoint left alone
        assert (asked.calls, len(waited)) == (calls, calls - 1)
        assert all(0 <= wait <= most for wait, most in zip(waited, longest, strict=True))
    bounds = [Retry().wait(retry, draw=lambda most: most) for retry in range(1, calls)]
    assert bounds == longest


@needs_corpus
@cases("max_attempts")
async def test_a_request_is_sent_as_often_as_it_may_be(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    given, expected = case["input"], case["expected"]
    most = given.get("max_attempts", given.get("attempts"))
    status = 400 if given.get("error") else given.get("answers", [503])[0]
    refusals = [Reply.refused(status)] * given.get("fails", 20)
    asked = await Asked(fake_gateway, *refusals).by(Retry(retries=max(0, most - 1)))
    assert asked.calls == expected["calls"]
    if expected.get("result") == "success":
        assert isinstance(asked.end, Turn)
    else:
        assert isinstance(asked.end, GatewayError)
        assert asked.end.status == status


@needs_corpus
@cases("final_error")
async def test_the_last_error_is_told(fake_gateway: FakeGateway, case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    asked = await Asked(fake_gateway, *map(Reply.refused, given["answers"])).by(
        Retry(retries=given["attempts"] - 1)
    )
    assert asked.calls == expected["calls"]
    assert isinstance(asked.end, GatewayError)
    assert asked.end.status == expected["raises"]


@needs_corpus
@cases("budget")
async def test_retries_end_with_their_budget(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    given = case["input"]
    if "retry_timeout_seconds" in given:
        always = Reply.error(
            given["every_answer"]["status"], headers=given["every_answer"]["headers"]
        )
        deadline = Timeouts(deadline=given["retry_timeout_seconds"])
        asked = await Asked(fake_gateway, then=always).by(timeouts=deadline)
        assert asked.calls == case["expected"]["calls"]
        assert isinstance(asked.end, wanted(case, TimedOut))
    else:
        asked = await Asked(fake_gateway, then=REFUSED).by()
        assert asked.calls == wanted(case, given["per_request_attempts_max"])


@needs_corpus
@cases("stream")
async def test_what_breaks_after_the_first_event_is_not_asked_again(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    cut = ANSWER.with_fault(Fault(cut_after_text=1, cut="close"))
    asked = await Asked(fake_gateway, cut).by()
    assert asked.calls == 1 + case["expected"]["retry"]
    assert isinstance(asked.end, StreamTruncated)
    assert asked.end.partial is not None
    assert asked.end.partial.text == "one "
    assert isinstance(asked.end.__cause__, ConnectionLost)


# Errors of the transport, each by its name there.


async def no_response_in_time(gateway: FakeGateway) -> bool:
    late = ANSWER.with_fault(Fault(delay_headers=math.inf))
    asked = await Asked(gateway, late).by(timeouts=Timeouts(first_content=0.1))
    return asked.calls == 2 and isinstance(asked.end, Turn)


async def no_connection_in_time(_: FakeGateway) -> bool:
    """The server's queue is full; then, while the client waits to ask again, a server takes the place that has room."""
    async with AsyncExitStack() as stack:
        listener, *others = (stack.enter_context(socket.socket()) for _ in range(3))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for other in others:
            other.setblocking(False)
            other.connect_ex(address)

        class Opening(HastyClock):
            async def sleep(self, seconds: float) -> None:
                for one in (*others, listener):
                    one.close()
                gateway = FakeGateway(default=ANSWER, port=address[1])
                await stack.enter_async_context(gateway)
                await super().sleep(seconds)

        client = Client(
            host=f"http://127.0.0.1:{address[1]}",
            token="dapi-x",
            clock=Opening(),
            retry=Retry(retries=1),
            timeouts=Timeouts(connect=0.2),
        )
        async with client:
            turn = await client.complete(MODEL, "hi")
        return [notice.code for notice in turn.notices] == ["retry"]


async def no_address(_: FakeGateway) -> bool:
    with pytest.raises(ConfigError):
        Client(host="http://[::1", token="dapi-x")
    return False


async def an_error_of_the_programs_own(gateway: FakeGateway) -> bool:
    calls = 0

    async def token() -> str:
        nonlocal calls
        calls += 1
        message = "a bug"
        raise ValueError(message)

    gateway.default = ANSWER
    async with Client(host=gateway.url, auth=token, clock=HastyClock(), retry=Retry()) as client:
        with pytest.raises(AuthError, match="ValueError"):
            await client.complete(MODEL, "hi")
    return calls > 1 or bool(gateway.requests)


TRANSPORT = {
    "httpx.ReadTimeout": no_response_in_time,
    "httpx.ConnectTimeout": no_connection_in_time,
    "httpx.InvalidURL": no_address,
    "ValueError": an_error_of_the_programs_own,
}


@needs_corpus
@cases("transport")
async def test_an_error_of_the_transport_is_followed_by_another_try(
    fake_gateway: FakeGateway, case: dict[str, Any]
) -> None:
    again = await TRANSPORT[case["input"]["exception"]](fake_gateway)
    assert again is case["expected"]["retry"]
