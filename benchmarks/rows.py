"""Who is measured, in what, and how much of it.

A row is a peer in one of its variants. How many tokens a burst has, and how many times a row is
repeated, follow from what it costs: enough for a steady figure, and the whole run in a quarter of an hour.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FAMILIES", "FLOOR", "IMPORTS", "MODES", "OURS", "ROWS", "Row", "shown"]

FAMILIES: Final = ("openai_chat", "openai_responses", "anthropic", "gemini")
_CHAT: Final = ("openai_chat",)
_OPENAI: Final = ("openai_chat", "openai_responses")
MODES: Final = ("fed", "burst", "paced", "request", "import")


class Row(NamedTuple):
    """A peer in one of its variants.

    Attributes:
        name: what the result calls it.
        peer: the module of ``benchmarks.peers``.
        environment: the virtual environment that it runs in.
        variant: what its module is told.
        families: the families that it speaks.
        tokens: how many tokens a burst of it has.
        streams: how many streams it has open when it is paced: 200, or as many as its pool has, or
            as do not fill the core, for a full core reads several tokens at a time and saves by it.
        loop: ``asyncio`` or ``uvloop``.
        often: whether it is repeated in full, because targets lean on it and it is soon done.
    """

    name: str
    peer: str
    environment: str
    variant: str = ""
    families: tuple[str, ...] = FAMILIES
    tokens: int = 20_000
    streams: int = 200
    loop: str = "asyncio"
    often: bool = False


FLOOR: Final = "aiohttp, drained"
OURS: Final = "gateway_stream"
ROWS: Final = (
    Row("asyncio protocol, no HTTP", "bare_protocol", "aiohttp"),
    Row(FLOOR, "aiohttp_drain", "aiohttp", often=True),
    Row(OURS, "gateway_stream", "gateway_stream", "events", often=True),
    Row("gateway_stream, batches()", "gateway_stream", "gateway_stream", "batches"),
    Row("aiohttp, drained, uvloop", "aiohttp_drain", "aiohttp", families=_CHAT, loop="uvloop"),
    Row(
        "gateway_stream, uvloop",
        "gateway_stream",
        "gateway_stream",
        "events",
        families=_CHAT,
        loop="uvloop",
    ),
    Row("openai, httpx", "openai", "openai", "httpx", _OPENAI, tokens=4000, often=True),
    Row("openai, aiohttp", "openai", "openai", "aiohttp", _OPENAI, tokens=4000),
    Row("anthropic, httpx", "anthropic", "anthropic", "httpx", ("anthropic",), tokens=8000),
    Row(
        "anthropic, aiohttp",
        "anthropic",
        "anthropic",
        "aiohttp",
        ("anthropic",),
        tokens=8000,
        often=True,
    ),
    Row("google-genai, httpx", "google_genai", "google_genai", "httpx", ("gemini",), 3000, 100),
    Row("google-genai, aiohttp", "google_genai", "google_genai", "aiohttp", ("gemini",), 3000, 100),
    Row("litellm", "litellm", "litellm", tokens=2000, streams=50),
    Row("pydantic-ai", "pydantic_ai", "pydantic_ai", tokens=2000, streams=50),
    Row(
        "databricks-openai",
        "databricks_openai",
        "databricks_openai",
        "",
        _OPENAI,
        tokens=3000,
        streams=100,
    ),
)
IMPORTS: Final = {
    "gateway_stream": ("gateway_stream", "import gateway_stream"),
    "aiohttp": ("aiohttp", "import aiohttp"),
    "openai": ("openai", "import openai"),
    "anthropic": ("anthropic", "import anthropic"),
    "google-genai": ("google_genai", "from google import genai"),
    "litellm": (
        "litellm",
        "import os; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'; import litellm",
    ),
    "pydantic-ai": ("pydantic_ai", "import pydantic_ai"),
    "databricks-openai": ("databricks_openai", "import databricks_openai"),
}
"""What is imported, by name: the environment and the code."""


def shown(family: str) -> str:
    """A family's name in tables."""
    names = {"openai_chat": "Chat", "openai_responses": "Responses", "anthropic": "Messages"}
    return names.get(family, family.capitalize())
