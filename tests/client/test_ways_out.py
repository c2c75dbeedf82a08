"""Through a proxy, over TLS with a private authority, and where there is no way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Self

import anyio
import pytest
import trustme

from gateway_stream import Client, ConnectError, ConnectionLost, StreamTruncated, TimedOut
from gateway_stream.net.admission import Admissions, Place
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.loops import LoopState
from gateway_stream.net.surroundings import Proxy
from gateway_stream.net.transport import Transport
from gateway_stream.testing import FakeGateway, Fault, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HELLO = Reply.scripted(text="hello there")


class Forward:
    """A forward proxy for tests: CONNECT and absolute URLs."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {target}")
        place = target.removeprefix("http://").partition("/")[0]
        host, _, port = place.partition(":")
        onward, outward = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            outward.write(head.replace(f"http://{place}".encode(), b"", 1))
        await asyncio.gather(_copy(reader, outward), _copy(onward, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Forward]:
    async with Forward() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[FakeGateway]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    async with FakeGateway(default=HELLO, ssl=context) as gateway:
        yield gateway


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


async def test_a_private_authority_is_trusted_when_it_is_named(
    secure: FakeGateway, bundle: Path
) -> None:
    async with Client(host=secure.url, ssl=bundle) as client:
        assert (await client.complete("claude", "hi")).text == "hello there"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_the_environment_names_a_private_authority(
    secure: FakeGateway, bundle: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    async with Client(host=secure.url) as client:
        assert (await client.complete("claude", "hi")).text == "hello there"


async def test_a_private_authority_is_not_trusted_unnamed(secure: FakeGateway) -> None:
    async with Client(host=secure.url) as client:
        with pytest.raises(ConnectError, match="SSL_CERT_FILE") as caught:
            await client.complete("claude", "hi")
    assert not caught.value.retryable
    assert secure.requests == []


async def test_a_given_proxy_is_used(proxy: Forward, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO
    async with Client(host=fake_gateway.url, token="t", proxy=proxy.url) as client:
        assert (await client.complete("claude", "hi")).text == "hello there"
    assert proxy.asked == [f"POST {fake_gateway.url}/ai-gateway/anthropic/v1/messages"]


async def test_tls_goes_through_a_proxys_tunnel(
    proxy: Forward, secure: FakeGateway, bundle: Path
) -> None:
    async with Client(host=secure.url, ssl=bundle, proxy=proxy.url) as client:
        assert (await client.complete("claude", "hi")).text == "hello there"
    assert proxy.asked == [f"CONNECT {secure.url.removeprefix('https://')}"]


async def test_the_environment_names_a_proxy_and_its_exceptions(
    proxy: Forward, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gateway.default = HELLO
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    async with Client(host=fake_gateway.url) as client:
        await client.complete("claude", "hi")
    assert len(proxy.asked) == 1
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with Client(host=fake_gateway.url) as client:
        await client.complete("claude", "hi")
    assert len(proxy.asked) == 1


async def test_a_port_that_refuses_is_a_connect_error() -> None:
    async with FakeGateway() as gone:
        url = gone.url
    async with Client(host=url) as client:
        with pytest.raises(ConnectError, match=r"no connection to 127\.0\.0\.1") as caught:
            await client.complete("claude", "hi")
    assert caught.value.retryable
    assert caught.value.phase == "connect"


async def test_a_connection_that_ends_before_an_answer_is_lost(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(no_response=True))
    async with Client(host=fake_gateway.url) as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.complete("claude", "hi")
        assert caught.value.partial is None
        assert caught.value.retryable


async def test_what_lost_a_connection_is_the_cause_of_a_cut_answer(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = HELLO.with_fault(Fault(cut_after=300, cut="reset"))
    async with Client(host=fake_gateway.url) as client:
        with pytest.raises(StreamTruncated) as caught:
            await client.complete("claude", "hi")
    assert isinstance(caught.value.__cause__, ConnectionLost)


async def test_a_way_out_that_says_nothing_is_not_waited_for() -> None:
    context = ssl.create_default_context()
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    quiet = Proxy(f"http://127.0.0.1:{port}")
    try:
        for proxy, host in ((None, f"127.0.0.1:{port}"), (quiet, "gateway.invalid")):
            transport = Transport(context, proxy, connect_timeout=0.1)
            state = LoopState(transport, Admissions(1), timer=SYSTEM)
            lease = await state.admissions.admit(Place(host, "claude", None))
            with anyio.fail_after(5), pytest.raises(TimedOut) as caught:
                await transport.send(f"https://{host}/", {}, b"", lease)
            assert caught.value.phase == "connect"
            assert state.admissions.in_use == 0
            await state.aclose()
    finally:
        silent.close()
