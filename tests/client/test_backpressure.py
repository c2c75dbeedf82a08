"""Readers that stand still make the server wait, however many they are; this process holds little."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, get_args

import anyio
import pytest

from gateway_stream import Message, Request, Start, StreamTruncated
from gateway_stream.fanout import fan_out
from gateway_stream.tee import tee
from gateway_stream.tee.pump import Slow
from gateway_stream.testing import Reply
from tests.support.clock import settle

if TYPE_CHECKING:
    from gateway_stream import Client, EventStream
    from gateway_stream.testing import FakeGateway

MODEL = "databricks-claude-sonnet-4-6"
STREAMS = 20
SIZE = 20_000_000
PIECE = 16 * 1024
KERNEL = 10_000_000
"""Bytes that the sockets of one loopback connection take at most, as far as systems let them grow."""
READ = 512 * 1024
"""Bytes that one read of the socket may bring, and those that may wait behind it."""
JOURNAL = 256 * 1024


@pytest.fixture
def gateway(fake_gateway: FakeGateway) -> FakeGateway:
    fake_gateway.default = Reply.long(size=SIZE, piece=PIECE)
    return fake_gateway


async def written_at_most(gateway: FakeGateway) -> int:
    """Bytes that were written once nothing moves any more."""
    written = -1
    while written != gateway.bytes_written:
        written = gateway.bytes_written
        await anyio.wait_all_tasks_blocked()
        await settle()
    return written


def waiting_bytes(stream: EventStream) -> int:
    """What was received of a body and not read."""
    opened = stream._incoming.opened
    assert opened is not None
    return opened.exchange._content._size


async def test_readers_that_stand_still_stop_the_server(
    client: Client, gateway: FakeGateway
) -> None:
    async with AsyncExitStack() as entered:
        streams = [
            await entered.enter_async_context(client.stream(MODEL, "hi")) for _ in range(STREAMS)
        ]
        for stream in streams:
            assert type(await anext(stream)) is Start
        assert await written_at_most(gateway) < STREAMS * KERNEL
        assert gateway.in_flight == STREAMS
        assert max(map(waiting_bytes, streams)) <= READ


async def test_a_reader_that_goes_on_misses_nothing(client: Client, gateway: FakeGateway) -> None:
    gateway.default = Reply.long(size=SIZE // 10, piece=PIECE)
    whole = await client.complete(MODEL, "hi")
    async with client.stream(MODEL, "hi") as stream:
        await anext(stream)
        await written_at_most(gateway)
        assert (await stream.turn()).text == whole.text


async def test_a_fan_out_that_nobody_reads_stops_the_server(
    client: Client, gateway: FakeGateway
) -> None:
    asked = [Request(model=MODEL, messages=(Message("user", "hi"),))] * STREAMS
    async with fan_out(client, asked, concurrency=STREAMS, buffer=5) as parts:
        await anext(parts)
        assert await written_at_most(gateway) < STREAMS * KERNEL
        waiting = sum(len(str(part.batch.events)) for part in parts._parts)
        assert waiting <= (STREAMS + 5) * READ


@pytest.mark.parametrize("slow", get_args(Slow))
async def test_a_stuck_reader_of_three_costs_no_more_than_was_said(
    client: Client, gateway: FakeGateway, slow: Slow
) -> None:
    most = 0
    async with tee(client.stream(MODEL, "hi"), 3, slow=slow, journal=JOURNAL) as answer:
        stuck, *others = answer.readers
        journal = answer._pump.journal
        assert type(await anext(stuck)) is Start
        async with anyio.create_task_group() as tasks:
            for reader in others:
                tasks.start_soon(reader.turn)
            while not answer._pump.ended:
                before = journal.end
                most = max(most, journal.held)
                await settle()
                if journal.end == before and await written_at_most(gateway) < KERNEL:
                    break
            if slow == "block":
                assert gateway.in_flight == 1
                assert stuck.lost == 0
                await stuck.aclose()
        assert most <= JOURNAL + READ
        if slow != "block":
            with pytest.raises(StreamTruncated, match=r"slow|fell behind"):
                await stuck.turn()
        assert [(await reader.turn()).stop.reason for reader in others] == ["end_turn"] * 2
