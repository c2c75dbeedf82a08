from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from gateway_stream.events import TextDelta
from gateway_stream.testing.demo import demo_replies, simulate
from gateway_stream.turn import Turn, fold
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask

if TYPE_CHECKING:
    import aiohttp

    from gateway_stream.testing import FakeGateway, FamilyName, Script


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_demo_shows_reasoning_text_a_tool_call_usage_and_a_stop(
    family: FamilyName, fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.add(dataclasses.replace(demo_replies()[family], pace=0.0))
    async with ask(session, fake_gateway, family) as response:
        events = decode(family, await response.read())
    assert len([event for event in events if isinstance(event, TextDelta)]) > 60
    turn = fold(events)
    assert isinstance(turn, Turn)
    assert turn.reasoning
    assert [call.runnable for call in turn.tool_calls] == [True]
    assert turn.stop.reason == "tool_use"
    assert (turn.usage.input, turn.usage.output) == (21, 164)


def test_the_demo_is_paced_to_be_watched_and_no_two_voices_are_alike() -> None:
    replies = demo_replies()
    assert set(replies) == set(FAMILIES)
    assert all(0.015 <= reply.pace <= 0.025 for reply in replies.values())
    texts = [cast("Script", reply.body).text for reply in replies.values()]
    assert len(set(texts)) == len(FAMILIES)


async def test_the_simulated_gateway_answers_every_model_until_it_is_cancelled(
    session: aiohttp.ClientSession,
) -> None:
    serving: list[FakeGateway] = []
    ready = anyio.Event()

    def take(gateway: FakeGateway) -> None:
        serving.append(gateway)
        ready.set()

    async def serve() -> None:
        await simulate(take, tokens={"t"})

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await ready.wait()
        for family in FAMILIES:
            before = time.monotonic()
            async with ask(session, serving[0], family, stream=False, token="t") as response:
                turn = fold(decode(family, await response.read()))
            assert isinstance(turn, Turn)
            assert (turn.stop.reason, turn.tool_calls) == ("end_turn", ())
            assert time.monotonic() - before < 0.5
        async with ask(session, serving[0], token="t") as response:
            before = time.monotonic()
            for _ in range(10):
                await response.content.readchunk()
            assert time.monotonic() - before > 0.1
        async with ask(session, serving[0]) as response:
            assert response.status == 401
        async with session.get(serving[0].url, headers={"Authorization": "Bearer t"}) as response:
            assert response.status == 404
        group.cancel_scope.cancel()
    assert serving[0].connections_open == 0
