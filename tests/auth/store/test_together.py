"""One at a time changes a login, whoever is cancelled, and whichever lock file is removed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import pytest

from gateway_stream.auth.store.file_lock import FileLock
from gateway_stream.auth.store.login_store import Alone, LoginStore
from gateway_stream.auth.store.shelves import MemoryShelf
from gateway_stream.errors import AuthError
from tests.support.keyrings import TestKeyring, keyring_of_this_machine
from tests.support.stores import (
    a_login,
    read,
    suffixes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE: Final = 30.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWAY_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABRICKS_AUTH_STORAGE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def safe() -> Iterator[TestKeyring]:
    """A machine with a keyring."""
    backend = TestKeyring()
    with keyring_of_this_machine(backend):
        yield backend
    backend.opened.set()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who wants logins in files."""
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "plaintext")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("place", ["file", "memory"])
async def test_one_at_a_time_changes_a_login(place: str) -> None:
    store = LoginStore(rests="memory" if place == "memory" else "file")
    at_once = most = 0

    async def change(number: int) -> None:
        nonlocal at_once, most
        async with store.alone(a_login().key) as alone:
            at_once += 1
            most = max(most, at_once)
            await anyio.lowlevel.checkpoint()
            at_once -= 1
            if number % 3:
                await alone.save(a_login(word=str(number)))

    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(change, number)
    assert most == 1


@pytest.mark.usefixtures("files")
async def test_those_who_wait_for_a_login_do_not_get_in_each_others_way() -> None:
    store, key = LoginStore(), a_login().key
    await store.save(a_login())

    async def look() -> None:
        async with store.alone(key):
            await store.read(key)

    began = anyio.current_time()
    for _ in range(150):
        await look()
    one_by_one = anyio.current_time() - began
    async with anyio.create_task_group() as group:
        async with store.alone(key):
            for _ in range(150):
                group.start_soon(look)
        began = anyio.current_time()
    # About as long as one by one; seconds longer where all come back at the same moments.
    assert anyio.current_time() - began < 4 * one_by_one + 2


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("place", ["file", "memory"])
async def test_who_waits_for_a_login_can_be_cancelled(place: str) -> None:
    store = LoginStore(rests="memory" if place == "memory" else "file")
    key = a_login().key
    async with store.alone(key):
        with anyio.move_on_after(0.1) as waited:
            async with store.alone(key):
                pass
        assert waited.cancelled_caught
    with anyio.fail_after(PATIENCE):
        async with store.alone(key):
            pass


@pytest.mark.usefixtures("files")
async def test_who_is_cancelled_while_it_gets_a_login_does_not_keep_it() -> None:
    store, key = LoginStore(), a_login().key
    for turns in range(30):
        getting = asyncio.ensure_future(store.alone(key).__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        if getting.done():
            await getting.result().__aexit__(None, None, None)
        getting.cancel()
        with suppress(asyncio.CancelledError):
            await getting
        with anyio.fail_after(PATIENCE):
            async with store.alone(key):
                pass


@pytest.mark.usefixtures("files")
async def test_who_waits_too_long_for_a_login_is_told() -> None:
    shelf = MemoryShelf()
    async with Alone(shelf, "name"):
        with pytest.raises(AuthError, match="held the stored login") as caught:
            async with Alone(shelf, "name", patience=0.1):
                pass
    assert caught.value.retryable
    async with Alone(shelf, "name", patience=0.1):
        pass


@pytest.mark.usefixtures("files")
async def test_logins_do_not_wait_for_each_other() -> None:
    store = LoginStore()
    with anyio.fail_after(PATIENCE):
        async with store.alone(a_login().key), store.alone(a_login(profile="dev").key):
            pass


async def test_a_change_that_has_begun_is_made_whoever_is_cancelled(safe: TestKeyring) -> None:
    store = LoginStore()
    safe.waits = {"set"}
    saving = asyncio.ensure_future(store.save(a_login()))
    assert await anyio.to_thread.run_sync(safe.reached.wait, PATIENCE)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    safe.waits = set()
    safe.opened.set()
    with anyio.fail_after(PATIENCE):
        async with store.alone(a_login().key):  # which waits for it
            assert await read(store) == a_login()


@pytest.mark.usefixtures("files")
async def test_a_change_begins_at_once_even_in_a_task_that_is_to_be_cancelled(home: Path) -> None:
    store = LoginStore()
    async with store.alone(a_login().key) as alone:

        async def save() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await alone.save(a_login())

        with pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(save())
    with anyio.fail_after(PATIENCE):
        async with store.alone(a_login().key):
            assert await read(store) == a_login()
    assert "secret" in suffixes(home)


def test_a_lock_that_was_given_up_is_not_taken_later(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.release()
    assert not lock.attempt()
    other = FileLock(tmp_path / "lock")
    assert other.attempt()
    other.release()


def test_a_lock_keeps_threads_apart(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.attempt()
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.append(second.attempt()))
    thread.start()
    thread.join()
    assert taken == [False]
    first.release()
    assert second.attempt()
    second.release()


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no file that is open")
def test_a_lock_file_that_was_removed_locks_nobody_out_and_lets_no_two_in(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = FileLock(path)
    assert first.attempt()
    first.remove()
    second = FileLock(path)
    assert second.attempt()  # on a file that is there
    third = FileLock(path)
    assert not third.attempt()
    first.release()
    assert not third.attempt()
    second.release()
    assert third.attempt()
    third.release()


INTERLEAVED: Final = """
import sys
from pathlib import Path
from gateway_stream.auth.store.file_lock import FileLock

path = Path(sys.argv[1])
first, second, third = FileLock(path), FileLock(path), FileLock(path)
assert first.attempt()
ends = [first]

def meanwhile(event, arguments):  # the second has opened the file, and is about to lock it
    if event == "fcntl.flock" and ends:
        holder = ends.pop()
        holder.remove()
        holder.release()

sys.addaudithook(meanwhile)
assert not second.attempt()
assert third.attempt()
assert not second.attempt()
third.release()
assert second.attempt()
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no file that is open")
def test_a_lock_on_a_file_that_was_removed_meanwhile_does_not_count(tmp_path: Path) -> None:
    run = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-c", INTERLEAVED, str(tmp_path / "lock")],
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=60,
    )
    assert run.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_keeps_no_lock_of_its_parent(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.attempt()
    waits, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tells)
        os.read(waits, 1)  # until the parent closes it
        os._exit(0)
    try:
        lock.release()
        assert other.attempt()
        other.release()
    finally:
        os.close(tells)
        os.close(waits)
        os.waitpid(child, 0)
