"""This package's client passes all sixteen, in every family; clients that make known mistakes do not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from gateway_stream.testing import FakeGateway, judging
from gateway_stream.testing.judging import Told
from gateway_stream.testing.playing import Part, Score, play
from gateway_stream.testing.scenarios import ANSWER, HEALTHY, SCENARIOS, Scenario
from gateway_stream.testing.scorecard import score
from gateway_stream.turn import fold
from tests.support.decoding import decode
from tests.testing.asking import FAMILIES, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway_stream.testing.playing import Caller

TEMPO = 0.1
NAMED = {scenario.name: scenario for scenario in SCENARIOS}
EACH = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: f"{it.number}-{it.name}")


@EACH
async def test_this_client_passes_in_every_family(scenario: Scenario) -> None:
    scores = await score(FAMILIES, scenarios=[scenario], tempo=TEMPO)
    assert [(it.family, it.grade, it.wrong, it.errors) for it in scores if it.grade != "pass"] == []
    assert {it.family for it in scores} == set(FAMILIES)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_this_client_passes_at_the_speed_of_the_list() -> None:
    scores = await score(FAMILIES)
    assert [it for it in scores if it.grade != "pass"] == []
    assert len(scores) == 16 * len(FAMILIES)


def test_there_are_sixteen_by_number_and_each_has_a_name() -> None:
    assert [scenario.number for scenario in SCENARIOS] == [f"S{n:02}" for n in range(1, 17)]
    assert len(NAMED) == 16
    assert len(ANSWER.split()) == 60


@EACH
@pytest.mark.parametrize("stream", [True, False])
async def test_the_healthy_model_is_well_in_every_scenario(
    fake_gateway: FakeGateway, scenario: Scenario, stream: bool
) -> None:
    fake_gateway.default = scenario.serve()
    async with aiohttp.ClientSession() as session:
        for family in FAMILIES:
            asked = ask(session, fake_gateway, family, model=HEALTHY, stream=stream)
            async with asked as response:
                turn = fold(decode(family, await response.read()))
            assert (turn.text, turn.model) == (ANSWER, HEALTHY)


@EACH
async def test_a_whole_answer_in_one_piece_has_the_same_trouble(
    fake_gateway: FakeGateway, scenario: Scenario
) -> None:
    fake_gateway.default = scenario.serve(0.0)
    whole = []
    async with aiohttp.ClientSession() as session:
        for family in FAMILIES:
            with anyio.move_on_after(0.2):
                try:
                    async with ask(session, fake_gateway, family, stream=False) as response:
                        body = await response.read()
                except aiohttp.ClientError:
                    continue
                answer = fold(decode(family, body)) if response.status == 200 else None
                if answer is not None and answer.text == ANSWER:
                    whole.append(family)
    once = scenario.number in ("S01", "S03", "S05")  # and this was one try of two
    well = scenario.number in ("S07", "S11", "S15")
    assert len(whole) == (4 if well else 2 if once else 0)


# Clients that make one mistake each.


def client(call: Callable[[aiohttp.ClientSession, Part, str], Awaitable[Told]]) -> Caller:
    @asynccontextmanager
    async def opened(part: Part) -> AsyncIterator[Callable[[str], Awaitable[Told]]]:
        async with aiohttp.ClientSession() as session:

            async def ask_for(model: str) -> Told:
                return await call(session, part, model)

            yield ask_for

    return opened


async def read(session: aiohttp.ClientSession, part: Part, model: str) -> tuple[int, bytes]:
    """One request, and what came of its answer; cut or not is all the same."""
    url = f"{part.host}/ai-gateway/mlflow/v1/chat/completions"
    body = {"model": model, "stream": True}
    received = b""
    async with session.post(url, json=body) as response:
        try:
            async for piece in response.content.iter_any():
                received += piece
        except aiohttp.ClientPayloadError:
            pass
        return response.status, received


def told(received: bytes) -> Told:
    answer = fold(decode("openai_chat", received, clean=False))
    return Told(text=answer.text, model=answer.model, output=answer.usage.output)


async def gives_the_part_for_the_whole(
    session: aiohttp.ClientSession, part: Part, model: str
) -> Told:
    status, received = await read(session, part, model)
    return told(received) if status == 200 else Told(error=f"{status}: {received!r}")


async def hammers(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    for _ in range(20):
        status, received = await read(session, part, model)
        if status == 200:
            return told(received)
    return Told(error="It is of no use.")


async def tells_twice(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    _, first = await read(session, part, model)
    _, again = await read(session, part, HEALTHY)
    return Told(text=told(first).text + told(again).text)


async def waits_for_ever(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    if model != HEALTHY:
        await anyio.sleep_forever()
    return await gives_the_part_for_the_whole(session, part, model)


def never_comes_back() -> Callable[[aiohttp.ClientSession, Part, str], Awaitable[Told]]:
    burnt: list[str] = []

    async def call(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
        if model not in burnt:
            burnt.append(model)
            await read(session, part, model)
        return await gives_the_part_for_the_whole(session, part, HEALTHY)

    return call


async def passes_on_the_wrong_error(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    await read(session, part, model)
    return Told(error=judging.PREFILL_REFUSED) if model != HEALTHY else Told(text=ANSWER)


@pytest.mark.parametrize(
    ("name", "mistake", "wrong"),
    [
        ("cut", gives_the_part_for_the_whole, "40 words were told as the whole answer"),
        ("cut", tells_twice, "100 words were told as the whole"),
        ("malformed", gives_the_part_for_the_whole, "words were told as the whole"),
        ("limited", hammers, "20 tries within 3 s"),
        ("limited-once", hammers, "the second try came after"),
        ("down", hammers, "20 tries, and 6 are enough"),
        ("too-long", hammers, "was tried 20 times"),
        ("filtered", hammers, "the error does not say why"),
        ("silent", waits_for_ever, "1 of 1 calls hung"),
        ("accounted", tells_twice, "says it is of None"),
        ("no-prefill", passes_on_the_wrong_error, "the error is not that of the cut"),
        ("flapping", never_comes_back(), "the last try came after 0.0 s"),
    ],
)
async def test_a_client_that_makes_a_mistake_fails(
    fake_gateway: FakeGateway, name: str, mistake: Any, wrong: str
) -> None:
    scored = await play(
        fake_gateway, NAMED[name], "openai_chat", client(mistake), tempo=0.01, slack=0.3
    )
    assert scored.grade == "fail"
    assert scored.seconds < 5  # for ever is longer
    assert wrong in "; ".join(scored.wrong)


async def looks_around(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    async with session.get(f"{part.host}/api/2.0/serving-endpoints") as response:
        await response.read()
    return await gives_up(session, part, model)


async def test_what_asks_no_model_is_no_try(fake_gateway: FakeGateway) -> None:
    scored = await play(
        fake_gateway, NAMED["filtered"], "openai_chat", client(looks_around), tempo=0.01
    )
    assert (scored.grade, scored.tries) == ("pass", 1)


class NotToldError(Exception):
    """What a client raises though it should tell it."""


async def raises(*_: object) -> Told:
    raise NotToldError


@pytest.mark.parametrize("name", ["down", "flapping"])
async def test_an_error_of_who_takes_part_is_raised_as_it_is(
    fake_gateway: FakeGateway, name: str
) -> None:
    with pytest.raises(NotToldError):
        await play(fake_gateway, NAMED[name], "openai_chat", client(raises), tempo=0.01)


async def test_an_error_of_who_is_told_the_scores_is_raised_as_it_is_and_ends_the_rest() -> None:
    def told(scored: Score) -> None:
        raise NotToldError(scored.scenario.name)

    with anyio.fail_after(5), pytest.raises(NotToldError, match="filtered"):
        await score(["anthropic"], scenarios=[NAMED["filtered"], NAMED["silent"]], told=told)


async def gives_up(session: aiohttp.ClientSession, part: Part, model: str) -> Told:
    status, received = await read(session, part, model)
    answer = told(received) if status == 200 else None
    if answer is not None and answer.text == ANSWER:
        return answer
    return Told(error=f"no answer: {received.decode()}")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cut", "safe"), ("down", "safe"), ("filtered", "pass"), ("slow", "pass")],
)
async def test_a_client_that_gives_up_cleanly_is_safe(
    fake_gateway: FakeGateway, name: str, expected: str
) -> None:
    scored: Score = await play(
        fake_gateway, NAMED[name], "openai_chat", client(gives_up), tempo=0.01
    )
    assert (scored.grade, scored.wrong, scored.tries) == (expected, (), 1)
