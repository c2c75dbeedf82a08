"""An answer is the same through a proxy, however the proxy passes its bytes on."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import Client, TextDelta, Turn
from gateway_stream.testing import FakeGateway, FamilyName, Fault
from gateway_stream.turn import fold
from tests.proxies.answers import (
    ANSWER,
    BROKEN_OFF,
    COMPRESSED,
    HELD,
    MODELS,
    UNBUFFERED,
    haproxy,
    nginx,
    read,
)
from tests.proxies.servers import NEEDS_NGINX, Nginx, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream import Event
    from tests.proxies.conftest import Through

SECONDS = 5
COMPRESSING = pytest.param(COMPRESSED, id="nginx, compressing", marks=NEEDS_NGINX)
TELLING = haproxy("option abortonclose", "telling of clients that leave")
LARGE_BUFFERS = "proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 64k;"


@pytest.mark.parametrize(
    "proxy",
    [
        nginx(UNBUFFERED, "unbuffered"),
        nginx("proxy_buffering on;", "buffered"),
        nginx("proxy_http_version 1.0;", "HTTP/1.0 to the gateway"),
        nginx("chunked_transfer_encoding off;", "bodies that end with the connection"),
        COMPRESSING,
        haproxy(),
    ],
)
async def test_an_answer_through_a_proxy_is_the_one_that_came_without(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    until_closed = dataclasses.replace(ANSWER, framing="close")
    async with Client(host=fake_gateway.url) as direct, through(proxy) as client:
        for family, (reply, stream) in itertools.product(
            MODELS, ((ANSWER, True), (until_closed, True), (ANSWER, False))
        ):
            fake_gateway.default = reply
            events = await read(client, family, stream=stream)
            assert events == await read(direct, family, stream=stream)
            turn = fold(events)
            assert isinstance(turn, Turn)
            assert turn.text == "Because of the air."
            assert turn.reasoning == "Rayleigh."
            assert [call.arguments for call in turn.tool_calls] == [{"what": "air"}]
            assert (turn.usage.input, turn.usage.output) == (11, 7)
            assert turn.stop.reason == "tool_use"


@pytest.mark.parametrize("proxy", [nginx(UNBUFFERED, "unbuffered"), COMPRESSING, TELLING])
async def test_a_proxy_that_does_not_buffer_passes_text_on_before_the_next_was_sent(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(Fault(stall_after=HELD))
    async with through(proxy) as client:
        for family in MODELS:
            await see_text_while_the_rest_is_held(client, fake_gateway, family)


@NEEDS_NGINX
async def test_a_gateway_can_tell_a_proxy_not_to_buffer(
    through: Through, fake_gateway: FakeGateway
) -> None:
    held = BROKEN_OFF.with_fault(Fault(stall_after=HELD))
    fake_gateway.default = dataclasses.replace(held, headers=(("X-Accel-Buffering", "no"),))
    async with through(Nginx()) as client:
        await see_text_while_the_rest_is_held(client, fake_gateway, "anthropic")


async def see_text_while_the_rest_is_held(
    client: Client, gateway: FakeGateway, family: FamilyName
) -> None:
    with anyio.fail_after(SECONDS):
        async with client.stream(MODELS[family], "why?") as stream:
            assert await anext(stream.text()) == "Because "
            assert gateway.in_flight == 1
    await gateway.wait_for(lambda gateway: gateway.in_flight == 0)


@NEEDS_NGINX
async def test_an_answer_that_a_proxy_held_back_is_whole_in_one_burst(
    through: Through, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    async with through(Nginx(settings=LARGE_BUFFERS)) as client:
        for family in MODELS:
            async with client.stream(MODELS[family], "why?") as stream:
                batches = [texts_of(batch.events) async for batch in stream.batches()]
                assert (await stream.turn()).stop.reason == "tool_use"
            assert [texts for texts in batches if texts] == [["Because ", "of ", "the ", "air."]]


def texts_of(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


@NEEDS_NGINX
async def test_a_proxy_may_have_the_gateway_below_a_path(
    through: Through, fake_gateway: FakeGateway
) -> None:
    fake_gateway.default = ANSWER
    below = Nginx(settings="location /some/team/ { proxy_pass http://UPSTREAM/; }")
    async with through(below, path="/some/team/ai-gateway") as client:
        for family in MODELS:
            turn = await client.complete("main.llm.of ours", "why?", family=family)
            assert turn.text == "Because of the air."
            received = fake_gateway.requests[-1]
            assert (received.family, received.model) == (family, "main.llm.of ours")


@pytest.mark.parametrize(
    "proxy", [nginx("client_max_body_size 10m;", "with room"), haproxy(), pytest.param(None)]
)
async def test_a_request_of_megabytes_arrives_whole(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy | None
) -> None:
    fake_gateway.default = ANSWER
    question = "".join(f"{number:08}" for number in range(250_000))
    async with through(proxy) if proxy else Client(host=fake_gateway.url) as client:
        await client.complete(MODELS["openai_chat"], question)
    (received,) = fake_gateway.requests
    assert received.body["messages"][0]["content"] == question
