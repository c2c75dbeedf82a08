"""A person's login: renewed by its refresh token, which is used once and stored before it is used."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec
import pytest

from gateway_stream import Client
from gateway_stream.auth import Secret
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.user import U2M, OnRotate, refreshed
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.auth.token import UNKNOWN_LIFE
from gateway_stream.errors import AuthError, GatewayError
from gateway_stream.testing import FakeGateway, Fault, Issuer, Reply
from tests.auth.people import kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.source import TokenSource

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(clients={"app": "app-secret"})


@pytest.fixture
async def gateway(issuer: Issuer, anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    async with FakeGateway(issuer=issuer, default=Reply.scripted(text="hello")) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    async with open_desk(gateway.url) as desk:
        yield desk


class Database:
    """Keeps one login, as a web back end does, and can be out of order."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.kept: list[StoredLogin] = []

    def keep(self, stored: StoredLogin) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept.append(stored)


# --- the token -------------------------------------------------------------------------------


async def test_a_stored_token_is_given_while_it_serves(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = kept(issuer, gateway)
    token = await U2M(stored).fetch(desk, instead_of=None)
    assert token.value == stored.access_token
    assert token.expires_at == stored.expires_at
    assert not gateway.requests


async def test_a_token_that_is_over_is_renewed_before_it_is_used(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    token = await U2M(kept(issuer, gateway, over=True)).fetch(desk, instead_of=None)
    assert issuer.alive(token.value.reveal())
    assert issuer.refreshes == 1


async def test_another_token_is_another(issuer: Issuer, gateway: FakeGateway, desk: Desk) -> None:
    source: TokenSource = U2M(kept(issuer, gateway))
    first = await source.fetch(desk, instead_of=None)
    second = await source.fetch(desk, instead_of=first)
    assert second.value != first.value
    assert issuer.alive(second.value.reveal())


async def test_who_was_refused_with_an_older_token_gets_the_one_that_is_there(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    source = U2M(kept(issuer, gateway))
    first = await source.fetch(desk, instead_of=None)
    second = await source.fetch(desk, instead_of=first)
    assert (await source.fetch(desk, instead_of=first)).value == second.value
    assert issuer.refreshes == 1


async def test_each_refresh_uses_the_refresh_token_of_the_one_before(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    source = U2M(kept(issuer, gateway))
    token = None
    for _ in range(5):
        token = await source.fetch(desk, instead_of=token)
    assert issuer.refreshes == 4
    assert issuer.reuses == 0


async def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    issuer.rotate = False
    stored = kept(issuer, gateway)
    renewed = await refreshed(stored, desk)
    assert renewed.access_token != stored.access_token
    assert renewed.refresh_token == stored.refresh_token


async def test_a_refresh_keeps_who_and_where_and_tells_for_how_long(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    before = desk.clock.time()
    renewed = await refreshed(kept(issuer, gateway, over=True), desk)
    assert (renewed.host, renewed.client_id) == (gateway.url, "databricks-cli")
    assert renewed.scopes == ("all-apis", "offline_access")
    assert before <= renewed.obtained_at <= desk.clock.time()
    assert renewed.expires_at == renewed.obtained_at + issuer.lifetime


async def test_an_app_of_ones_own_shows_its_id_and_secret(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = kept(issuer, gateway, client_id="app")
    forgotten = msgspec.structs.replace(stored, client_id="databricks-cli")
    source = U2M(forgotten, client_id="app", client_secret=Secret("app-secret"))
    await source.fetch(desk, instead_of=stored.token())
    assert issuer.requests[-1].client_id == "app"
    with pytest.raises(AuthError, match="secret"):
        await refreshed(source.stored, desk, client_secret=Secret("wrong"))


@pytest.mark.parametrize(
    ("refresh_token", "expires_at"),
    [(Secret("r"), 1000.0 + UNKNOWN_LIFE), (None, None)],
    ids=["can be renewed", "cannot"],
)
def test_a_token_of_unknown_life_is_not_kept_for_ever_if_it_can_be_renewed(
    refresh_token: Secret | None, expires_at: float | None
) -> None:
    stored = StoredLogin(
        host="https://h", access_token=Secret("a"), refresh_token=refresh_token, obtained_at=1000.0
    )
    assert stored.token().expires_at == expires_at


def test_a_jwt_tells_its_own_end() -> None:
    jwt = Secret("e30.eyJleHAiOjEyMzR9.c2ln")  # {"exp":1234}
    stored = StoredLogin(host="https://h", access_token=jwt, refresh_token=Secret("r"))
    assert stored.token().expires_at == 1234


# --- logins that are over --------------------------------------------------------------------


async def test_a_dead_login_says_to_log_in_again(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = kept(issuer, gateway, over=True)
    assert stored.refresh_token is not None
    issuer.revoke(stored.refresh_token.reveal())
    with pytest.raises(AuthError, match="is over") as caught:
        await U2M(stored).fetch(desk, instead_of=None)
    assert caught.value.code == "invalid_grant"
    assert "gateway-stream auth login" in (caught.value.hint or "")


async def test_a_workspace_calls_a_dead_login_an_invalid_request(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    told = {"error": "invalid_request", "error_description": "Refresh token is invalid"}
    gateway.add(Reply.error(401, told), path="/oidc/v1/token")
    with pytest.raises(AuthError, match="is over") as caught:
        await refreshed(kept(issuer, gateway), desk)
    assert "gateway-stream auth login" in (caught.value.hint or "")


async def test_a_refusal_of_the_app_is_not_told_as_one_of_the_login(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    with pytest.raises(AuthError) as caught:
        await refreshed(kept(issuer, gateway, client_id="app"), desk, client_secret=Secret("no"))
    assert caught.value.code == "invalid_client"
    assert "log in" not in str(caught.value).lower()


async def test_a_login_without_a_refresh_token_ends_with_its_token(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = msgspec.structs.replace(kept(issuer, gateway, over=True), refresh_token=None)
    with pytest.raises(AuthError, match="no refresh token") as caught:
        await U2M(stored).fetch(desk, instead_of=None)
    assert "gateway-stream auth login" in (caught.value.hint or "")
    assert not issuer.requests


async def test_a_refresh_whose_answer_was_lost_is_not_sent_again(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    issuer.faults.append(Fault(no_response=True))
    with pytest.raises(GatewayError):
        await refreshed(kept(issuer, gateway), desk)
    assert len(issuer.requests) == 1


# --- storing ---------------------------------------------------------------------------------


async def test_a_renewed_login_is_stored_before_it_is_given(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = kept(issuer, gateway)
    given = False

    async def keep(renewed: StoredLogin) -> None:
        await anyio.lowlevel.checkpoint()
        assert not given
        database.keep(renewed)

    database = Database()
    token = await U2M(stored, on_rotate=keep).fetch(desk, instead_of=stored.token())
    given = True
    (renewed,) = database.kept
    assert renewed.access_token == token.value
    assert renewed.refresh_token not in (None, stored.refresh_token)


async def test_a_plain_function_stores_in_a_thread_of_its_own(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    threads: list[threading.Thread] = []
    stored = kept(issuer, gateway)
    source = U2M(stored, on_rotate=lambda _: threads.append(threading.current_thread()))
    await source.fetch(desk, instead_of=stored.token())
    assert threads != [threading.current_thread()]


async def test_whatever_is_async_is_awaited(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    told: list[str] = []

    async def keep(name: str, _: StoredLogin) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(name)

    class Keeper:
        async def __call__(self, renewed: StoredLogin) -> None:
            await keep("object", renewed)

    stored = kept(issuer, gateway)
    ways: list[OnRotate] = [
        functools.partial(keep, "partial"),
        Keeper(),
        lambda renewed: keep("lambda", renewed),
    ]
    for number, on_rotate in enumerate(ways):
        source = U2M(stored, on_rotate=on_rotate)
        await source.fetch(desk, instead_of=stored.token())
        assert len(told) == number + 1
        stored = source.stored
    assert told == ["partial", "object", "lambda"]


async def test_what_could_not_be_stored_is_told_and_handed_over_again(
    issuer: Issuer, gateway: FakeGateway, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    stored = kept(issuer, gateway)
    database = Database(OSError("the database said dapi-planted"))
    source = U2M(stored, on_rotate=database.keep)
    with caplog.at_level(logging.WARNING, "gateway_stream"):
        token = await source.fetch(desk, instead_of=stored.token())
    assert not database.kept
    assert "OSError" in caplog.text
    assert "planted" not in caplog.text
    assert (await source.fetch(desk, instead_of=None)).value == token.value
    assert [login.access_token for login in database.kept] == [token.value]
    await source.fetch(desk, instead_of=None)
    assert len(database.kept) == 1
    assert issuer.refreshes == 1


async def test_what_could_not_be_stored_is_handed_over_where_the_server_is_down(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    stored = kept(issuer, gateway)
    database = Database(OSError())
    source = U2M(stored, on_rotate=database.keep)
    token = await source.fetch(desk, instead_of=stored.token())
    issuer.faults.append(Fault(no_response=True))
    with pytest.raises(GatewayError):
        await source.fetch(desk, instead_of=token)
    assert [login.access_token for login in database.kept] == [token.value]


async def test_storing_ends_though_who_waits_for_it_is_cancelled(
    issuer: Issuer, gateway: FakeGateway, desk: Desk
) -> None:
    began, database = anyio.Event(), Database()

    async def keep(renewed: StoredLogin) -> None:
        began.set()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        database.keep(renewed)

    stored = kept(issuer, gateway)
    source = U2M(stored, on_rotate=keep)

    async def fetch() -> None:
        await source.fetch(desk, instead_of=stored.token())
        pytest.fail("it was cancelled")

    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
        await began.wait()
        group.cancel_scope.cancel()
    assert [login.access_token for login in database.kept] == [source.stored.access_token]
    assert source.stored != stored


# --- together --------------------------------------------------------------------------------


async def test_clients_that_share_a_source_refresh_it_once(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    source = U2M(kept(issuer, gateway, over=True))
    issuer.delay = 0.1
    async with (
        Client(host=gateway.url) as one,
        Client(host=gateway.url) as two,
        anyio.create_task_group() as group,
    ):
        for client in [one, two] * 5:
            group.start_soon(functools.partial(client.complete, auth=source), "claude", "hi")
    assert issuer.refreshes == 1
    assert len(issuer.requests) == 1


async def test_threads_that_share_a_source_refresh_it_once(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    source = U2M(kept(issuer, gateway, over=True))
    issuer.delay = 0.1

    async def ask() -> None:
        async with Client(host=gateway.url) as client:
            await client.complete("claude", "hi", auth=source)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, anyio.run, ask)
    assert len(issuer.requests) == 1


async def test_sources_of_one_person_share_a_token_through_every_rotation(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    database = Database()
    database.keep(kept(issuer, gateway, over=True))
    async with Client(host=gateway.url) as client:
        for _ in range(4):
            for stored in list(database.kept):  # as requests see it that read it sooner or later
                source = U2M(stored, on_rotate=database.keep)
                await client.complete("claude", "hi", auth=source)
            issuer.revoke_all()
    assert issuer.refreshes == 4
    assert issuer.reuses == 0
    assert len(database.kept) == 5


def test_who_has_the_same_refresh_token_is_the_same_person() -> None:
    stored = StoredLogin(host="https://h", access_token=Secret("a"), refresh_token=Secret("r"))
    later = msgspec.structs.replace(stored, access_token=Secret("b"), expires_at=1.0)
    assert U2M(later).identity == U2M(stored).identity


@pytest.mark.parametrize(
    "other",
    [
        {"host": "https://other"},
        {"client_id": "app"},
        {"account_id": "1"},
        {"refresh_token": Secret("s")},
        {"refresh_token": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_who_differs_in_more_than_the_access_token_is_somebody_else(
    other: dict[str, object],
) -> None:
    stored = StoredLogin(host="https://h", access_token=Secret("a"), refresh_token=Secret("r"))
    assert U2M(msgspec.structs.replace(stored, **other)).identity != U2M(stored).identity


async def test_two_people_never_share_a_token(issuer: Issuer, gateway: FakeGateway) -> None:
    async with Client(host=gateway.url) as client:
        for user in (ANN, BOB, ANN, BOB):
            source = U2M(kept(issuer, gateway, user, over=user == BOB))
            await client.complete("claude", "hi", auth=source)
            assert gateway.requests[-1].identity == user


async def test_a_token_that_the_gateway_refuses_is_renewed_once(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    stored = kept(issuer, gateway)
    issuer.revoke(stored.access_token.reveal())
    database = Database()
    async with Client(host=gateway.url) as client:
        turn = await client.complete("claude", "hi", auth=U2M(stored, on_rotate=database.keep))
    assert turn.text == "hello"
    assert issuer.refreshes == 1
    assert len(database.kept) == 1


async def test_a_client_that_closes_during_a_renewal_loses_no_login(
    issuer: Issuer, gateway: FakeGateway
) -> None:
    stored = kept(issuer, gateway, over=True)
    issuer.delay = 0.3
    database = Database()
    client = Client(host=gateway.url, auth=U2M(stored, on_rotate=database.keep))
    async with anyio.create_task_group() as group:
        group.start_soon(client.complete, "claude", "hi")
        await gateway.wait_for(lambda gateway: gateway.in_flight and issuer.requests)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await client.aclose()
    assert len(database.kept) == 1
    async with open_desk(gateway.url) as desk:
        await refreshed(database.kept[0], desk)
    assert (issuer.refreshes, issuer.reuses) == (2, 0)


FORKED = """
import os, anyio
from gateway_stream.auth import Secret
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.auth.sources.user import U2M

source = U2M(StoredLogin(host="https://h.example", access_token=Secret("kept")))

async def fetch():
    async with open_desk("https://h.example") as desk:
        with anyio.fail_after(10):
            print((await source.fetch(desk, instead_of=None)).value.reveal(), flush=True)

source._turn.acquire()  # as another thread may have
child = os.fork()
if child == 0:
    anyio.run(fetch)
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
async def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    done = await anyio.run_process([sys.executable, "-c", FORKED], check=False)
    assert (done.returncode, done.stdout) == (0, b"kept\n")


def test_nothing_shows_what_a_login_holds() -> None:
    stored = StoredLogin(
        host="https://h", access_token=Secret("planted"), refresh_token=Secret("planted-too")
    )
    source = U2M(stored, client_secret=Secret("planted-secret"))
    assert "planted" not in f"{stored!r} {source!r} {stored.token()!r} {source.identity!r}"
