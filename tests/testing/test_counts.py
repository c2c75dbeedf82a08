from __future__ import annotations

import asyncio
import contextlib
import ssl as tls
import time

import aiohttp
import anyio
import anyio.abc
import pytest
import trustme

from gateway_stream.testing import FakeGateway, FamilyName, Fault, Handler, Reply
from tests.testing.asking import FAMILIES, ask

HELLO = Reply.scripted(text="Hello there, you.")
REQUEST = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
STALLED = HELLO.with_fault(Fault(stall_after=10))


async def test_connections_are_counted_as_sockets(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO
    for _ in range(3):
        async with ask(session, fake_gateway) as response:
            await response.read()
    assert (fake_gateway.connections_made, fake_gateway.connections_open) == (1, 1)
    fake_gateway.default = STALLED
    async with ask(session, fake_gateway), ask(session, fake_gateway):
        assert (fake_gateway.connections_made, fake_gateway.connections_open) == (2, 2)
        assert fake_gateway.in_flight == 2
        assert [received.connection for received in fake_gateway.requests] == [1, 1, 1, 1, 2]
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert (fake_gateway.connections_open, fake_gateway.disconnects) == (0, 2)
    assert fake_gateway.connections_made == 2


async def test_bytes_are_counted_when_the_socket_took_them(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    fake_gateway.default = HELLO
    total = 0
    for family in FAMILIES:
        async with ask(session, fake_gateway, family) as response:
            total += len(await response.read())
    assert fake_gateway.bytes_written == total


async def test_bytes_that_wait_for_the_socket_are_not_counted() -> None:
    body = Reply.recorded(bytes(50_000_000), content_type="text/plain").chopped(every=777)
    async with FakeGateway(default=body) as gateway:
        socket = await connect(gateway.url)
        await socket.send(REQUEST)
        await held_back(gateway)
    assert (await read_to_end(socket)).count(0) >= gateway.bytes_written > 0


async def held_back(gateway: FakeGateway) -> int:
    """How much was written when nothing more can be."""
    written = -1
    while gateway.bytes_written > written:
        written = gateway.bytes_written
        with contextlib.suppress(TimeoutError):
            await gateway.wait_for(lambda _: False, within=0.1)
    return written


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_client_that_does_not_read_holds_a_long_body_back(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: FamilyName
) -> None:
    fake_gateway.default = Reply.long(size=10**12, piece=65536)
    async with ask(session, fake_gateway, family) as response:
        written = await held_back(fake_gateway)
        assert 0 < written < 50_000_000
        await response.content.readexactly(written)
        await fake_gateway.wait_for(lambda gateway: gateway.bytes_written > written)
    await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 1)


async def test_waiting_ends_with_what_is_true_and_with_what_never_is(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    async with anyio.create_task_group() as group:
        for count in (1, 2, 2):
            group.start_soon(
                fake_gateway.wait_for, lambda gateway, count=count: len(gateway.requests) == count
            )
        await anyio.wait_all_tasks_blocked()
        for _ in range(2):
            async with ask(session, fake_gateway):
                pass
    with pytest.raises(TimeoutError, match=r"still false after .* <FakeGateway requests=2 "):
        await fake_gateway.wait_for(lambda gateway: gateway.disconnects, within=0.01)


@pytest.mark.parametrize("busy", ["stall", "delay", "pace", "write", "choose", "idle", "silent"])
async def test_closing_is_quick_and_leaves_nothing_behind(busy: str) -> None:
    async def choose(_: object) -> Reply:
        await anyio.sleep_forever()
        raise AssertionError

    defaults: dict[str, Reply | Handler] = {
        "stall": STALLED,
        "delay": HELLO.with_fault(Fault(delay_headers=60)),
        "pace": Reply.scripted(text="Hello there.", pace=60),
        "write": Reply.long(size=10**12, piece=65536),
        "choose": choose,
    }
    tasks = asyncio.all_tasks()
    async with FakeGateway(default=defaults.get(busy, HELLO)) as gateway:
        url = gateway.url
        sockets = [await connect(url) for _ in range(3)]
        if busy != "silent":
            for socket in sockets:
                await socket.send(REQUEST)
            await gateway.wait_for(lambda it: len(it.requests) == 3)
        await gateway.wait_for(lambda it: it.connections_open == 3)
        if busy == "idle":
            await gateway.wait_for(lambda it: it.in_flight == 0)
        before = time.monotonic()
    assert time.monotonic() - before < 0.5
    assert asyncio.all_tasks() == tasks
    assert (gateway.in_flight, gateway.connections_open, gateway.disconnects) == (0, 0, 0)
    for socket in sockets:
        await read_to_end(socket)
    with pytest.raises(OSError, match="connect"):
        await connect(url)


async def connect(url: str) -> anyio.abc.SocketStream:
    host, port = url.removeprefix("http://").split(":")
    return await anyio.connect_tcp(host, int(port))


async def read_to_end(socket: anyio.abc.SocketStream) -> bytes:
    pieces = []
    async with socket:
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                pieces.append(await socket.receive())
    return b"".join(pieces)


async def test_closing_is_whole_when_the_test_is_cancelled() -> None:
    tasks = asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with FakeGateway(default=STALLED) as gateway:
            socket = await connect(gateway.url)
            await socket.send(REQUEST)
            await gateway.wait_for(lambda it: it.in_flight == 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert asyncio.all_tasks() == tasks
    assert (gateway.in_flight, gateway.connections_open, gateway.disconnects) == (0, 0, 0)
    await socket.aclose()


async def test_code_of_the_test_that_will_not_end_is_not_waited_for_long() -> None:
    over = anyio.Event()

    async def choose(_: object) -> Reply:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()
        return HELLO

    async with FakeGateway(default=choose) as gateway:
        socket = await connect(gateway.url)
        await socket.send(REQUEST)
        await gateway.wait_for(lambda it: it.in_flight == 1)
        before = time.monotonic()
    assert time.monotonic() - before < 4
    over.set()
    await gateway.wait_for(lambda it: it.in_flight == 0)
    await socket.aclose()


async def test_it_can_serve_again_on_a_port_of_its_choice(session: aiohttp.ClientSession) -> None:
    async with FakeGateway(default=HELLO) as gateway:
        port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(RuntimeError, match="only inside `async with`"):
        _ = gateway.url
    again = FakeGateway(default=HELLO, port=port)
    for _ in range(2):
        async with again, ask(session, again) as response:
            assert again.url == f"http://127.0.0.1:{port}"
            assert response.status == 200
            await response.read()


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    tasks = asyncio.all_tasks()
    async with FakeGateway() as gateway:
        port = int(gateway.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await FakeGateway(port=port).__aenter__()
    assert asyncio.all_tasks() == tasks


async def test_it_speaks_tls(session: aiohttp.ClientSession) -> None:
    authority = trustme.CA()
    server, client = (
        tls.SSLContext(kind) for kind in (tls.PROTOCOL_TLS_SERVER, tls.PROTOCOL_TLS_CLIENT)
    )
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with FakeGateway(default=HELLO, ssl=server) as gateway:
        assert gateway.url.startswith("https://")
        url = gateway.url + "/anthropic/v1/messages"
        async with session.post(url, json={"stream": True}, ssl=client) as response:
            assert b"message_stop" in await response.read()
        gateway.add(HELLO.with_fault(Fault(cut_after=100, cut="reset")), STALLED)
        async with session.post(url, json={"stream": True}, ssl=client) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        stalled = await session.post(url, json={"stream": True}, ssl=client)
        assert len(await stalled.content.readexactly(10)) == 10
    assert gateway.connections_open == 0
    with pytest.raises(aiohttp.ClientError):
        await stalled.read()
    stalled.close()
