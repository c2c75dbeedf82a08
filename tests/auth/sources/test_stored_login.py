"""A stored login gives tokens, renewed where they have to be, and is stored before it is used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import msgspec
import pytest

from gateway_stream import AuthError, Client, ConfigError
from gateway_stream.auth import Secret, Token
from gateway_stream.auth.sources.stored_login import NotLoggedIn, StoredLoginSource
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.auth.logged_in import fetch, log_in, stored
from tests.auth.people import kept
from tests.support.keyrings import TestKeyring, keyring_of_this_machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

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


def files_of(home: Path, pattern: str) -> list[Path]:
    return list((home / "logins").glob(pattern))


async def test_where_nobody_logged_in_the_error_says_how_to(home: Path) -> None:
    source = StoredLoginSource(host="adb-1.1.azuredatabricks.net/", profile="dev")
    with pytest.raises(NotLoggedIn) as caught:
        await fetch(source)
    assert caught.value.message == "nobody is logged in at https://adb-1.1.azuredatabricks.net"
    assert caught.value.hint is not None
    assert caught.value.hint.endswith(
        "gateway-stream auth login --host https://adb-1.1.azuredatabricks.net --profile dev"
    )
    assert not files_of(home, "*")


@pytest.mark.usefixtures("home")
async def test_a_token_that_serves_is_given_without_a_call(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    login = await log_in(issuer, gateway)
    token = await fetch(StoredLoginSource(host=gateway.url))
    assert token == login.token()
    assert gateway.requests == []


@pytest.mark.usefixtures("home")
async def test_a_token_that_is_over_is_renewed_and_stored_before_it_is_given(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    before = await log_in(issuer, gateway, over=True)
    token = await fetch(StoredLoginSource(host=gateway.url))
    now = await stored(gateway.url)
    assert issuer.alive(token.value.reveal())
    assert now.token() == token
    assert now.refresh_token not in (None, before.refresh_token)
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
async def test_a_stale_token_is_given_at_first_and_renewed_when_it_is_to_be_replaced(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    login = await log_in(issuer, gateway)
    assert login.expires_at
    short = msgspec.structs.replace(login, obtained_at=0.0, expires_at=login.expires_at - 3000)
    await LoginStore().save(KeptLogin(login=short))  # 10 minutes are left of it, 20 are to be
    source = StoredLoginSource(host=gateway.url)
    first = await fetch(source)
    assert first.value == login.access_token
    assert issuer.refreshes == 0
    second = await fetch(source, instead_of=first)
    assert second.value != first.value
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
async def test_what_another_process_renewed_is_taken_from_the_store(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    await log_in(issuer, gateway)
    source = StoredLoginSource(host=gateway.url)
    old = await fetch(source)
    new = await fetch(source, instead_of=old)
    assert await fetch(source, instead_of=old) == new
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
async def test_a_stale_token_does_not_stand_in_for_another(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    login = await log_in(issuer, gateway)
    assert login.expires_at
    short = msgspec.structs.replace(login, obtained_at=0.0, expires_at=login.expires_at - 3000)
    await LoginStore().save(KeptLogin(login=short))
    other = Token(value=Secret("another"))
    token = await fetch(StoredLoginSource(host=gateway.url), instead_of=other)
    assert token.value not in (other.value, login.access_token)
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
async def test_tasks_of_one_process_renew_once(issuer: Issuer, gateway: FakeGateway) -> None:
    await log_in(issuer, gateway, over=True)
    source = StoredLoginSource(host=gateway.url)
    tokens: list[Token] = []

    async def one() -> None:
        tokens.append(await fetch(source))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one)
    assert len({token.value for token in tokens}) == 1
    assert issuer.refreshes == 1


@pytest.mark.usefixtures("home")
async def test_a_client_streams_with_a_stored_login(issuer: Issuer, gateway: FakeGateway) -> None:
    await log_in(issuer, gateway, over=True)
    async with Client(host=gateway.url, auth=StoredLoginSource(host=gateway.url)) as client:
        turn = await client.complete("claude", "hi")
    assert turn.text == "hello"


@pytest.mark.usefixtures("home")
async def test_a_client_that_closes_during_a_renewal_loses_no_login(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    await log_in(issuer, gateway, over=True)
    issuer.delay = 0.3
    source = StoredLoginSource(host=gateway.url)
    client = Client(host=gateway.url, auth=source)
    async with anyio.create_task_group() as group:
        group.start_soon(client.complete, "claude", "hi")
        await gateway.wait_for(lambda gateway: gateway.in_flight and issuer.requests)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await client.aclose()
    issuer.revoke((await stored(gateway.url)).access_token.reveal())
    async with Client(host=gateway.url, auth=source) as another:
        assert (await another.complete("claude", "hi")).text == "hello"
    assert (issuer.refreshes, issuer.reuses) == (2, 0)


@pytest.mark.usefixtures("home")
async def test_the_login_of_a_profile_comes_before_that_of_the_host(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    for_dev = await log_in(issuer, gateway, profile="dev")
    for_all = await log_in(issuer, gateway)
    for profile, login in (("dev", for_dev), ("prod", for_all), (None, for_all)):
        token = await fetch(StoredLoginSource(host=gateway.url, profile=profile))
        assert token.value == login.access_token


@pytest.mark.usefixtures("home")
async def test_a_stored_token_is_given_and_one_that_is_refused_is_said_to_be(
    gateway: FakeGateway,
) -> None:
    pat = Secret("dapi0123456789")
    await LoginStore().save(KeptLogin.of_token(gateway.url, pat))
    source = StoredLoginSource(host=gateway.url)
    token = await fetch(source)
    assert token == Token(value=pat)
    with pytest.raises(AuthError, match="not accepted") as caught:
        await fetch(source, instead_of=token)
    assert "gateway-stream auth login" in str(caught.value)


@pytest.mark.usefixtures("home")
async def test_an_app_with_a_secret_shows_it_when_it_renews(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    login = kept(issuer, gateway, client_id="app", over=True)
    await LoginStore().save(KeptLogin(login=login, client_secret=Secret("app-secret")))
    token = await fetch(StoredLoginSource(host=gateway.url))
    assert issuer.alive(token.value.reveal())
    assert await fetch(StoredLoginSource(host=gateway.url), instead_of=token) != token


@pytest.mark.usefixtures("home")
async def test_a_login_in_memory_is_renewed_there(issuer: Issuer, gateway: FakeGateway) -> None:
    store = LoginStore(rests="memory")
    await log_in(issuer, gateway, store=store, over=True)
    source = StoredLoginSource(host=gateway.url, store=store)
    first = await fetch(source)
    second = await fetch(source, instead_of=first)
    assert issuer.alive(second.value.reveal())
    assert issuer.refreshes == 2
    with pytest.raises(NotLoggedIn):
        await fetch(StoredLoginSource(host=gateway.url))


async def test_where_nothing_can_be_written_no_refresh_token_is_spent(
    issuer: Issuer, gateway: FakeGateway, home: Path
) -> None:
    await log_in(issuer, gateway, over=True)
    (secret,) = files_of(home, "*.secret")
    secret.with_suffix(".new").mkdir()  # so that no file can be written there
    with pytest.raises(ConfigError, match="cannot be written"):
        await fetch(StoredLoginSource(host=gateway.url))
    assert issuer.requests == []
    secret.with_suffix(".new").rmdir()
    await fetch(StoredLoginSource(host=gateway.url))


@pytest.mark.usefixtures("home")
async def test_who_logs_out_meanwhile_is_not_logged_in(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    login = await log_in(issuer, gateway, over=True)
    store = LoginStore()
    asked = anyio.Event()

    async def ask() -> None:
        asked.set()
        with pytest.raises(NotLoggedIn):
            await fetch(StoredLoginSource(host=gateway.url))

    async with (
        anyio.create_task_group() as group,
        store.alone(KeptLogin(login=login).key) as alone,
    ):
        group.start_soon(ask)
        await asked.wait()
        await alone.remove()
    assert issuer.requests == []


async def test_a_renewed_login_is_stored_though_its_fetch_is_cancelled(
    issuer: Issuer, gateway: FakeGateway, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_AUTH_STORAGE")
    backend = TestKeyring()
    with keyring_of_this_machine(backend):
        await log_in(issuer, gateway, over=True)
        assert not files_of(home, "*.secret")
        backend.waits = {"set"}
        fetching = asyncio.ensure_future(fetch(StoredLoginSource(host=gateway.url)))
        assert await anyio.to_thread.run_sync(backend.reached.wait, PATIENCE)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        backend.opened.set()
        token = await fetch(StoredLoginSource(host=gateway.url))
    assert issuer.alive(token.value.reveal())
    assert (issuer.refreshes, issuer.reuses) == (1, 0)
