"""A credential is in no error, no traceback with local variables, and no dump of a client."""

from __future__ import annotations

import asyncio
import socket
import traceback
from typing import TYPE_CHECKING

import pytest

from gateway_stream import Client, GatewayError
from gateway_stream.testing import FakeGateway, Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKEN = "dapi-planted-0123456789"
PASSWORD = "planted-password"
HELLO = Reply.scripted(text="hello")


def shown(error: BaseException) -> str:
    """Everything that a tool could print of an error."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts = ["".join(told.format()), str(error), repr(error)]
    following = error.__cause__ or error.__context__
    return "".join(parts) + (shown(following) if following else "")


def held(text: str) -> None:
    assert TOKEN not in text
    assert PASSWORD not in text


async def failure_of(client: Client) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        async with client:
            await client.complete("claude", "hi")
    return caught.value


@pytest.mark.parametrize(
    "reply",
    [
        Reply.error(400, {"error_code": "BAD_REQUEST", "message": "no"}),
        Reply.error(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid Token"}),
        Reply.error(500, b"oops"),
        Reply.error(303, headers={"Location": "/login"}),
        Reply.error(200, b"<html>"),
        HELLO.with_fault(Fault(no_response=True)),
        HELLO.with_fault(Fault(cut_after=300, cut="reset")),
    ],
    ids=["400", "401", "500", "303", "page", "no response", "reset"],
)
async def test_a_token_is_in_no_error_of_an_answer(fake_gateway: FakeGateway, reply: Reply) -> None:
    fake_gateway.default = reply
    held(shown(await failure_of(Client(host=fake_gateway.url, token=TOKEN))))


async def serve_once(answer: bytes, ask: Callable[[str], Awaitable[None]]) -> None:
    """A server that answers every connection with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["no HTTP", "an oversized header", "a bad length"],
)
async def test_a_token_is_in_no_error_of_a_response_that_is_none(head: bytes) -> None:
    async def ask(url: str) -> None:
        held(shown(await failure_of(Client(host=url, token=TOKEN))))

    await serve_once(head, ask)


async def test_a_token_is_in_no_error_of_a_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        held(shown(await failure_of(Client(host=url, token=TOKEN))))


async def test_a_proxys_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(url: str) -> None:
        proxy = url.replace("//", f"//user:{PASSWORD}@")
        client = Client(host="https://gateway.invalid", token=TOKEN, proxy=proxy)
        error = await failure_of(client)
        assert error.status == 407
        held(shown(error))
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        held(shown(await failure_of(Client(host="https://gateway.invalid", token=TOKEN))))

    await serve_once(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", ask)


async def test_a_proxy_gets_its_credentials(fake_gateway: FakeGateway) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for host in (fake_gateway.url, "https://gateway.invalid"):
            client = Client(
                host=host, token=TOKEN, proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}"
            )
            await failure_of(client)
    plain, tunnel = heads
    credentials = b"Proxy-Authorization: Basic dXNlcjpwbGFudGVkLXBhc3N3b3Jk"
    assert plain.startswith(b"POST http://")
    assert credentials in plain
    assert tunnel.startswith(b"CONNECT gateway.invalid:443")
    assert credentials in tunnel
    assert TOKEN.encode() not in tunnel


def test_a_dump_of_a_client_shows_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@proxy.example:3128")
    client = Client(host="https://adb-1.1.azuredatabricks.net")
    held(repr(vars(client)) + repr(client))
