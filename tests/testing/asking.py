"""Asking the fake gateway with a plain HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import aiohttp

    from gateway_stream.testing import FakeGateway, FamilyName

FAMILIES: Final[tuple[FamilyName, ...]] = (
    "openai_chat",
    "openai_responses",
    "anthropic",
    "gemini",
)

_PATHS: Final[dict[FamilyName, str]] = {
    "openai_chat": "/ai-gateway/mlflow/v1/chat/completions",
    "openai_responses": "/ai-gateway/openai/v1/responses",
    "anthropic": "/ai-gateway/anthropic/v1/messages",
}


def ask(
    session: aiohttp.ClientSession,
    gateway: FakeGateway,
    family: FamilyName = "anthropic",
    *,
    model: str = "m",
    stream: bool = True,
    array: bool = False,
    token: str | None = None,
) -> Any:
    """Send a request of a family; the result is awaited or entered for the response.

    ``array`` is for Gemini: without ``alt=sse``.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if family == "gemini":
        call = "streamGenerateContent" if stream else "generateContent"
        call += "?alt=sse" if stream and not array else ""
        url = f"{gateway.url}/ai-gateway/gemini/v1beta/models/{model}:{call}"
        return session.post(url, json={"contents": []}, headers=headers)
    body = {"model": model, "stream": stream}
    return session.post(gateway.url + _PATHS[family], json=body, headers=headers)


async def reads(response: aiohttp.ClientResponse) -> list[bytes]:
    """The body as the chunks in which it was written."""
    pieces, piece = [], b""
    async for data, whole in response.content.iter_chunks():
        piece += data
        if whole and piece:
            pieces.append(piece)
            piece = b""
    return pieces
