"""Scripted answers as Gemini's generateContent: chunks that are small whole answers, CRLF line ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.testing.dialects.dialect import Dialect, Tree, frame, known, word_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.events import StopReason
    from gateway_stream.testing.script import Script

__all__ = ["GEMINI", "array_elements", "array_error"]

_STOP: Final = "STOP"
_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    "tool_use": _STOP,
    "max_tokens": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
_END: Final = b"\r\n"


def _usage(script: Script) -> Tree:
    """Gemini counts thoughts beside the candidates, not in them."""
    usage = script.usage
    told = known(promptTokenCount=usage.input)
    if usage.output is not None:
        told["candidatesTokenCount"] = usage.output - (usage.reasoning or 0)
    told |= known(thoughtsTokenCount=usage.reasoning, cachedContentTokenCount=usage.cache_read)
    if usage.input is not None and usage.output is not None:
        told["totalTokenCount"] = usage.input + usage.output
    return told


def _tree(parts: list[Tree], model: str) -> Tree:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {"candidates": [candidate], "modelVersion": model, "responseId": "scripted"}


def _calls(script: Script) -> list[Tree]:
    """The calls as parts; the first of them carries the signature."""
    parts: list[Tree] = []
    for call_id, call in script.calls:
        asked = {"functionCall": {"id": call_id, "name": call.name, "args": call.tree}}
        parts.append(asked if parts else {**asked, "thoughtSignature": script.signature})
    return parts


def _chunks(script: Script, model: str) -> Iterator[Tree]:
    word = word_for(_WORDS, script)
    for piece in script.reasoning:
        yield _tree([{"text": piece, "thought": True}], model)
    for piece in script.text:
        yield _tree([{"text": piece}], model)
    for part in _calls(script):
        yield _tree([part], model)
    last = _tree([{"text": ""}], model)
    last["candidates"][0]["finishReason"] = word
    yield {**last, "usageMetadata": _usage(script)}


def _stream(script: Script, model: str) -> Iterator[bytes]:
    for chunk in _chunks(script, model):
        yield frame(chunk, end=_END)


def _answer(script: Script, model: str) -> Tree:
    parts: list[Tree] = []
    if script.reasoning:
        parts.append({"text": "".join(script.reasoning), "thought": True})
    if script.text:
        parts.append({"text": "".join(script.text)})
    tree = _tree(parts + _calls(script), model)
    tree["candidates"][0]["finishReason"] = word_for(_WORDS, script)
    return {**tree, "usageMetadata": _usage(script)}


def array_elements(script: Script, model: str) -> Iterator[bytes]:
    """The stream as Gemini sends it without ``alt=sse``: one JSON array, an element a piece.

    Raises:
        ValueError: the family has no word for the stop reason.
    """
    opening = b"["
    for chunk in _chunks(script, model):
        yield opening + msgspec.json.encode(chunk)
        opening = b",\r\n"
    yield b"\r\n]"


def array_error(place: int) -> bytes:
    """The error as element ``place`` of such an array, which ends with it."""
    return (b",\r\n" if place else b"[") + msgspec.json.encode(_ERROR) + b"\r\n]"


_ERROR: Final = {
    "error": {
        "code": 503,
        "message": "The scripted model failed midway.",
        "status": "UNAVAILABLE",
    }
}

GEMINI: Final = Dialect(stream=_stream, answer=_answer, error=frame(_ERROR, end=_END))
