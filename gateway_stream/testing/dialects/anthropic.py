"""Scripted answers as Anthropic Messages: blocks one after another, thinking signed at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.testing.dialects.dialect import Dialect, Tree, fragments, frame, known, word_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.events import StopReason
    from gateway_stream.testing.script import Script

__all__ = ["ANTHROPIC"]

_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
}


def _usage(script: Script) -> Tree:
    """Anthropic counts cached tokens beside the input, not in it."""
    usage = script.usage
    fresh = usage.input
    if fresh is not None:
        fresh -= (usage.cache_read or 0) + (usage.cache_write or 0)
    return known(
        input_tokens=fresh,
        cache_creation_input_tokens=usage.cache_write,
        cache_read_input_tokens=usage.cache_read,
        output_tokens=usage.output,
    )


def _message(model: str) -> Tree:
    head = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": model}
    return {**head, "content": [], "stop_reason": None, "stop_sequence": None}


def _blocks(script: Script) -> list[tuple[Tree, Tree, list[Tree]]]:
    """Each block whole, as it opens, and its deltas."""
    blocks: list[tuple[Tree, Tree, list[Tree]]] = []
    if script.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in script.reasoning]
        deltas.append({"type": "signature_delta", "signature": script.signature})
        thought = {"thinking": "".join(script.reasoning), "signature": script.signature}
        opened = {"type": "thinking", "thinking": "", "signature": ""}
        blocks.append(({"type": "thinking", **thought}, opened, deltas))
    if script.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in script.text]
        whole = {"type": "text", "text": "".join(script.text)}
        blocks.append((whole, {"type": "text", "text": ""}, deltas))
    for call_id, call in script.calls:
        pieces = ["", *fragments(call)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        head = {"type": "tool_use", "id": call_id, "name": call.name}
        blocks.append(({**head, "input": {}}, {**head, "input": {}}, deltas))
    return blocks


def _stream(script: Script, model: str) -> Iterator[bytes]:
    for tree in _events(script, model):
        yield frame(tree, tree["type"])


def _events(script: Script, model: str) -> Iterator[Tree]:
    word = word_for(_WORDS, script)
    usage = _usage(script)
    begun = {**usage, "output_tokens": 1} if "output_tokens" in usage else usage
    yield {"type": "message_start", "message": {**_message(model), "usage": begun}}
    yield {"type": "ping"}
    for index, (_, opened, deltas) in enumerate(_blocks(script)):
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stopped = {"stop_reason": word, "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": usage}
    yield {"type": "message_stop"}


def _answer(script: Script, model: str) -> Tree:
    content = [whole for whole, _, _ in _blocks(script)]
    asked = [block for block in content if block["type"] == "tool_use"]
    for block, call in zip(asked, script.tool_calls, strict=True):
        block["input"] = call.tree
    ended = {"content": content, "stop_reason": word_for(_WORDS, script), "usage": _usage(script)}
    return {**_message(model), **ended}


_ERROR: Final = {"type": "overloaded_error", "message": "The scripted model failed midway."}

ANTHROPIC: Final = Dialect(
    stream=_stream, answer=_answer, error=frame({"type": "error", "error": _ERROR}, "error")
)
