"""Requests and their tokens: renewed in time, replaced once where one is refused, and never by the way."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import AccessDenied, AuthError, Client, GatewayError, Notice
from gateway_stream.auth import M2M, Secret, Token
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.support.corpus import corpus, needs_corpus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.testing import Received

CLAUDE = "databricks-claude-sonnet-4-6"
ANSWER = Reply.scripted(text="one two three")
SLOW = Reply.scripted(text="one two three four five six", pace=0.05)


class Refusing:
    """A gateway's handler that refuses some tokens, and a source whose tokens are numbered."""

    def __init__(self, reply: Reply, *refused: str) -> None:
        self.reply = reply
        self.refused = refused
        self.fetched = 0

    async def answer(self, received: Received) -> Reply:
        token = received.headers["authorization"].removeprefix("Bearer ")
        return self.reply if token in self.refused else ANSWER

    async def token(self) -> str:
        self.fetched += 1
        await anyio.lowlevel.checkpoint()
        return f"token-{self.fetched}"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(keep_credentials=True) as gateway:
        yield gateway


def tokens_of(gateway: FakeGateway) -> list[str]:
    sent = [received.headers["authorization"] for received in gateway.requests if received.family]
    return [authorization.removeprefix("Bearer ") for authorization in sent]


# Refused.

EXPIRED = {"error_code": 403, "message": "Token is expired"}
INVALID = {"error_code": 403, "message": "Invalid access token."}
NO_PERMISSION = {
    "error_code": "PERMISSION_DENIED",
    "message": "User does not have EXECUTE on routine 'system.ai.claude'.",
}
WRONG_ORG = {"error_code": 403, "message": "Invalid access to Org: 1234567890"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (401, {"error_code": 401, "message": "Invalid Token"}),
        (
            401,
            {"error_code": 401, "message": "Credential was not sent or was of an unsupported type"},
        ),
        (401, b"<html><title>401 Unauthorized</title></html>"),
        (403, INVALID),
        (403, EXPIRED),
        (403, {"error": {"message": "Invalid Token", "type": "error"}}),
        (403, b"Invalid access token"),
    ],
)
async def test_a_request_whose_token_is_refused_is_sent_once_more_with_another(
    gateway: FakeGateway, status: int, body: Any
) -> None:
    refusing = Refusing(Reply.error(status, body), "token-1")
    gateway.default = refusing.answer
    async with Client(host=gateway.url, auth=refusing.token) as client:
        turn = await client.complete(CLAUDE, "hi")
    assert turn.text == "one two three"
    assert tokens_of(gateway) == ["token-1", "token-2"]
    bodies = [received.raw for received in gateway.requests]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, NO_PERMISSION),
        (403, WRONG_ORG),
        (403, b""),
        (403, {"error_code": "PERMISSION_DENIED", "message": "Source IP address is blocked"}),
        (403, {"error_code": 403, "message": "The endpoint is temporarily disabled: rate limit 0"}),
        (400, {"error_code": "BAD_REQUEST", "message": "Unknown field"}),
        (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "Invalid path"}),
        (407, b""),
        (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Slow down"}),
        (500, {"error_code": "INTERNAL_ERROR", "message": "Invalid access token cache"}),
        (303, b""),
    ],
)
async def test_what_another_token_would_not_mend_is_not_sent_again(
    gateway: FakeGateway, status: int, body: Any
) -> None:
    refusing = Refusing(Reply.error(status, body), "token-1")
    gateway.default = refusing.answer
    async with Client(host=gateway.url, auth=refusing.token) as client:
        with pytest.raises(GatewayError) as caught:
            await client.complete(CLAUDE, "hi")
    assert caught.value.status == status
    assert (len(gateway.requests), refusing.fetched) == (1, 1)


@pytest.mark.parametrize(("body", "kind"), [(INVALID, AuthError), (WRONG_ORG, AccessDenied)])
async def test_a_wrong_org_is_told_apart_from_a_wrong_token(
    gateway: FakeGateway, body: Any, kind: type[GatewayError]
) -> None:
    gateway.default = Reply.error(403, body)
    async with Client(host=gateway.url, token="dapi-given") as client:
        with pytest.raises(kind):
            await client.complete(CLAUDE, "hi")


def recorded() -> list[Any]:
    """Every recorded error whose status may be about the token."""
    folder = corpus()
    if folder is None:
        return []
    found = [json.loads(path.read_text()) for path in sorted((folder / "errors").rglob("*.json"))]
    return [
        pytest.param(error, id=error["slug"]) for error in found if error["status"] in (401, 403)
    ]


@needs_corpus
@pytest.mark.parametrize("error", recorded())
async def test_of_recorded_refusals_only_those_of_credentials_cost_a_new_token(
    gateway: FakeGateway, error: dict[str, Any]
) -> None:
    refusing = Refusing(Reply.error(error["status"], error["body"]), "token-1")
    gateway.default = refusing.answer
    async with Client(host=gateway.url, auth=refusing.token) as client:
        if error["status"] == 401:
            assert (await client.complete(CLAUDE, "hi")).text
        else:  # both of them are about what may be asked of the model
            with pytest.raises(AccessDenied):
                await client.complete(CLAUDE, "hi")
    assert refusing.fetched == (2 if error["status"] == 401 else 1)


