"""What is measured, of whom, in what, and how much of it.

A mode is a kind of measurement, a row is a peer in one of its variants. How many tokens a burst has, and how
many times a row is repeated, follow from what it costs: enough for a steady figure, and the whole run in about
twenty minutes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "CHAT",
    "COUNTS",
    "FAMILIES",
    "FLOOR",
    "IMPORTS",
    "MODES",
    "OPENAI",
    "OURS",
    "ROWS",
    "Mode",
    "Row",
    "shown",
]

FAMILIES: Final = ("openai_chat", "openai_responses", "anthropic", "gemini")
CHAT: Final = ("openai_chat",)
OPENAI: Final = ("openai_chat", "openai_responses")
_LARGE_AND_SMALL: Final = ("openai_chat", "anthropic")
COUNTS: Final = (10, 200, 1000, 5000)
"""How many streams are open in the mode that compares numbers of them."""


class Mode(NamedTuple):
    """A kind of measurement.

    Attributes:
        title: what tables call it.
        columns: wire families; or what else is told apart, all of it in Chat.
        figures: whether the columns are figures of one measurement, and not measurements.
        unit: what a figure is multiplied with to be shown; CPU is kept in seconds.
        every: of how many repetitions a row takes part in one, if it is to be `Row.often`, and if not.
    """

    title: str
    columns: tuple[str, ...] = FAMILIES
    figures: bool = False
    unit: float = 1e6
    every: tuple[int, int] = (1, 2)


MODES: Final = {
    "fed": Mode("Fed without a kernel, one event at a time: CPU µs for each token"),
    "burst": Mode("Burst, one stream: CPU µs for each token"),
    "paced": Mode(
        "Paced, many open streams, one token per segment: CPU µs for each token", every=(1, 3)
    ),
    "request": Mode("Short request of ten tokens on a kept connection: CPU µs"),
    "streams": Mode(
        "10,000 tokens a second over so many open streams, one per segment: CPU µs for each token",
        tuple(map(str, COUNTS)),
        every=(2, 5),
    ),
    "memory": Mode(
        "Memory for each of 1,000 open streams: KiB", ("bytes",), True, 1 / 1024, every=(2, 2)
    ),
    "delay": Mode(
        "From the server's write to the reader's code, 200 streams: ms", ("p50", "p99"), True, 1e3
    ),
    "saturation": Mode(
        "Tokens a second on one core, 99 of 100 within 5 ms", ("rate",), True, 1, every=(3, 3)
    ),
    "import": Mode("Import: CPU ms over bare Python", ("",), unit=1e3),
}


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
        modes: what is measured of it.
        loop: ``asyncio`` or ``uvloop``.
        tls: whether it connects with TLS.
        often: whether it is repeated in full, because targets lean on it and it is soon done.
    """

    name: str
    peer: str
    environment: str
    variant: str = ""
    families: tuple[str, ...] = FAMILIES
    tokens: int = 20_000
    streams: int = 200
    modes: tuple[str, ...] = ("burst", "paced", "request")
    loop: str = "asyncio"
    tls: bool = False
    often: bool = False


FLOOR: Final = "aiohttp, drained"
OURS: Final = "gateway_stream"
_MANY: Final = ("streams", "memory")
_TIMED: Final = ("delay", "saturation")


def _both(
    suffix: str,
    families: tuple[str, ...],
    modes: tuple[str, ...],
    *,
    loop: str = "asyncio",
    tls: bool = False,
    often: bool = False,
) -> tuple[Row, Row]:
    """The floor and this client, measured alike."""
    floor = Row(FLOOR + suffix, "aiohttp_drain", "aiohttp", "", families, modes=modes)
    ours = Row(OURS + suffix, "gateway_stream", "gateway_stream", "events", families, modes=modes)
    how = {"loop": loop, "tls": tls, "often": often}
    return floor._replace(**how), ours._replace(**how)


ROWS: Final = (
    Row("asyncio protocol, no HTTP", "bare_protocol", "aiohttp"),
    *_both("", FAMILIES, ("burst", "paced", "request", *_MANY, *_TIMED), often=True),
    Row("gateway_stream, batches()", "gateway_stream", "gateway_stream", "batches"),
    *_both(
        ", uvloop",
        _LARGE_AND_SMALL,
        ("burst", "paced", *_MANY, *_TIMED),
        loop="uvloop",
        often=True,
    ),
    *_both(", TLS", _LARGE_AND_SMALL, ("paced", *_MANY), tls=True),
    *_both(", TLS, uvloop", CHAT, _MANY, tls=True, loop="uvloop"),
    Row("openai, httpx", "openai", "openai", "httpx", OPENAI, tokens=4000),
    Row("openai, aiohttp", "openai", "openai", "aiohttp", OPENAI, tokens=4000, often=True),
    Row("openai, aiohttp, TLS", "openai", "openai", "aiohttp", CHAT, modes=("paced",), tls=True),
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
    Row(
        "anthropic, aiohttp, TLS",
        "anthropic",
        "anthropic",
        "aiohttp",
        ("anthropic",),
        modes=("paced",),
        tls=True,
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
        OPENAI,
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


def shown(column: str) -> str:
    """A column's name in tables."""
    names = {
        "openai_chat": "Chat",
        "openai_responses": "Responses",
        "anthropic": "Messages",
        "gemini": "Gemini",
        "bytes": "KiB",
        "p50": "half of them",
        "p99": "99 of 100",
        "rate": "tokens a second",
    }
    return names.get(column) or (f"{int(column):,} streams" if column else "")
