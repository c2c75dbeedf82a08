"""What databricks-sdk makes of the fake gateway's OAuth server: nobody here wrote that client.

It finds the server by its own discovery, shows secrets, keeps proof keys and refreshes in its own ways. It
blocks, and so runs in a thread.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import anyio.to_thread
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.oauth import (
    ClientCredentials,
    OAuthClient,
    SessionCredentials,
    Token,
    TokenCache,
    get_account_endpoints,
    get_host_metadata,
    get_workspace_endpoints,
)

from gateway_stream.testing import FakeGateway, Issuer
from tests.testing.oauth_asking import CLI, EXCHANGE, jwt

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

REDIRECT = "http://localhost:8020"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that this machine has stored, and no variables of its own."""
    for name in os.environ:
        if name.startswith("DATABRICKS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("config", ["workspace", "unified", "account"])
async def test_the_sdk_finds_the_server_and_asks_for_a_principals_token(config: Any) -> None:
    issuer = Issuer(clients={"sp": "s%2F+e:c"}, config=config)
    account_id = issuer.account_id if config == "account" else None
    async with FakeGateway(issuer=issuer) as gateway:

        def use() -> tuple[str | None, datetime | None]:
            workspace = WorkspaceClient(
                host=gateway.url,
                client_id="sp",
                client_secret="s%2F+e:c",
                account_id=account_id,
            )
            assert workspace.config.auth_type == "oauth-m2m"
            return workspace.current_user.me().user_name, workspace.config.oauth_token().expiry

        name, expiry = await anyio.to_thread.run_sync(use)
    assert name == "sp"
    assert expiry is not None
    assert timedelta(minutes=59) < expiry - datetime.now() <= timedelta(hours=1)  # noqa: DTZ005  theirs is naive
    assert [one.identity for one in issuer.granted] == ["sp"]
    assert [received.identity for received in gateway.requests][-1] == "sp"


async def test_the_sdk_reads_what_the_host_says_of_itself() -> None:
    issuer = Issuer(audience="there", config=None)
    async with FakeGateway(issuer=issuer) as gateway:
        at_account = await anyio.to_thread.run_sync(
            get_account_endpoints, gateway.url, issuer.account_id
        )
        at_workspace = await anyio.to_thread.run_sync(get_workspace_endpoints, gateway.url)
        issuer.config = "workspace"
        told = await anyio.to_thread.run_sync(get_host_metadata, gateway.url)
        account = f"{gateway.url}/oidc/accounts/{issuer.account_id}"
        assert at_account.token_endpoint == f"{account}/v1/token"
        assert at_workspace.authorization_endpoint == f"{gateway.url}/oidc/v1/authorize"
        assert (told.oidc_endpoint, told.workspace_id) == (gateway.url + "/oidc", "1234567890")
        assert told.token_federation_default_oidc_audiences == ["there"]


@pytest.mark.parametrize("way", [{"use_header": True}, {"use_params": True}])
async def test_the_sdk_is_refused_with_an_error_that_it_can_read(way: Any) -> None:
    issuer = Issuer(clients={"sp": "s"})
    async with FakeGateway(issuer=issuer) as gateway:
        url = gateway.url + "/oidc/v1/token"
        good = ClientCredentials("sp", "s", url, scopes="all-apis", **way)
        token = await anyio.to_thread.run_sync(good.token)
        assert issuer.alive(token.access_token)
        bad = ClientCredentials("sp", "wrong", url, **way)
        with pytest.raises(ValueError, match=r"^invalid_client: Client authentication failed"):
            await anyio.to_thread.run_sync(bad.token)
    assert [one.client_id for one in issuer.requests] == ["sp", "sp"]


async def log_in(
    gateway: FakeGateway,
    session: aiohttp.ClientSession,
    client_id: str = CLI,
    client_secret: str | None = None,
) -> SessionCredentials:
    """The SDK's login with a browser; the browser is `session`."""
    client = await anyio.to_thread.run_sync(
        partial(
            OAuthClient.from_host,
            gateway.url,
            client_id,
            REDIRECT,
            client_secret=client_secret,  # type: ignore[arg-type]  # its default is None
        )
    )
    consent = client.initiate_consent()
    async with session.get(consent.authorization_url, allow_redirects=False) as response:
        assert response.status == 302
        place = response.headers["Location"]
    assert place.startswith(REDIRECT + "?")
    query = dict(parse_qsl(urlsplit(place).query))
    return await anyio.to_thread.run_sync(consent.exchange_callback_parameters, query)


async def test_the_sdk_logs_a_user_in_and_refreshes_with_rotation(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(user="ann@example.com")
    async with FakeGateway(issuer=issuer) as gateway:
        credentials = await log_in(gateway, session)
        seen = [credentials.token()]
        for _ in range(2):
            seen.append(await anyio.to_thread.run_sync(credentials.refresh))
            credentials._token = seen[-1]
        assert len({token.refresh_token for token in seen}) == 3
        assert all(issuer.alive(token.access_token) for token in seen)
        credentials._token = seen[0]
        with pytest.raises(ValueError, match=r"^invalid_grant: .*used before"):
            await anyio.to_thread.run_sync(credentials.refresh)
        assert not any(issuer.alive(token.access_token) for token in seen)
    assert [(one.grant_type, one.identity) for one in issuer.granted] == [
        ("authorization_code", "ann@example.com"),
        ("refresh_token", "ann@example.com"),
        ("refresh_token", "ann@example.com"),
    ]
    assert issuer.reuses == 1


async def test_the_sdk_logs_a_user_in_for_a_web_app_with_a_secret(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"web": "s"})
    async with FakeGateway(issuer=issuer) as gateway:
        credentials = await log_in(gateway, session, client_id="web", client_secret="s")
        await anyio.to_thread.run_sync(credentials.refresh)
        with pytest.raises(ValueError, match=r"^invalid_client: "):
            await log_in(gateway, session, client_id="web")
    assert [one.client_id for one in issuer.granted] == ["web", "web"]


async def test_the_sdk_goes_on_with_a_login_that_it_stored(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(user="ann")
    async with FakeGateway(issuer=issuer) as gateway:
        credentials = await log_in(gateway, session)

        def use() -> str | None:
            token = credentials.token()
            token.expiry = datetime.now()  # noqa: DTZ005  theirs are naive
            endpoints = get_workspace_endpoints(gateway.url)
            scopes = ["all-apis", "offline_access"]
            cache = TokenCache(gateway.url, endpoints, CLI, REDIRECT, scopes=scopes)
            cache.save(SessionCredentials(Token(**vars(token)), endpoints.token_endpoint, CLI))
            workspace = WorkspaceClient(host=gateway.url, auth_type="external-browser")
            return workspace.current_user.me().user_name

        assert await anyio.to_thread.run_sync(use) == "ann"
    assert issuer.refreshes == 1


async def test_the_sdk_exchanges_a_subject_token_for_the_audience_that_the_host_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issuer = Issuer(clients={"sp": "s"}, audience="there")
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", jwt(sub="repo:me/it", aud="there"))
    async with FakeGateway(issuer=issuer) as gateway:

        def use() -> str | None:
            workspace = WorkspaceClient(host=gateway.url, client_id="sp", auth_type="env-oidc")
            assert workspace.config.token_audience == "there"
            return workspace.current_user.me().user_name

        assert await anyio.to_thread.run_sync(use) == "sp"
        monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", jwt(sub="repo:me/it", aud="elsewhere"))
        with pytest.raises(ValueError, match="invalid_request: subject_token is for another"):
            await anyio.to_thread.run_sync(use)
    assert [one.grant_type for one in issuer.granted] == [EXCHANGE]
