"""Why the sky is blue, told in four voices: one answer for each family, paced to be watched.

`demo_replies` gives them as values; `simulate` serves a `SimulatedModel`, which speaks in the same
voices, in the foreground.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from gateway_stream.events import Usage
from gateway_stream.testing.replies import Reply
from gateway_stream.testing.script import FamilyName, ScriptedCall
from gateway_stream.testing.server import FakeGateway
from gateway_stream.testing.simulation import SimulatedModel
from gateway_stream.testing.voices import PLACES, PROMISES, TEXTS, THOUGHTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ssl import SSLContext

    from gateway_stream.testing.scenarios import Scenario
    from gateway_stream.testing.server import Handler

__all__ = ["demo_replies", "simulate"]

_PACE: Final = 0.02


def demo_replies() -> dict[FamilyName, Reply]:
    """An answer for each family: reasoning, text in some seventy pieces, a tool call, usage, stop."""
    return {family: _reply(family) for family in TEXTS}


async def simulate(
    ready: Callable[[FakeGateway], object],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tokens: Iterable[str] | None = None,
    ssl: SSLContext | None = None,
    scenario: Scenario | None = None,
) -> None:
    """Serve a simulated model under every name until cancelled, or a scenario in its place.

    ``ready`` is called once, with the serving gateway.

    Raises:
        OSError: the port is taken.
    """
    model: Handler = SimulatedModel(pace=_PACE) if scenario is None else scenario.serve()
    gateway = FakeGateway(default=model, host=host, port=port, tokens=tokens, ssl=ssl)
    async with gateway:
        ready(gateway)
        await anyio.sleep_forever()


def _reply(family: FamilyName) -> Reply:
    arguments = {"place": PLACES[family], "when": "sunset", "wavelengths_nm": [450, 550, 650]}
    return Reply.scripted(
        family,
        reasoning=THOUGHTS[family],
        text=f"{TEXTS[family]} {PROMISES[family]}",
        tool_calls=[ScriptedCall("measure_sky", arguments)],
        usage=Usage(input=21, output=164, cache_read=0, reasoning=17),
        pace=_PACE,
    )
