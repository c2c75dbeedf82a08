"""One token service on several loops: in turn, in threads, left standing, and after a fork."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.to_thread
import pytest

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.service import TokenService
from gateway_stream.auth.token import Token
from gateway_stream.net.clocks import SYSTEM
from tests.support.mint import a_state

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from gateway_stream.auth.authority import Desk

LIMIT = 20.0


class SlowMint:
    """Gives ``token-1`` and so on, each once a thread says so."""

    method: ClassVar[str] = "slow"
    renewable: ClassVar[bool] = True
    identity: Hashable = "slow"

    def __init__(self) -> None:
        self.asked = 0
        self.begun = threading.Event()
        self.go = threading.Event()

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002
        self.asked += 1
        number = self.asked
        self.begun.set()
        while not self.go.is_set():  # noqa: ASYNC110  it is set by another thread
            await anyio.sleep(0.01)
        now = SYSTEM.time()
        return Token(value=Secret(f"token-{number}"), expires_at=now + 3600, obtained_at=now)


async def ask(service: TokenService) -> str:
    async with a_state() as state:
        got = service.ready() or await service.credentials(state)
        return got.token.value.reveal()


def test_loops_in_turn_share_the_token() -> None:
    mint = SlowMint()
    mint.go.set()
    service = TokenService(mint)
    assert [anyio.run(ask, service) for _ in range(3)] == ["token-1"] * 3


def test_threads_with_loops_of_their_own_share_one_fetch() -> None:
    mint = SlowMint()
    service = TokenService(mint)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(anyio.run, ask, service) for _ in range(8)]
        assert mint.begun.wait(LIMIT)
        mint.go.set()
        assert [answer.result(LIMIT) for answer in asked] == ["token-1"] * 8
    assert mint.asked == 1


async def ask_and_tell(service: TokenService, waits: threading.Event) -> str:
    """Ask, and tell once this waits for another loop's fetch."""
    async with a_state() as state:
        asked = asyncio.ensure_future(service.credentials(state))
        await anyio.wait_all_tasks_blocked()
        waits.set()
        return (await asked).token.value.reveal()


def test_who_waits_for_a_loop_that_ends_asks_again_itself() -> None:
    mint = SlowMint()
    service = TokenService(mint)
    waits = threading.Event()

    async def leave() -> None:
        async with a_state() as state, anyio.create_task_group() as tasks:
            tasks.start_soon(service.credentials, state)
            await anyio.to_thread.run_sync(waits.wait)
            tasks.cancel_scope.cancel()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(anyio.run, leave)
        assert mint.begun.wait(LIMIT)
        other = threads.submit(anyio.run, ask_and_tell, service, waits)
        first.result(LIMIT)
        mint.go.set()
        assert other.result(LIMIT) == "token-2"
    assert mint.asked == 2


@pytest.mark.parametrize("waits_before", [False, True])
def test_a_loop_that_is_left_standing_holds_up_nobody(*, waits_before: bool) -> None:
    mint = SlowMint()
    service = TokenService(mint)
    waits = threading.Event()
    if not waits_before:
        waits.set()
    loop = asyncio.new_event_loop()
    states = a_state()

    async def begin() -> asyncio.Task[object]:
        task = loop.create_task(service.credentials(await states.__aenter__()))
        while not (mint.begun.is_set() and waits.is_set()):  # noqa: ASYNC110  threads' events
            await anyio.sleep(0.01)
        return task

    try:
        with ThreadPoolExecutor(1) as threads:
            other = None
            if waits_before:
                other = threads.submit(after, mint.begun, ask_and_tell, service, waits)
            first = loop.run_until_complete(begin())  # and nobody runs it any more
            mint.go.set()
            other = other or threads.submit(anyio.run, ask, service)
            assert other.result(LIMIT) == "token-2"
        loop.run_until_complete(first)
        loop.run_until_complete(states.__aexit__(None, None, None))
    finally:
        loop.close()
    assert mint.asked == 2


def after(event: threading.Event, work: Callable[..., Awaitable[str]], *given: object) -> str:
    """Run a loop for some work, once a thread's event has come."""
    assert event.wait(LIMIT)
    return anyio.run(work, *given)


