"""What grows while an answer comes is put together once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from tests.support.growth import growth
from tests.wire.anthropic.frames import END, block, delta, start, stop, stream

if TYPE_CHECKING:
    from collections.abc import Callable

GROWING: dict[str, Callable[[int], bytes]] = {
    "strings of a block nobody knows": lambda _: stream(
        delta(0, "compaction_delta", content="a" * 200)
    ),
    "lists of a block nobody knows": lambda _: stream(delta(0, "new_delta", items=[1] * 40)),
    "strange strings of a text": lambda _: stream(delta(1, "new_delta", more="a" * 200)),
    "pieces of a signature": lambda _: stream(delta(2, "signature_delta", signature="a")),
    "leftovers of the stop": lambda place: stream({**stop("end_turn"), f"key_{place}": place}),
}


def decoding(line: Callable[[int], bytes]) -> Callable[[int], None]:
    opened = stream(
        start(),
        block(0, type="compaction", content=""),
        block(1, type="text", text=""),
        block(2, type="thinking", thinking=""),
        stop("end_turn"),
    )

    def run(count: int) -> None:
        body = opened + b"".join(map(line, range(count))) + stream(END)
        decoder = Decoder(FAMILIES["anthropic"])
        for at in range(0, len(body), 4096):
            decoder.feed(body[at : at + 4096])
        decoder.close()

    return run


@pytest.mark.parametrize("line", GROWING.values(), ids=GROWING)
def test_twice_the_growth_costs_twice_as_much(line: Callable[[int], bytes]) -> None:
    assert growth(decoding(line), 250, 8_000, enough=4) <= 4
