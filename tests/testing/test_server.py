from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import FakeGateway, FamilyName, Fault, Received, Reply, ScriptedCall
from gateway_stream.turn import Turn, fold
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask, reads

if TYPE_CHECKING:
    import aiohttp

HELLO = Reply.scripted(text="Hello there, you.", tool_calls=[ScriptedCall("f", {"a": 1})])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_script_is_said_in_the_family_of_the_path_streamed_where_asked(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName, stream: bool
) -> None:
    fake_gateway.add(HELLO)
    async with ask(session, fake_gateway, family, stream=stream) as response:
        body = await response.read()
    content_type = "text/event-stream" if stream else "application/json"
    assert (response.status, response.content_type) == (200, content_type)
    assert ("Content-Length" in response.headers) != stream
    answer = fold(decode(family, body))
    assert isinstance(answer, Turn)
    assert answer.text == "Hello there, you."
    assert [call.arguments for call in answer.tool_calls] == [{"a": 1}]
    assert answer.model == "m"


async def test_an_address_of_ipv6_is_in_brackets(session: aiohttp.ClientSession) -> None:
    async with FakeGateway(default=HELLO, host="::1") as gateway:
        assert gateway.url.startswith("http://[::1]:")
        async with ask(session, gateway) as response:
            assert response.status == 200


