from __future__ import annotations

import time
from typing import Any

import aiohttp
import anyio
import pytest

from gateway_stream.events import Failure
from gateway_stream.testing import FakeGateway, FamilyName, Fault, Reply, ScriptedCall
from gateway_stream.turn import PartialTurn, Turn, fold
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask, reads

HELLO = Reply.scripted(text="Hello there, you.")
WHOLE = Reply.error(200, {"text": "x" * 500})


async def received(response: aiohttp.ClientResponse) -> tuple[bytes, type[Exception] | None]:
    """What came of a body, and what ended it."""
    body = b""
    try:
        async for piece in response.content.iter_any():
            body += piece
    except aiohttp.ClientError as error:
        return body, type(error)
    return body, None


@pytest.mark.parametrize("reply", [HELLO, WHOLE, HELLO.chopped(every=3)])
@pytest.mark.parametrize("cut", ["clean", "close", "reset"])
@pytest.mark.parametrize("after", [0, 1, 250, 10_000])
async def test_a_body_is_cut_after_its_bytes_and_in_its_way(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, reply: Reply, cut: Any, after: int
) -> None:
    fake_gateway.add(reply, reply.with_fault(Fault(cut_after=after, cut=cut)))
    async with ask(session, fake_gateway) as response:
        whole = await response.read()
    async with ask(session, fake_gateway) as response:
        body, error = await received(response)
    assert body == whole[:after]
    # A body whose length was told is whole with its last byte, whatever happens then.
    ended = cut == "clean" or (reply is WHOLE and after >= len(whole))
    assert error is (None if ended else aiohttp.ClientPayloadError)
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert fake_gateway.disconnects == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cut", ["clean", "close", "reset"])
@pytest.mark.parametrize("after", [0, 1, 4, 10_000])
async def test_a_stream_is_cut_after_its_events_and_in_its_way(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    family: FamilyName,
    cut: Any,
    after: int,
) -> None:
    fault = Fault(cut_after_events=after, cut=cut)
    fake_gateway.add(HELLO, HELLO.with_fault(fault), HELLO.chopped(every=30).with_fault(fault))
    async with ask(session, fake_gateway, family) as response:
        whole = await reads(response)
    for _ in range(2):
        async with ask(session, fake_gateway, family) as response:
            body, error = await received(response)
        assert body == b"".join(whole[:after])
        assert error is (None if cut == "clean" else aiohttp.ClientPayloadError)
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert fake_gateway.disconnects == 0


@pytest.mark.parametrize(
    ("family", "array"), [*((family, False) for family in FAMILIES), ("gemini", True)]
)
@pytest.mark.parametrize(
    ("after", "text"), [(0, ""), (2, "Hello there, "), (3, "Hello there, you."), (9, None)]
)
async def test_the_same_cut_lets_the_same_text_through_in_every_family(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    family: FamilyName,
    array: bool,
    after: int,
    text: str | None,
) -> None:
    reply = Reply.scripted(
        reasoning="So.", text="Hello there, you.", tool_calls=[ScriptedCall("f", {})]
    )
    fake_gateway.add(reply.with_fault(Fault(cut_after_text=after, cut="close")))
    async with ask(session, fake_gateway, family, array=array) as response:
        body, error = await received(response)
    assert error is aiohttp.ClientPayloadError
    answer = fold(decode(family, body, clean=False))
    assert answer.reasoning == "So."
    if text is None:
        assert isinstance(answer, Turn) or family == "gemini"  # whose evidence is a clean end
        assert answer.text == "Hello there, you."
        assert [call.name for call in answer.tool_calls] == ["f"]
    else:
        assert isinstance(answer, PartialTurn)
        assert (answer.text, answer.tool_calls) == (text, ())


async def test_a_reset_is_a_reset(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(cut_after=5, cut="reset"))
    async with ask(session, fake_gateway) as response:
        with pytest.raises(aiohttp.ClientPayloadError, match="ConnectionReset"):
            await response.read()
    fake_gateway.default = HELLO.with_fault(Fault(cut_after=5, cut="close"))
    async with ask(session, fake_gateway) as response:
        with pytest.raises(aiohttp.ClientPayloadError) as caught:
            await response.read()
    assert "ConnectionReset" not in str(caught.value)


