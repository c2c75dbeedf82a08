"""Logging people in to a web back end: authorization code with PKCE."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from gateway_stream import Client, ConfigError
from gateway_stream.auth import Secret
from gateway_stream.auth.authority import Desk
from gateway_stream.auth.discovery import Endpoints
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.login.pkce import (
    Login,
    authorize_url,
    challenge_of,
    make_state,
    make_verifier,
    read_redirect,
)
from gateway_stream.auth.sources.user import U2M
from gateway_stream.errors import AuthError, ConnectError, GatewayError
from gateway_stream.testing import FakeGateway, Fault, Issuer, Reply
from tests.auth.people import query_of, visit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CALLBACK = "https://chat.example.com/callback"
STATE = "the-state"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(user="ann@example.com", clients={"app": "app-secret"})


@pytest.fixture
async def gateway(issuer: Issuer, anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    async with FakeGateway(issuer=issuer, default=Reply.scripted(text="hello")) as gateway:
        yield gateway


@pytest.fixture
def login(gateway: FakeGateway) -> Login:
    return Login(
        host=gateway.url,
        client_id="app",
        client_secret=Secret("app-secret"),
        redirect_uri=CALLBACK,
    )


# --- verifier, challenge, state, address -----------------------------------------------------


def test_the_challenge_is_that_of_the_standard() -> None:
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # RFC 7636, appendix B
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_verifier_has_the_standards_length_and_letters() -> None:
    for _ in range(100):
        assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", make_verifier().reveal())


def test_no_verifier_and_no_state_comes_twice() -> None:
    assert len({make_verifier().reveal() for _ in range(100)}) == 100
    assert len({make_state() for _ in range(100)}) == 100


def test_a_verifier_is_a_secret() -> None:
    verifier = make_verifier()
    assert verifier.reveal() not in repr(verifier)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://h/authorize", "https://h/authorize?scope=a%20b"),
        ("https://h/authorize?o=1", "https://h/authorize?o=1&scope=a%20b"),
        ("https://h/authorize#top", "https://h/authorize?scope=a%20b"),
    ],
)
def test_an_endpoint_keeps_the_query_that_it_has(endpoint: str, url: str) -> None:
    assert authorize_url(endpoint, {"scope": "a b"}) == url


# --- what the browser came back with ---------------------------------------------------------


@pytest.mark.parametrize(
    "came_back",
    [
        "https://chat.example.com/callback?code=abc&state=the-state",
        "https://chat.example.com/callback?state=the-state&code=abc&iss=https%3A%2F%2Fh#_",
        "/callback?code=abc&state=the-state",
        "code=abc&state=the-state",
        "  http://localhost:8020/?code=abc&state=the-state\n",
        "https://chat.example.com/callback?code=abc&state=the-state&next=/?",
    ],
)
def test_the_code_is_read_from_an_address_or_its_query(came_back: str) -> None:
    assert read_redirect(came_back, STATE).reveal() == "abc"


@pytest.mark.parametrize(
    "came_back",
    [
        "?code=abc&state=another",
        "?code=abc",
        "?code=abc&state=",
        "?code=abc&state=the-state&state=the-state",
        "?code=abc&state=the-stat%C3%A9",
        "?code=abc&state=%ED%B2%80",
        "?error=access_denied&state=another",
        "?" + "&".join(f"a{number}=1" for number in range(100)),
        "http://[",
        "",
    ],
)
def test_a_redirect_of_another_login_is_refused(came_back: str) -> None:
    with pytest.raises(AuthError, match="another login") as caught:
        read_redirect(came_back, STATE)
    assert caught.value.code == "state"
    assert "abc" not in str(caught.value)


def test_a_session_that_holds_no_state_lets_nobody_in() -> None:
    with pytest.raises(AuthError, match="another login"):
        read_redirect("?code=abc&state=", "")


def test_a_refusal_shows_nothing_that_a_terminal_obeys() -> None:
    with pytest.raises(AuthError, match="refused") as caught:
        read_redirect("?error=no%1b%5B2J&state=the-state", STATE)
    assert "\x1b" not in f"{caught.value} {caught.value.code}"


def test_a_refusal_tells_what_the_server_said() -> None:
    came_back = "?error=access_denied&error_description=Ann%20said%0Ano&state=the-state"
    with pytest.raises(AuthError, match="refused: Ann said no") as caught:
        read_redirect(came_back, STATE)
    assert caught.value.code == "access_denied"
    assert "allow it" in (caught.value.hint or "")


@pytest.mark.parametrize("query", ["", "&code=", "&code=a&code=b", "&code=a+b", "&code=%C3%A9"])
def test_a_redirect_without_one_code_is_an_error(query: str) -> None:
    with pytest.raises(AuthError, match="without a code"):
        read_redirect(f"?state=the-state{query}", STATE)


# --- the whole way ---------------------------------------------------------------------------


async def test_a_browser_is_sent_away_with_all_that_the_server_wants(
    login: Login, gateway: FakeGateway
) -> None:
    begun = await login.begin()
    assert begun.url.startswith(f"{gateway.url}/oidc/v1/authorize?")
    assert query_of(begun.url) == {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "scope": "all-apis offline_access",
        "state": begun.state,
        "code_challenge": challenge_of(begun.verifier),
        "code_challenge_method": "S256",
    }
    assert begun.verifier.reveal() not in repr(begun)
    assert begun.verifier.reveal() not in begun.url


async def test_a_login_leads_from_the_browser_to_a_stream(
    login: Login, gateway: FakeGateway, issuer: Issuer
) -> None:
    begun = await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    stored = await login.finish(came_back, state=begun.state, verifier=begun.verifier.reveal())
    assert stored.host == gateway.url
    assert stored.client_id == "app"
    assert stored.scopes == ("all-apis", "offline_access")
    assert stored.refresh_token is not None
    source = U2M(stored, client_secret=login.client_secret)
    async with Client(host=login.host) as client:
        turn = await client.complete("claude", "hi", auth=source)
    assert turn.text == "hello"
    assert gateway.requests[-1].identity == "ann@example.com"
    assert issuer.refreshes == 0


async def test_a_login_opens_no_connection_that_it_does_not_close(
    login: Login, gateway: FakeGateway
) -> None:
    begun = await login.begin()
    await login.finish(await visit(begun.url, CALLBACK), state=begun.state, verifier=begun.verifier)
    await gateway.wait_for(lambda gateway: gateway.connections_open == 0)


async def test_the_public_app_logs_in_without_a_secret(gateway: FakeGateway) -> None:
    login = Login(host=gateway.url)
    begun = await login.begin()
    came_back = await visit(begun.url, "http://localhost:8020")
    stored = await login.finish(came_back, state=begun.state, verifier=begun.verifier)
    assert stored.client_id == "databricks-cli"


async def test_an_account_is_logged_in_to_at_its_own_paths(
    login: Login, gateway: FakeGateway, issuer: Issuer
) -> None:
    issuer.config = "account"
    at_account = Login(
        host=gateway.url,
        client_id="app",
        client_secret=login.client_secret,
        redirect_uri=CALLBACK,
        account_id=issuer.account_id,
    )
    begun = await at_account.begin()
    assert f"/oidc/accounts/{issuer.account_id}/v1/authorize?" in begun.url
    came_back = await visit(begun.url, CALLBACK)
    stored = await at_account.finish(came_back, state=begun.state, verifier=begun.verifier)
    assert stored.account_id == issuer.account_id


async def test_a_secret_goes_the_way_that_the_server_takes(login: Login, issuer: Issuer) -> None:
    issuer.secret_styles = ("form",)
    begun = await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    await login.finish(came_back, state=begun.state, verifier=begun.verifier)


async def test_a_wrong_secret_is_told(gateway: FakeGateway) -> None:
    login = Login(
        host=gateway.url, client_id="app", client_secret=Secret("wrong"), redirect_uri=CALLBACK
    )
    begun = await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    with pytest.raises(AuthError, match="client id and its secret") as caught:
        await login.finish(came_back, state=begun.state, verifier=begun.verifier)
    assert caught.value.code == "invalid_client"


async def test_a_code_is_good_for_its_own_verifier_alone(login: Login) -> None:
    begun, other = await login.begin(), await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    with pytest.raises(AuthError) as caught:
        await login.finish(came_back, state=begun.state, verifier=other.verifier)
    assert caught.value.code == "invalid_grant"


async def test_a_code_whose_answer_was_lost_is_not_sent_again(login: Login, issuer: Issuer) -> None:
    issuer.faults.append(Fault(no_response=True))
    begun = await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    with pytest.raises(GatewayError):
        await login.finish(came_back, state=begun.state, verifier=begun.verifier)
    assert len(issuer.requests) == 1


async def test_a_person_who_refuses_is_no_login(login: Login, issuer: Issuer) -> None:
    issuer.user = None
    begun = await login.begin()
    came_back = await visit(begun.url, CALLBACK)
    with pytest.raises(AuthError, match="refused"):
        await login.finish(came_back, state=begun.state, verifier=begun.verifier)
    assert not issuer.requests


@pytest.mark.parametrize(
    "place",
    [
        "javascript:alert(1)",
        "javascript://{netloc}/%0aalert(1)",
        "file:///etc/passwd",
        "file://{netloc}/share/program",
        "http://evil.example",
        "https:///authorize",
        "https://[",
        "https://evil.example/\x1b[2J",
        "https://evil.example/ or type your password here",
    ],
)
async def test_a_browser_is_sent_to_no_address_but_a_safe_one(place: str) -> None:
    async with FakeGateway() as gateway:
        place = place.format(netloc=gateway.url.partition("//")[2])
        told = {"token_endpoint": f"{gateway.url}/oidc/v1/token", "authorization_endpoint": place}
        gateway.add(Reply.error(200, told), path="/oidc/.well-known/oauth-authorization-server")
        with pytest.raises(AuthError, match="no https address"):
            await Login(host=gateway.url, redirect_uri=CALLBACK).begin()


async def test_a_browser_is_not_sent_from_https_to_http(gateway: FakeGateway) -> None:
    host = "https://acme.cloud.databricks.com"
    plain = Endpoints(token=f"{host}/t", authorization="http://acme.cloud.databricks.com/a")
    async with open_desk(host) as desk:
        known = Desk(desk.calls, desk.clock, workspace=host, known={(host, None): plain})
        with pytest.raises(AuthError, match="no https address"):
            await Login(host=host).begin(known)
    assert not gateway.requests


async def test_a_host_that_is_no_address_is_told_and_not_quoted() -> None:
    with pytest.raises(ConfigError, match="scheme"):
        await Login(host="ftp://dapi0123", redirect_uri=CALLBACK).begin()


def test_nothing_prints_the_secret_of_an_app() -> None:
    login = Login(host="https://h", client_id="app", client_secret=Secret("app-secret"))
    assert "app-secret" not in repr(login)


async def test_nobody_is_sent_to_a_host_that_does_not_answer() -> None:
    with pytest.raises(ConnectError, match=r"no connection to 127\.0\.0\.1"):
        await Login(host="http://127.0.0.1:1").begin()


async def test_nobody_is_sent_to_a_host_that_has_no_logins() -> None:
    async with FakeGateway() as gateway:
        with pytest.raises(AuthError, match="names no OAuth server"):
            await Login(host=gateway.url).begin()
