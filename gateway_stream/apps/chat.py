"""``gateway-stream chat``: one question, one streamed answer."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.text import Text

from gateway_stream.apps.render import Renderer, summary
from gateway_stream.client import Client

if TYPE_CHECKING:
    from gateway_stream.options import RequestOptions

__all__ = ["Question", "run_chat"]


@dataclass(frozen=True)
class Question:
    """What to ask whom."""

    model: str
    prompt: str
    system: str | None = None
    max_tokens: int | None = None
    family: str | None = None
    base_url: str | None = None

    def options(self) -> RequestOptions:
        """The options that were given."""
        options: RequestOptions = {}
        if self.system is not None:
            options["system"] = self.system
        if self.max_tokens is not None:
            options["max_tokens"] = self.max_tokens
        return options


async def run_chat(question: Question, *, as_json: bool) -> None:
    """Stream the answer to standard output: prose, or events as JSON lines.

    Raises:
        GatewayError: the answer is not whole; what came of it was printed.
    """
    async with (
        Client(host=question.base_url, user_agent="cli") as client,
        client.stream(
            question.model, question.prompt, family=question.family, **question.options()
        ) as stream,
    ):
        if as_json:
            async for batch in stream.batches():
                for event in batch.events:
                    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
                sys.stdout.flush()
            await stream.turn()
            return
        side = Console(stderr=True, highlight=False)
        out = Console(highlight=False)
        renderer = Renderer(out, side, prose_only=not out.is_terminal)
        try:
            async for event in stream:
                renderer.show(event)
        finally:
            renderer.end_line()
        side.print(Text(summary(await stream.turn()), "dim"), soft_wrap=True)
