"""Plain calls: sent again when that can help and not when it can harm, and never for long."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.abc
import pytest
from anyio.abc import SocketAttribute

from gateway_stream import ConnectError, ConnectionLost, GatewayError, ProtocolError, TimedOut
from gateway_stream.net import calls as calls_module
from gateway_stream.net.admission import Place
from gateway_stream.net.calls import ATTEMPTS, SECONDS, Called, Calls
from gateway_stream.testing import FakeGateway, Fault, Reply
from tests.support.clock import HastyClock
from tests.support.corpus import conformance, needs_corpus
from tests.support.mint import a_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gateway_stream.net.transport import Transport

URL = "https://workspace.example/oidc/v1/token"
GOOD = Called(200, {}, b'{"access_token":"t"}')
LOST = ConnectionLost("lost", phase="response", retryable=True)
NO_WAY = ConnectError("no connection", phase="connect", retryable=True)
SLOW_WAY = TimedOut("no connection in time", phase="connect", retryable=True)
BAD_TLS = ConnectError("TLS failed", code="tls", phase="connect")


class Answers:
    """A transport whose answers are given: one after the other, the last for ever."""

    def __init__(self, *answers: Called | Exception, clock: HastyClock, takes: float = 0.0) -> None:
        self.answers = list(answers)
        self.clock = clock
        self.takes = takes
        self.times = 0

    async def call(self, *_: object) -> Called:
        self.times += 1
        self.clock.now += self.takes
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def status(status: int, headers: Mapping[str, str] | None = None, body: object = b"") -> Called:
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Called(status, headers or {}, told)


class Made:
    """What one call came to."""

    def __init__(self, *answers: Called | Exception, takes: float = 0.0) -> None:
        self.clock = HastyClock()
        self.answers = Answers(*answers, clock=self.clock, takes=takes)
        self.result: Called | None = None
        self.error: GatewayError | None = None

    async def by(self, *, repeatable: bool = True) -> Made:
        transport = cast("Transport", self.answers)
        calls = Calls(transport, clock=self.clock, draw=lambda most: most)
        try:
            self.result = await calls.post(URL, {}, repeatable=repeatable)
        except GatewayError as error:
            self.error = error
        return self


# What comes back.


@pytest.mark.parametrize("passing", [408, 409, 425, 429, 500, 502, 503, 504, 529])
async def test_an_answer_that_may_pass_is_asked_for_again(passing: int) -> None:
    made = await Made(status(passing), GOOD).by()
    assert made.result is GOOD
    assert made.clock.slept == [0.5]


@pytest.mark.parametrize("final", [200, 201, 303, 307, 400, 401, 403, 404, 405, 501, 505])
async def test_any_other_answer_is_the_answer(final: int) -> None:
    made = await Made(status(final)).by()
    assert made.result is not None
    assert (made.result.status, made.answers.times) == (final, 1)


@pytest.mark.parametrize("error", [NO_WAY, SLOW_WAY, LOST])
async def test_a_call_without_an_answer_is_made_again(error: GatewayError) -> None:
    assert (await Made(error, error, GOOD).by()).result is GOOD


async def test_certificates_do_not_get_better_by_asking_again() -> None:
    made = await Made(BAD_TLS).by()
    assert (made.error, made.answers.times) == (BAD_TLS, 1)


async def test_attempts_are_few_and_the_last_answer_is_the_answer() -> None:
    made = await Made(status(429), status(500), NO_WAY, status(504)).by()
    assert made.result is not None
    assert (made.result.status, made.answers.times) == (504, ATTEMPTS)
    assert made.clock.slept == [0.5, 1.0, 2.0]
    made = await Made(status(503), LOST).by()
    assert (made.error, made.answers.times) == (LOST, ATTEMPTS)


# What is not repeatable.


@pytest.mark.parametrize("answer", [NO_WAY, SLOW_WAY, status(429), status(503)])
async def test_what_was_not_taken_goes_out_again(answer: Called | GatewayError) -> None:
    assert (await Made(answer, GOOD).by(repeatable=False)).result is GOOD


@pytest.mark.parametrize(
    "answer", [LOST, status(408), status(409), status(500), status(502), status(504)]
)
async def test_what_may_have_been_taken_does_not_go_out_twice(
    answer: Called | GatewayError,
) -> None:
    made = await Made(answer, GOOD).by(repeatable=False)
    assert made.answers.times == 1
    assert (made.result or made.error) is answer


# Time.


async def test_a_wait_that_the_server_asks_for_is_kept_to() -> None:
    made = await Made(status(503, {"Retry-After": "7"}), GOOD).by()
    assert made.clock.slept == [7.0]


async def test_a_wait_that_is_too_long_is_the_callers_to_decide() -> None:
    made = await Made(status(429, {"retry-after": f"{SECONDS}"}), GOOD).by()
    assert made.result is not None
    assert (made.result.status, made.answers.times) == (429, 1)
    assert made.result.error().retry_after == SECONDS


async def test_the_time_is_for_all_attempts_together() -> None:
    made = await Made(status(503), takes=6.0).by()
    assert made.result is not None
    assert (made.result.status, made.answers.times) == (503, 3)
    assert made.clock.slept == [0.5, 1.0]


async def test_an_answer_that_does_not_come_is_waited_for_in_vain_only_so_long() -> None:
    class Ended(HastyClock):
        """One on which the time of a call is over while it is made."""

        def time(self) -> float:
            self.now += SECONDS
            return self.now

    class Silent:
        async def call(self, *_: object) -> Called:
            await anyio.sleep_forever()
            raise AssertionError

    silent = cast("Transport", Silent())
    for repeatable in (True, False):
        with anyio.fail_after(5), pytest.raises(TimedOut, match="did not answer within 15 s") as it:
            await Calls(silent, clock=Ended()).post(URL + "?code=secret", {}, repeatable=repeatable)
        assert "secret" not in str(it.value)
        assert it.value.retryable


def test_the_wait_is_as_long_as_the_peers_give_it() -> None:
    assert calls_module.SECONDS == 15


# Cases of public test suites.

NOT_OF_CALLS = {
    "schedule": "back-offs of the peers' own, and of polling",
    "error_mapping": "what an error is called is held in tests/wire",
    "final_error": "two attempts, chosen by the user; the last answer is the answer, as above",
    "stream": "a call delivers nothing before its end",
    "budget": "300 s, and a share of retries among requests: a call has 15 s, and calls are few",
    "retry-103": "any answer that is not retryable: the table above has them all",
    "retry-128": "a number of attempts that the user chooses",
    "retry-133": "an address that is none does not come so far",
    "retry-134": "an error of the program's own is not a transport's",
}
OTHER_RULES = {
    # 500, 502 and 504 are retried by the SDKs of OpenAI, Anthropic and Google, not by Databricks'.
    "retry-090": True,
    "retry-091": True,
    "retry-092": True,
    # 409 is retried by the SDKs of OpenAI and Anthropic, not by Google's.
    "retry-122": True,
    # A wait that is longer than a call may take is left to whoever called, as is one above a cap.
    "retry-039": False,
    "retry-041": False,
    "retry-043": False,
}


def cases(*kinds: str) -> list[Any]:
    folder = conformance()
    if folder is None:
        return []
    listed = json.loads((folder / "retry_cases.json").read_text())["cases"]
    return [
        pytest.param(case, id=case["id"])
        for case in listed
        if case["kind"] in (kinds or {case["kind"]}) and case["id"] not in NOT_OF_CALLS
    ]


def body_of(case: dict[str, Any]) -> object:
    return case["input"].get("body", b"")


def headers_of(case: dict[str, Any]) -> dict[str, str]:
    """The case's headers, with a date for those that pin the clock."""
    from email.utils import formatdate

    headers = dict(case["input"].get("headers", {}))
    if "now_unix" in case["input"]:
        headers["Date"] = formatdate(case["input"]["now_unix"], usegmt=True)
    return headers


