"""What readers that stand still cost: ``python -m benchmarks.stalled``.

The answers wait in the sockets, and behind them with the server, which is another process. What this process
holds is counted as the growth of its resident memory, from after a first answer, when all is loaded, to when
nothing comes any more. Each case has a process of its own, because memory that was freed is not given back.

- ``streams``: `STREAMS` readers that each take one event of an answer of 1 MB, and no more.
- ``one``: one reader of an answer of 50 MB that sleeps over each event.
- ``fan_out``: `STREAMS` such answers in one `fan_out`, whose reader takes one part.
- ``whole``: one reader of that answer who reads it to its end, and so holds what it adds up to.
- ``tee``: that answer with three readers, of whom one takes one event and two read on, by slow-reader policy.
  Beside ``whole``, the difference is what the stuck reader costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, get_args

from benchmarks.places import ROOT, open_many_files, pin
from benchmarks.playing import playing
from gateway_stream import Client, Message, Request
from gateway_stream.fanout import fan_out
from gateway_stream.tee import tee
from gateway_stream.tee.pump import Slow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["CASES", "grown"]

FAMILY: Final = "anthropic"
EVENT_BYTES: Final = 121
STREAMS: Final = 1000
MEGABYTE: Final = 1_000_000
PIECE_SECONDS: Final = 0.01
STILL_SECONDS: Final = 1.0
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:  # noqa: PTH123  a path would be in the figure
        return int(file.read().split()[1]) * _PAGE


def request(size: int) -> Request:
    """A request for an answer of so many bytes."""
    model = f"play-{size // EVENT_BYTES}-32-0"
    return Request(model=model, messages=(Message("user", "hi"),))


async def still() -> int:
    """The resident memory once it has not grown for a while."""
    most, since = resident(), time.perf_counter()
    while time.perf_counter() - since < STILL_SECONDS:
        await asyncio.sleep(PIECE_SECONDS)
        now = resident()
        if now > most:
            most, since = now, time.perf_counter()
    return most


async def streams(client: Client, how: dict[str, Any]) -> int:
    async with AsyncExitStack() as closing:
        for _ in range(how["streams"]):
            stream = await closing.enter_async_context(client.stream(request(MEGABYTE)))
            await anext(stream)
        return await still()


async def one(client: Client, how: dict[str, Any]) -> int:  # noqa: ARG001
    async with client.stream(request(50 * MEGABYTE)) as stream:
        await anext(stream)
        return await still()


async def whole(client: Client, how: dict[str, Any]) -> int:  # noqa: ARG001
    async with client.stream(request(50 * MEGABYTE)) as stream:
        async for _ in stream.batches():
            pass
        return await still()


async def fanned_out(client: Client, how: dict[str, Any]) -> int:
    asked = [request(MEGABYTE)] * how["streams"]
    async with fan_out(client, asked, concurrency=how["streams"]) as parts:
        await anext(parts)
        return await still()


async def teed(client: Client, how: dict[str, Any]) -> int:
    async with tee(client.stream(request(50 * MEGABYTE)), 3, slow=how["slow"]) as one_answer:
        stuck, *others = one_answer.readers
        await anext(stuck)

        async def read(reader: Any) -> None:
            async for _ in reader.batches():
                pass

        reading = [asyncio.create_task(read(reader)) for reader in others]
        if how["slow"] != "block":
            await asyncio.gather(*reading)
        most = await still()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        return most


CASES: Final[dict[str, Callable[[Client, dict[str, Any]], Awaitable[int]]]] = {
    "streams": streams,
    "one": one,
    "whole": whole,
    "fan_out": fanned_out,
    "tee": teed,
}


async def grown(case: str, how: dict[str, Any]) -> int:
    """Bytes by which this process grows in one case."""
    async with Client(host=f"{how['host']}/v1", family=FAMILY, token="x") as client:  # noqa: S106
        await client.complete(request(10 * EVENT_BYTES))
        gc.collect()
        before = resident()
        return await CASES[case](client, how) - before


def _measured(case: str, how: dict[str, Any], certificate: str) -> int:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.stalled", "--case", case, "--how", json.dumps(how)],
        cwd=ROOT,
        env=os.environ | ({"SSL_CERT_FILE": certificate} if certificate else {}),
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--case", choices=CASES, help="in this process, for --how")
    parser.add_argument("--how", type=json.loads)
    given = parser.parse_args()
    open_many_files()
    if given.case:
        pin(0)
        print(asyncio.run(grown(given.case, given.how)))
        return
    with playing() as server:
        for way, host in (("plain", server.plain), ("TLS", server.tls)):
            if not host:
                continue
            how = {"host": host, "streams": given.streams}
            for case in ("streams", "fan_out", "one", "whole"):
                bytes_ = _measured(case, how, server.certificate)
                many = case in {"streams", "fan_out"}
                each = f", {bytes_ / given.streams / 1024:.0f} KiB a stream" if many else ""
                print(f"{case}, {way}: {bytes_ / MEGABYTE:.1f} MB{each}", flush=True)
        for slow in get_args(Slow):
            bytes_ = _measured("tee", {"host": server.plain, "slow": slow}, "")
            print(f"tee, {slow}: {bytes_ / MEGABYTE:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
