"""Secrets rest in the keyring where there is one, and a keyring that fails loses none of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from gateway_stream.auth.store.folder import home_folder
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.errors import AuthError, ConfigError
from tests.support.keyrings import FAILS, NULL, TestKeyring, keyring_of_this_machine
from tests.support.stores import (
    ACCESS,
    HOST,
    REFRESH,
    a_login,
    everything,
    file_of,
    names,
    read,
    renew,
    rests,
    suffixes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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


async def test_a_keyring_keeps_the_secrets_where_there_is_one(
    home: Path, safe: TestKeyring
) -> None:
    store = LoginStore()
    await store.save(a_login())
    assert suffixes(home) == ["json", "lock"]
    assert ACCESS not in everything(home)
    assert await rests(store) == "keyring"
    assert [service for service, _ in safe.kept] == ["gateway-stream"]
    assert await read(store) == a_login()
    await renew(store, a_login(word="2"))
    assert await read(store) == a_login(word="2")
    assert await rests(store) == "keyring"


async def test_no_keyring_is_touched_for_a_host_without_a_login(safe: TestKeyring) -> None:
    store = LoginStore()
    await store.save(a_login())
    safe.asked.clear()
    assert await store.find("https://other.example.com") is None
    assert await store.entries()
    assert await store.remove("https://other.example.com") == 0
    assert safe.asked == []


@pytest.mark.parametrize("there_is", ["no package", "no keyring", "one that stores nothing"])
async def test_without_a_keyring_secrets_rest_in_a_file(
    there_is: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = NULL if there_is == "one that stores nothing" else FAILS
    with keyring_of_this_machine(backend), monkeypatch.context() as patch:
        if there_is == "no package":
            patch.setitem(sys.modules, "keyring", None)
        await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    assert await read(LoginStore()) == a_login()


async def test_a_keyring_that_cuts_what_is_long_is_not_relied_on(
    home: Path, safe: TestKeyring
) -> None:
    safe.longest = 100
    await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    assert await read(LoginStore()) == a_login()
    assert safe.kept == {}
    assert "secret" in suffixes(home)


@pytest.mark.parametrize("state", ["locked", "silent"])
async def test_a_keyring_that_takes_no_renewed_login_loses_none(
    safe: TestKeyring, state: str
) -> None:
    store = LoginStore()
    await store.save(a_login())
    if state == "locked":
        safe.locked = True
    else:
        safe.waits = {"set"}
    began = anyio.current_time()
    await renew(store, a_login(word="2"))
    assert anyio.current_time() - began < 6
    safe.locked = False
    safe.waits.clear()
    safe.opened.set()  # and what it was told last is done late
    assert await rests(store) == "file"
    await renew(store, a_login(word="3"))
    assert await rests(store) == "file"
    assert await read(store) == a_login(word="3")

    await store.remove(HOST)
    assert safe.kept == {}


async def test_a_keyring_that_stores_in_the_clear_is_none(safe: TestKeyring) -> None:
    safe.priority = 0.5
    await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    assert safe.asked == []


async def test_a_chain_of_keyrings_that_store_in_the_clear_is_none(safe: TestKeyring) -> None:
    low = TestKeyring()
    low.priority = 0.5
    with keyring_of_this_machine(Chain([low])):
        await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    assert low.asked == []
    with keyring_of_this_machine(Chain([safe, low])):
        await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "keyring"


class Chain(TestKeyring):
    """Several, as ``keyring``'s own chain has them."""

    def __init__(self, backends: list[TestKeyring]) -> None:
        super().__init__()
        self.backends = backends


async def test_a_keyring_that_did_not_take_a_login_is_not_asked_to_let_go_of_it(
    home: Path, safe: TestKeyring
) -> None:
    safe.locked = True
    await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    assert await LoginStore().remove(HOST) == 1
    assert names(home) == []


@pytest.mark.parametrize("how", ["refuses", "waits"])
async def test_what_a_keyring_did_all_the_same_is_removed_too(
    safe: TestKeyring, how: str, home: Path
) -> None:
    if how == "refuses":
        safe.refuses = {"get"}  # it stores, and does not say so
    else:
        safe.waits = {"set"}
    await LoginStore().save(a_login())
    assert await rests(LoginStore()) == "file"
    safe.refuses = {"get"}
    with pytest.raises(AuthError, match="may be in the system's keyring"):
        await LoginStore().remove(HOST)
    assert REFRESH not in everything(home)
    safe.refuses.clear()
    safe.waits.clear()
    safe.opened.set()
    await LoginStore().remove(HOST)
    assert safe.kept == {}
    assert names(home) == []


