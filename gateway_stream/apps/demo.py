"""``gateway-stream demo``: four answers, one of each wire family, through the real client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from gateway_stream.apps.render import Renderer, summary
from gateway_stream.client import Client
from gateway_stream.testing import FakeGateway, FamilyName
from gateway_stream.testing.demo import demo_replies

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run_demo"]

_MODELS: Final[dict[FamilyName, str]] = {
    "openai_chat": "demo-llama",
    "openai_responses": "demo-gpt-5",
    "anthropic": "demo-claude",
    "gemini": "demo-gemini",
}


async def run_demo(console: Console) -> None:
    """Serve the demo's answers in this process and stream each to ``console``."""
    token = "demo"  # noqa: S105
    async with FakeGateway(tokens={token}) as gateway:
        for family, reply in demo_replies().items():
            gateway.add(reply, family=family)
        async with Client(host=gateway.url, token=token) as client:
            for family, model in _MODELS.items():
                console.rule(f"[bold]{model}[/] [dim]speaks {family}[/]", align="left")
                await _show(client, model, family, console)
    console.rule(
        "[dim]four wire families, one event protocol, one connection pool[/]", align="left"
    )


async def _show(client: Client, model: str, family: str, console: Console) -> None:
    renderer = Renderer(console, console)
    async with client.stream(model, "Why is the sky blue?", family=family) as stream:
        async for event in stream:
            renderer.show(event)
        turn = await stream.turn()
    console.print(Text(summary(turn), "dim green"), soft_wrap=True)
