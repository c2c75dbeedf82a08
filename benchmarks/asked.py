"""What is asked for by peers that know no family themselves: a path and a body for each."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["QUESTION", "body", "path"]

QUESTION: Final = "Why is the sky blue?"
_PATHS: Final = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
}


def path(family: str, model: str) -> str:
    """Where a family is asked."""
    return _PATHS[family].format(model=model)


def body(family: str, model: str) -> dict[str, Any]:
    """A small request of a family."""
    said = [{"role": "user", "content": QUESTION}]
    if family == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    if family == "openai_responses":
        return {"model": model, "input": said, "stream": True}
    if family == "anthropic":
        return {"model": model, "messages": said, "max_tokens": 1000, "stream": True}
    return {"model": model, "messages": said, "stream": True}
