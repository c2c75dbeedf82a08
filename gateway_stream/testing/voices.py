"""Why the sky is blue, told in four voices, one for each family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway_stream.testing.script import FamilyName

__all__ = ["PLACES", "PROMISES", "TEXTS", "THOUGHTS"]

THOUGHTS: Final[dict[FamilyName, str]] = {
    "openai_chat": "A physicist would start from the size of a molecule against the wavelength.",
    "openai_responses": "A painter mixes what is left over, so begin with what is taken away.",
    "anthropic": "A gardener explains by what one can see from a bench in the evening.",
    "gemini": "A sailor trusts the horizon; let the long way through the air do the work.",
}
TEXTS: Final[dict[FamilyName, str]] = {
    "openai_chat": (
        "Sunlight holds every colour, and air is not empty. Its molecules are far smaller than a "
        "wave of light, and such small things scatter short waves much more than long ones: blue "
        "about four times as much as red. So the red goes mostly straight on, while the blue is "
        "thrown about until it reaches you from every side at once. Violet is scattered even more, "
        "but the sun sends less of it and our eyes see it poorly."
    ),
    "openai_responses": (
        "Take a white canvas and call it the sun. Now put a thin glaze of air over it, and another, "
        "and a hundred more. Each glaze steals a little blue and hands it to the whole room. Look "
        "up: you see the stolen blue, spread so evenly that nobody asks where it came from. Look "
        "at the sun in the evening: you see what the thieves left behind, orange and rose."
    ),
    "anthropic": (
        "Think of the light as a handful of seeds, some small, some large. Throw it through a hedge. "
        "The large ones fly straight through; the small ones bounce from twig to twig and come out "
        "everywhere. The air is the hedge and blue is the small seed. At noon the hedge is thin and "
        "you still see every seed. At dusk the light must cross the hedge lengthwise, and only the "
        "large red ones arrive."
    ),
    "gemini": (
        "Overhead the air is a few miles deep, and the blue that it scatters is all you see between "
        "you and the dark. Toward the horizon it is hundreds of miles deep: so much light has been "
        "scattered twice and three times that the blue pales to white. Climb a mountain and the sky "
        "grows darker; leave the air and it is black at midday. No sea is needed for it, whatever "
        "they say in port."
    ),
}
PROMISES: Final[dict[FamilyName, str]] = {
    "openai_chat": "Let me measure it.",
    "openai_responses": "I will fetch the palette of today.",
    "anthropic": "Let me look at the evening where you are.",
    "gemini": "I will take a bearing.",
}
"""What each says before it calls a tool."""

PLACES: Final[dict[FamilyName, str]] = {
    "openai_chat": "Tromsø",
    "openai_responses": "Arles",
    "anthropic": "Kyoto",
    "gemini": "Valparaíso",
}
