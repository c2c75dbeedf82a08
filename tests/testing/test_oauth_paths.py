"""Where the fake gateway's OAuth server is, what it says of itself, and how its answers go wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from gateway_stream.testing import DeviceFlow, FakeGateway, Fault, Issuer, Reply
from tests.testing.oauth_asking import ask_token, refresh

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT = "acc-1"
AT_ACCOUNT = f"/oidc/accounts/{ACCOUNT}"
C = {"client_id": "c", "client_secret": "s"}


async def document(
    session: aiohttp.ClientSession, gateway: FakeGateway, path: str
) -> Mapping[str, Any] | None:
    async with session.get(gateway.url + path) as response:
        return await response.json() if response.status == 200 else None


@pytest.mark.parametrize(
    ("config", "said", "serving"),
    [
        (
            "workspace",
            {"oidc_endpoint": "{url}/oidc", "account_id": ACCOUNT, "workspace_id": "7"},
            ["/oidc"],
        ),
        (
            "unified",
            {"oidc_endpoint": "{url}/oidc/accounts/{account_id}", "account_id": ACCOUNT},
            [AT_ACCOUNT],
        ),
        ("account", {"oidc_endpoint": "{url}/oidc/accounts/{account_id}"}, [AT_ACCOUNT]),
        (None, None, ["/oidc", AT_ACCOUNT]),
    ],
)
async def test_a_host_says_what_it_is_and_serves_there_alone(
    session: aiohttp.ClientSession, config: Any, said: dict[str, str] | None, serving: list[str]
) -> None:
    issuer = Issuer(clients={"c": "s"}, config=config, account_id=ACCOUNT, workspace_id="7")
    async with FakeGateway(issuer=issuer) as gateway:
        told = await document(session, gateway, "/.well-known/databricks-config")
        if said is not None:
            said = {name: value.replace("{url}", gateway.url) for name, value in said.items()}
            said["cloud"] = "AWS"
        assert told == said
        for base in ("/oidc", AT_ACCOUNT, "/oidc/accounts/another"):
            path = base + "/.well-known/oauth-authorization-server"
            metadata = await document(session, gateway, path)
            served = base in serving
            assert (metadata is not None) == served
            if metadata is not None:
                assert metadata["issuer"] == gateway.url + base
                assert metadata["token_endpoint"] == f"{gateway.url}{base}/v1/token"
                assert metadata["authorization_endpoint"] == f"{gateway.url}{base}/v1/authorize"
                status, _ = await ask_token(session, gateway, "client_credentials", C, base=base)
                assert status == 200
            else:
                async with session.post(f"{gateway.url}{base}/v1/token", data=C) as response:
                    assert response.status == 404


async def test_the_servers_document_says_what_it_takes_and_may_be_absent(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"c": "s"})
    path = "/oidc/.well-known/oauth-authorization-server"
    async with FakeGateway(issuer=issuer) as gateway:
        told = await document(session, gateway, path)
        assert told is not None
        assert "device_authorization_endpoint" not in told
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert told["token_endpoint_auth_methods_supported"] == [
            "none", "client_secret_basic", "client_secret_post",
        ]  # fmt: skip
        issuer.secret_styles = ("form",)
        issuer.device = DeviceFlow()
        told = await document(session, gateway, path)
        assert told is not None
        assert told["token_endpoint_auth_methods_supported"] == ["none", "client_secret_post"]
        assert told["device_authorization_endpoint"] == gateway.url + "/oidc/v1/device/authorize"
        issuer.metadata = False
        assert await document(session, gateway, path) is None
        assert (await ask_token(session, gateway, "client_credentials", C))[0] == 200


async def test_the_host_names_the_audience_of_subject_tokens(
    session: aiohttp.ClientSession,
) -> None:
    async with FakeGateway(issuer=Issuer(audience="there")) as gateway:
        told = await document(session, gateway, "/.well-known/databricks-config")
    assert told is not None
    assert told["token_federation_default_oidc_audiences"] == ["there"]


async def test_without_an_issuer_there_is_no_oauth(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession
) -> None:
    assert await document(session, fake_gateway, "/.well-known/databricks-config") is None
    async with session.post(fake_gateway.url + "/oidc/v1/token", data=C) as response:
        assert response.status == 404


async def test_a_reply_queued_for_a_path_comes_before_the_issuer(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"c": "s"})
    path = "/oidc/v1/token"
    down = Reply.error(503, headers={"Retry-After": "1", "Cache-Control": "no-store"})
    async with FakeGateway(issuer=issuer) as gateway:
        gateway.add(down, down, path=path)
        statuses = []
        for _ in range(3):
            fields = {"grant_type": "client_credentials", **C}
            async with session.post(gateway.url + path, data=fields) as response:
                statuses.append(response.status)
    assert statuses == [503, 503, 200]
    assert len(issuer.requests) == 1


async def test_an_answer_that_is_lost_was_given_all_the_same() -> None:
    issuer = Issuer()
    async with FakeGateway(issuer=issuer) as gateway, aiohttp.ClientSession() as session:
        token = issuer.login().refresh_token
        assert token is not None
        issuer.faults.append(Fault(no_response=True, cut="reset"))
        with pytest.raises(aiohttp.ClientConnectionError):
            await refresh(session, gateway, token)
        assert (issuer.refreshes, len(issuer.faults)) == (1, 0)
        status, _ = await refresh(session, gateway, token)
    assert (status, issuer.reuses) == (400, 1)


async def test_a_slow_answer_was_given_when_it_was_asked_for(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"c": "s"})
    issuer.delay = 0.1
    issuer.faults.append(Fault(delay_headers=0.1))
    async with FakeGateway(issuer=issuer) as gateway, anyio.create_task_group() as group:
        started = time.monotonic()
        group.start_soon(
            lambda: ask_token(session, gateway, "client_credentials", {}, basic=("c", "s"))
        )
        await gateway.wait_for(lambda _: issuer.granted, within=5)
        assert gateway.in_flight == 1
        await gateway.wait_for(lambda one: one.in_flight == 0)
        assert time.monotonic() - started >= 0.2