async def test_a_second_refusal_ends_it(gateway: FakeGateway) -> None:
    gateway.default = Reply.error(401, b"")
    refusing = Refusing(ANSWER)
    async with Client(host=gateway.url, auth=refusing.token) as client:
        for _ in range(3):
            with pytest.raises(AuthError):
                await client.complete(CLAUDE, "hi")
    assert tokens_of(gateway) == ["token-1", "token-2", "token-2", "token-2"]
    assert refusing.fetched == 2


async def test_a_model_that_refuses_every_token_costs_one_while_others_answer() -> None:
    async def answer(received: Received) -> Reply:
        broken = received.body["model"] == "broken"
        return Reply.error(401, {"message": "Incorrect API key"}) if broken else ANSWER

    issuer = Issuer(clients={"sp": "secret"})
    source = M2M(client_id="sp", client_secret=Secret("secret"))
    async with (
        FakeGateway(default=answer, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=source) as client,
    ):
        for _ in range(10):
            await client.complete(CLAUDE, "hi")
            with pytest.raises(AuthError, match="Incorrect API key"):
                await client.complete("broken", "hi")
    assert len(issuer.granted) == 2


async def test_tokens_that_are_revoked_one_after_the_other_are_all_replaced(
    gateway: FakeGateway,
) -> None:
    refusing = Refusing(Reply.error(401, b""))
    gateway.default = refusing.answer
    async with Client(host=gateway.url, auth=refusing.token) as client:
        for number in range(1, 6):
            assert (await client.complete(CLAUDE, "hi")).text
            refusing.refused = (*refusing.refused, f"token-{number}")
    assert refusing.fetched == 5


async def test_many_requests_refused_with_one_token_cost_one_fetch(gateway: FakeGateway) -> None:
    refusing = Refusing(Reply.error(403, EXPIRED), "token-1")
    gateway.default = refusing.answer
    async with (
        Client(host=gateway.url, auth=refusing.token) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(200):
            tasks.start_soon(client.complete, CLAUDE, "hi")
    assert refusing.fetched == 2
    assert set(tokens_of(gateway)) == {"token-1", "token-2"}


@pytest.mark.parametrize("how", ["token", "auth"])
async def test_a_given_token_is_never_sent_twice(gateway: FakeGateway, how: str) -> None:
    from gateway_stream.auth import PAT

    gateway.default = Reply.error(401, b"")
    given: Any = {"token": "dapi-given"} if how == "token" else {"auth": PAT(Secret("dapi-given"))}
    async with Client(host=gateway.url, **given) as client:
        with pytest.raises(AuthError):
            await client.complete(CLAUDE, "hi")
    assert tokens_of(gateway) == ["dapi-given"]


DELIVERED = {
    CLAUDE: b"""event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Once"}}

event: error
data: {"type":"error","error":{"type":"authentication_error","message":"Invalid access token"}}

""",
    "databricks-gpt-oss-20b": b"""data: {"id":"c","object":"chat.completion.chunk","model":"g","choices":[{"index":0,"delta":{"role":"assistant","content":"Once"}}]}

data: {"error_code":"403","message":"Invalid access token"}

""",
}


@pytest.mark.parametrize("model", DELIVERED)
@pytest.mark.parametrize("delivered", [True, False])
async def test_a_refusal_inside_an_answer_is_followed_by_one_request_with_another_token_if_nothing_came(
    gateway: FakeGateway, model: str, *, delivered: bool
) -> None:
    frames = DELIVERED[model].split(b"\n\n")
    body = DELIVERED[model] if delivered else b"\n\n".join(frames[-2:])
    gateway.default = Reply.recorded(body, content_type="text/event-stream")
    refusing = Refusing(ANSWER)
    async with Client(host=gateway.url, auth=refusing.token) as client:
        stream = client.stream(model, "hi")
        with pytest.raises(AuthError) as caught:
            await stream.turn()
    assert caught.value.delivered is delivered
    assert stream.partial.text == ("Once" if delivered else "")
    sent = 1 if delivered else 2
    assert (len(gateway.requests), refusing.fetched) == (sent, sent)


async def test_who_is_cancelled_while_a_token_is_replaced_holds_nothing(
    gateway: FakeGateway,
) -> None:
    gate = anyio.Event()
    fetched = 0

    async def token() -> str:
        nonlocal fetched
        fetched += 1
        if fetched > 1:
            await gate.wait()
        return f"token-{fetched}"

    gateway.default = Refusing(Reply.error(401, b""), "token-1").answer
    async with Client(host=gateway.url, auth=token) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.complete, CLAUDE, "hi")
            await gateway.wait_for(
                lambda gateway: len(gateway.requests) == 10 and not gateway.in_flight
            )
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        gate.set()
        assert (await client.complete(CLAUDE, "hi")).text
        (state,) = client._loops._states.values()
        assert state.admissions.in_use <= 1
    assert fetched == 2


# In time.


