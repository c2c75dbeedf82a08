"""Scripted answers as OpenAI Responses: items that open, grow, and are repeated whole when done."""

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

    from gateway_stream.events import StopReason
    from gateway_stream.testing.script import Script

__all__ = ["OPENAI_RESPONSES"]

_COMPLETED: Final = "completed"
_WORDS: Final[dict[StopReason, str]] = {
    "end_turn": _COMPLETED,
    "stop_sequence": _COMPLETED,
    "tool_use": _COMPLETED,
    "max_tokens": "max_output_tokens",
    "content_filter": "content_filter",
}
_UNFILLED: Final[dict[str, Tree]] = {
    "reasoning": {"summary": [], "encrypted_content": None},
    "message": {"content": [], "status": "in_progress"},
    "function_call": {"arguments": "", "status": "in_progress"},
}


def _items(script: Script) -> list[Tree]:
    """The output as it stands when the answer is whole."""
    items: list[Tree] = []
    if script.reasoning:
        summary = [{"type": "summary_text", "text": "".join(script.reasoning)}]
        sealed = {"summary": summary, "encrypted_content": script.signature}
        items.append({"id": "rs_scripted", "type": "reasoning", **sealed})
    if script.text:
        part = {"type": "output_text", "text": "".join(script.text), "annotations": []}
        said = {"role": "assistant", "status": _COMPLETED, "content": [part]}
        items.append({"id": "msg_scripted", "type": "message", **said})
    for place, (call_id, call) in enumerate(script.calls):
        asked = {"call_id": call_id, "name": call.name, "arguments": call.json}
        head = {"id": f"fc_scripted_{place}", "type": "function_call", "status": _COMPLETED}
        items.append({**head, **asked})
    return items


def _response(model: str) -> Tree:
    head = {"id": "resp_scripted", "object": "response", "created_at": CREATED, "model": model}
    rest: Tree = {"error": None, "incomplete_details": None, "output": [], "usage": None}
    return {**head, "status": "in_progress", **rest}


def _usage(script: Script) -> Tree:
    usage = script.usage
    told = known(input_tokens=usage.input, output_tokens=usage.output)
    if usage.input is not None and usage.output is not None:
        told["total_tokens"] = usage.input + usage.output
    if usage.cache_read is not None:
        told["input_tokens_details"] = {"cached_tokens": usage.cache_read}
    if usage.reasoning is not None:
        told["output_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return told


def _answer(script: Script, model: str) -> Tree:
    word = word_for(_WORDS, script)
    ended: Tree = {"status": _COMPLETED, "output": _items(script), "usage": _usage(script)}
    if word != _COMPLETED:
        ended |= {"status": "incomplete", "incomplete_details": {"reason": word}}
    return {**_response(model), **ended}


def _stream(script: Script, model: str) -> Iterator[bytes]:
    for number, (kind, fields) in enumerate(_events(script, model)):
        yield frame({"type": kind, **fields, "sequence_number": number}, kind)


def _events(script: Script, model: str) -> Iterator[tuple[str, Tree]]:
    whole = _answer(script, model)
    yield "response.created", {"response": _response(model)}
    yield "response.in_progress", {"response": _response(model)}
    calls = iter(script.tool_calls)
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index}
        yield "response.output_item.added", {**place, "item": {**item, **_UNFILLED[item["type"]]}}
        at = {"item_id": item["id"], **place}
        if item["type"] == "function_call":
            for piece in fragments(next(calls)):
                yield "response.function_call_arguments.delta", {**at, "delta": piece}
            arguments = {"arguments": item["arguments"]}
            yield "response.function_call_arguments.done", {**at, **arguments}
        else:
            yield from _text(item, at, script)
        yield "response.output_item.done", {**place, "item": item}
    yield f"response.{whole['status']}", {"response": whole}


def _text(item: Tree, at: Tree, script: Script) -> Iterator[tuple[str, Tree]]:
    thought = item["type"] == "reasoning"
    where = {**at, ("summary_index" if thought else "content_index"): 0}
    part = item["summary" if thought else "content"][0]
    parts = "response.reasoning_summary_part" if thought else "response.content_part"
    texts = "response.reasoning_summary_text" if thought else "response.output_text"
    yield f"{parts}.added", {**where, "part": {**part, "text": ""}}
    for piece in script.reasoning if thought else script.text:
        yield f"{texts}.delta", {**where, "delta": piece}
    yield f"{texts}.done", {**where, "text": part["text"]}
    yield f"{parts}.done", {**where, "part": part}


_ERROR: Final = {
    "type": "error",
    "code": "server_error",
    "message": "The scripted model failed midway.",
    "param": None,
}

OPENAI_RESPONSES: Final = Dialect(stream=_stream, answer=_answer, error=frame(_ERROR, "error"))
