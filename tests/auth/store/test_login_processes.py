"""Processes share a stored login, and whichever of them is killed when, the login lives on."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.auth.logged_in import fetch, log_in, stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 30.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWAY_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "plaintext")
    return tmp_path / "home"


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(clients={"app": "app-secret"})


@pytest.fixture
async def gateway(issuer: Issuer, anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    async with FakeGateway(issuer=issuer, default=Reply.scripted(text="hello")) as gateway:
        yield gateway


class Child:
    """A process of `tests.support.login_child`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        assert process.stdout is not None
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def begin(self) -> None:
        assert self.process.stdin is not None
        assert await self.line() == "ready"
        await self.process.stdin.send(b"\n")

    async def line(self) -> str:
        with anyio.fail_after(PATIENCE):
            return (await self._lines.receive_until(b"\n", 1000)).decode()

    async def end(self) -> int:
        with anyio.fail_after(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[Child]:
    command = [sys.executable, "-m", "tests.support.login_child", *arguments]
    process = await anyio.open_process(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        yield Child(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def test_eight_processes_renew_once(issuer: Issuer, gateway: FakeGateway, home: Path) -> None:
    await log_in(issuer, gateway, over=True)
    issuer.delay = 0.3

    async def one() -> None:
        async with child("stream", gateway.url) as process:
            ready.append(process)
            if len(ready) == 8:
                all_are.set()
            await all_are.wait()
            await process.begin()
            assert await process.line() == "done"
            assert await process.end() == 0

    ready: list[Child] = []
    all_are = anyio.Event()
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert issuer.refreshes == 1
    assert issuer.reuses == 0
    assert len(issuer.requests) == 1
    assert mode(home / "logins") == 0o700
    assert {mode(path) for path in (home / "logins").iterdir()} == {0o600}
    await fetch(StoredLoginSource(host=gateway.url))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("home")
async def test_a_killed_holder_holds_nobody_up(issuer: Issuer, gateway: FakeGateway) -> None:
    await log_in(issuer, gateway, over=True)
    async with child("hold", gateway.url) as holder:
        await holder.begin()
        assert await holder.line() == "held"
        async with child("stream", gateway.url) as other:
            await other.begin()
            with anyio.move_on_after(0.5) as waited:  # it has nothing to say yet
                await other.line()
            assert waited.cancelled_caught
            assert issuer.requests == []
            holder.process.kill()
            killed = anyio.current_time()
            assert await other.line() == "done"
            assert anyio.current_time() - killed < 5
    assert (issuer.refreshes, issuer.reuses) == (1, 0)


async def killed_before(step: int, gateway: FakeGateway) -> bool:
    """Have a process fetch a token and be killed before a step; whether it came to it."""
    async with child("fetch", gateway.url, str(step)) as process:
        await process.begin()
        try:
            await process.line()
        except anyio.IncompleteRead:
            return True
    return False


async def steps_of_a_fetch(gateway: FakeGateway) -> int:
    """How many steps it takes. The process is killed before it does anything with the token."""
    async with child("fetch", gateway.url) as process:
        await process.begin()
        word, _, count = (await process.line()).partition(" ")
        assert word == "fetched"
        return int(count)


async def check_the_login_lives_on(
    issuer: Issuer, gateway: FakeGateway, lost_at: set[int], step: int
) -> None:
    """Start again, after a process was killed before a step."""
    login = await stored(gateway.url)  # whole in any case
    if issuer.refreshes and login.expires_at == 1.0:
        lost_at.add(step)  # the moment that nobody can close
        return
    token = await fetch(StoredLoginSource(host=gateway.url))
    assert issuer.alive(token.value.reveal())
    assert (issuer.refreshes, issuer.reuses) == (1, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("home")
async def test_a_process_killed_at_any_step_loses_no_login() -> None:
    """Each step of a fetch: the login is as it was, or renewed and stored.

    But for those from the server's answer to the rename: that moment nobody can close.
    """
    lost_at: set[int] = set()
    step, killed = 0, True
    while killed:
        step += 1
        issuer = Issuer()
        async with FakeGateway(issuer=issuer) as gateway:
            await log_in(issuer, gateway, over=True)
            killed = await killed_before(step, gateway)
            await check_the_login_lives_on(issuer, gateway, lost_at, step)
    assert step > 15
    assert len(lost_at) == 2, "before it writes, and before it renames"


@pytest.mark.usefixtures("home")
async def test_a_process_killed_before_it_uses_what_it_stored_loses_no_login(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    await log_in(issuer, gateway, over=True)
    await steps_of_a_fetch(gateway)
    await check_the_login_lives_on(issuer, gateway, set(), 0)
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
async def test_a_process_killed_before_it_asks_loses_no_login(
    issuer: Issuer, gateway: FakeGateway, share: float
) -> None:
    """At the start, before it holds the login, and while it does."""
    await log_in(issuer, gateway, over=True)
    assert await killed_before(1 + int(share * 16), gateway)
    assert issuer.requests == []
    await check_the_login_lives_on(issuer, gateway, set(), 0)
