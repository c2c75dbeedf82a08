"""Logins rest where nobody else reads them, are found again whole, and are removed without a trace."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.auth import Secret
from gateway_stream.auth.file_lock import FileLock
from gateway_stream.auth.folder import FolderShelf, home_folder
from gateway_stream.auth.kept import KeptLogin, LoginKey, origin_of, read_kept
from gateway_stream.auth.shelves import MemoryShelf
from gateway_stream.auth.store import Alone, LoginStore
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import AuthError, ConfigError
from tests.support.keyrings import FAILS, NULL, TestKeyring, keyring_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "https://adb-1.1.azuredatabricks.net"
ACCESS, REFRESH = "planted-access", "planted-refresh"
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


def a_login(host: str = HOST, *, profile: str | None = None, word: str = "") -> KeptLogin:
    login = StoredLogin(
        host=host,
        access_token=Secret(ACCESS + word),
        refresh_token=Secret(REFRESH + word),
        expires_at=1_700_000_000.0,
        scopes=("all-apis",),
    )
    return KeptLogin(login=login, profile=profile)


async def renew(store: LoginStore, kept: KeptLogin) -> None:
    async with store.alone(kept.key) as alone:
        await alone.save(kept, await alone.rehearse())


async def rests(store: LoginStore, host: str = HOST) -> str:
    (entry,) = await store.entries(host)
    return entry.rests


def files_of(home: Path, pattern: str) -> list[Path]:
    return sorted(home.glob(f"logins/{pattern}"))


def file_of(home: Path, pattern: str) -> Path:
    (found,) = files_of(home, pattern)
    return found


def names(home: Path) -> list[str]:
    return [path.name for path in files_of(home, "*")]


def suffixes(home: Path) -> list[str]:
    return [name.rpartition(".")[2] for name in names(home)]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def everything(home: Path) -> str:
    return "".join(path.read_text() for path in home.rglob("*") if path.is_file())


# --- files -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("files")
async def test_a_login_is_found_again_whole() -> None:
    kept = KeptLogin(
        login=msgspec.structs.replace(a_login().login, client_id="app", account_id="1-2"),
        profile="dev",
        client_secret=Secret("app-secret"),
    )
    await LoginStore().save(kept)
    assert await LoginStore().read(kept.key) == kept


@given(
    st.builds(
        KeptLogin,
        login=st.builds(
            StoredLogin,
            host=st.just(HOST),
            client_id=st.text(),
            access_token=st.builds(Secret, st.from_regex(r"[!-~]{1,40}", fullmatch=True)),
            refresh_token=st.none()
            | st.builds(Secret, st.from_regex(r"[!-~]{1,40}", fullmatch=True)),
            expires_at=st.none() | st.floats(0, 1e12),
            obtained_at=st.floats(0, 1e12),
            scopes=st.lists(st.text(), max_size=3).map(tuple),
            account_id=st.none() | st.text(),
        ),
        profile=st.none() | st.text(),
    )
)
def test_what_is_written_is_read(kept: KeptLogin) -> None:
    assert read_kept(kept.written()) == kept


@pytest.mark.usefixtures("files")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
async def test_nobody_else_may_look_into_it(home: Path) -> None:
    before = os.umask(0)
    try:
        await LoginStore().save(a_login())
        await renew(LoginStore(), a_login(word="2"))
    finally:
        os.umask(before)
    check_modes(home)
    (home / "logins").chmod(0o755)
    await renew(LoginStore(), a_login(word="3"))
    check_modes(home)


def check_modes(home: Path) -> None:
    assert mode(home) == mode(home / "logins") == 0o700
    assert {mode(path) for path in home.glob("logins/*")} == {0o600}
    assert len(names(home)) == 3


@pytest.mark.usefixtures("files")
async def test_the_index_holds_no_secret(home: Path) -> None:
    await LoginStore().save(a_login())
    for name in ("*.json", "*.lock"):
        assert REFRESH not in file_of(home, name).read_text()
    assert REFRESH in file_of(home, "*.secret").read_text()


async def test_looking_for_a_login_makes_no_folder(home: Path) -> None:
    assert await LoginStore().find(HOST) is None
    assert await LoginStore().entries() == []
    assert await LoginStore().remove(HOST) == 0
    assert not names(home.parent)
    assert not names(home)


@pytest.mark.usefixtures("files")
async def test_the_newest_login_that_fits_counts_and_another_profiles_never() -> None:
    store = LoginStore()
    await store.save(a_login(profile="prod"))
    assert await store.find(HOST) is None
    assert await store.find(HOST, "dev") is None
    await store.save(KeptLogin.of_token(HOST, Secret("dapi-1")))
    await store.save(a_login())
    await renew(store, KeptLogin.of_token(HOST, Secret("dapi-2")))
    for profile, found in ((None, None), ("dev", None), ("prod", "prod")):
        entry = await store.find(HOST, profile)
        assert entry is not None
        assert (entry.profile, entry.is_token) == (found, False)
    assert await store.find("https://adb-2.2.azuredatabricks.net") is None


@pytest.mark.usefixtures("files")
async def test_the_names_of_one_server_are_one_host() -> None:
    await LoginStore().save(a_login("ADB-1.1.azuredatabricks.net:443/"))
    entry = await LoginStore().find(f"{HOST}/")
    assert entry is not None
    assert entry.host == HOST
    assert await LoginStore().find(HOST.replace("https", "http")) is None


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://a.b.com/", "https://a.b.com"),
        (" a.b.com ", "https://a.b.com"),
        ("https://A.b.com:443", "https://a.b.com"),
        ("http://127.0.0.1:8080/x?o=1", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://accounts.cloud.databricks.com", "https://accounts.cloud.databricks.com"),
    ],
)
def test_a_host_has_one_spelling(text: str, origin: str) -> None:
    assert origin_of(text) == origin
    assert origin_of(origin) == origin


@pytest.mark.parametrize(
    "text", ["", "ftp://a.com", f"https://{ACCESS}@a.com", "https://", f"https://a:{ACCESS}"]
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        origin_of(text)
    assert ACCESS not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        LoginKey(HOST, "app", "dev"),
        LoginKey(HOST, "databricks-cli"),
        LoginKey(HOST, "databricks-cli", "prod"),
        LoginKey(HOST.replace("1.1", "1_1"), "databricks-cli", "dev"),
        LoginKey(HOST.replace("https", "http"), "databricks-cli", "dev"),
    ],
)
def test_logins_that_differ_have_names_that_differ(other: LoginKey) -> None:
    assert other.name != LoginKey(HOST, "databricks-cli", "dev").name


def test_a_name_is_one_of_a_file_whatever_the_host() -> None:
    name = LoginKey(f"https://[::1]:80{'x' * 300}", "../../" * 50, "\0/\\").name
    assert len(name) < 200
    assert not set(name) & set('/\\:*?"<>|\0[]')


# --- damage ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("suffix", [".json", ".secret"])
@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"format": 2}', f'{{"login": "{REFRESH}"}}', "\0" * 100]
)
async def test_a_damaged_file_is_told_and_kept(home: Path, suffix: str, content: str) -> None:
    store = LoginStore()
    await store.save(a_login())
    await store.save(a_login("https://other.example.com"))
    path = file_of(home, f"adb*{suffix}")
    path.write_text(content)
    with pytest.raises(ConfigError, match="damaged") as caught:
        await read(store)
    assert str(path) in str(caught.value)
    assert "gateway-stream auth login" in str(caught.value)
    assert REFRESH not in str(caught.value)
    assert path.read_text() == content
    assert await read(store, "https://other.example.com") is not None

    await store.save(a_login(word="2"))
    assert await read(store) == a_login(word="2")
    assert path.with_name(f"{path.name}.damaged").read_text() == content


async def read(store: LoginStore, host: str = HOST) -> KeptLogin | None:
    entry = await store.find(host)
    return None if entry is None else await store.read(entry.key)


@pytest.mark.usefixtures("files")
async def test_a_login_that_stands_in_anothers_place_is_damage(home: Path) -> None:
    store = LoginStore()
    await store.save(a_login())
    await store.save(a_login("https://other.example.com", word="2"))
    theirs = file_of(home, "other*.secret").read_bytes()
    file_of(home, "adb*.secret").write_bytes(theirs)
    with pytest.raises(ConfigError, match="damaged"):
        await read(store)


@pytest.mark.usefixtures("files")
async def test_where_no_folder_can_be_made_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Path(__file__) / "home"
    monkeypatch.setenv("GATEWAY_STREAM_HOME", str(home))
    assert await LoginStore().find(HOST) is None
    with pytest.raises(ConfigError, match="GATEWAY_STREAM_HOME") as caught:
        await LoginStore().save(a_login())
    assert str(home) in str(caught.value)


def test_a_user_without_a_home_has_no_logins() -> None:
    shelf = FolderShelf(None, None)
    assert shelf.entries(HOST) == []
    with pytest.raises(ConfigError, match="no home folder"):
        shelf.lock(a_login().key.name)


# --- where it rests --------------------------------------------------------------------------


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


async def test_who_asks_for_a_keyring_gets_no_file(home: Path, safe: TestKeyring) -> None:
    safe.locked = True
    with pytest.raises(ConfigError, match="keyring"):
        await LoginStore(rests="keyring").save(a_login())
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


# --- logging out -----------------------------------------------------------------------------


async def test_logging_out_leaves_no_trace(home: Path, safe: TestKeyring) -> None:
    await LoginStore(rests="file").save(a_login())
    await LoginStore(rests="file").save(a_login(profile="dev"))
    await LoginStore().save(KeptLogin.of_token(HOST, Secret("dapi-1")))
    await LoginStore().save(a_login("https://other.example.com"))
    secret = next(iter(files_of(home, "adb*.secret")))
    secret.with_suffix(".new").write_text(REFRESH)
    assert await LoginStore().remove(HOST) == 3
    assert [name for name in names(home) if name.startswith("adb")] == []
    assert len(safe.kept) == 1
    assert await read(LoginStore(), "https://other.example.com") is not None
    assert await LoginStore().remove(HOST) == 0


@pytest.mark.usefixtures("files")
async def test_one_profile_or_app_logs_out_by_itself() -> None:
    store = LoginStore()
    await store.save(a_login())
    await store.save(a_login(profile="dev"))
    await store.save(KeptLogin.of_token(HOST, Secret("dapi-1")))
    assert await store.remove(HOST, profile="dev") == 1
    assert await store.remove(HOST, client_id="") == 1
    (left,) = await store.entries(HOST)
    assert (left.profile, left.is_token) == (None, False)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("suffix", [".json", ".secret"])
async def test_a_damaged_login_logs_out(home: Path, suffix: str) -> None:
    await LoginStore().save(a_login())
    file_of(home, f"*{suffix}").write_text("{")
    assert await LoginStore().remove(HOST) == 1
    assert names(home) == []


# --- together --------------------------------------------------------------------------------


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
