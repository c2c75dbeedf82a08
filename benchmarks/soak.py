"""What a client keeps of the streams that it has had: ``python -m benchmarks.soak``.

One client reads a million short answers of all families, some at a time, against a server in another
process. Of a hundred streams most are read to their end; one is left after its first event, one is
cancelled while it waits for more, and one is refused, for these are the ways on which things are left behind.

It goes in rounds. After each nothing is in flight, garbage is collected, and three things are counted:
resident memory, blocks that Python's allocator has given out, and objects that the collector knows, by
type. The first rounds warm up: pools, caches and the allocator's arenas come to their size in them. From the others the
slope of a straight line is told, in KiB for each thousand streams. A client that forgets what is over has none:
what remains is noise, and blocks and objects tell it from a leak, since they are exact.

It ends after ``--streams``, or after ``--minutes``, whichever comes first.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import sys
import time
from array import array
from collections import Counter
from itertools import islice
from statistics import linear_regression
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from benchmarks.asked import QUESTION
from benchmarks.crowd import resident
from benchmarks.places import open_many_files, pin
from benchmarks.playing import playing
from benchmarks.rows import FAMILIES
from gateway_stream import Client, GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sample", "Soaked", "report", "soak"]

SHORT: Final = "play-10-10-0"
ENDLESS: Final = "play-1000000-1-3600000"
UNKNOWN: Final = "nothing-to-play"
ROUNDS: Final = 100
WARM_UP: Final = 10
TOGETHER: Final = 20
_PATIENCE: Final = 0.005
_SHOWN: Final = 12


class Sample(NamedTuple):
    """What the process holds after a round."""

    streams: int
    resident: int
    blocks: int


class Soaked(NamedTuple):
    """What was seen.

    Attributes:
        ends: how streams ended.
        samples: one for each round after the warm-up; the first is what it left.
        grown: how many more objects there are at the end than after the warm-up, by type.
        seconds: how long all took.
    """

    ends: Counter[str]
    samples: list[Sample]
    grown: Counter[str]
    seconds: float


async def _one(client: Client, number: int) -> str:
    """Have one stream, and tell how it ended."""
    family = FAMILIES[number % len(FAMILIES)]
    kind = number // len(FAMILIES) % 100
    if kind == 0:
        async with client.stream(SHORT, QUESTION, family=family) as stream:
            async for _ in stream:
                return "left"
    if kind == 1:
        with anyio.move_on_after(_PATIENCE):
            await client.complete(ENDLESS, QUESTION, family=family)
        return "cancelled"
    if kind == 2:  # noqa: PLR2004  the third
        try:
            await client.complete(UNKNOWN, QUESTION, family=family)
        except GatewayError:
            return "refused"
    turn = await client.complete(SHORT, QUESTION, family=family)
    return "whole" if len(turn.text.split()) == 10 else "short"  # noqa: PLR2004  as `SHORT` says


async def _some(client: Client, numbers: Iterator[int], ends: Counter[str], until: float) -> None:
    for number in numbers:
        ends[await _one(client, number)] += 1
        if time.perf_counter() > until:
            return


def _objects() -> Counter[str]:
    gc.collect()
    return Counter(
        [f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects()]
    )


async def soak(address: str, *, streams: int, seconds: float) -> Soaked:
    """Have so many streams, or those that end in so many seconds."""
    ends: Counter[str] = Counter()
    counted = array("q")  # what is kept here is no object that is counted with the client's
    before: Counter[str] = Counter()
    began = time.perf_counter()
    numbers = iter(range(streams))
    async with Client(host=f"{address}/v1", token="made-up") as client:  # noqa: S106
        for number in range(ROUNDS):
            this_round = islice(numbers, streams // ROUNDS)
            async with asyncio.TaskGroup() as group:
                for _ in range(TOGETHER):
                    group.create_task(_some(client, this_round, ends, began + seconds))
            if number + 1 < WARM_UP:
                continue
            if number + 1 == WARM_UP:
                before = _objects()
            gc.collect()
            counted.extend((ends.total(), resident(), sys.getallocatedblocks()))
            if time.perf_counter() > began + seconds:
                break
        grown = _objects()
        grown.subtract(before)
    samples = [Sample(*counted[n : n + 3]) for n in range(0, len(counted), 3)]
    return Soaked(ends, samples, grown, time.perf_counter() - began)


def report(soaked: Soaked) -> str:
    """What was seen, in lines for people."""
    ends = ", ".join(f"{many:,} {how}" for how, many in soaked.ends.most_common())
    lines = [f"{soaked.ends.total():,} streams in {soaked.seconds / 60:.1f} minutes: {ends}"]
    if len(soaked.samples) < 2:  # noqa: PLR2004  a line needs two
        return "\n".join([*lines, "too few rounds after the warm-up to tell a slope"])
    streams = [sample.streams for sample in soaked.samples]
    first, last = soaked.samples[0], soaked.samples[-1]
    for name, unit, values in (
        ("resident memory", 1024, [sample.resident for sample in soaked.samples]),
        ("allocated blocks", 1, [sample.blocks for sample in soaked.samples]),
    ):
        slope = linear_regression(streams, values).slope * 1000 / unit
        lines.append(
            f"{name}: {values[0] / unit:,.0f} after {first.streams:,}, {values[-1] / unit:,.0f} after "
            f"{last.streams:,}; {slope:+.4f} for each 1,000 streams"
        )
    lines[1] = lines[1].replace("resident memory", "resident memory, KiB")
    grown = [(name, by) for name, by in soaked.grown.most_common(_SHOWN) if by > 0]
    lines.append("objects more than after the warm-up, by type:")
    lines += [f"  {by:+,} {name}" for name, by in grown] or ["  none"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    options = parser.parse_args()
    loop_factory: Any = None
    if options.loop == "uvloop":
        loop_factory = importlib.import_module("uvloop").new_event_loop
    open_many_files()
    with playing() as server, asyncio.Runner(loop_factory=loop_factory) as runner:
        pin(0)  # the server is on the other core, where it put itself
        found = runner.run(
            soak(server.plain, streams=options.streams, seconds=options.minutes * 60)
        )
    print(report(found))


if __name__ == "__main__":
    main()
