"""Frames of Anthropic Messages for tests."""

from __future__ import annotations

from typing import Any

import msgspec

END = {"type": "message_stop"}


def stream(*frames: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames)


def start(**fields: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "m", **fields}}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(reason: str) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}}
