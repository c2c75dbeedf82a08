from __future__ import annotations

import contextlib
import ssl as tls
from typing import Any

import aiohttp
import anyio
import anyio.abc
import pytest
import trustme

from gateway_stream.testing import ConnectionFault, FakeGateway, Reply

HELLO = Reply.scripted(text="Hello there, you.")
REQUEST = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
RESET = (ConnectionResetError, BrokenPipeError)
SILENCE = 0.1


async def connect(gateway: FakeGateway) -> anyio.abc.SocketStream:
    host, port = gateway.url.removeprefix("http://").split(":")
    return await anyio.connect_tcp(host, int(port))


async def answer(socket: anyio.abc.SocketStream) -> bytes:
    """One whole response: the fake's JSON says its length."""
    body = b""
    while b"\r\n\r\n" not in body or not body.endswith(b"}"):
        body += await socket.receive()
    return body


async def ending(socket: anyio.abc.SocketStream) -> str:
    """How a connection ends, if it does."""
    with anyio.move_on_after(SILENCE):
        try:
            await socket.receive()
        except anyio.EndOfStream:
            return "close"
        except anyio.BrokenResourceError as error:
            return "reset" if isinstance(error.__cause__, RESET) else "close"
        return "bytes"
    return "silence"


@pytest.mark.parametrize("end", ["close", "reset", "silence"])
async def test_a_connection_goes_wrong_when_it_is_accepted(end: Any) -> None:
    async with FakeGateway(default=HELLO, connections=[ConnectionFault(end=end)]) as gateway:
        async with await connect(gateway) as socket:
            if end == "silence":
                await socket.send(REQUEST)
            assert await ending(socket) == end
        await gateway.wait_for(lambda it: it.connections_made == 1 and not it.connections_open)
        assert gateway.requests == []
        async with await connect(gateway) as socket:
            await socket.send(REQUEST)
            assert b"message" in await answer(socket)


@pytest.mark.parametrize("end", ["close", "reset", "silence"])
@pytest.mark.parametrize("after", [1, 2])
async def test_a_connection_goes_wrong_after_its_answers(end: Any, after: int) -> None:
    faults = [ConnectionFault(end=end, after=after)]
    async with FakeGateway(default=HELLO, connections=faults) as gateway:
        async with await connect(gateway) as socket:
            for _ in range(after):
                await socket.send(REQUEST)
                assert b"message" in await answer(socket)
            if end == "silence":
                await socket.send(REQUEST)
            assert await ending(socket) == end
        await gateway.wait_for(lambda it: it.connections_open == 0)
        assert len(gateway.requests) == after


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_ends_in_the_head_of_the_next_request(end: Any) -> None:
    faults = [ConnectionFault(end=end, after=1, in_head=True)]
    async with FakeGateway(default=HELLO, connections=faults) as gateway:
        async with await connect(gateway) as socket:
            await socket.send(REQUEST)
            await answer(socket)
            assert await ending(socket) == "silence"
            await socket.send(REQUEST[:10])
            assert await ending(socket) == end
        assert len(gateway.requests) == 1
        await gateway.wait_for(lambda it: it.connections_open == 0)


async def test_a_connection_ends_when_it_was_idle_for_long_enough() -> None:
    faults = [ConnectionFault(after=1, idle=0.2)]
    async with FakeGateway(default=HELLO, connections=faults) as gateway:
        async with await connect(gateway) as socket:
            for _ in range(3):
                await socket.send(REQUEST)
                await answer(socket)
                with pytest.raises(TimeoutError):
                    await gateway.wait_for(lambda it: it.connections_open == 0, within=0.1)
            await gateway.wait_for(lambda it: it.connections_open == 0)
            with pytest.raises(anyio.EndOfStream):
                await socket.receive()
        assert len(gateway.requests) == 3


async def test_a_connection_that_never_asks_ends_when_it_was_idle_for_long_enough() -> None:
    faults = [ConnectionFault(idle=0.2)]
    async with (
        FakeGateway(default=HELLO, connections=faults) as gateway,
        await connect(gateway) as socket,
    ):
        await gateway.wait_for(lambda it: it.connections_open == 1)
        with pytest.raises(TimeoutError):
            await gateway.wait_for(lambda it: it.connections_open == 0, within=0.1)
        await gateway.wait_for(lambda it: it.connections_open == 0)
        with pytest.raises(anyio.EndOfStream):
            await socket.receive()


