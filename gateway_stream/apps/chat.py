"""``gateway-stream chat``: one question, one streamed answer."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.text import Text

from gateway_stream.apps.output import flush, write_line
from gateway_stream.apps.render import Renderer, summary
from gateway_stream.client import Client
from gateway_stream.errors import AuthError, GatewayError
from gateway_stream.events import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.options import RequestOptions
    from gateway_stream.stream import EventStream

__all__ = ["Question", "run_chat"]


@dataclass(frozen=True)
class Question:
    """What to ask whom, and where."""

    model: str
    prompt: str
    system: str | None = None
    max_tokens: int | None = None
    family: str | None = None
    base_url: str | None = None
    allow_host: tuple[str, ...] = ()
    allow_http: bool = False

    def client(self) -> Client:
        """The client that asks it.

        Raises:
            ConfigError: no host, or a setting that cannot work.
        """
        return Client(
            host=self.base_url,
            allow_host=self.allow_host,
            allow_http=self.allow_http,
            user_agent="cli",
        )

    def stream(self, client: Client) -> EventStream:
        """Its answer, not yet asked for."""
        options: RequestOptions = {}
        if self.system is not None:
            options["system"] = self.system
        if self.max_tokens is not None:
            options["max_tokens"] = self.max_tokens
        return client.stream(self.model, self.prompt, family=self.family, **options)


async def run_chat(question: Question, *, as_json: bool) -> None:
    """Stream the answer to standard output: prose, or events as JSON lines.

    Who sits at a terminal and has no credentials may log in first.

    Raises:
        GatewayError: the answer is not whole; what came of it was printed.
        OutputLost: standard output takes no more.
    """
    await (_print_events if as_json else _print_prose)(question)


@asynccontextmanager
async def _ask(question: Question) -> AsyncIterator[EventStream]:
    """The answer, as it begins to come."""
    async with AsyncExitStack() as stack:
        try:
            stream = await _enter(question, stack)
        except AuthError:
            from gateway_stream.apps.auth_login import offer_login  # noqa: PLC0415  brings much

            await stack.aclose()
            if not await offer_login(question.base_url, question.allow_host):
                raise
            stream = await _enter(question, stack)
        yield stream


async def _enter(question: Question, stack: AsyncExitStack) -> EventStream:
    client = await stack.enter_async_context(question.client())
    return await stack.enter_async_context(question.stream(client))


async def _print_events(question: Question) -> None:
    """The events, the last of them terminal: an error before the answer began is one too."""
    ended = False
    try:
        async with _ask(question) as stream:
            async for batch in stream.batches():
                for event in batch.events:
                    write_line(msgspec.json.encode(event))
                    ended = ended or isinstance(event, Failure)
                flush()
            await stream.turn()
    except GatewayError as error:
        if not ended:
            write_line(msgspec.json.encode(error.failure()))
        raise


async def _print_prose(question: Question) -> None:
    side = Console(stderr=True, highlight=False)
    out = Console(highlight=False)
    renderer = Renderer(out, side, prose_only=not out.is_terminal)
    async with _ask(question) as stream:
        try:
            async for event in stream:
                renderer.show(event)
        finally:
            renderer.end_line()
        side.print(Text(summary(await stream.turn()), "dim"), soft_wrap=True)
