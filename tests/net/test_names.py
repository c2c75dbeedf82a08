"""Names are looked up beside the loop, once at a time, and kept."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import ConnectError
from gateway_stream.net.names import Resolver
from tests.support.clock import settle
from tests.support.raw import ANSWER, Peer, Slot, ask, peer, pool

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "gateway.test"
WHERE: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


class Names:
    """What the system is asked for, and when it answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.answer = threading.Event()
        self.found: list[Any] | OSError = WHERE
        self._lock = threading.Lock()

    async def is_asked(self) -> None:
        with anyio.fail_after(5):
            while not self.asked:
                await anyio.lowlevel.checkpoint()

    def look_up(self, host: str, *_: object, **__: object) -> list[Any]:
        with self._lock:
            self.asked.append(host)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.answer.wait(10)
        with self._lock:
            self.at_once -= 1
        if isinstance(self.found, OSError):
            raise self.found
        return self.found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    yield made
    made.answer.set()


async def whole(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
    writer.write(ANSWER)


def named(server: Peer) -> str:
    return server.url.replace("127.0.0.1", HOST)


async def test_many_that_begin_together_look_a_name_up_once_while_the_loop_runs(
    names: Names,
) -> None:
    async with peer(whole) as server, pool() as transport:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ask, transport, named(server))
            await names.is_asked()
            await settle()
            names.answer.set()
        await ask(transport, named(server))
        assert names.asked == [HOST]
        assert len(server.requests) == 101


async def test_names_do_not_wait_for_the_programs_own_threads(names: Names) -> None:
    names.answer.set()
    busy = threading.Event()
    loop = asyncio.get_running_loop()
    work = [loop.run_in_executor(None, busy.wait, 10) for _ in range(100)]
    try:
        async with peer(whole) as server, pool() as transport:
            with anyio.fail_after(5):
                await ask(transport, named(server))
    finally:
        busy.set()
        await asyncio.gather(*work)


async def test_a_name_that_is_not_found_is_told(names: Names) -> None:
    names.found = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    names.answer.set()
    async with pool() as transport:
        with pytest.raises(ConnectError, match="Name or service not known"):
            await transport.send("http://nowhere.test", {}, b"", Slot().lease)


async def test_a_cancelled_request_leaves_the_look_up_to_those_who_wait_with_it(
    names: Names,
) -> None:
    async with peer(whole) as server, pool() as transport:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                first = asyncio.ensure_future(ask(transport, named(server)))
                await names.is_asked()
                tasks.start_soon(ask, transport, named(server))
                await settle()
                first.cancel()
                await settle()
                names.answer.set()
            assert not scope.cancel_called
        assert first.cancelled()
        assert len(server.requests) == 1
        assert names.asked == [HOST]


async def test_addresses_come_as_the_system_prefers_them_with_the_link_of_a_local_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    six = socket.AF_INET6
    found = [
        (six, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 1)),
        (six, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    resolver = Resolver()
    results = await resolver.resolve(HOST, 443)
    await resolver.close()
    name = socket.if_indextoname(1)
    assert [result["host"] for result in results] == [f"fe80::1%{name}", "2001:db8::1", "192.0.2.1"]
    assert {result["hostname"] for result in results} == {HOST}
