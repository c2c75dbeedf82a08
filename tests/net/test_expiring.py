"""Exchanges that a clock ends from outside."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import TimedOut
from tests.support.clock import HandClock, settle
from tests.support.raw import ANSWER, BEGUN, Peer, Slot, peer, pool

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from gateway_stream.net.transport import Exchange

EXPIRED = TimedOut("120 s of silence", phase="silence", retryable=True)


@asynccontextmanager
async def begun(answer: bytes = BEGUN) -> AsyncIterator[tuple[Peer, Slot, Exchange]]:
    """An exchange whose answer has begun."""

    async def begin(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        writer.write(answer)

    async with peer(begin) as server, pool() as transport:
        slot = Slot()
        yield server, slot, await transport.send(server.url, {"User-Agent": "x"}, b"{}", slot.lease)


async def test_a_read_that_waits_ends_with_the_very_error() -> None:
    async with begun() as (server, slot, exchange):
        assert b"hello" in await exchange.receive()
        caught: list[Exception] = []

        async def read() -> None:
            try:
                await exchange.receive()
            except exchange.broken as error:
                caught.append(exchange.lost(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await settle()
            exchange.expire(EXPIRED)
            assert slot.released
        assert caught == [EXPIRED]
        assert EXPIRED.__cause__ is None
        with anyio.fail_after(5):
            while server.open:
                await anyio.lowlevel.checkpoint()


async def test_the_next_read_ends_so_where_none_waits_though_something_came() -> None:
    async with begun() as (_, slot, exchange):
        exchange.expire(EXPIRED)
        for _ in range(2):
            with pytest.raises(TimedOut) as caught:
                await exchange.read()
            assert caught.value is EXPIRED
        assert slot.released


async def test_an_exchange_that_was_read_to_its_end_may_expire() -> None:
    async with begun(ANSWER) as (server, slot, exchange):
        while await exchange.read():
            pass
        exchange.expire(EXPIRED)
        await settle()
        assert slot.released
        assert server.open, "its connection is kept"


async def test_an_error_that_is_read_in_parts_keeps_what_came_before_it_expired() -> None:
    begun_error = b"HTTP/1.1 429 Too Many\r\nContent-Length: 100\r\n\r\nslow down"
    async with begun(begun_error) as (_, _, exchange):
        read: list[bytes] = []

        async def body() -> None:
            read.append(await exchange.read_error())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(body)
            await settle()
            exchange.expire(EXPIRED)
        assert read == [b"slow down"]


async def test_moments_are_the_clocks() -> None:
    clock = HandClock()
    go = anyio.Event()

    async def late(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        await go.wait()
        writer.write(ANSWER)

    async with peer(late) as server, pool(clock=clock) as transport:
        made: list[Exchange] = []

        async def send() -> None:
            made.append(await transport.send(server.url, {}, b"{}", Slot().lease))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            with anyio.fail_after(5):
                while not server.requests:
                    await anyio.lowlevel.checkpoint()
            sent = clock.now
            clock.now += 3
            go.set()
        assert (made[0].sent_at, made[0].headers_at) == (sent, sent + 3)


@pytest.mark.parametrize("whole", [True, False])
async def test_who_follows_is_told_once_that_the_connection_was_let_go(*, whole: bool) -> None:
    async with begun(ANSWER if whole else BEGUN) as (_, _, exchange):
        told: list[bool] = []
        exchange.when_free(told.append)
        assert b"hello" in await exchange.read()
        while whole and await exchange.read():
            pass
        exchange.abort()
        exchange.release()
        assert told == [whole]
