"""Why the sky is blue, told in four voices: one answer for each family, paced to be watched.

`demo_replies` gives them as values; `simulate` serves them in the foreground, whatever the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from gateway_stream.events import Usage
from gateway_stream.testing.replies import Reply
from gateway_stream.testing.script import FamilyName, ScriptedCall
from gateway_stream.testing.server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ssl import SSLContext

    from gateway_stream.testing.routes import Received

__all__ = ["demo_replies", "simulate"]

_PACE: Final = 0.02

_THOUGHTS: Final[dict[FamilyName, str]] = {
    "openai_chat": "A physicist would start from the size of a molecule against the wavelength.",
    "openai_responses": "A painter mixes what is left over, so begin with what is taken away.",
    "anthropic": "A gardener explains by what one can see from a bench in the evening.",
    "gemini": "A sailor trusts the horizon; let the long way through the air do the work.",
}
_TEXTS: Final[dict[FamilyName, str]] = {
    "openai_chat": (
        "Sunlight holds every colour, and air is not empty. Its molecules are far smaller than a "
        "wave of light, and such small things scatter short waves much more than long ones: blue "
        "about four times as much as red. So the red goes mostly straight on, while the blue is "
        "thrown about until it reaches you from every side at once. Violet is scattered even more, "
        "but the sun sends less of it and our eyes see it poorly. Let me measure it."
    ),
    "openai_responses": (
        "Take a white canvas and call it the sun. Now put a thin glaze of air over it, and another, "
        "and a hundred more. Each glaze steals a little blue and hands it to the whole room. Look "
        "up: you see the stolen blue, spread so evenly that nobody asks where it came from. Look "
        "at the sun in the evening: you see what the thieves left behind, orange and rose. I will "
        "fetch the palette of today."
    ),
    "anthropic": (
        "Think of the light as a handful of seeds, some small, some large. Throw it through a hedge. "
        "The large ones fly straight through; the small ones bounce from twig to twig and come out "
        "everywhere. The air is the hedge and blue is the small seed. At noon the hedge is thin and "
        "you still see every seed. At dusk the light must cross the hedge lengthwise, and only the "
        "large red ones arrive. Let me look at the evening where you are."
    ),
    "gemini": (
        "Overhead the air is a few miles deep, and the blue that it scatters is all you see between "
        "you and the dark. Toward the horizon it is hundreds of miles deep: so much light has been "
        "scattered twice and three times that the blue pales to white. Climb a mountain and the sky "
        "grows darker; leave the air and it is black at midday. No sea is needed for it, whatever "
        "they say in port. I will take a bearing."
    ),
}
_PLACES: Final[dict[FamilyName, str]] = {
    "openai_chat": "Tromsø",
    "openai_responses": "Arles",
    "anthropic": "Kyoto",
    "gemini": "Valparaíso",
}


def demo_replies() -> dict[FamilyName, Reply]:
    """An answer for each family: reasoning, text in some seventy pieces, a tool call, usage, stop."""
    return {family: _reply(family) for family in _TEXTS}


async def simulate(
    ready: Callable[[FakeGateway], object],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tokens: Iterable[str] | None = None,
    ssl: SSLContext | None = None,
) -> None:
    """Serve the demo's answers until cancelled. ``ready`` is called once, with the serving gateway.

    Raises:
        OSError: the port is taken.
    """
    replies = demo_replies()

    async def choose(received: Received) -> Reply | None:
        return replies[received.family] if received.family else None

    gateway = FakeGateway(default=choose, host=host, port=port, tokens=tokens, ssl=ssl)
    async with gateway:
        ready(gateway)
        await anyio.sleep_forever()


def _reply(family: FamilyName) -> Reply:
    arguments = {"place": _PLACES[family], "when": "sunset", "wavelengths_nm": [450, 550, 650]}
    return Reply.scripted(
        family,
        reasoning=_THOUGHTS[family],
        text=_TEXTS[family],
        tool_calls=[ScriptedCall("measure_sky", arguments)],
        usage=Usage(input=21, output=164, cache_read=0, reasoning=17),
        pace=_PACE,
    )