async def test_a_login_that_cannot_be_removed_keeps_none_of_the_others(
    home: Path, safe: TestKeyring
) -> None:
    for profile in (None, "dev", "prod", "test"):
        await LoginStore(rests="keyring" if profile == "dev" else "file").save(
            a_login(profile=profile)
        )
    safe.locked = True
    with pytest.raises(AuthError, match="KeyringLocked"):
        await LoginStore().remove(HOST)
    assert [entry.profile for entry in await LoginStore().entries(HOST)] == ["dev"]
    assert ACCESS not in everything(home)


async def test_what_a_keyring_holds_is_removed_though_the_index_was_damaged(
    home: Path, safe: TestKeyring
) -> None:
    await LoginStore().save(a_login())
    file_of(home, "*.json").write_text("{")
    await LoginStore(rests="file").save(a_login(word="2"))
    assert safe.kept
    await LoginStore().remove(HOST)
    assert safe.kept == {}
    assert names(home) == []


async def test_a_keyring_that_gives_nothing_is_told(home: Path, safe: TestKeyring) -> None:
    store = LoginStore()
    await store.save(a_login())
    before = names(home)
    safe.locked = True
    with pytest.raises(AuthError, match="KeyringLocked") as caught:
        await read(store)
    assert caught.value.retryable
    assert caught.value.__cause__ is None
    with pytest.raises(AuthError):
        await store.remove(HOST)
    assert set(before) <= set(names(home))
    safe.locked = False
    assert await read(store) == a_login()
    assert await store.remove(HOST) == 1


async def test_a_login_that_was_removed_from_the_keyring_by_hand_is_none(
    safe: TestKeyring,
) -> None:
    await LoginStore().save(a_login())
    safe.kept.clear()
    assert await read(LoginStore()) is None


async def test_where_the_package_is_missing_the_error_says_how_to_install_it(
    safe: TestKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await LoginStore().save(a_login())
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'gateway-stream\[auth\]'"):
        await read(LoginStore())
    with pytest.raises(ConfigError, match="pip install"):
        await LoginStore(rests="keyring").save(a_login())
    assert safe.kept


async def test_who_asks_for_a_keyring_gets_no_file(
    home: Path, safe: TestKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe.locked = True
    with pytest.raises(ConfigError, match="keyring"):
        await LoginStore(rests="keyring").save(a_login())
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "secure")
    with pytest.raises(ConfigError, match="DATABRICKS_AUTH_STORAGE=plaintext"):
        await LoginStore().save(a_login())
    with keyring_of_this_machine(FAILS), pytest.raises(ConfigError, match="there is none"):
        await LoginStore().save(a_login())
    assert ACCESS not in everything(home)


async def test_a_login_moves_to_where_the_next_one_is_put(home: Path, safe: TestKeyring) -> None:
    await LoginStore(rests="file").save(a_login())
    assert safe.asked == []
    await LoginStore().save(a_login(word="2"))
    assert await rests(LoginStore()) == "keyring"
    assert ACCESS not in everything(home)
    assert await read(LoginStore()) == a_login(word="2")


async def test_memory_leaves_no_trace(home: Path, safe: TestKeyring) -> None:
    store = LoginStore(rests="memory")
    await store.save(a_login())
    assert await read(store) == a_login()
    await renew(store, a_login(word="2"))
    assert await read(store) == a_login(word="2")
    assert await rests(store) == "memory"
    assert await LoginStore().find(HOST) is None
    assert await store.remove(HOST) == 1
    assert await store.find(HOST) is None
    assert (names(home), safe.asked) == ([], [])


@pytest.mark.parametrize(
    ("value", "place"), [("secure", "keyring"), ("", "keyring"), ("Plaintext", "file")]
)
async def test_the_storage_is_named_as_the_databricks_cli_has_it(
    safe: TestKeyring, monkeypatch: pytest.MonkeyPatch, value: str, place: str
) -> None:
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", value)
    await LoginStore().save(a_login())
    assert await rests(LoginStore()) == place
    assert bool(safe.kept) == (place == "keyring")


def test_a_storage_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "cloud")
    with pytest.raises(ConfigError, match="DATABRICKS_AUTH_STORAGE"):
        LoginStore()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="their folders are others")
@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"GATEWAY_STREAM_HOME": "/x/y", "XDG_CONFIG_HOME": "/z"}, "/x/y"),
        ({"XDG_CONFIG_HOME": "/z"}, "/z/gateway-stream"),
        ({"XDG_CONFIG_HOME": "relative"}, "~/.config/gateway-stream"),
        ({}, "~/.config/gateway-stream"),
        ({"GATEWAY_STREAM_HOME": "~/mine"}, "~/mine"),
    ],
)
def test_the_folder_is_the_users_own(environ: dict[str, str], folder: str) -> None:
    assert home_folder(environ) == Path(folder).expanduser()


def test_the_home_of_nobody_is_none() -> None:
    assert home_folder({"GATEWAY_STREAM_HOME": "~nobody-of-this-name/mine"}) is None
