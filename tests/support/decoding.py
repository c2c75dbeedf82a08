"""Decoding bodies in tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway_stream.turn import Accumulator, PartialTurn, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.events import Event


def decode(family: str, *chunks: bytes, clean: bool = True) -> list[Event]:
    """The events of a body that comes in these reads."""
    return decode_reads(family, chunks, clean=clean)


def decode_reads(family: str, chunks: Iterable[bytes], *, clean: bool = True) -> list[Event]:
    """The events of a body that comes in these reads."""
    decoder = Decoder(FAMILIES[family])
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.close(clean=clean)


def answer_of(family: str, body: bytes, *, clean: bool = True) -> Turn | PartialTurn:
    """What a body folds to; a partial answer knows the stop that was seen."""
    decoder = Decoder(FAMILIES[family])
    events = decoder.feed(body) + decoder.close(clean=clean)
    answer = fold(events)
    if isinstance(answer, Turn):
        return answer
    accumulator = Accumulator()
    accumulator.extend(events)
    return accumulator.partial(stop_seen=decoder.stop_seen)


def normal(answer: Turn | PartialTurn) -> dict[str, Any]:
    """An answer in the form that the corpus's expectations have."""
    usage = answer.usage
    stop = answer.stop if isinstance(answer, Turn) else answer.stop_seen
    return {
        "text": answer.text,
        "reasoning": "".join(answer.reasoning.split()),
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": _arguments(call.json)}
            for call in answer.tool_calls
        ],
        "usage": {
            "input": usage.input,
            "output": usage.output,
            "cached_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "reasoning": usage.reasoning,
        },
        "stop_reason": stop.raw if stop else None,
        "complete": isinstance(answer, Turn),
        "failure": answer.failure.kind
        if isinstance(answer, PartialTurn) and answer.failure
        else None,
    }


def _arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"$unparsed": text}


def folded(family: str, *chunks: bytes, clean: bool = True) -> dict[str, Any]:
    """What a body folds to, in the corpus's form."""
    return normal(answer_of(family, b"".join(chunks), clean=clean))
