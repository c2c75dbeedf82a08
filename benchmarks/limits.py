"""How well a client lives with a limit that it is not told: ``python -m benchmarks.limits``.

A gateway in a process of its own takes 37 requests at a time, answers each in about 200 ms and refuses the rest with 429. 200
tasks ask it one question after the other, over real sockets, through the public client. The
measure is a client that was told the limit beforehand, which is a perfect semaphore, against the same server.
The first 10 seconds do not count. With ``--retry-after N`` each refusal asks for a pause of so many seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway_stream import Client, GatewayError, Limits, Retry
from gateway_stream.testing import Capacity, FakeGateway, Reply

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gateway_stream.testing.routes import Received

WALL: Final = 37
TASKS: Final = 200
ANSWER: Final = 0.2
WARM_UP: Final = 10.0
SAMPLE: Final = 0.05
RETRY: Final = Retry(retries=1000, first_wait=0.5, longest_wait=1.0)


class Seen(NamedTuple):
    """What the server saw after the warm-up."""

    seconds: float
    accepted: int
    refused: int
    in_flight: list[int]


async def _serve(pipe: Connection, retry_after: float | None, seconds: float) -> None:
    async def answer(_: Received) -> Reply:
        await asyncio.sleep(ANSWER)
        return Reply.scripted(text="a b")

    wall = Capacity(answer, concurrency=WALL, retry_after=retry_after)
    async with FakeGateway(default=wall) as gateway:
        pipe.send(gateway.url)
        await asyncio.to_thread(pipe.recv)  # the client begins
        await asyncio.sleep(WARM_UP)
        began, accepted, refused = time.perf_counter(), wall.accepted, wall.refused
        samples = []
        while time.perf_counter() - began < seconds:
            await asyncio.sleep(SAMPLE)
            samples.append(wall.in_flight)
        elapsed = time.perf_counter() - began
        pipe.send(Seen(elapsed, wall.accepted - accepted, wall.refused - refused, samples))
        await asyncio.to_thread(pipe.recv)  # the client has left


def _server(pipe: Connection, retry_after: float | None, seconds: float) -> None:
    asyncio.run(_serve(pipe, retry_after, seconds))


async def _ask(client: Client) -> None:
    session = client.session()
    while True:
        try:
            await session.complete("databricks-model", "go")
        except GatewayError as error:
            print(f"a request failed: {error}")


async def _measure(
    limits: Limits | None, retry_after: float | None, seconds: float
) -> tuple[Seen, int | None]:
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_server, args=(there, retry_after, seconds))
    process.start()
    try:
        url = await asyncio.to_thread(here.recv)
        async with Client(host=url, limits=limits, retry=RETRY) as client:
            here.send("begin")
            tasks = [asyncio.create_task(_ask(client)) for _ in range(TASKS)]
            seen: Seen = await asyncio.to_thread(here.recv)
            (place,) = client.stats().places
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        here.send("over")
        return seen, place.limit
    finally:
        await asyncio.to_thread(process.join, 10)
        process.kill()


def _rows(told: Seen, untold: Seen, limit: int | None) -> list[tuple[str, str, str]]:
    perfect = told.accepted / told.seconds
    rate = untold.accepted / untold.seconds
    asked = untold.accepted + untold.refused
    flight = sorted(untold.in_flight)
    low, high = flight[len(flight) // 20], flight[-1]
    return [
        ("requests", f"{asked}", ">= 3000"),
        ("limit learned", f"{limit}", "33-37"),
        ("in flight, 5 % and most", f"{low}-{high}", "33-37"),
        ("in flight, median", f"{statistics.median(flight):g}", "33-37"),
        ("refused", f"{untold.refused / asked:.2%}", "< 2 %"),
        ("answers a second", f"{rate:.1f}", ""),
        ("answers a second, told the limit", f"{perfect:.1f}", ""),
        ("of a perfect semaphore", f"{rate / perfect:.1%}", ">= 90 %"),
    ]


async def _main(arguments: Any) -> None:
    told, _ = await _measure(Limits(concurrency=WALL), None, arguments.seconds)
    untold, limit = await _measure(None, arguments.retry_after, arguments.seconds)
    print(
        f"{TASKS} tasks, a limit of {WALL}, {ANSWER * 1000:.0f} ms an answer; server in its own process"
    )
    for name, figure, target in _rows(told, untold, limit):
        print(f"{name:34}{figure:>10}   {target}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="to measure after the warm-up")
    parser.add_argument("--retry-after", type=float, help="seconds that a refusal asks for")
    asyncio.run(_main(parser.parse_args()))