def test_a_renewal_on_a_loop_that_ended_goes_on_in_another() -> None:
    service = TokenService(mint := SlowMint())
    mint.go.set()
    anyio.run(ask, service)
    first = service._keeper
    assert first is not None

    async def refused() -> None:
        async with a_state() as state:
            kept = await service.credentials(state)
            await service.replace(kept, state)
            assert service._keeper is not first
            assert service._keeper is not None
            assert not service._keeper.done()

    anyio.run(refused)


FORK = """
import os, sys, threading
import anyio
from gateway_stream.auth import Secret, Token
from gateway_stream.auth.service import TokenService
from gateway_stream.auth.services import TokenServices
from gateway_stream.net.clocks import SYSTEM
from tests.support.mint import a_state

class Slow:
    method = "slow"
    renewable = True
    identity = "slow"
    def __init__(self):
        self.pids = []
        self.go = threading.Event()
    async def fetch(self, desk, *, instead_of):
        self.pids.append(os.getpid())
        while os.getpid() == parent and not self.go.is_set():
            await anyio.sleep(0.01)
        now = SYSTEM.time()
        return Token(value=Secret(f"token-of-{os.getpid()}"), expires_at=now + 3600, obtained_at=now)

async def ask():
    async with a_state() as state:
        service = services.of(source)
        return (await service.credentials(state)).token.value.reveal()

def in_child():
    import asyncio
    if services.of(source).fetching:
        return False
    answer = []
    def run():
        asyncio.set_event_loop(None)
        answer.append(anyio.run(ask))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(15)
    return answer == [f"token-of-{os.getpid()}"]

async def main():
    async with a_state() as state:
        service = services.of(source)
        answers = []
        async def wait():
            answers.append((await service.credentials(state)).token.value.reveal())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while not source.pids:
                await anyio.sleep(0)
            service._flights._lock.acquire()  # as another thread may, in the moment of a fork
            child = os.fork()
            if child == 0:
                os._exit(0 if in_child() else 1)
            service._flights._lock.release()
            _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
            assert status == 0, status
            source.go.set()
        assert answers == [f"token-of-{parent}"], answers
        assert source.pids == [parent], source.pids

parent = os.getpid()
source = Slow()
services = TokenServices(workspace=None)
anyio.run(main)
"""


FORK_OF_A_RENEWAL = """
import asyncio, os, threading
import anyio
from gateway_stream.auth.service import TokenService
from gateway_stream.net.clocks import SYSTEM
from tests.support.mint import Mint, a_state

async def in_child():
    async with a_state() as state:
        await service.replace(await service.credentials(state), state)
        return service._keeper.get_loop() is asyncio.get_running_loop()

def run_child():
    asyncio.set_event_loop(None)
    answers.append(anyio.run(in_child))

async def main():
    async with a_state() as state:
        await service.credentials(state)
        child = os.fork()
        if child == 0:
            thread = threading.Thread(target=run_child)
            thread.start()
            thread.join(15)
            os._exit(0 if answers == [True] else 1)
        _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
        assert status == 0, status

answers = []
service = TokenService(Mint(SYSTEM))
anyio.run(main)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("program", [FORK, FORK_OF_A_RENEWAL], ids=["a fetch", "a renewal"])
async def test_a_forked_child_waits_for_nothing_of_its_parents(program: str) -> None:
    with anyio.fail_after(40):
        done = await anyio.run_process([sys.executable, "-c", program], check=False)
    assert done.returncode == 0, done.stderr.decode()


async def test_a_waiter_of_another_loop_that_is_cancelled_leaves_nothing_behind() -> None:
    mint = SlowMint()
    service = TokenService(mint)
    first = threading.Thread(target=anyio.run, args=(ask, service))
    first.start()
    try:
        assert await anyio.to_thread.run_sync(mint.begun.wait, LIMIT)
        async with a_state() as state:
            waiting = asyncio.ensure_future(service.credentials(state))
            await anyio.wait_all_tasks_blocked()
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            assert len(state._tasks) == 1
    finally:
        mint.go.set()
        await anyio.to_thread.run_sync(first.join)
    assert mint.asked == 1
