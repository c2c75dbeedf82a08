"""This package's client, played through the scenarios.

Its settings are those of Failover Bench's baseline, the same in every scenario: two retries, clocks well below
its thirty seconds, one model to fall back to. Beside that it may take an answer back that it has begun to
give (``policy="reset"``), for a scenario's caller wants the whole answer and has not used what came of it.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from gateway_stream.client import Client
from gateway_stream.errors import GatewayError
from gateway_stream.events import Reset, Start, TextDelta, Usage
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.retry import Retry
from gateway_stream.net.watchdog import Timeouts
from gateway_stream.testing.judging import Told
from gateway_stream.testing.playing import play, together
from gateway_stream.testing.scenarios import SCENARIOS
from gateway_stream.testing.server import FakeGateway

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from gateway_stream.net.clocks import Alarm
    from gateway_stream.testing.playing import Ask, Caller, Part, Score
    from gateway_stream.testing.scenarios import Scenario
    from gateway_stream.testing.script import FamilyName

__all__ = ["HurriedClock", "score", "this_client"]

_RETRY: Final = Retry(retries=2, policy="reset")
_TIMEOUTS: Final = Timeouts(connect=5, first_content=5, silence=5, progress=10, deadline=40)
_PROMPT: Final = "Say in sixty words what a harbour and a gateway have in common."


class HurriedClock:
    """A clock on which a second takes ``tempo`` seconds."""

    def __init__(self, tempo: float) -> None:
        self._tempo = tempo
        self._since_1970 = SYSTEM.time()
        self._began = SYSTEM.monotonic()

    def time(self) -> float:
        """Seconds since 1970, from when the clock was made on."""
        return self._since_1970 + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since then."""
        return (SYSTEM.monotonic() - self._began) / self._tempo

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of this clock's seconds."""
        await anyio.sleep(seconds * self._tempo)

    def call_later(self, seconds: float, work: Callable[[], object]) -> Alarm:
        """Have the running loop call ``work`` after so many."""
        return SYSTEM.call_later(seconds * self._tempo, work)


def this_client(*, ssl: ssl.SSLContext | Path | None = None) -> Caller:
    """What opens a `gateway_stream.Client` for a scenario; ``ssl`` is what it trusts."""

    @asynccontextmanager
    async def open_client(part: Part) -> AsyncIterator[Ask]:
        clock = SYSTEM if part.tempo == 1 else HurriedClock(part.tempo)
        async with Client(
            host=part.host,
            token="dapi-for-the-fake",  # noqa: S106
            family=part.family,
            ssl=ssl,
            retry=_RETRY,
            timeouts=_TIMEOUTS,
            clock=clock,
        ) as client:

            async def ask(model: str) -> Told:
                return await _ask(client, model, part.fallback)

            yield ask

    return open_client


async def _ask(client: Client, model: str, other: str) -> Told:
    """Read an answer as a program does that shows text while it comes."""
    pieces: list[str] = []
    answered_by: str | None = None
    output: int | None = None
    fallback = () if model == other else (other,)
    try:
        async with client.stream(model, _PROMPT, fallback=fallback) as stream:
            async for event in stream:
                match event:
                    case Start():
                        answered_by, output = event.model, None
                    case TextDelta():
                        pieces.append(event.text)
                    case Usage():
                        output = event.output
                    case Reset():
                        pieces.clear()
    except GatewayError as error:
        return Told(text="".join(pieces), error=str(error), model=answered_by)
    return Told(text="".join(pieces), model=answered_by, output=output)


async def score(
    families: Iterable[FamilyName],
    *,
    scenarios: Iterable[Scenario] = SCENARIOS,
    tempo: float = 1.0,
    told: Callable[[Score], object] = lambda _: None,
) -> list[Score]:
    """Play scenarios against this package's client, all at once, each on a gateway of its own.

    ``told`` is given each score when it is there. At tempo 1 they take as long as the longest, 80 seconds.
    """
    scores: dict[tuple[str, FamilyName], Score] = {}

    async def one(scenario: Scenario, family: FamilyName) -> None:
        async with FakeGateway() as gateway:
            scored = await play(gateway, scenario, family, this_client(), tempo=tempo)
        scores[scenario.number, family] = scored
        told(scored)

    parts = itertools.product(scenarios, families)
    await together(partial(one, scenario, family) for scenario, family in parts)
    return [scores[key] for key in sorted(scores)]
