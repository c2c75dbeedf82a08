"""Scripted answers as OpenAI Chat completions, with ``reasoning_content`` as open models send it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.testing.dialects.dialect import (
    CREATED,
    Dialect,
    Tree,
    fragments,
    frame,
    known,
    word_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.events import StopReason, Usage
    from gateway_stream.testing.script import Script, ScriptedCall

__all__ = ["OPENAI_CHAT"]

_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}


def _head(model: str, kind: str) -> Tree:
    return {"id": "chatcmpl-scripted", "object": kind, "created": CREATED, "model": model}


def _chunk(model: str, delta: Tree, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return frame({**_head(model, "chat.completion.chunk"), "choices": [choice]})


def _call(call_id: str, call: ScriptedCall, arguments: str) -> Tree:
    named = {"name": call.name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": named}


def _usage(usage: Usage) -> Tree:
    told = known(prompt_tokens=usage.input, completion_tokens=usage.output)
    if usage.input is not None and usage.output is not None:
        told["total_tokens"] = usage.input + usage.output
    if usage.cache_read is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cache_read}
    if usage.reasoning is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return told


def _stream(script: Script, model: str) -> Iterator[bytes]:
    word = word_for(_WORDS, script)
    yield _chunk(model, {"role": "assistant", "content": ""})
    for piece in script.reasoning:
        yield _chunk(model, {"reasoning_content": piece})
    for piece in script.text:
        yield _chunk(model, {"content": piece})
    for index, (call_id, call) in enumerate(script.calls):
        yield _chunk(model, {"tool_calls": [{"index": index, **_call(call_id, call, "")}]})
        for piece in fragments(call):
            more = {"index": index, "function": {"arguments": piece}}
            yield _chunk(model, {"tool_calls": [more]})
    yield _chunk(model, {}, word)
    counted = {"choices": [], "usage": _usage(script.usage)}
    yield frame({**_head(model, "chat.completion.chunk"), **counted})
    yield b"data: [DONE]\n\n"


def _answer(script: Script, model: str) -> Tree:
    said: Tree = {"role": "assistant", "content": "".join(script.text) or None}
    if script.reasoning:
        said["reasoning_content"] = "".join(script.reasoning)
    if script.tool_calls:
        said["tool_calls"] = [_call(key, call, call.json) for key, call in script.calls]
    choice = {"index": 0, "message": said, "finish_reason": word_for(_WORDS, script)}
    head = _head(model, "chat.completion")
    return {**head, "choices": [choice], "usage": _usage(script.usage)}


_ERROR: Final = {
    "message": "The scripted model failed midway.",
    "type": "server_error",
    "param": None,
    "code": "internal_error",
}

OPENAI_CHAT: Final = Dialect(stream=_stream, answer=_answer, error=frame({"error": _ERROR}))
