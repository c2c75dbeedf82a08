"""A reader that leaves ends the work behind the proxy, where the proxy passes that on."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from gateway_stream import Client
from gateway_stream.testing import FakeGateway, Fault
from tests.proxies.answers import BROKEN_OFF, HELD, UNBUFFERED, haproxy, nginx

if TYPE_CHECKING:
    from pathlib import Path

    from tests.proxies.conftest import Through
    from tests.proxies.servers import Proxy

MODEL = "databricks-claude-sonnet-4-6"
SECONDS = 2.0
"""Until the gateway knows; a TLS connection that says goodbye first is open for half a minute."""

UNBUFFERED_NGINX = nginx(UNBUFFERED, "unbuffered")
BUFFERED_NGINX = nginx("proxy_buffering on;", "buffered")
# haproxy lets its server go on for a client that left, unless it is told otherwise.
TELLING = haproxy("option abortonclose", "telling")


@pytest.mark.parametrize("proxy", [UNBUFFERED_NGINX, TELLING])
async def test_leaving_an_answer_ends_it_at_the_gateway(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(Fault(stall_after=HELD))
    async with through(proxy) as client:
        async with client.stream(MODEL, "why?") as stream:
            with anyio.fail_after(SECONDS):
                assert await anext(stream.text()) == "Because "
            await fake_gateway.wait_for(lambda gateway: gateway.bytes_written == HELD)
        await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 1, within=SECONDS)
    assert fake_gateway.in_flight == 0


@pytest.mark.parametrize(
    "fault", [Fault(delay_headers=60), Fault(stall_after=HELD)], ids=["not begun", "stalled"]
)
@pytest.mark.parametrize("proxy", [UNBUFFERED_NGINX, BUFFERED_NGINX, TELLING])
async def test_a_cancelled_reader_ends_its_answer_at_the_gateway(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy, fault: Fault
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(fault)
    written = HELD if fault.stall_after else 0
    async with through(proxy) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.complete, MODEL, "why?")
        await fake_gateway.wait_for(
            lambda gateway: gateway.in_flight == 1 and gateway.bytes_written == written
        )
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 1, within=SECONDS)
    assert fake_gateway.in_flight == 0


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Unreading:
    """A TLS server that reads one request and then hears only that the connection ends.

    So does a proxy that waits for its model.
    """

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = "https://{}:{}".format(*self._listening.getsockname())
        self.asked = anyio.Event()
        self.left = False

    def serve(self, answer: bytes) -> None:
        """Send ``answer`` to the first request, and see whether its connection ends. Blocks."""
        with self._listening:
            self._listening.settimeout(SECONDS)
            connection, _ = self._listening.accept()
        connection.settimeout(SECONDS)
        with self._context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(answer)
            anyio.from_thread.run_sync(self.asked.set)
            beneath = socket.socket(fileno=secure.detach())
        with beneath, contextlib.suppress(TimeoutError):
            beneath.settimeout(SECONDS)
            with contextlib.suppress(ConnectionResetError):
                while beneath.recv(65536):
                    pass
            self.left = True


async def test_a_connection_waited_on_in_vain_ends_though_the_other_side_does_not_read(
    certificate: Path, bundle: Path
) -> None:
    server = Unreading(certificate)
    async with Client(host=server.url, ssl=bundle) as client, anyio.create_task_group() as serving:
        serving.start_soon(anyio.to_thread.run_sync, server.serve, b"")
        async with anyio.create_task_group() as asking:
            asking.start_soon(client.complete, MODEL, "why?")
            await server.asked.wait()
            asking.cancel_scope.cancel()
    assert server.left


async def test_a_connection_left_inside_an_answer_ends_though_the_other_side_does_not_read(
    certificate: Path, bundle: Path
) -> None:
    server = Unreading(certificate)
    async with Client(host=server.url, ssl=bundle) as client, anyio.create_task_group() as serving:
        serving.start_soon(anyio.to_thread.run_sync, server.serve, HEAD)
        async with client.stream(MODEL, "why?"):
            pass
    assert server.left
