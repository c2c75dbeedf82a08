"""The figures that the documents name for decoding and folding, measured: CPU time, medians."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from gateway_stream.events import BlockEnd, BlockStart, Event, Start, Stop, TextDelta, ToolCallDelta
from gateway_stream.turn import fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.sse import FrameDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 5
PIECE = 16
DELTAS = {
    "openai_chat": b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1731000000,'
    b'"model":"m","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}\n\n',
    "openai_responses": b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_0",'
    b'"output_index":0,"content_index":0,"delta":" token"}\n\n',
    "anthropic": b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}\n\n',
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":" token"}],"role":"model"},"index":0}],'
    b'"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}\r\n\r\n',
}


def seconds(work: Callable[[], object]) -> float:
    """The median CPU time of some runs."""
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def folding(deltas: int) -> float:
    events: list[Event] = [Start(), BlockStart(0, "text")]
    events += [TextDelta(0, "hello ")] * deltas
    events += [BlockEnd(0), Stop("end_turn")]
    return seconds(lambda: fold(events))


def arguments(size: int) -> float:
    """Seconds per byte of folding and reading a tool call's arguments."""
    text = '{"a":"' + "x" * (size - 8) + '"}'
    events: list[Event] = [Start(), BlockStart(0, "tool_call", "call_0", "f")]
    events += [ToolCallDelta(0, text[at : at + PIECE]) for at in range(0, size, PIECE)]
    events += [BlockEnd(0), Stop("tool_use")]

    def read() -> object:
        answer = fold(events)
        return answer.tool_calls[0].arguments

    return seconds(read) / size


def long_line() -> float:
    line = b"data: " + b"x" * (16 * 1024 * 1024 - 100) + b"\n\n"
    pieces = [line[at : at + 1024] for at in range(0, len(line), 1024)]

    def feed() -> None:
        frames = FrameDecoder()
        for piece in pieces:
            frames.feed(piece)

    return seconds(feed)


def decoding(family: str) -> float:
    """Seconds per event of decoding text deltas, 32 a read."""
    read, count = DELTAS[family] * 32, 300

    def feed() -> None:
        decoder = Decoder(FAMILIES[family])
        for _ in range(count):
            decoder.feed(read)

    return seconds(feed) / (32 * count)


def main() -> None:
    print(f"fold 200,000 text deltas: {folding(200_000) * 1e3:.0f} ms")
    ratio = arguments(1024 * 1024) / arguments(64 * 1024)
    print(f"1 MiB of arguments over 64 KiB, per byte: {ratio:.2f}x")
    print(f"one 16 MiB data line in 1 KiB pieces: {long_line():.2f} s")
    for family in FAMILIES:
        print(f"decode one text delta of {family}: {decoding(family) * 1e6:.2f} µs")


if __name__ == "__main__":
    main()
