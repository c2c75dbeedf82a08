"""Credentials, judged by a certified OAuth server: tokens of 5 seconds, refresh tokens that work once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from gateway_stream import Client
from gateway_stream.auth import M2M, Secret
from gateway_stream.auth.authority import Desk
from gateway_stream.auth.login.interactive import log_in
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.login.pkce import Login
from gateway_stream.auth.sources.user import U2M, refreshed
from gateway_stream.errors import AuthError
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing import FakeGateway, Reply
from tests.auth.people import visit
from tests.peers import oidc_provider
from tests.peers.oidc_provider import ROBOT, alive, browse, revoke

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway_stream.auth.stored import StoredLogin
    from gateway_stream.testing.routes import Received

LIFETIME = 5


@pytest.fixture(scope="module")
def workspace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The origin of an oidc-provider."""
    place = oidc_provider.install(Path(request.config.cache.mkdir("peers")))
    folder = tmp_path_factory.mktemp("oidc")
    with oidc_provider.serving(place, folder, lifetime=LIFETIME) as origin:
        yield origin


@pytest.fixture
async def desk(workspace: str, anyio_backend: object) -> AsyncIterator[Desk]:  # noqa: ARG001
    async with open_desk(workspace) as desk:
        yield desk


@pytest.fixture
def refused() -> set[str]:
    """Tokens that the gateway does not take, though the server says that they are good."""
    return set()


