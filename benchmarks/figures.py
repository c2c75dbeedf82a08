"""The figures that the documents name: decoding, folding and looking tokens up by CPU time, medians; and
how long the loop is held up while a token is renewed, the gateway being a process of its own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING

from gateway_stream import Client
from gateway_stream.auth import M2M, Secret, Token
from gateway_stream.auth.service import Credentials
from gateway_stream.auth.services import TokenServices
from gateway_stream.events import BlockEnd, BlockStart, Event, Start, Stop, TextDelta, ToolCallDelta
from gateway_stream.testing import FakeGateway, Issuer, Reply
from gateway_stream.turn import fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.sse import FrameDecoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

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


def looking_up() -> float:
    """Seconds of finding the token of a request: the service of its source, and what that has."""
    services = TokenServices(workspace=None)
    now = time.time()
    token = Token(value=Secret("token"), expires_at=now + 3600, obtained_at=now)
    for number in range(1000):
        source = M2M(client_id=f"client-{number}", client_secret=Secret(f"secret-{number}"))
        services.of(source)._kept = Credentials(token, now)  # noqa: SLF001  no server to ask
    count = 100_000

    def look_up() -> None:
        for _ in range(count):
            assert services.of(source).ready()  # noqa: S101

    return seconds(look_up) / count


LIFE, DELAY = 16.0, 3.0


def serve(pipe: Connection) -> None:
    """A gateway whose token endpoint is slow from the second time on."""

    async def run() -> None:
        reply = dataclasses.replace(Reply.long(size=100_000_000, piece=16), pace=0.05)
        issuer = Issuer(clients={"robot": "secret"}, lifetime=LIFE)
        async with FakeGateway(default=reply, issuer=issuer) as gateway:
            pipe.send(gateway.url)
            await gateway.wait_for(lambda _: issuer.requests, within=60)
            issuer.delay = DELAY
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def lags(url: str, streams: int) -> tuple[float, float, int]:
    """The loop's longest lag before the endpoint is asked and while it is, in seconds; and tokens meanwhile."""
    robot = M2M(client_id="robot", client_secret=Secret("secret"))
    texts = 0
    seen: list[tuple[float, float]] = []
    async with Client(host=url, auth=robot) as client:

        async def read() -> None:
            nonlocal texts
            async with client.stream("databricks-claude-sonnet-4-6", "hi") as stream:
                async for _ in stream.text():
                    texts += 1

        reading = [asyncio.create_task(read()) for _ in range(streams)]
        while texts < streams:  # noqa: ASYNC110  it is polled no more once they run
            await asyncio.sleep(0.01)
        service = client._services.of(robot)  # noqa: SLF001  to know when it renews
        kept = service.ready()
        assert kept  # noqa: S101
        before = 0
        while (now := time.time()) < kept.stale_at + DELAY and service.ready() in (kept, None):
            await asyncio.sleep(0.001)
            seen.append((now, time.time() - now - 0.001))
            before = texts if now < kept.stale_at else before
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    began = kept.stale_at
    quiet = max(lag for at, lag in seen if began - DELAY < at < began - 0.1)
    return quiet, max(lag for at, lag in seen if at >= began), texts - before


def renewing(streams: int) -> tuple[float, float, int]:
    """What `lags` measures, with the gateway in a process of its own."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    server.start()
    try:
        return asyncio.run(lags(here.recv(), streams))
    finally:
        here.send("end")
        server.join()


def main() -> None:
    print(f"fold 200,000 text deltas: {folding(200_000) * 1e3:.0f} ms")
    ratio = arguments(1024 * 1024) / arguments(64 * 1024)
    print(f"1 MiB of arguments over 64 KiB, per byte: {ratio:.2f}x")
    print(f"one 16 MiB data line in 1 KiB pieces: {long_line():.2f} s")
    for family in FAMILIES:
        print(f"decode one text delta of {family}: {decoding(family) * 1e6:.2f} µs")
    print(f"look up a token among 1,000 identities: {looking_up() * 1e6:.2f} µs")
    quiet, busy, texts = renewing(200)
    print(
        f"the loop's longest lag while 200 streams run and the token endpoint takes {DELAY:g} s: "
        f"{busy * 1e3:.1f} ms ({quiet * 1e3:.1f} ms before); {texts} tokens came meanwhile"
    )


if __name__ == "__main__":
    main()