async def test_a_cut_of_a_told_length_is_clean_by_telling_a_shorter_one(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = WHOLE.with_fault(Fault(cut_after=100))
    async with ask(session, fake_gateway) as response:
        assert response.headers["Content-Length"] == "100"
        assert len(await response.read()) == 100


async def test_a_body_can_end_where_the_connection_does(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    body = b"data: a\n\ndata: b\n\n"
    fake_gateway.default = Reply(body=body, framing="close")
    for number in (1, 2):
        async with ask(session, fake_gateway) as response:
            assert not {"Content-Length", "Transfer-Encoding"} & set(response.headers)
            assert await response.read() == body
        assert fake_gateway.connections_made == number


@pytest.mark.parametrize("stall_after", [0, 100, 10_000])
async def test_a_stalled_body_is_released_when_the_client_leaves(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, stall_after: int
) -> None:
    fake_gateway.add(HELLO, HELLO.with_fault(Fault(stall_after=stall_after)))
    async with ask(session, fake_gateway) as response:
        whole = await response.read()
    async with ask(session, fake_gateway) as response:
        expected = whole[:stall_after]
        assert await response.content.readexactly(len(expected)) == expected
        with anyio.move_on_after(0.1) as waited:
            await response.content.readany()
        assert waited.cancelled_caught
        assert fake_gateway.in_flight == 1
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert fake_gateway.disconnects == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recorded", [False, True])
async def test_an_error_event_of_the_family_comes_after_the_events(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName, recorded: bool
) -> None:
    fake_gateway.add(HELLO)
    async with ask(session, fake_gateway, family) as response:
        whole = await response.read()
    reply = Reply.recorded(whole) if recorded else HELLO
    fake_gateway.add(reply.with_fault(Fault(error_after=2)))
    async with ask(session, fake_gateway, family) as response:
        body, error = await received(response)
    assert error is None
    blank = b"\r\n\r\n" if family == "gemini" else b"\n\n"
    assert body.count(blank) == 3
    assert body.split(blank)[:2] == whole.split(blank)[:2]
    assert isinstance(decode(family, body)[-1], Failure)


@pytest.mark.parametrize(
    ("reply", "fault", "why"),
    [
        (WHOLE, Fault(error_after=1), "has none"),
        (WHOLE, Fault(cut_after_events=1), "has none"),
        (WHOLE, Fault(cut_after_text=1), "has none"),
        (Reply.recorded(b"data: a\n\n"), Fault(cut_after_text=1), "is no script"),
    ],
)
async def test_a_fault_between_events_needs_events_and_one_in_a_text_a_script(
    session: aiohttp.ClientSession, reply: Reply, fault: Fault, why: str
) -> None:
    gateway = await FakeGateway(default=reply.with_fault(fault)).__aenter__()
    async with ask(session, gateway) as response:
        assert response.status == 500
    with pytest.raises((ValueError, TypeError), match=why):
        await gateway.__aexit__(None, None, None)


async def test_a_body_can_go_on_after_its_end(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    fake_gateway.default = Reply.recorded(end + b": more\n\n" * 3, pace=0.05)
    async with ask(session, fake_gateway) as response:
        assert await response.content.readexactly(len(end)) == end
        assert fake_gateway.in_flight == 1
        assert await reads(response) == [b": more\n\n"] * 3


async def test_headers_can_be_late(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(delay_headers=0.1))
    before = time.monotonic()
    async with ask(session, fake_gateway):
        assert 0.1 <= time.monotonic() - before < 2


@pytest.mark.parametrize("no_response", [False, True])
async def test_a_client_that_does_not_wait_for_the_headers_is_noticed(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, no_response: bool
) -> None:
    fault = Fault(delay_headers=60, no_response=no_response)
    fake_gateway.default = HELLO.with_fault(fault)
    with anyio.move_on_after(0.1):
        await ask(session, fake_gateway)
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert fake_gateway.disconnects == 1


async def test_the_end_can_be_late(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(HELLO, HELLO.with_fault(Fault(delay_end=0.1)))
    async with ask(session, fake_gateway) as response:
        whole = await response.read()
    async with ask(session, fake_gateway) as response:
        assert await response.content.readexactly(len(whole)) == whole
        before = time.monotonic()
        assert await response.content.read() == b""
        assert 0.05 < time.monotonic() - before < 2


@pytest.mark.parametrize("cut", ["close", "reset"])
async def test_a_connection_can_end_without_a_response(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, cut: Any
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(no_response=True, cut=cut))
    expected = aiohttp.ClientOSError if cut == "reset" else aiohttp.ServerDisconnectedError
    with pytest.raises(expected):
        await ask(session, fake_gateway)
    await fake_gateway.wait_for(lambda gateway: gateway.connections_open == 0)
    assert fake_gateway.in_flight == 0


async def test_an_error_can_be_cut_like_any_reply(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    reply = Reply.error(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "x" * 99})
    fake_gateway.default = reply.with_fault(Fault(cut_after=20, cut="close"))
    async with ask(session, fake_gateway) as response:
        assert response.status == 503
        assert await received(response) == (b'{"error_code":"TEMPO', aiohttp.ClientPayloadError)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"cut_after": -1}, "cut_after is -1"),
        ({"delay_end": -0.5}, "delay_end is -0.5"),
        ({"cut_after_events": -1}, "cut_after_events is -1"),
        ({"cut_after_text": -1}, "cut_after_text is -1"),
        ({"cut_after": 1, "stall_after": 1}, "give one of cut_after, stall_after"),
        ({"cut_after_events": 1, "cut_after_text": 1}, "cut_after_events, cut_after_text"),
        ({"cut": "close"}, "'close' cuts nothing"),
        ({"cut": "reset", "stall_after": 1}, "'reset' cuts nothing"),
        ({"cut": "reset", "error_after": 1}, "'reset' cuts nothing"),
        ({"no_response": True, "cut_after": 1}, "without a response"),
        ({"no_response": True, "error_after": 0}, "without a response"),
        ({"no_response": True, "delay_end": 1}, "without a response"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Fault(**fields)