async def test_gemini_without_alt_sse_streams_an_array(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(HELLO, HELLO.with_fault(Fault(error_after=2)))
    url = fake_gateway.url + "/gemini/v1beta/models/m:streamGenerateContent"
    async with session.post(url, json={}) as response:
        assert response.content_type == "application/json"
        pieces = await reads(response)
    assert len(pieces) == len(json.loads(b"".join(pieces))) + 1
    async with session.post(url, json={}) as response:
        *_, last = json.loads(await response.read())
    assert last["error"]["status"] == "UNAVAILABLE"


async def test_a_reply_of_a_family_stays_in_it_on_another_path(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(Reply.scripted("openai_chat", text="Hello"))
    async with ask(session, fake_gateway, "anthropic") as response:
        body = await response.read()
    assert isinstance(fold(decode("openai_chat", body)), Turn)


async def test_each_event_is_a_write(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(HELLO, HELLO.chopped(every=7))
    async with ask(session, fake_gateway) as response:
        events = await reads(response)
    async with ask(session, fake_gateway) as response:
        pieces = await reads(response)
    assert all(event.endswith(b"\n\n") and event.count(b"\n\n") == 1 for event in events)
    assert {len(piece) for piece in pieces[:-1]} == {7}
    assert b"".join(pieces) == b"".join(events)


async def test_writes_keep_their_pace(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    body = b"data: a\n\ndata: b\n\ndata: c\n\n"
    fake_gateway.add(Reply.recorded(body, pace=0.05))
    before = time.monotonic()
    async with ask(session, fake_gateway) as response:
        assert await reads(response) == [b"data: a\n\n", b"data: b\n\n", b"data: c\n\n"]
    assert 0.1 <= time.monotonic() - before < 2


async def text(session: aiohttp.ClientSession, gateway: FakeGateway, *args: str) -> str:
    async with ask(session, gateway, args[0], model=args[1]) as response:  # type: ignore[arg-type]
        body: str = await response.text()
    return body


async def test_the_closest_queue_answers_first_and_each_in_its_order(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(Reply.recorded(b"any"))
    fake_gateway.add(Reply.recorded(b"model"), model="m")
    fake_gateway.add(Reply.recorded(b"family"), family="gemini")
    fake_gateway.add(
        Reply.recorded(b"both 1"), Reply.recorded(b"both 2"), family="gemini", model="m"
    )
    fake_gateway.default = Reply.recorded(b"default")
    path = "/ai-gateway/gemini/v1beta/models/m:streamGenerateContent"
    fake_gateway.add(Reply.recorded(b"path"), path=path)
    assert fake_gateway.waiting == 6
    said = [await text(session, fake_gateway, "gemini", "m") for _ in range(7)]
    assert said == ["path", "both 1", "both 2", "family", "model", "any", "default"]
    assert fake_gateway.waiting == 0


async def test_queues_of_others_do_not_answer(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(Reply.recorded(b"no"), family="gemini")
    fake_gateway.add(Reply.recorded(b"no"), model="other")
    fake_gateway.add(Reply.recorded(b"no"), family="anthropic", model="other")
    async with ask(session, fake_gateway) as response:
        assert response.status == 404
        assert (await response.json())["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert fake_gateway.waiting == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ai-gateway/nothing"),
        ("GET", "/ai-gateway/anthropic/v1/messages"),
        ("GET", "/"),
    ],
)
async def test_a_path_that_is_none_is_an_invalid_path_and_takes_no_queued_reply(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, method: str, path: str
) -> None:
    fake_gateway.add(HELLO)
    fake_gateway.default = HELLO
    async with session.request(method, fake_gateway.url + path) as response:
        body = await response.json()
    assert response.status == 404
    assert body == {"error_code": "ENDPOINT_NOT_FOUND", "message": "Invalid path"}
    assert fake_gateway.waiting == 1


async def test_any_path_can_be_given_a_reply(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(Reply.error(200, {"endpoints": []}), path="/api/2.0/serving-endpoints")
    async with session.get(fake_gateway.url + "/api/2.0/serving-endpoints?x=1") as response:
        assert await response.json() == {"endpoints": []}
    assert fake_gateway.requests[0].query == {"x": "1"}


async def test_a_function_chooses_by_the_request_or_leaves_it(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    async def choose(received: Received) -> Reply | None:
        return Reply.recorded(b"hello") if received.model == "known" else None

    fake_gateway.default = choose
    assert await text(session, fake_gateway, "anthropic", "known") == "hello"
    assert "RESOURCE_DOES_NOT_EXIST" in await text(session, fake_gateway, "anthropic", "other")


async def test_an_error_of_the_test_s_own_code_is_answered_and_raised_at_the_end(
    session: aiohttp.ClientSession,
) -> None:
    async def choose(received: Received) -> Reply | None:
        raise LookupError(received.model)

    async def use() -> None:
        async with FakeGateway(default=choose) as gateway:
            async with ask(session, gateway) as response:
                assert response.status == 500
                assert "LookupError" in await response.text()
            gateway.add(Reply.scripted(text="a", stop="pause"))
            async with ask(session, gateway, "gemini") as response:
                assert response.status == 500

    with pytest.raises(LookupError):
        await use()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic dG9rZW46dA=="}, 401),
        ({"Authorization": "Bearer other"}, 403),
        ({"Authorization": "Bearer t"}, 200),
        ({"authorization": "bearer t"}, 200),
    ],
)
async def test_tokens_are_checked_where_there_are_any(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    fake_gateway.tokens = {"t"}
    fake_gateway.default = HELLO
    url = fake_gateway.url + "/anthropic/v1/messages"
    async with session.post(url, json={}, headers=headers) as response:
        assert response.status == status
        body = await response.json()
    if status != 200:
        assert body["error_code"] == status
        assert set(body) == {"error_code", "message"}


async def test_a_token_path_asks_for_no_token(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.tokens = set()
    fake_gateway.add(Reply.error(200, {"access_token": "new"}), path="/oidc/v1/token")
    async with session.post(fake_gateway.url + "/oidc/v1/token") as response:
        assert response.status == 200


async def test_requests_are_recorded_without_their_credentials(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO
    before = time.monotonic()
    url = fake_gateway.url + "/serving-endpoints/a%20b/invocations?o=7"
    headers = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "X-Other": "plain"}
    async with session.post(url, json={"model": "c", "stream": True}, headers=headers) as response:
        await response.read()
    (received,) = fake_gateway.requests
    assert (received.method, received.query) == ("POST", {"o": "7"})
    assert received.path == "/serving-endpoints/a%20b/invocations"
    assert (received.surface, received.family, received.model) == ("classic", "openai_chat", "a b")
    assert (received.stream, received.connection) == (True, 1)
    assert received.body == {"model": "c", "stream": True}
    assert json.loads(received.raw) == received.body
    assert received.headers["x-other"] == "plain"
    assert "secret" not in repr(received)
    assert before <= received.at <= time.monotonic()


async def test_credentials_are_shown_where_that_was_asked_for(
    session: aiohttp.ClientSession,
) -> None:
    async with FakeGateway(keep_credentials=True, default=HELLO) as gateway:
        async with ask(session, gateway, token="secret") as response:
            await response.read()
        assert gateway.requests[0].headers["authorization"] == "Bearer secret"


async def test_a_body_that_is_no_json_is_received_as_it_is(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO
    raw = b"\xff{" * 2_000_000
    url = fake_gateway.url + "/anthropic/v1/messages"
    async with session.post(url, data=io.BytesIO(raw)) as response:
        assert response.status == 200
    (received,) = fake_gateway.requests
    assert (received.raw, received.body, received.model) == (raw, None, None)


async def test_an_error_has_its_status_headers_and_body(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    limit = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many."}
    fake_gateway.add(
        Reply.error(429, limit, headers={"Retry-After": "1.5"}),
        Reply.error(302, headers=[("Location", "/login")]),
        Reply.error(502, "<html>Bad gateway</html>"),
        Reply.error(503, b"busy"),
    )
    async with ask(session, fake_gateway) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1.5")
        assert await response.json() == limit
    url = fake_gateway.url + "/anthropic/v1/messages"
    async with session.post(url, json={}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/login")
    types = []
    for _ in range(2):
        async with ask(session, fake_gateway) as response:
            types.append((response.status, response.content_type, await response.text()))
    assert types == [(502, "text/html", "<html>Bad gateway</html>"), (503, "text/plain", "busy")]


async def test_every_response_has_a_request_id_of_its_own(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO
    ids = []
    for _ in range(3):
        async with ask(session, fake_gateway) as response:
            ids.append(response.headers["x-request-id"])
    assert len(set(ids)) == 3
