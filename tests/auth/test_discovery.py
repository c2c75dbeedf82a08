"""Where a host's OAuth server is, by what the host says, and by what is assumed where it says nothing."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway_stream import Client
from gateway_stream.auth.authority import Desk
from gateway_stream.net.calls import Calls
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.transport import Transport
from gateway_stream.testing import FakeGateway, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONFIG: Final = "/.well-known/databricks-config"
METADATA: Final = "/.well-known/oauth-authorization-server"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=Reply.scripted(text="hello")) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    transport = Transport(ssl.create_default_context(), None, connect_timeout=5)
    yield Desk(Calls(transport), SYSTEM, workspace=gateway.url, known={})
    await transport.aclose()


@pytest.mark.parametrize(
    ("told", "account_id", "settings_account", "path"),
    [
        pytest.param(None, None, None, "/oidc", id="nothing"),
        pytest.param(None, None, "a", "/oidc", id="an account of the settings makes no account"),
        pytest.param(None, "a", None, "/oidc/accounts/a", id="an account that the source names"),
        pytest.param({"workspace_id": "1"}, "a", None, "/oidc", id="a workspace is no account"),
        pytest.param(
            {"oidc_endpoint": "{url}/oidc/accounts/{account_id}"},
            None,
            "a",
            "/oidc/accounts/a",
            id="a place for the settings' account",
        ),
        pytest.param(
            {"oidc_endpoint": "{url}/oidc/accounts/{account_id}", "account_id": "b"},
            None,
            None,
            "/oidc/accounts/b",
            id="a place for the host's own account",
        ),
        pytest.param(
            {"oidc_endpoint": "https://evil.example/oidc"}, None, None, "/oidc", id="a stranger"
        ),
    ],
)
async def test_without_a_document_the_endpoints_are_below_the_place_that_is_known(
    gateway: FakeGateway,
    desk: Desk,
    told: dict[str, Any] | None,
    account_id: str | None,
    settings_account: str | None,
    path: str,
) -> None:
    if told is not None:
        body = {name: value.replace("{url}", gateway.url) for name, value in told.items()}
        gateway.add(Reply.error(200, body), path=CONFIG)
    desk.account_id = settings_account
    endpoints = await desk.endpoints(gateway.url, account_id)
    assert endpoints.token == f"{gateway.url}{path}/v1/token"
    assert endpoints.authorization == f"{gateway.url}{path}/v1/authorize"
    assert f"{path}{METADATA}" in [received.path for received in gateway.requests]


async def test_a_client_tells_its_account_to_its_sources(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "id")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret")
    monkeypatch.setenv("DATABRICKS_ACCOUNT_ID", "a")
    place = f"{gateway.url}/oidc/accounts/{{account_id}}"
    gateway.add(Reply.error(200, {"oidc_endpoint": place}), path=CONFIG)
    answer = Reply.error(200, {"access_token": "t", "expires_in": 3600})
    gateway.add(answer, path="/oidc/accounts/a/v1/token")
    host = gateway.url.removeprefix("http://")
    async with Client(host=gateway.url, allow_host=(host,), auth="oauth-m2m") as client:
        await client.complete("claude", "hi")
    assert gateway.waiting == 0
