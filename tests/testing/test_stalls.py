"""Answers that stop and do not end, that come late, or that never end."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import aiohttp
import anyio
import pytest

from gateway_stream.events import Notice, ReasoningDelta, TextDelta
from gateway_stream.testing import FakeGateway, FamilyName, Fault, Reply, ScriptedCall
from gateway_stream.turn import fold
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask

if TYPE_CHECKING:
    from gateway_stream.turn import PartialTurn, Turn

ARGUMENTS = {"text": "a quarter of an hour before sunset"}
CALLS = Reply.scripted(
    reasoning="So.", text="Hello there, you.", tool_calls=[ScriptedCall("f", ARGUMENTS)]
)
QUIET = 0.1


async def come(response: aiohttp.ClientResponse) -> bytes:
    """What comes until nothing does."""
    body = b""
    while True:
        piece = b""
        with anyio.move_on_after(QUIET):
            piece = await response.content.readany()
        if not piece:
            return body
        body += piece


async def folded(
    gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName, fault: Fault
) -> Turn | PartialTurn:
    gateway.default = CALLS.with_fault(fault)
    async with ask(session, gateway, family) as response:
        return fold(decode(family, await come(response), clean=False))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("after", "text"), [(0, ""), (2, "Hello there, ")])
async def test_the_same_stall_lets_the_same_text_through_in_every_family(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    family: FamilyName,
    after: int,
    text: str,
) -> None:
    answer = await folded(fake_gateway, session, family, Fault(stall_after_text=after))
    assert (answer.reasoning, answer.text, answer.tool_calls) == ("So.", text, ())
    await fake_gateway.wait_for(lambda it: it.in_flight == 0)
    assert fake_gateway.disconnects == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fragments", [0, 1, 2, 100])
async def test_a_stall_inside_arguments_lets_no_family_have_the_call(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    family: FamilyName,
    fragments: int,
) -> None:
    fault = Fault(stall_after_arguments=fragments)
    answer = await folded(fake_gateway, session, family, fault)
    assert answer.text == "Hello there, you."
    if fragments == 100:
        assert [call.name for call in answer.tool_calls] == ["f"]
    elif family == "gemini":
        assert answer.tool_calls == ()
    else:
        (call,) = answer.tool_calls
        assert not call.runnable
        assert call.json == '{"text":"a quarter of an'[: 12 * fragments]


async def test_a_cut_inside_arguments_is_a_cut(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = CALLS.with_fault(Fault(cut_after_arguments=1, cut="close"))
    async with ask(session, fake_gateway, "openai_chat") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_stall_counts_events_too(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = CALLS.with_fault(Fault(stall_after_events=3))
    async with ask(session, fake_gateway) as response:
        assert (await come(response)).count(b"\n\n") == 3


async def test_a_script_without_calls_has_no_arguments_to_stall_in(
    session: aiohttp.ClientSession,
) -> None:
    fault = Fault(stall_after_arguments=0)
    gateway = await FakeGateway(default=Reply.scripted(text="a").with_fault(fault)).__aenter__()
    async with ask(session, gateway) as response:
        assert response.status == 500
    with pytest.raises(ValueError, match="has no tool call"):
        await gateway.__aexit__(None, None, None)


KEPT: dict[FamilyName, bytes] = {
    "openai_chat": b": keep-alive\n\n",
    "openai_responses": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n',
    "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n',
    "gemini": b": keep-alive\r\n\r\n",
}


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_stall_can_be_kept_alive_in_the_words_of_the_family(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName
) -> None:
    fake_gateway.default = CALLS.with_fault(Fault(stall_after_text=1, keep_alive=0.02))
    async with ask(session, fake_gateway, family) as response:
        body = b""
        while body.count(KEPT[family]) < 3:
            body += await response.content.readany()
    assert body.endswith(KEPT[family])
    events = decode(family, body, clean=False)
    assert sum(type(event) is TextDelta for event in events) == 1
    odd = {event.code for event in events if type(event) is Notice}
    assert odd <= {"heartbeat"}
    await fake_gateway.wait_for(lambda it: it.in_flight == 0)


@pytest.mark.parametrize("every", [0.02, 0.0])
@pytest.mark.parametrize("array", [True, False])
async def test_an_array_and_an_object_are_kept_alive_by_blank_lines(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, array: bool, every: float
) -> None:
    fault = Fault(stall_after=0, keep_alive=every)
    fake_gateway.default = CALLS.with_fault(fault)
    async with ask(session, fake_gateway, "gemini", stream=array, array=array) as response:
        assert response.content_length is None  # there is more than the answer would be
        with anyio.fail_after(5):
            assert await response.content.readexactly(6) == b"\r\n\r\n\r\n"


async def test_the_first_byte_can_be_late_though_the_head_was_not(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = CALLS.with_fault(Fault(delay_body=0.2))
    before = time.monotonic()
    async with ask(session, fake_gateway) as response:
        headed = time.monotonic() - before
        await response.content.readany()
        first = time.monotonic() - before
        await response.read()
    assert headed < 0.2 <= first


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("of", ["text", "reasoning"])
async def test_an_answer_without_end_goes_on_until_its_reader_leaves(
    fake_gateway: FakeGateway,
    session: aiohttp.ClientSession,
    family: FamilyName,
    of: str,
) -> None:
    fake_gateway.default = Reply.long(size=None, piece=8, of=of, pace=0.005)  # type: ignore[arg-type]
    async with ask(session, fake_gateway, family) as response:
        body = b""
        while body.count(b"xxxxxxxx") < 20:
            body += await response.content.readany()
    events = decode(family, body, clean=False)
    assert {type(event) for event in events} & {TextDelta, ReasoningDelta} == {
        TextDelta if of == "text" else ReasoningDelta
    }
    await fake_gateway.wait_for(lambda it: it.in_flight == 0)
    assert fake_gateway.disconnects == 1


async def test_text_without_end_comes_no_faster_than_it_is_read(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = Reply.long(size=None, piece=65536)
    async with ask(session, fake_gateway):
        written = -1
        for _ in itertools.count():
            if fake_gateway.bytes_written == written:
                break
            written = fake_gateway.bytes_written
            await anyio.sleep(QUIET)
        assert 0 < written < 50_000_000
