"""Where a host's OAuth server is, by what the host says, and by what is assumed where it says nothing."""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import pytest

from gateway_stream import AuthError, Client, ConfigError, GatewayUnavailable
from gateway_stream.auth import M2M, Secret
from gateway_stream.auth.authority import Desk
from gateway_stream.net.calls import Calls
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.transport import Transport
from gateway_stream.testing import FakeGateway, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.auth.discovery import Endpoints, SecretStyle

CONFIG: Final = "/.well-known/databricks-config"
METADATA: Final = "/.well-known/oauth-authorization-server"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=Reply.scripted(text="hello")) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    transport = Transport(ssl.create_default_context(), None, connect_timeout=5)
    calls = Calls(transport, draw=lambda longest: 0.0 * longest)
    yield Desk(calls, SYSTEM, workspace=gateway.url, known={})
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


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_what_was_assumed_while_a_host_could_not_answer_is_not_remembered(
    gateway: FakeGateway, desk: Desk, status: int
) -> None:
    gateway.add(Reply.error(status, headers={"Retry-After": "60"}), path=CONFIG)
    place = f"{gateway.url}/oidc/accounts/a"
    first = await desk.endpoints(gateway.url)
    assert first.guessed
    assert first.token == f"{gateway.url}/oidc/v1/token"
    gateway.add(Reply.error(200, {"oidc_endpoint": place}), path=CONFIG)
    assert (await desk.endpoints(gateway.url)).token == f"{place}/v1/token"


async def test_what_was_assumed_without_a_connection_is_not_remembered(
    gateway: FakeGateway, desk: Desk
) -> None:
    known: dict[tuple[str, str | None], Endpoints] = {}
    asking = Desk(desk.calls, SYSTEM, workspace=None, known=known)
    assert (await asking.endpoints("http://127.0.0.1:1")).guessed
    assert not known
    found = await asking.endpoints(gateway.url)
    assert known == {(gateway.url, None): found}


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_host_that_says_nothing_of_itself_is_asked_once(
    gateway: FakeGateway, desk: Desk, status: int
) -> None:
    gateway.default = Reply.error(status)
    for _ in range(3):
        assert not (await desk.endpoints(gateway.url)).guessed
    assert [received.path for received in gateway.requests] == [CONFIG, f"/oidc{METADATA}"]


async def test_a_wrong_guess_is_an_error_that_may_pass(gateway: FakeGateway, desk: Desk) -> None:
    gateway.add(Reply.error(503, headers={"Retry-After": "60"}), path=CONFIG)
    gateway.default = Reply.error(404)
    robot = M2M(client_id="robot", client_secret=Secret("secret"))
    with pytest.raises(GatewayUnavailable, match="could not say where") as caught:
        await robot.fetch(desk, instead_of=None)
    assert caught.value.retryable
    with pytest.raises(AuthError, match="has no OAuth"):
        await robot.fetch(desk, instead_of=None)


async def test_an_account_of_the_settings_and_one_that_a_source_names_are_told_apart(
    gateway: FakeGateway, desk: Desk
) -> None:
    desk.account_id = "a"
    workspace = await desk.endpoints(gateway.url)
    account = await desk.endpoints(gateway.url, "a")
    assert workspace.token == f"{gateway.url}/oidc/v1/token"
    assert account.token == f"{gateway.url}/oidc/accounts/a/v1/token"


async def test_a_document_that_names_no_addresses_says_nothing(
    gateway: FakeGateway, desk: Desk
) -> None:
    gateway.add(Reply.error(200, {"oidc_endpoint": "https://[/oidc"}), path=CONFIG)
    told = {"token_endpoint": "https://[", "device_authorization_endpoint": "https://["}
    gateway.add(Reply.error(200, told), path=f"/oidc{METADATA}")
    assert (await desk.endpoints(gateway.url)).token == f"{gateway.url}/oidc/v1/token"


@pytest.mark.parametrize(
    ("own", "origin"),
    [
        ("acme.cloud.databricks.com", "https://acme.cloud.databricks.com"),
        ("https://acme.databricks.com/?o=42", "https://acme.databricks.com"),
        ("https://Accounts.cloud.databricks.com:443/", "https://accounts.cloud.databricks.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://inside.example:80", "http://inside.example"),
    ],
)
async def test_a_sources_own_host_is_read_as_people_write_it(
    desk: Desk, own: str, origin: str
) -> None:
    desk.workspace = "http://inside.example"
    assert desk.host(own, "it") == origin


@pytest.mark.parametrize("own", ["ftp://acme.cloud.databricks.com", "a@b.example", "https://"])
async def test_a_sources_own_host_that_is_no_address_is_refused(desk: Desk, own: str) -> None:
    with pytest.raises(ConfigError):
        desk.host(own, "it")


async def test_a_sources_secret_goes_nowhere_in_the_clear(desk: Desk) -> None:
    desk.workspace = "https://acme.cloud.databricks.com"
    with pytest.raises(ConfigError, match="the host of it is plain http"):
        desk.host("http://acme.cloud.databricks.com", "it")


@pytest.mark.parametrize("style", ["basic", "form"])
async def test_a_server_that_quotes_what_it_was_sent_is_not_quoted(
    gateway: FakeGateway, desk: Desk, style: SecretStyle
) -> None:
    secret = "a+b/c:d=secret"
    robot = M2M(client_id="robot", client_secret=Secret(secret), secret_style=style)
    pair = base64.b64encode(f"robot:{quote_plus(secret)}".encode()).decode()
    for said in (secret, quote_plus(secret), *([pair] if style == "basic" else [])):
        told = {"error": "invalid_request", "error_description": f"no: {said}"}
        gateway.add(Reply.error(400, told), path="/oidc/v1/token")
        with pytest.raises(AuthError, match="no: ") as caught:
            await robot.fetch(desk, instead_of=None)
        assert said not in str(caught.value)
