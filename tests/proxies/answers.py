"""What the tests of proxies ask and are told, and the proxies that they go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gateway_stream import Event, Start, Usage
from gateway_stream.testing import FamilyName, Reply, ScriptedCall
from tests.proxies.servers import NEEDS_HAPROXY, NEEDS_NGINX, HAProxy, Nginx, Proxy

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from gateway_stream import Client

__all__ = [
    "ANSWER",
    "BROKEN_OFF",
    "COMPRESSED",
    "HELD",
    "MODELS",
    "UNBUFFERED",
    "haproxy",
    "nginx",
    "read",
]

MODELS: Final[dict[FamilyName, str]] = {
    "openai_chat": "databricks-meta-llama-3-3-70b-instruct",
    "openai_responses": "databricks-gpt-5-4",
    "anthropic": "system.ai.claude-sonnet-4-6",
    "gemini": "databricks-gemini-3-flash",
}

ANSWER: Final = Reply.scripted(
    text=["Because ", "of ", "the ", "air."],
    reasoning="Rayleigh.",
    tool_calls=[ScriptedCall("measure", {"what": "air"})],
    usage=Usage(input=11, output=7, cache_read=3, reasoning=2),
)
BROKEN_OFF: Final = Reply.scripted(text=["Because ", "of " * 10_000])
HELD: Final = 8_000
"""A byte inside the event with the second piece of text of `BROKEN_OFF`, in every family."""

UNBUFFERED: Final = "proxy_buffering off;"
COMPRESSED: Final = Nginx(
    location=f"""
        {UNBUFFERED}
        proxy_set_header Host compressing;
        proxy_set_header Accept-Encoding gzip;
        proxy_pass https://ADDRESS;
    """,
    servers=f"""
        server {{
            listen ADDRESS ssl;
            server_name compressing;
            gzip on;
            gzip_types *;
            gzip_min_length 1;
            {UNBUFFERED}
            location / {{ proxy_pass http://UPSTREAM; }}
        }}
    """,
)
"""Compresses answers though the client did not ask for it, as some company proxies do."""


def nginx(settings: str, name: str) -> ParameterSet:
    """A parameter: nginx with these settings."""
    return _parameter(Nginx(settings=settings), f"nginx, {name}")


def haproxy(settings: str = "", name: str = "") -> ParameterSet:
    """A parameter: haproxy with these settings."""
    return _parameter(HAProxy(settings=settings), f"haproxy, {name}" if name else "haproxy")


def _parameter(proxy: Proxy, name: str) -> ParameterSet:
    needs = NEEDS_NGINX if isinstance(proxy, Nginx) else NEEDS_HAPROXY
    return pytest.param(proxy, id=name, marks=needs)


async def read(client: Client, family: FamilyName, *, stream: bool = True) -> list[Event]:
    """The events of an answer, without the id of its request."""
    async with client.stream(MODELS[family], "why?", stream=stream) as answer:
        return [
            Start(event.id, event.model, vendor=event.vendor) if isinstance(event, Start) else event
            async for event in answer
        ]