OF_CALLS = ("retry_after", "should_retry", "message_retry", "max_attempts", "transport")


@needs_corpus
def test_every_case_is_run_or_left_out_with_a_reason() -> None:
    kinds = {case.values[0]["kind"] for case in cases()}
    assert kinds - set(OF_CALLS) == {kind for kind in NOT_OF_CALLS if not kind.startswith("retry-")}


@needs_corpus
@pytest.mark.parametrize("case", cases("should_retry", "message_retry"))
async def test_a_call_is_made_again_where_the_vendors_make_it_again(case: dict[str, Any]) -> None:
    made = await Made(status(case["input"]["status"], headers_of(case), body_of(case)), GOOD).by()
    again = OTHER_RULES.get(case["id"], case["expected"]["retry"])
    assert (made.answers.times == 2) is again


@needs_corpus
@pytest.mark.parametrize("case", cases("retry_after"))
async def test_a_call_waits_as_long_as_the_vendors_wait(case: dict[str, Any]) -> None:
    """Or gives up at once, where that is longer than a call may take."""
    answer = status(case["input"].get("status", 429), headers_of(case))
    made = await Made(answer, GOOD).by()
    wait = answer.error().retry_after
    if case["expected"]["source"] == "server":
        assert wait == case["expected"]["delay_s"]
    if wait is not None and wait >= SECONDS:
        assert (made.result, made.clock.slept) == (answer, [])
    else:
        assert made.clock.slept == [wait or 0.5]


@needs_corpus
@pytest.mark.parametrize("case", cases("max_attempts"))
async def test_a_call_is_made_as_often_as_it_takes(case: dict[str, Any]) -> None:
    fails = case["input"].get("fails", ATTEMPTS)
    made = await Made(*[status(503)] * fails, GOOD).by()
    assert made.answers.times == min(fails + 1, ATTEMPTS)
    assert (made.result is GOOD) is (case["expected"].get("result") == "success")


