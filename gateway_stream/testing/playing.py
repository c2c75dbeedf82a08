"""Playing the scenarios against a client, this package's or any other.

A client takes part as a function that opens it for a `Part` and gives what makes one call. Each scenario gets
a client of its own, so that none learns from another, and all calls of a scenario go through the same, so that
it can.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from gateway_stream.testing.judging import Grade, Outcome, Played, Told, Try, grade
from gateway_stream.testing.scenarios import ANSWER, HEALTHY

if TYPE_CHECKING:
    from gateway_stream.testing.scenarios import Scenario
    from gateway_stream.testing.script import FamilyName
    from gateway_stream.testing.server import FakeGateway

__all__ = ["TROUBLED", "Ask", "Caller", "Part", "Score", "play", "together"]

TROUBLED: Final = "troubled"
"""The model that calls ask for."""

_SLACK: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a client is given.

    Attributes:
        host: where to send.
        family: the family to speak.
        tempo: what its seconds are multiplied by.
        fallback: the model to ask where the one that was asked for is in trouble.
    """

    host: str
    family: FamilyName
    tempo: float
    fallback: str


Ask: TypeAlias = Callable[[str], Awaitable[Told]]
"""Makes one call to a model, and tells what it came to; an error is told and not raised."""

Caller: TypeAlias = Callable[[Part], AbstractAsyncContextManager[Ask]]
"""Opens a client."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a client did.

    Attributes:
        scenario: the scenario.
        family: the family it was played in.
        grade: how well; `gateway_stream.testing.judging` says what each means.
        wrong: what did not hold, in words.
        errors: what callers were told instead of an answer.
        tries: how often the troubled model was asked.
        seconds: how long the longest call took.
    """

    scenario: Scenario
    family: FamilyName
    grade: Grade
    wrong: tuple[str, ...]
    errors: tuple[str, ...]
    tries: int
    seconds: float


async def play(
    gateway: FakeGateway,
    scenario: Scenario,
    family: FamilyName,
    caller: Caller,
    *,
    tempo: float = 1.0,
    host: str | None = None,
    models: tuple[str, str] = (TROUBLED, HEALTHY),
    slack: float = _SLACK,
) -> Score:
    """Play a scenario on a gateway that serves, whose ``default`` it takes.

    Args:
        gateway: where it is served.
        scenario: what happens.
        family: the family of the calls.
        caller: the client.
        tempo: what seconds are multiplied by.
        host: where the client sends, if something stands before the gateway.
        models: what the troubled and the healthy model are called there.
        slack: seconds, at any tempo, that a machine may be late before a call counts as hung.
    """
    gateway.default = scenario.serve(tempo)
    before = len(gateway.requests)
    troubled, healthy = models
    part = Part(host=host or gateway.url, family=family, tempo=tempo, fallback=healthy)
    limit = scenario.limit * tempo + slack
    async with caller(part) as ask:
        outcomes = await _calls(scenario, lambda: _call(ask, troubled, limit), tempo)
        alive = await _call(ask, healthy, limit)
    tries = tuple(
        Try(at=it.at, size=len(it.raw))
        for it in gateway.requests[before:]
        if it.family is not None and it.model != HEALTHY
    )
    played = Played(
        outcomes=outcomes,
        tries=tries,
        answer=ANSWER,
        alive=alive.told is not None and alive.told.error is None,
        tempo=tempo,
    )
    grades, wrong = grade(played, scenario.ideal, scenario.checks)
    return Score(
        scenario=scenario,
        family=family,
        grade=grades,
        wrong=wrong,
        errors=tuple(told.error for told in played.told if told.error is not None),
        tries=len(tries),
        seconds=max(outcome.seconds for outcome in outcomes),
    )


async def _calls(
    scenario: Scenario, make: Callable[[], Awaitable[Outcome]], tempo: float
) -> tuple[Outcome, ...]:
    outcomes: dict[int, Outcome] = {}

    async def call(place: int) -> None:
        await anyio.sleep(place * scenario.interval * tempo)
        outcomes[place] = await make()

    await together(partial(call, place) for place in range(scenario.calls))
    return tuple(outcomes[place] for place in sorted(outcomes))


async def together(works: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Do all at once. The first error ends the others, and is raised as what it is and in no group."""
    errors: list[Exception] = []

    async def one(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  it is raised below
            errors.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(one, work)
    if errors:
        raise errors[0]


async def _call(ask: Ask, model: str, limit: float) -> Outcome:
    began = time.monotonic()
    told: Told | None = None
    with anyio.move_on_after(limit):
        told = await ask(model)
    return Outcome(told=told, seconds=time.monotonic() - began)
