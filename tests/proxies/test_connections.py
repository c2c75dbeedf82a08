"""Connections to a proxy: kept while it keeps them, and what a stale one costs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from tests.proxies.answers import ANSWER, MODELS, UNBUFFERED, haproxy, nginx
from tests.proxies.servers import NEEDS_NGINX, Nginx

if TYPE_CHECKING:
    from gateway_stream import Client
    from gateway_stream.testing import FakeGateway, FamilyName
    from tests.proxies.conftest import Through
    from tests.proxies.servers import Proxy

SECONDS = 5

SHORT_PATIENCE = [
    nginx(f"{UNBUFFERED} keepalive_timeout 250ms;", "unbuffered"),
    haproxy("timeout http-keep-alive 250ms"),
]


async def ask(client: Client, family: FamilyName = "anthropic") -> None:
    """Read an answer, and wait until its connection is kept or closed."""
    turn = await client.complete(MODELS[family], "why?")
    assert turn.text == "Because of the air."
    with anyio.fail_after(SECONDS):
        while any(task.get_name() == "gateway_stream: drain" for task in asyncio.all_tasks()):
            await anyio.lowlevel.checkpoint()


def ports(gateway: FakeGateway) -> list[str]:
    """The client's ports from which the requests came, each once."""
    return list(dict.fromkeys(received.headers["x-client-port"] for received in gateway.requests))


def connection_from(port: str) -> socket.socket | None:
    """This process's connection from a port, as one more handle of it; ``None`` if it is closed."""
    for handle in (int(entry.name) for entry in Path("/dev/fd").iterdir()):
        with contextlib.suppress(OSError):  # what listed them is among them, and closed
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                with socket.socket(fileno=os.dup(handle)) as connection:
                    if connection.getsockname() == ("127.0.0.1", int(port)):
                        return connection.dup()
    return None


@pytest.mark.parametrize(
    "proxy",
    [nginx(UNBUFFERED, "unbuffered"), nginx("proxy_buffering on;", "buffered"), haproxy()],
)
async def test_answers_that_follow_each_other_come_over_one_connection(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = ANSWER
    async with through(proxy) as client:
        for family in (*MODELS, *MODELS, *MODELS):
            await ask(client, family)
    assert len(fake_gateway.requests) == 12
    assert len(ports(fake_gateway)) == 1


@pytest.mark.parametrize("buffering", ["off", "on"])
@NEEDS_NGINX
async def test_a_connection_that_the_proxy_gives_up_after_some_requests_costs_nothing(
    through: Through, fake_gateway: FakeGateway, buffering: str
) -> None:
    fake_gateway.default = ANSWER
    giving_up = Nginx(settings=f"proxy_buffering {buffering}; keepalive_requests 2;")
    async with through(giving_up) as client:
        for family in (*MODELS, *MODELS):
            await ask(client, family)
    assert len(fake_gateway.requests) == 8
    assert len(ports(fake_gateway)) == 4


@pytest.mark.parametrize("proxy", SHORT_PATIENCE)
async def test_a_kept_connection_that_the_proxy_closed_costs_nothing(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = ANSWER
    async with through(proxy) as client:
        await ask(client)
        (port,) = ports(fake_gateway)
        with anyio.fail_after(SECONDS):
            while connection := connection_from(port):
                connection.close()
                await anyio.lowlevel.checkpoint()
        await ask(client)
    assert len(ports(fake_gateway)) == 2


@pytest.mark.parametrize("proxy", SHORT_PATIENCE)
async def test_a_kept_connection_whose_end_was_not_seen_yet_costs_nothing(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = ANSWER
    async with through(proxy) as client:
        await ask(client)
        (port,) = ports(fake_gateway)
        hold_the_loop_until_the_proxy_closes(port)
        await ask(client)
    assert len(fake_gateway.requests) == 2
    assert len(ports(fake_gateway)) == 2


@pytest.mark.parametrize("proxy", SHORT_PATIENCE)
async def test_requests_that_cross_the_end_of_the_proxys_patience_are_all_answered(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = ANSWER
    async with through(proxy) as client:
        for number in range(12):
            await ask(client)
            await anyio.sleep(0.25 + (number - 6) / 2000)  # its patience, and a little less or more
    assert len(fake_gateway.requests) == 12
    assert len(ports(fake_gateway)) > 1


def hold_the_loop_until_the_proxy_closes(port: str) -> None:
    """Block, as a program does that computes: what came meanwhile is seen only when it is done."""
    connection = connection_from(port)
    assert connection is not None
    with connection:
        ended, _, _ = select.select([connection], [], [], SECONDS)
        assert ended
