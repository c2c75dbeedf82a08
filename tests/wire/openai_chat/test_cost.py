"""What a Chat answer costs grows with its length, however its parts lie in the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway_stream.wire import FAMILIES
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.openai_chat.blocks import Blocks
from tests.support.growth import growth

if TYPE_CHECKING:
    from collections.abc import Callable

SEVERAL = 3


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def signed(place: int) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"index": place, "id": f"c{place}", "function": function, "thoughtSignature": "s"}


def named(place: int, arguments: str = "{}") -> dict[str, Any]:
    call = {"index": 0, "id": f"c{place}", "function": {"name": "f", "arguments": arguments}}
    return chunk(tool_calls=[call])


def again(count: int) -> list[dict[str, Any]]:
    return [*(named(place, "") for place in range(count)), *(named(0, " ") for _ in range(count))]


def like_whole(start: str, end: str) -> Callable[[int], list[dict[str, Any]]]:
    """Pieces of one call, each of which might follow whole arguments."""

    def made(count: int) -> list[dict[str, Any]]:
        first = [named(0, f"{start}{'1,' * count}{end}")]
        return first + [named(0, "{}") for _ in range(count)]

    return made


def ended(count: int) -> list[dict[str, Any]]:
    last = {"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [last, *silent(count)]


def silent(count: int) -> list[dict[str, Any]]:
    return [{"choices": [{"delta": {}}], f"k{place}": place} for place in range(count)]


def custom(place: int) -> dict[str, Any]:
    first = {"id": "x", "type": "custom"} if not place else {}
    return chunk(tool_calls=[{"index": 0, **first, "custom": {"input": f"a{place}"}}])


def agent(place: int) -> dict[str, Any]:
    if place % 2:
        return {"role": "tool", "content": "1"}
    return {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f"}}]}


def odd(count: int) -> list[dict[str, Any]]:
    parts = [{"type": "new", "n": place} for place in range(count)]
    return [chunk(content=[*parts, "\ue000"])]


FRAMES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "signed calls in one frame": lambda n: [chunk(tool_calls=list(map(signed, range(n))))],
    "parts in one frame": lambda n: [chunk(content=[{"type": "new"}] * n)],
    "parts in one frame that can only be read leniently": odd,
    "hidden details in one frame": lambda n: [
        chunk(reasoning_details=[{"type": "reasoning.encrypted", "data": "e"}] * n)
    ],
    "hidden thinking in one frame": lambda n: [
        chunk(thinking_blocks=[{"type": "redacted_thinking", "data": "e"}] * n)
    ],
    "messages of an agent": lambda n: [{"id": "a", "messages": list(map(agent, range(n)))}],
    "ids under one position": lambda n: [named(place) for place in range(n)],
    "an old id after many": again,
    "pieces that look whole inside a text": like_whole('{"a":"', "{}"),
    "pieces that look whole after what is none": like_whole('{"a":[', "1]}{}"),
    "pieces of a call of no function": lambda n: list(map(custom, range(n))),
    "frames that add nothing before the start": silent,
    "frames that add nothing after the finish": ended,
    "citations without a place": lambda n: [
        chunk(content="a"),
        *(chunk(annotations=[{"type": "file", "n": place}]) for place in range(n)),
    ],
    "citations in one frame": lambda n: [
        chunk(content="a", annotations=[{"type": "file", "n": place} for place in range(n)])
    ],
    "thinking in pieces": lambda n: [
        chunk(reasoning_content="a", thinking_blocks=[{"type": "thinking", "thinking": "a"}])
        for _ in range(n)
    ],
}


def decoding(frames: Callable[[int], list[dict[str, Any]]]) -> Callable[[int], None]:
    made: dict[int, bytes] = {}

    def run(count: int) -> None:
        if count not in made:
            texts = map(msgspec.json.encode, frames(count))
            body = b"".join(b"data: " + text + b"\n\n" for text in texts)
            made[count] = body.replace("\ue000".encode(), b"\xff")
        decoder = Decoder(FAMILIES["openai_chat"])
        decoder.feed(made[count])
        decoder.close()

    return run


def test_noting_one_more_costs_the_same_however_many_were_noted() -> None:
    def run(count: int) -> None:
        writer = AnswerWriter()
        blocks = Blocks(writer, writer.start)
        index = blocks.open("text")
        for place in range(count):
            blocks.note(index, {"annotations": [place]})

    assert growth(run, 1_000, 16_000, enough=SEVERAL) <= SEVERAL


@pytest.mark.parametrize("frames", FRAMES.values(), ids=list(FRAMES))
def test_twice_as_much_costs_twice_as_much(
    frames: Callable[[int], list[dict[str, Any]]],
) -> None:
    assert growth(decoding(frames), 500, 8_000, enough=SEVERAL) <= SEVERAL