@needs_corpus
@pytest.mark.parametrize("case", cases("transport"))
async def test_a_transport_error_is_followed_by_another_attempt(case: dict[str, Any]) -> None:
    error = LOST if "Read" in case["input"]["exception"] else SLOW_WAY
    assert ((await Made(error, GOOD).by()).result is GOOD) is case["expected"]["retry"]


# On real sockets.


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(keep_credentials=True) as gateway:
        yield gateway


async def posted(gateway: FakeGateway, *, repeatable: bool = False) -> Called:
    async with a_state() as state:
        headers = {"Authorization": "Basic abc"}
        return await state.calls.post(
            f"{gateway.url}/oidc/v1/token", {"a": "b c&d"}, headers, repeatable=repeatable
        )


async def test_a_form_is_sent_and_its_answer_read(gateway: FakeGateway) -> None:
    gateway.add(Reply.error(200, {"access_token": "t"}), path="/oidc/v1/token")
    called = await posted(gateway)
    assert called.tree == {"access_token": "t"}
    (request,) = gateway.requests
    assert request.raw == b"a=b+c%26d"
    assert request.headers["authorization"] == "Basic abc"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("redirect", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(gateway: FakeGateway, redirect: int) -> None:
    async with FakeGateway() as other:
        gateway.add(
            Reply.error(redirect, headers={"Location": f"{other.url}/oidc/v1/token"}),
            path="/oidc/v1/token",
        )
        assert (await posted(gateway, repeatable=True)).status == redirect
        assert (len(gateway.requests), other.requests) == (1, [])


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Log in</body></html>", b"", b"\xff\xfe", b'{"access_token": "t', b"[" * 9999],
)
async def test_what_is_no_json_has_no_tree(gateway: FakeGateway, body: bytes) -> None:
    gateway.add(Reply.error(200, body), path="/oidc/v1/token")
    called = await posted(gateway)
    assert (called.status, called.tree) == (200, None)


async def test_a_huge_answer_is_not_read_to_its_end(gateway: FakeGateway) -> None:
    gateway.add(Reply.error(200, b'"' + b"x" * 20_000_000 + b'"'), path="/oidc/v1/token")
    called = await posted(gateway)
    assert len(called.body) == 4 * 1024 * 1024
    assert called.tree is None


@pytest.mark.parametrize("fault", [Fault(no_response=True), Fault(cut_after=5, cut="close")])
@pytest.mark.parametrize("repeatable", [True, False])
async def test_an_answer_that_breaks_off_is_asked_for_again_where_it_may_be(
    gateway: FakeGateway, fault: Fault, *, repeatable: bool
) -> None:
    whole = Reply.error(200, {"access_token": "t"})
    gateway.add(whole.with_fault(fault), whole, path="/oidc/v1/token")
    if repeatable:
        assert (await posted(gateway, repeatable=True)).tree == {"access_token": "t"}
    else:
        with pytest.raises(ConnectionLost):
            await posted(gateway)
    assert len(gateway.requests) == 1 + repeatable


async def test_what_came_of_a_token_before_it_broke_off_is_in_no_traceback(
    gateway: FakeGateway,
) -> None:
    whole = {"access_token": "dapi-planted", "expires_in": 3600}
    broken = Reply.error(200, whole).with_fault(Fault(cut_after=35, cut="close"))
    gateway.add(broken, path="/oidc/v1/token")
    del whole, broken
    with pytest.raises(ConnectionLost) as caught:
        await posted(gateway)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "dapi" not in "".join(shown.format())


async def test_what_does_not_speak_http_is_told_and_not_asked_again() -> None:
    asked = []

    async def speak(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            asked.append(await stream.receive())
            await stream.send(b"220 mail.example ESMTP\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    (inner,) = listener.listeners
    port = inner.extra(SocketAttribute.local_port)  # noqa: S610  no Django
    async with listener, a_state() as state, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, speak)
        with pytest.raises(ProtocolError):
            await state.calls.post(f"http://127.0.0.1:{port}/oidc/v1/token", {})
        tasks.cancel_scope.cancel()
    assert len(asked) == 1


async def test_a_call_takes_no_slot_of_the_pool(gateway: FakeGateway) -> None:
    gateway.add(Reply.error(200, {"access_token": "t"}), path="/oidc/v1/token")
    async with a_state() as state:
        place = Place(gateway.url, "claude", None)
        leases = [await state.admissions.admit(place) for _ in range(state.admissions.pool_size)]
        with anyio.fail_after(5):
            called = await state.calls.post(f"{gateway.url}/oidc/v1/token", {})
        assert called.status == 200
        for lease in leases:
            lease.release()


async def test_a_call_that_is_cancelled_leaves_no_connection(gateway: FakeGateway) -> None:
    whole = Reply.error(200, {"access_token": "t"})
    gateway.add(whole.with_fault(Fault(delay_headers=60)), path="/oidc/v1/token")
    async with a_state() as state:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(state.calls.post, f"{gateway.url}/oidc/v1/token", {})
                await gateway.wait_for(lambda gateway: gateway.in_flight == 1)
                scope.cancel()
        await gateway.wait_for(lambda gateway: gateway.connections_open == 0)
