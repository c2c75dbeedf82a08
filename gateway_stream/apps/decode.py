"""``gateway-stream decode``: recorded bodies to events, without a network.

A file is read as one response body that ended clean, so what it shows is what a reader of the live
stream would have got.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gateway_stream.apps.output import printable
from gateway_stream.errors import ConfigError
from gateway_stream.events import Failure, Start
from gateway_stream.turn import PartialTurn, ToolCall, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder

if TYPE_CHECKING:
    from gateway_stream.events import Event, Stop

__all__ = ["Decoded", "decode_body", "describe", "read_body"]


_STANDARD_INPUT: Final = Path("-")


class Decoded(NamedTuple):
    """The events of a recorded body, and the stop that it named, proved or not."""

    events: list[Event]
    stop_seen: Stop | None

    @property
    def foreign(self) -> bool:
        """Whether nothing of the body was of the family: no answer began, and none was refused."""
        began = any(isinstance(event, Start) for event in self.events)
        last = self.events[-1]
        return (
            not began
            and isinstance(last, Failure)
            and last.kind in ("stream_truncated", "protocol")
        )


def read_body(path: Path) -> bytes:
    """The bytes of a recorded body; ``-`` is standard input.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if path == _STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        message = f"{printable(path)} cannot be read: {error.strerror}"
        raise ConfigError(message, hint="Give the path of a recorded response body.") from error


def decode_body(family: str, body: bytes, read_size: int | None = None) -> Decoded:
    """Decode a recorded body, fed ``read_size`` bytes at a time, or whole."""
    size = read_size or len(body) or 1
    decoder = Decoder(FAMILIES[family])
    events: list[Event] = []
    for at in range(0, len(body), size):
        events += decoder.feed(body[at : at + size])
    events += decoder.close(clean=True)
    return Decoded(events, decoder.stop_seen)


def describe(name: str, decoded: Decoded) -> dict[str, Any]:
    """A folded answer as one JSON object; ``complete`` tells whether it is whole."""
    answer = fold(decoded.events)
    stop = answer.stop if isinstance(answer, Turn) else decoded.stop_seen
    return {
        "file": name,
        "complete": isinstance(answer, Turn),
        "text": answer.text,
        "reasoning": answer.reasoning,
        "tool_calls": [_call(call) for call in answer.tool_calls],
        "usage": {
            field: getattr(answer.usage, field)
            for field in ("input", "output", "cache_read", "cache_write", "reasoning")
        },
        "stop": {"reason": stop.reason if stop else None, "raw": stop.raw if stop else None},
        "error": _error(answer),
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "name": call.name,
        "arguments": _arguments(call),
        "status": call.status,
    }


def _arguments(call: ToolCall) -> Any:
    """The parsed value where the JSON is whole, the text as it came where it is not."""
    if not call.json and call.status == "complete":
        return {}
    try:
        return msgspec.json.decode(call.json)
    except (msgspec.DecodeError, RecursionError):
        return call.json


def _error(answer: Turn | PartialTurn) -> dict[str, Any] | None:
    if isinstance(answer, Turn) or answer.failure is None:
        return None
    error: dict[str, Any] = msgspec.to_builtins(answer.failure)
    del error["type"]
    return error
