"""Logins at the fake gateway: codes and refresh tokens that work once, device codes, and what ends a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.testing import DeviceFlow, FakeGateway, Issuer, Reply
from tests.testing.oauth_asking import (
    CLI,
    Hands,
    ask_token,
    authorize,
    exchange,
    refresh,
    status_of,
)

if TYPE_CHECKING:
    import aiohttp

HELLO = Reply.scripted(text="Hello.")


# --- people with a browser -------------------------------------------------------------------


async def test_a_browser_is_sent_back_with_a_code_that_brings_the_users_tokens(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(user="ann@example.com")
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        status, told = await authorize(session, gateway)
        assert (status, told["state"]) == (302, "s")
        _, tokens = await exchange(session, gateway, told["code"])
        assert await status_of(session, gateway, tokens["access_token"]) == 200
        _, told = await authorize(session, gateway, login_hint="bob@example.com")
        await exchange(session, gateway, told["code"])
        assert gateway.requests[2].identity == "ann@example.com"
    assert tokens["scope"] == "all-apis offline_access"
    assert tokens["refresh_token"]
    assert [(one.grant_type, one.client_id, one.identity) for one in issuer.granted] == [
        ("authorization_code", CLI, "ann@example.com"),
        ("authorization_code", CLI, "bob@example.com"),
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
    ],
)
async def test_a_browser_with_a_wrong_request_is_sent_back_with_the_error(
    session: aiohttp.ClientSession, changes: dict[str, str | None], error: str
) -> None:
    async with FakeGateway(issuer=Issuer()) as gateway:
        status, told = await authorize(session, gateway, **changes)
    assert (status, told["error"], told["state"]) == (302, error, "s")
    assert "code" not in told


async def test_nobody_at_the_browser_allows_nothing(session: aiohttp.ClientSession) -> None:
    async with FakeGateway(issuer=Issuer(user=None)) as gateway:
        status, told = await authorize(session, gateway, login_hint="bob", state=None)
    assert (status, told["error"]) == (302, "access_denied")
    assert "state" not in told


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example"},
        {"redirect_uri": "https://localhost:8020"},
        {"redirect_uri": "javascript://localhost/"},
        {"client_id": "web", "redirect_uri": "https://app.example/#part"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_the_clients(
    session: aiohttp.ClientSession, changes: dict[str, str | None]
) -> None:
    async with FakeGateway(issuer=Issuer(clients={"web": "s"})) as gateway:
        assert await authorize(session, gateway, **changes) == (400, {})


async def test_a_web_app_with_a_secret_shows_it_and_keeps_the_query_of_its_address(
    session: aiohttp.ClientSession,
) -> None:
    place = "https://app.example/back?tenant=1"
    web = {"client_id": "web", "redirect_uri": place}
    async with FakeGateway(issuer=Issuer(clients={"web": "s"})) as gateway:
        status, told = await authorize(session, gateway, **web)
        assert (status, told["tenant"]) == (302, "1")
        status, _ = await exchange(session, gateway, told["code"], **web)
        assert status == 401
        status, _ = await exchange(session, gateway, told["code"], **web, client_secret="s")
        assert status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"redirect_uri": "http://localhost:8021"},
    ],
)
async def test_a_code_is_burnt_by_an_exchange_that_does_not_fit_it(
    session: aiohttp.ClientSession, changes: dict[str, str]
) -> None:
    async with FakeGateway(issuer=Issuer()) as gateway:
        _, told = await authorize(session, gateway)
        status, wrong = await exchange(session, gateway, told["code"], **changes)
        assert (status, wrong["error"]) == (400, "invalid_grant")
        status, _ = await exchange(session, gateway, told["code"])
        assert status == 400


async def test_a_code_of_another_client_is_none(session: aiohttp.ClientSession) -> None:
    issuer = Issuer(clients={"other": None})
    async with FakeGateway(issuer=issuer) as gateway:
        _, told = await authorize(session, gateway)
        status, _ = await exchange(session, gateway, told["code"], client_id="other")
        assert status == 400
        status, _ = await exchange(session, gateway, told["code"])
        assert status == 200


async def test_a_code_that_comes_again_takes_back_what_it_brought(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer()
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        _, told = await authorize(session, gateway)
        _, tokens = await exchange(session, gateway, told["code"])
        assert issuer.reuses == 0
        status, again = await exchange(session, gateway, told["code"])
        assert (status, again["error"], issuer.reuses) == (400, "invalid_grant", 1)
        assert await status_of(session, gateway, tokens["access_token"]) == 403
        status, _ = await refresh(session, gateway, tokens["refresh_token"])
        assert status == 400


async def test_a_code_expires(session: aiohttp.ClientSession) -> None:
    clock = Hands()
    async with FakeGateway(issuer=Issuer(clock=clock)) as gateway:
        _, told = await authorize(session, gateway)
        clock.now += 60
        status, _ = await exchange(session, gateway, told["code"])
    assert status == 400


# --- refresh tokens --------------------------------------------------------------------------


async def test_a_refresh_brings_new_tokens_and_leaves_the_old_access_token_alive(
    session: aiohttp.ClientSession,
) -> None:
    clock = Hands()
    issuer = Issuer(clock=clock)
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        login = issuer.login("ann")
        assert issuer.requests == []
        token, access = login.refresh_token, [login.access_token]
        for _ in range(3):
            assert token is not None
            status, told = await refresh(session, gateway, token)
            assert status == 200
            assert told["refresh_token"] != token
            token = told["refresh_token"]
            access.append(told["access_token"])
        assert [await status_of(session, gateway, one) for one in access] == [200] * 4
    assert len(set(access)) == 4
    assert (issuer.refreshes, issuer.reuses) == (3, 0)
    assert {(one.identity, one.at) for one in issuer.granted} == {("ann", clock.now)}


async def test_a_used_refresh_token_ends_its_whole_family_and_no_other(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer()
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        ann, other = issuer.login("ann"), issuer.login("ann")
        assert ann.refresh_token is not None
        assert other.refresh_token is not None
        _, second = await refresh(session, gateway, ann.refresh_token)
        status, told = await refresh(session, gateway, ann.refresh_token)
        assert (status, told["error"], issuer.reuses) == (400, "invalid_grant", 1)
        status, told = await refresh(session, gateway, second["refresh_token"])
        assert (status, told["error"], issuer.reuses) == (400, "invalid_grant", 1)
        assert await status_of(session, gateway, ann.access_token) == 403
        assert await status_of(session, gateway, second["access_token"]) == 403
        assert await status_of(session, gateway, other.access_token) == 200
        status, _ = await refresh(session, gateway, other.refresh_token)
        assert status == 200
    assert [one.reused for one in issuer.requests] == [False, True, False, False]
    assert issuer.refreshes == 2


async def test_a_server_that_does_not_rotate_keeps_its_refresh_token(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(rotate=False)
    async with FakeGateway(issuer=issuer) as gateway:
        token = issuer.login().refresh_token
        assert token is not None
        for _ in range(2):
            status, told = await refresh(session, gateway, token)
            assert status == 200
            assert "refresh_token" not in told
    assert (issuer.refreshes, issuer.reuses) == (2, 0)


async def test_a_refresh_token_of_another_client_is_none(session: aiohttp.ClientSession) -> None:
    issuer = Issuer(clients={"other": None})
    async with FakeGateway(issuer=issuer) as gateway:
        token = issuer.login(client_id="other").refresh_token
        assert token is not None
        status, told = await refresh(session, gateway, token)
        assert (status, told["error"]) == (400, "invalid_grant")
        status, _ = await refresh(session, gateway, token, "other")
        assert status == 200


async def test_a_login_ends_when_its_time_is_over_however_often_it_was_refreshed(
    session: aiohttp.ClientSession,
) -> None:
    clock = Hands()
    issuer = Issuer(clock=clock, refresh_lifetime=100)
    async with FakeGateway(issuer=issuer) as gateway:
        token = issuer.login().refresh_token
        assert token is not None
        clock.now += 99
        status, told = await refresh(session, gateway, token)
        assert status == 200
        clock.now += 1
        status, told = await refresh(session, gateway, told["refresh_token"])
    assert (status, told["error"], issuer.reuses) == (400, "invalid_grant", 0)


async def test_without_offline_access_there_is_no_refresh_token(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer()
    assert issuer.login(scopes=("all-apis",)).refresh_token is None
    async with FakeGateway(issuer=issuer) as gateway:
        _, told = await authorize(session, gateway, scope="all-apis")
        _, tokens = await exchange(session, gateway, told["code"])
    assert "refresh_token" not in tokens


def test_a_login_needs_a_user_and_a_client() -> None:
    with pytest.raises(ValueError, match="no user"):
        Issuer(user=None).login()
    with pytest.raises(ValueError, match="no such client"):
        Issuer().login(client_id="unknown")


# --- devices without a browser ---------------------------------------------------------------

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


async def begin(
    session: aiohttp.ClientSession, gateway: FakeGateway, **fields: str
) -> tuple[int, dict[str, Any]]:
    form = {"client_id": CLI, "scope": "all-apis offline_access"} | fields
    async with session.post(gateway.url + "/oidc/v1/device/authorize", data=form) as response:
        return response.status, await response.json()


async def poll(
    session: aiohttp.ClientSession, gateway: FakeGateway, code: str, client_id: str = CLI
) -> tuple[int, dict[str, Any]]:
    fields = {"client_id": client_id, "device_code": code}
    return await ask_token(session, gateway, DEVICE_CODE, fields)


async def test_a_device_waits_for_its_user_and_is_told_to_slow_down(
    session: aiohttp.ClientSession,
) -> None:
    clock = Hands()
    issuer = Issuer(clock=clock, device=DeviceFlow(interval=2))
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        status, shown = await begin(session, gateway)
        assert (status, shown["interval"], shown["expires_in"]) == (200, 2, 600)
        assert shown["user_code"] in shown["verification_uri_complete"]
        assert issuer.user_codes == [shown["user_code"]]
        answers = []
        for pause in (0.0, 2, 1.9, 6.9, 12, 11.9):
            clock.now += pause
            status, told = await poll(session, gateway, shown["device_code"])
            assert status == 400
            answers.append(told["error"])
        assert answers == [
            "authorization_pending", "authorization_pending", "slow_down", "slow_down",
            "authorization_pending", "slow_down",
        ]  # fmt: skip
        issuer.approve(shown["user_code"], "ann")
        assert issuer.user_codes == []
        clock.now += 17
        status, tokens = await poll(session, gateway, shown["device_code"])
        assert status == 200
        assert await status_of(session, gateway, tokens["access_token"]) == 200
        assert issuer.granted[0].identity == "ann"
        status, told = await poll(session, gateway, shown["device_code"])
        assert (status, told["error"], issuer.reuses) == (400, "invalid_grant", 1)
        assert (await refresh(session, gateway, tokens["refresh_token"]))[0] == 400


async def test_a_device_is_told_that_its_user_forbade_it_or_did_not_come(
    session: aiohttp.ClientSession,
) -> None:
    clock = Hands()
    issuer = Issuer(clock=clock, device=DeviceFlow(lifetime=30), clients={"other": None})
    async with FakeGateway(issuer=issuer) as gateway:
        _, denied = await begin(session, gateway)
        _, late = await begin(session, gateway)
        issuer.deny(denied["user_code"])
        assert issuer.user_codes == [late["user_code"]]
        _, told = await poll(session, gateway, denied["device_code"])
        assert told["error"] == "access_denied"
        _, told = await poll(session, gateway, late["device_code"], "other")
        assert told["error"] == "invalid_grant"
        issuer.approve(late["user_code"])
        clock.now += 30
        _, told = await poll(session, gateway, late["device_code"])
        assert told["error"] == "expired_token"
        status, told = await begin(session, gateway, client_id="unknown")
        assert (status, told["error"]) == (401, "invalid_client")
    with pytest.raises(ValueError, match="no device shows"):
        issuer.approve("ABCD")
    issuer.user = None
    with pytest.raises(ValueError, match="no user"):
        issuer.approve(late["user_code"])


async def test_a_server_without_a_device_flow_has_no_path_for_it(
    session: aiohttp.ClientSession,
) -> None:
    async with FakeGateway(issuer=Issuer()) as gateway:
        assert (await begin(session, gateway))[0] == 404
