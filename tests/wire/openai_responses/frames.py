"""Frames of this family for tests, as the vendor documents them."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

COUNTS: Json = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}


def body(*frames: Json | str) -> bytes:
    """Frames as server-sent events; a string is written as it is."""
    texts = (frame if isinstance(frame, str) else json.dumps(frame) for frame in frames)
    return b"".join(b"data: " + text.encode() + b"\n\n" for text in texts)


def response(kind: str, *output: Json, **fields: Any) -> Json:
    """A frame that carries the response object: ``created``, ``completed``..."""
    status = {"created": "in_progress"}.get(kind, kind)
    known = {"id": "resp_1", "object": "response", "model": "m", "status": status}
    return {"type": f"response.{kind}", "response": known | {"output": output} | fields}


def added(index: int, item: Json) -> Json:
    """An item begins."""
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int | None, item: Json) -> Json:
    """An item in its last form."""
    place = {} if index is None else {"output_index": index}
    return {"type": "response.output_item.done", **place, "item": item}


def text_delta(index: int, delta: str) -> Json:
    """More text of a message."""
    return {
        "type": "response.output_text.delta",
        "output_index": index,
        "content_index": 0,
        "delta": delta,
    }


def arguments_delta(index: int, delta: str) -> Json:
    """More of a call's arguments."""
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta}


def message(item_id: str, *texts: str, **fields: Any) -> Json:
    """A message with one part for each text."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"id": item_id, "type": "message", "role": "assistant", "content": content, **fields}


def call(call_id: str, name: str, arguments: str, **fields: Any) -> Json:
    """A function call."""
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **fields,
    }