async def keep_streaming(
    gateway: FakeGateway, issuer: Issuer, *, streams: int, seconds: float
) -> int:
    """Have streams follow each other while tokens come and go; how many there were."""
    gateway.default = SLOW
    ended = 0
    ends_at = SYSTEM.time() + seconds
    robot = M2M(client_id="robot", client_secret=Secret("secret"))

    async def agent() -> None:
        nonlocal ended
        while SYSTEM.time() < ends_at:
            stream = client.stream(CLAUDE, "hi")
            async with stream:
                turn = await stream.turn()
            assert turn.text == "one two three four five six"
            assert not turn.notices
            ended += 1

    async with (
        Client(host=gateway.url, auth=robot) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(streams):
            tasks.start_soon(agent)
    refused = [received for received in gateway.requests if received.family]
    assert len(refused) == ended, "no request was refused and sent again"
    renewals = seconds / (issuer.lifetime / 2)
    assert len(issuer.requests) == len(issuer.granted) <= renewals + 3
    assert len(issuer.requests) >= renewals - 2
    return ended


@pytest.mark.parametrize("refusal", [401, 403])
async def test_streams_outlive_tokens_of_two_seconds(refusal: Any) -> None:
    issuer = Issuer(clients={"robot": "secret"}, lifetime=2, refusal=refusal)
    async with FakeGateway(issuer=issuer) as gateway:
        assert await keep_streaming(gateway, issuer, streams=20, seconds=4) > 50


@pytest.mark.slow
async def test_500_streams_outlive_tokens_of_three_seconds() -> None:
    issuer = Issuer(clients={"robot": "secret"}, lifetime=3)
    async with FakeGateway(issuer=issuer) as gateway:
        assert await keep_streaming(gateway, issuer, streams=500, seconds=30) > 1000


LONG = "databricks-claude-opus-4-1"
ENDLESS = dataclasses.replace(Reply.long(size=10_000_000, piece=16), pace=0.05)


async def slow_endpoint(*, lifetime: float, delay: float, streams: int) -> None:
    """Renew slowly, while tokens of streams keep coming and the loop keeps turning."""
    issuer = Issuer(clients={"robot": "secret"}, lifetime=lifetime)
    texts = 0
    slowest = 0.0
    lags: list[float] = []

    async def answer(received: Received) -> Reply:
        return ENDLESS if received.model == LONG else ANSWER

    async def read() -> None:
        nonlocal texts
        async for _ in client.stream(LONG, "hi").text():
            texts += 1

    async def watch() -> None:
        while True:
            before = SYSTEM.time()
            await anyio.sleep(0.01)
            lags.append(SYSTEM.time() - before - 0.01)

    robot = M2M(client_id="robot", client_secret=Secret("secret"))
    async with (
        FakeGateway(issuer=issuer, default=answer) as gateway,
        Client(host=gateway.url, auth=robot) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(streams):
            tasks.start_soon(read)
        await gateway.wait_for(lambda gateway: gateway.in_flight == streams)
        issuer.delay = delay
        had = asked = 0
        while len(issuer.requests) < 3:
            if len(issuer.requests) == 2:
                had = had or texts
                asked += 1
                if not lags:
                    tasks.start_soon(watch)
            began = SYSTEM.time()
            await client.complete(CLAUDE, "hi")
            slowest = max(slowest, SYSTEM.time() - began)
            await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert slowest < delay / 2, "nobody waited for the endpoint"
    assert texts - had > 2 * streams, "tokens kept flowing"
    assert asked > 5, "and requests"
    assert max(lags) < 1.0


@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
async def test_a_slow_token_endpoint_holds_up_nobody() -> None:
    await slow_endpoint(lifetime=4, delay=0.8, streams=20)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
async def test_a_token_endpoint_that_takes_three_seconds_holds_up_none_of_200_streams() -> None:
    await slow_endpoint(lifetime=16, delay=3, streams=200)


async def test_an_endpoint_that_is_down_is_told_in_the_streams_until_it_recovers(
    gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway_stream.auth")
    gateway.default = ANSWER
    fetched = 0
    down = False

    async def token() -> Token:
        nonlocal fetched
        if down:
            message = "the vault is sealed"
            raise AuthError(message, hint="Unseal it.")
        fetched += 1
        now = SYSTEM.time()  # stale in half a second, and over in nineteen minutes
        return Token(
            value=Secret(f"token-{fetched}"), expires_at=now + 1200.5, obtained_at=now - 2000
        )

    async def told() -> list[Notice]:
        turn = await client.complete(CLAUDE, "hi")
        assert turn.text == "one two three"
        return [notice for notice in turn.notices if notice.code == "token_not_renewed"]

    async with Client(host=gateway.url, auth=token) as client:
        assert not await told()
        down = True
        with anyio.fail_after(10):
            while not (notices := await told()):
                pass
        assert notices == [Notice("token_not_renewed", "the vault is sealed. Unseal it.")]
        assert "the old one still serves: the vault is sealed" in caplog.text
        down = False
        with anyio.fail_after(10):
            while await told():
                pass
    assert tokens_of(gateway)[0] == "token-1"
    assert fetched >= 2
