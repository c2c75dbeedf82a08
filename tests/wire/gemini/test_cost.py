"""Every frame of an answer may tell metadata, ground its text or begin a call; none of that adds up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from tests.support.growth import growth

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "wörd " * 100


def frame(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": parts}, **fields}]}


def stopped(place: int) -> dict[str, Any]:
    return {**frame({"text": "a"}, finishReason="STOP"), f"key{place}": place}


def grounded(place: int) -> dict[str, Any]:
    end = (place + 1) * len(TEXT.encode())
    support = {"segment": {"startIndex": end - 6, "endIndex": end}, "groundingChunkIndices": [0]}
    metadata = {
        "groundingChunks": [{"web": {"uri": f"u{place}"}}],
        "groundingSupports": [support],
    }
    return frame({"text": TEXT}, groundingMetadata=metadata)


def begun(place: int) -> dict[str, Any]:
    calls = ({"id": f"{place} {at}", "name": "f", "willContinue": True} for at in range(5))
    return frame(*({"functionCall": call} for call in calls))


def snake(place: int) -> dict[str, Any]:
    return {**frame({"text": "a"}), "usage_metadata": {"prompt_token_count": place}}


def decoding(line: Callable[[int], dict[str, Any]]) -> Callable[[int], None]:
    def run(count: int) -> None:
        body = b"".join(b"data: " + json.dumps(line(at)).encode() + b"\n\n" for at in range(count))
        decoder = Decoder(FAMILIES["gemini"])
        for at in range(0, len(body), 4096):
            decoder.feed(body[at : at + 4096])
        decoder.close()

    return run


@pytest.mark.parametrize("line", [stopped, grounded, begun, snake])
def test_twice_the_frames_cost_twice_as_much(line: Callable[[int], dict[str, Any]]) -> None:
    assert growth(decoding(line), 250, 8_000, enough=4) <= 4
