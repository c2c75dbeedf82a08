"""Logins rest where nobody else reads them, are found again whole, and are removed without a trace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.auth import Secret
from gateway_stream.auth.secret import MASK
from gateway_stream.auth.store.folder import FolderShelf
from gateway_stream.auth.store.kept import KeptLogin, LoginKey, origin_of, read_kept
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import ConfigError
from tests.support.keyrings import TestKeyring, keyring_of_this_machine
from tests.support.stores import (
    ACCESS,
    HOST,
    REFRESH,
    a_login,
    file_of,
    files_of,
    mode,
    names,
    read,
    renew,
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


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who wants logins in files."""
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "plaintext")


@pytest.mark.usefixtures("files")
async def test_a_login_is_found_again_whole() -> None:
    kept = KeptLogin(
        login=msgspec.structs.replace(a_login().login, client_id="app", account_id="1-2"),
        profile="dev",
        client_secret=Secret("app-secret"),
    )
    await LoginStore().save(kept)
    assert await LoginStore().read(kept.key) == kept


TOKENS: Final = st.from_regex(r"[!-~]{1,40}", fullmatch=True).filter(lambda text: text != MASK)


@given(
    st.builds(
        KeptLogin,
        login=st.builds(
            StoredLogin,
            host=st.just(HOST),
            client_id=st.text(),
            access_token=st.builds(Secret, TOKENS),
            refresh_token=st.none() | st.builds(Secret, TOKENS),
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
@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
@pytest.mark.parametrize("planted", ["a link", "a file that all may read"])
async def test_what_stands_in_the_way_of_a_secret_does_not_get_it(home: Path, planted: str) -> None:
    await LoginStore().save(a_login())
    theirs, beside = home / "theirs", file_of(home, "*.secret").with_suffix(".new")
    theirs.write_text("")
    if planted == "a link":
        beside.symlink_to(theirs)
    else:
        theirs.chmod(0o666)
        beside.hardlink_to(theirs)
    for word in "23":
        await renew(LoginStore(), a_login(word=word))
    await LoginStore().save(a_login(word="4"))
    assert theirs.read_text() == ""
    assert not file_of(home, "*.secret").is_symlink()
    check_modes(home)


@pytest.mark.usefixtures("files")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limits")
async def test_where_there_is_no_room_the_old_login_stays_and_nothing_beside_it(home: Path) -> None:
    import resource

    await LoginStore().save(a_login())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for change in (
            LoginStore().save(a_login(word="2")),
            renew(LoginStore(), a_login(word="2")),
        ):
            with pytest.raises(ConfigError, match="cannot be written"):
                await change
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert await read(LoginStore()) == a_login()
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


@pytest.mark.usefixtures("files")
async def test_what_a_later_version_wrote_is_not_guessed_at(home: Path) -> None:
    host = "http://127.0.0.1:8080"
    await LoginStore().save(a_login(host))
    path = file_of(home, "*.json")
    later = path.read_text().replace('"format":1', '"format":2')
    path.write_text(later)
    with pytest.raises(ConfigError, match="written by a later version") as caught:
        await read(LoginStore(), host)
    assert str(caught.value).endswith(f"gateway-stream auth login --host {host}")
    assert path.read_text() == later
    await LoginStore().save(a_login(host))
    assert path.with_name(f"{path.name}.damaged").read_text() == later


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