async def test_a_request_stops_the_time_in_which_its_connection_is_idle() -> None:
    slow = Reply.scripted(text="Hello there, you.", pace=0.1)
    async with FakeGateway(
        default=slow, connections=[ConnectionFault(after=1, idle=0.1)]
    ) as gateway:
        async with aiohttp.ClientSession() as session:
            url = f"{gateway.url}/anthropic/v1/messages"
            for _ in range(2):
                async with session.post(url, json={"stream": True}) as response:
                    assert b"message_stop" in await response.read()
        assert gateway.disconnects == 0


async def test_faults_may_be_chosen_by_number_and_may_change_while_it_serves() -> None:
    def second(number: int) -> ConnectionFault | None:
        return ConnectionFault() if number == 2 else None

    async with FakeGateway(default=HELLO, connections=second) as gateway:
        ends = []
        for _ in range(3):
            async with await connect(gateway) as socket:
                ends.append(await ending(socket))
        assert ends == ["silence", "close", "silence"]
        gateway.connections = [None] * 3 + [ConnectionFault(end="reset")]
        async with await connect(gateway) as socket:
            assert await ending(socket) == "reset"


def raises(number: int) -> ConnectionFault | None:
    message = f"connection {number}"
    raise LookupError(message)


@pytest.mark.parametrize(
    ("connections", "error", "why"),
    [
        (raises, LookupError, "connection 1"),
        (ConnectionFault(), TypeError, "put it into a list"),
        (["close"], TypeError, "not 'close'"),
        (lambda _: "close", TypeError, "not 'close'"),
        (7, TypeError, "len"),
    ],
)
async def test_what_is_wrong_with_the_faults_is_raised_when_the_gateway_closes(
    connections: Any, error: type[Exception], why: str
) -> None:
    gateway = await FakeGateway(default=HELLO, connections=connections).__aenter__()
    async with await connect(gateway) as socket:
        await socket.send(REQUEST)
        assert b"message" in await answer(socket)
    await gateway.wait_for(lambda it: it.connections_open == 0)
    with pytest.raises(error, match=why):
        await gateway.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionFault(end="silence"),
        ConnectionFault(end="silence", after=1),
        ConnectionFault(after=1, idle=60),
        ConnectionFault(after=1, in_head=True),
    ],
)
async def test_closing_ends_what_waits_to_go_wrong(fault: ConnectionFault) -> None:
    async with FakeGateway(default=HELLO, connections=[fault]) as gateway:
        socket = await connect(gateway)
        if fault.after:
            await socket.send(REQUEST)
            await answer(socket)
        await gateway.wait_for(lambda it: it.connections_open == 1)
    assert gateway.connections_open == 0
    with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        await socket.receive()
    await socket.aclose()


@pytest.mark.parametrize("end", ["close", "reset", "silence"])
async def test_a_connection_goes_wrong_under_tls(end: Any) -> None:
    authority = trustme.CA()
    server, client = (
        tls.SSLContext(kind) for kind in (tls.PROTOCOL_TLS_SERVER, tls.PROTOCOL_TLS_CLIENT)
    )
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    faults = [ConnectionFault(end=end, after=1, in_head=end != "silence")]
    async with (
        FakeGateway(default=HELLO, ssl=server, connections=faults) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client)) as session,
    ):
        url = f"{gateway.url}/anthropic/v1/messages"
        async with session.post(url, json={"stream": True}) as response:
            assert b"message_stop" in await response.read()
        with anyio.move_on_after(SILENCE) as waited:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await session.post(url, json={"stream": True})
        assert waited.cancelled_caught == (end == "silence")
        assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"after": -1}, "after is -1"),
        ({"idle": -0.1}, "idle -0.1"),
        ({"end": "silence", "in_head": True}, "leave in_head out"),
    ],
)
def test_a_fault_of_a_connection_that_cannot_be_is_refused(
    fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        ConnectionFault(**fields)
