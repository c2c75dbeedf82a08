"""Decoding is linear: twice the frames cost twice as much, oddities included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from tests.support.growth import growth

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = list(FAMILIES)
LONG: dict[str, Callable[[int], bytes]] = {
    "openai_chat": lambda place: (
        b'data: {"choices":[{"index":0,"delta":{"content":"a%d"}}]}\n\n' % place
    ),
    "openai_responses": lambda place: (
        b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a%d"}\n\n'
        % place
    ),
    "anthropic": lambda place: (
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a%d"}}\n\n'
        % place
    ),
    "gemini": lambda place: (
        b'data: {"candidates":[{"content":{"parts":[{"text":"a%d"}]}}]}\n\n' % place
    ),
}
CALLS: dict[str, Callable[[int], bytes]] = {
    "openai_chat": lambda place: (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"c%d",'
        b'"function":{"name":"f","arguments":"{}"}}]}}]}\n\n' % (place, place)
    ),
    "openai_responses": lambda place: (
        b'data: {"type":"response.output_item.added","output_index":%d,"item":'
        b'{"type":"function_call","id":"i%d","call_id":"c%d","name":"f","arguments":""}}\n\n'
        % (place, place, place)
    ),
    "anthropic": lambda place: (
        b'data: {"type":"content_block_start","index":%d,"content_block":'
        b'{"type":"tool_use","id":"c%d","name":"f","input":{}}}\n\n' % (place, place)
    ),
    "gemini": lambda place: (
        b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f%d","args":{}}}]}}]}\n\n'
        % place
    ),
}
ODD: dict[str, Callable[[int], bytes]] = {
    "a stray line": lambda place: b"stray %d\n" % place,
    "an unknown event": lambda place: b'data: {"type":"new_%d","text":"x"}\n\n' % place,
    "a wrong type": lambda place: (
        b'data: {"type":%d,"choices":%d,"candidates":{"a":%d}}\n\n' % (place, place, place)
    ),
    "a lone half": lambda place: b'data: {"text":"\\ud83d","x":%d}\n\n' % place,
    "a comment": lambda place: b": %d\n\n" % place,
}


def decoding(family: str, line: Callable[[int], bytes]) -> Callable[[int], None]:
    def run(count: int) -> None:
        body = b"".join(map(line, range(count)))
        decoder = Decoder(FAMILIES[family])
        for at in range(0, len(body), 4096):
            decoder.feed(body[at : at + 4096])
        decoder.close()

    return run


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("lines", [LONG, CALLS], ids=["deltas", "calls"])
def test_twice_the_frames_cost_twice_as_much(
    family: str, lines: dict[str, Callable[[int], bytes]]
) -> None:
    assert growth(decoding(family, lines[family]), 250, 8_000, enough=4) <= 4


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("odd", list(ODD))
def test_twice_the_oddities_cost_twice_as_much(family: str, odd: str) -> None:
    assert growth(decoding(family, ODD[odd]), 250, 4_000, enough=4) <= 4