@pytest.fixture
async def gateway(
    workspace: str,
    refused: set[str],
    anyio_backend: object,  # noqa: ARG001
) -> AsyncIterator[FakeGateway]:
    """A gateway that asks the server about every token that it is shown."""

    async def judge(received: Received) -> Reply:
        token = received.headers["authorization"].removeprefix("Bearer ")
        if token not in refused and await anyio.to_thread.run_sync(alive, workspace, token):
            return Reply.scripted(text="hello")
        return Reply.error(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid Token"})

    async with FakeGateway(default=judge, keep_credentials=True) as gateway:
        yield gateway


async def nobody(question: str) -> str:
    pytest.fail(f"nobody was to be asked: {question}")


@pytest.fixture
async def stored(workspace: str, monkeypatch: pytest.MonkeyPatch) -> StoredLogin:
    """Ann's login, by the browser of this machine."""
    monkeypatch.setenv("BROWSER", "a-browser")
    login = Login(host=workspace, redirect_uri="http://localhost:0")
    return await log_in(login, show=lambda _: None, ask=nobody, browse=browse)


def robot(workspace: str, secret: str = ROBOT[1]) -> M2M:
    return M2M(client_id=ROBOT[0], client_secret=Secret(secret), host=workspace)


async def test_a_service_principal_gets_a_token_for_its_secret(workspace: str, desk: Desk) -> None:
    token = await robot(workspace).fetch(desk, instead_of=None)
    assert token.expires_at == token.obtained_at + LIFETIME
    assert await anyio.to_thread.run_sync(alive, workspace, token.value.reveal())


async def test_a_wrong_secret_is_refused(workspace: str, desk: Desk) -> None:
    with pytest.raises(AuthError) as caught:
        await robot(workspace, "wrong").fetch(desk, instead_of=None)
    assert caught.value.code == "invalid_client"


async def test_a_browser_logs_a_person_in(workspace: str, stored: StoredLogin) -> None:
    assert stored.host == workspace
    assert stored.refresh_token is not None
    assert "all-apis" in stored.scopes
    assert stored.expires_at == stored.obtained_at + LIFETIME
    assert await anyio.to_thread.run_sync(alive, workspace, stored.access_token.reveal())


class Impatient:
    """A clock whose wait is over when somebody has entered the code."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        self.time = SYSTEM.time

    async def sleep(self, seconds: float) -> None:
        with anyio.fail_after(4 * seconds):
            await self.entered.wait()


async def test_a_code_that_is_shown_logs_a_person_in(workspace: str, desk: Desk) -> None:
    clock = Impatient()
    hurried = Desk(desk.calls, clock, workspace=workspace, known={})

    async def enter(url: str) -> None:
        assert await anyio.to_thread.run_sync(browse, url)
        clock.entered.set()

    async with anyio.create_task_group() as group:

        def show(line: str) -> None:
            if line.startswith("or go to "):
                group.start_soon(enter, line.removeprefix("or go to "))

        login = Login(host=workspace)
        stored = await log_in(login, show=show, ask=nobody, open_browser=False, desk=hurried)
    assert stored.refresh_token is not None
    assert await anyio.to_thread.run_sync(alive, workspace, stored.access_token.reveal())


async def test_a_code_is_good_once_and_for_its_own_verifier(workspace: str, desk: Desk) -> None:
    login = Login(host=workspace)
    begun, other = await login.begin(desk), await login.begin(desk)
    came_back = await visit(begun.url, login.redirect_uri)
    with pytest.raises(AuthError) as caught:
        await login.finish(came_back, state=begun.state, verifier=other.verifier, desk=desk)
    assert caught.value.code == "invalid_grant"
    came_back = await visit(other.url, login.redirect_uri)
    stored = await login.finish(came_back, state=other.state, verifier=other.verifier, desk=desk)
    with pytest.raises(AuthError) as caught:
        await login.finish(came_back, state=other.state, verifier=other.verifier, desk=desk)
    assert caught.value.code == "invalid_grant"
    assert not await anyio.to_thread.run_sync(alive, workspace, stored.access_token.reveal())


async def test_a_refresh_brings_another_refresh_token(
    workspace: str, desk: Desk, stored: StoredLogin
) -> None:
    renewed = await refreshed(stored, desk)
    assert renewed.refresh_token not in (None, stored.refresh_token)
    assert renewed.access_token != stored.access_token
    assert await anyio.to_thread.run_sync(alive, workspace, renewed.access_token.reveal())
    again = await refreshed(renewed, desk)
    assert again.refresh_token not in (None, renewed.refresh_token)


async def test_a_refresh_token_that_is_used_twice_ends_the_login(
    desk: Desk, stored: StoredLogin
) -> None:
    renewed = await refreshed(stored, desk)
    for login in (stored, renewed):
        with pytest.raises(AuthError, match="is over") as caught:
            await refreshed(login, desk)
        assert caught.value.code == "invalid_grant"


async def test_a_token_that_the_gateway_refuses_is_replaced(
    gateway: FakeGateway, refused: set[str], stored: StoredLogin
) -> None:
    refused.add(stored.access_token.reveal())
    kept: list[StoredLogin] = []
    async with Client(host=gateway.url) as client:
        turn = await client.complete("claude", "hi", auth=U2M(stored, on_rotate=kept.append))
    assert turn.text == "hello"
    (renewed,) = kept
    sent = [request.headers["authorization"] for request in gateway.requests]
    assert sent == [f"Bearer {login.access_token.reveal()}" for login in (stored, renewed)]


async def test_a_login_that_was_taken_back_is_over(
    workspace: str, gateway: FakeGateway, stored: StoredLogin
) -> None:
    await anyio.to_thread.run_sync(revoke, workspace, stored.access_token.reveal())
    async with Client(host=gateway.url) as client:
        with pytest.raises(AuthError, match="is over"):
            await client.complete("claude", "hi", auth=U2M(stored))
    assert len(gateway.requests) == 1


@pytest.mark.slow
async def test_a_login_and_a_service_principal_outlive_their_tokens(
    workspace: str, gateway: FakeGateway, stored: StoredLogin
) -> None:
    kept: list[StoredLogin] = []
    sources = (U2M(stored, on_rotate=kept.append), robot(workspace))
    async with Client(host=gateway.url) as client:
        with anyio.move_on_after(2.5 * LIFETIME):
            while True:
                for source in sources:
                    await client.complete("claude", "hi", auth=source)
    assert len(kept) >= 3
    assert len({request.headers["authorization"] for request in gateway.requests}) >= 8
