"""The tokens that the fake gateway's issuer gives: for what, for how long, and what makes them worthless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from gateway_stream.auth.token import claims_of
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.testing.asking import ask
from tests.testing.oauth_asking import CLI, EXCHANGE, Hands, ask_token, jwt, refresh, status_of

if TYPE_CHECKING:
    import aiohttp

HELLO = Reply.scripted(text="Hello.")
SECRET = "a/secret+with:all%of it"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


# --- clients and their secrets ---------------------------------------------------------------


async def test_a_client_gets_a_token_of_its_own_whichever_way_it_shows_its_secret(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"c:1": SECRET})
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        encoded = (quote("c:1", safe=""), quote(SECRET, safe=""))
        _, basic = await ask_token(session, gateway, "client_credentials", {}, basic=encoded)
        form = {"client_id": "c:1", "client_secret": SECRET, "scope": "sql"}
        _, posted = await ask_token(session, gateway, "client_credentials", form)
        assert await status_of(session, gateway, basic["access_token"]) == 200
        assert await status_of(session, gateway, posted["access_token"]) == 200
    assert (basic["token_type"], basic["expires_in"], basic["scope"]) == (
        "Bearer",
        3600,
        "all-apis",
    )
    assert posted["scope"] == "sql"
    assert "refresh_token" not in basic
    assert [(one.grant_type, one.client_id, one.identity) for one in issuer.granted] == [
        ("client_credentials", "c:1", "c:1")
    ] * 2


async def test_a_secret_without_percent_encoding_is_taken_as_databricks_sdk_sends_it(
    session: aiohttp.ClientSession,
) -> None:
    async with FakeGateway(issuer=Issuer(clients={"c": SECRET})) as gateway:
        status, _ = await ask_token(session, gateway, "client_credentials", {}, basic=("c", SECRET))
    assert status == 200


C = {"client_id": "c", "client_secret": "s"}


@pytest.mark.parametrize(
    ("grant_type", "fields", "basic", "status", "error"),
    [
        ("client_credentials", {}, None, 401, "invalid_client"),
        ("client_credentials", {"client_id": "c"}, None, 401, "invalid_client"),
        ("client_credentials", C | {"client_id": "d"}, None, 401, "invalid_client"),
        ("client_credentials", C | {"client_secret": "S"}, None, 401, "invalid_client"),
        ("client_credentials", {}, ("c", "S"), 401, "invalid_client"),
        ("client_credentials", {}, (CLI, ""), 401, "invalid_client"),
        ("client_credentials", {"client_id": "d"}, ("c", "s"), 401, "invalid_client"),
        ("client_credentials", C, ("c", "s"), 400, "invalid_request"),
        ("client_credentials", {"client_id": CLI}, None, 400, "unauthorized_client"),
        ("password", C, None, 400, "unsupported_grant_type"),
        ("", C, None, 400, "invalid_request"),
        ("authorization_code", C, None, 400, "invalid_request"),
        ("authorization_code", C | {"code": "x"}, None, 400, "invalid_grant"),
        ("authorization_code", {"client_id": "c", "code": "x"}, None, 401, "invalid_client"),
        ("refresh_token", C, None, 400, "invalid_request"),
        ("refresh_token", C | {"refresh_token": "x"}, None, 400, "invalid_grant"),
        ("refresh_token", {"client_id": "c", "refresh_token": "x"}, None, 401, "invalid_client"),
        (EXCHANGE, {"client_id": "d"}, None, 401, "invalid_client"),
        (EXCHANGE, C | {"client_secret": "S"}, None, 401, "invalid_client"),
    ],
)  # fmt: skip
async def test_a_refusal_is_as_rfc_6749_writes_it(
    session: aiohttp.ClientSession,
    grant_type: str,
    fields: dict[str, str],
    basic: tuple[str, str] | None,
    status: int,
    error: str,
) -> None:
    issuer = Issuer(clients={"c": "s"})
    async with FakeGateway(issuer=issuer) as gateway:
        answered, told = await ask_token(session, gateway, grant_type, fields, basic=basic)
    assert (answered, told["error"]) == (status, error)
    assert told["error_description"]
    (request,) = issuer.requests
    assert (request.grant_type, request.error, request.token) == (grant_type, error, None)
    assert request.client_id == fields.get("client_id", basic[0] if basic else None)
    assert issuer.granted == []


async def test_a_secret_shown_in_a_way_that_is_not_taken_is_refused(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"c": "s"}, secret_styles=("form",))
    async with FakeGateway(issuer=issuer) as gateway:
        status, _ = await ask_token(session, gateway, "client_credentials", {}, basic=("c", "s"))
        assert status == 401
        status, _ = await ask_token(session, gateway, "client_credentials", C)
        assert status == 200
        issuer.secret_styles = ("basic",)
        status, _ = await ask_token(session, gateway, "client_credentials", C)
        assert status == 401


async def test_what_is_no_form_is_refused(session: aiohttp.ClientSession) -> None:
    async with FakeGateway(issuer=Issuer(clients={"c": "s"})) as gateway:
        url = gateway.url + "/oidc/v1/token"
        fields = {"grant_type": "client_credentials", **C}
        async with session.post(url, json=fields) as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
        twice = [*fields.items(), ("client_id", "c")]
        async with session.post(url, data=twice) as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
        plain = {"Content-Type": "text/plain"}
        async with session.post(url, data=urlencode(fields), headers=plain) as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
        async with session.get(url, params=fields) as response:
            assert response.status == 404


# --- subject tokens --------------------------------------------------------------------------


async def exchange_subject(
    session: aiohttp.ClientSession, gateway: FakeGateway, subject: str, **fields: str
) -> tuple[int, dict[str, Any]]:
    fields = {"subject_token": subject, "subject_token_type": JWT_TYPE} | fields
    return await ask_token(session, gateway, EXCHANGE, fields)


async def test_a_subject_token_is_exchanged_for_a_principals_or_for_its_own_subjects(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer(clients={"sp": "its secret is not asked for"})
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        subject = jwt(sub="repo:me/it", aud=["any"])
        status, told = await exchange_subject(session, gateway, subject, client_id="sp")
        assert (status, told["expires_in"]) == (200, 3600)
        assert told["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert await status_of(session, gateway, told["access_token"]) == 200
        await exchange_subject(session, gateway, subject)
    assert [one.identity for one in issuer.granted] == ["sp", "repo:me/it"]


@pytest.mark.parametrize(
    ("subject", "fields"),
    [
        ("", {}),
        ("no jwt", {}),
        (jwt(aud="there"), {}),
        (jwt(sub="a", aud="elsewhere"), {}),
        (jwt(sub="a"), {}),
        (jwt(sub="a", aud="there", exp=1_800_000_000), {}),
        (jwt(sub="a", aud="there"), {"subject_token_type": JWT_TYPE + "s"}),
    ],
)
async def test_a_subject_token_that_does_not_fit_is_an_invalid_request(
    session: aiohttp.ClientSession, subject: str, fields: dict[str, str]
) -> None:
    issuer = Issuer(audience="there", clock=Hands())
    async with FakeGateway(issuer=issuer) as gateway:
        status, told = await exchange_subject(session, gateway, subject, **fields)
        assert (status, told["error"]) == (400, "invalid_request")
        good = jwt(sub="a", aud=["else", "there"], exp=1_800_000_001)
        assert (await exchange_subject(session, gateway, good))[0] == 200


# --- which tokens are good -------------------------------------------------------------------


async def test_the_gateway_takes_exactly_the_tokens_that_are_alive(
    session: aiohttp.ClientSession,
) -> None:
    clock = Hands()
    issuer = Issuer(clock=clock, lifetime=10)
    async with FakeGateway(default=HELLO, issuer=issuer, tokens={"pat"}) as gateway:
        first = issuer.login("ann").access_token
        assert await status_of(session, gateway, None) == 401
        assert await status_of(session, gateway, "unknown") == 403
        assert await status_of(session, gateway, "pat") == 200
        assert await status_of(session, gateway, first) == 200
        clock.now += 9.5
        second = issuer.login("bob").access_token
        assert await status_of(session, gateway, first) == 200
        clock.now += 0.5
        assert await status_of(session, gateway, first) == 403
        assert await status_of(session, gateway, second) == 200
        gateway.tokens = None
        assert await status_of(session, gateway, "pat") == 403
        gateway.issuer = None
        assert await status_of(session, gateway, None) == 200
    assert [received.identity for received in gateway.requests] == [
        None, None, None, "ann", "ann", "ann", "bob", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("refusal", "text"), [(401, "Invalid Token"), (403, "Invalid access token.")]
)
async def test_a_dead_token_is_refused_with_the_status_that_is_set(
    session: aiohttp.ClientSession, refusal: Any, text: str
) -> None:
    issuer = Issuer(refusal=refusal)
    async with FakeGateway(default=HELLO, issuer=issuer) as gateway:
        token = issuer.login().access_token
        issuer.revoke(token)
        async with ask(session, gateway, token=token) as response:
            assert response.status == refusal
            assert await response.json() == {"error_code": refusal, "message": text}


async def test_a_token_is_revoked_alone_with_its_login_or_with_all(
    session: aiohttp.ClientSession,
) -> None:
    issuer = Issuer()
    one, two, three = issuer.login("a"), issuer.login("b"), issuer.login("c")
    assert two.refresh_token is not None
    assert three.refresh_token is not None
    issuer.revoke(one.access_token)
    issuer.revoke(two.refresh_token)
    tokens = [one.access_token, two.access_token, three.access_token]
    assert [issuer.alive(token) for token in tokens] == [False, False, True]
    issuer.revoke_all()
    assert not issuer.alive(three.access_token)
    assert [issuer.identity_of(token) for token in tokens] == ["a", "b", "c"]
    assert issuer.identity_of("unknown") is None
    async with FakeGateway(issuer=issuer) as gateway:
        assert (await refresh(session, gateway, two.refresh_token))[0] == 400
        status, told = await refresh(session, gateway, three.refresh_token)
    assert (status, issuer.alive(told["access_token"])) == (200, True)
    with pytest.raises(KeyError):
        issuer.revoke("unknown")


def test_an_access_token_says_when_it_expires_and_whose_it_is() -> None:
    clock = Hands()
    login = Issuer(clock=clock, lifetime=2.5).login("ann")
    claims = claims_of(login.access_token)
    assert claims["exp"] == login.expires_at == clock.now + 2.5
    assert (claims["sub"], claims["client_id"]) == ("ann", CLI)


async def test_the_gateway_tells_who_asks(session: aiohttp.ClientSession) -> None:
    issuer = Issuer()
    async with FakeGateway(issuer=issuer, tokens={"pat"}) as gateway:
        url = gateway.url + "/api/2.0/preview/scim/v2/Me"
        headers = {"Authorization": f"Bearer {issuer.login('ann').access_token}"}
        async with session.get(url, headers=headers) as response:
            assert (await response.json())["userName"] == "ann"
        async with session.get(url) as response:
            assert response.status == 401
        async with session.get(url, headers={"Authorization": "Bearer pat"}) as response:
            assert response.status == 404


def test_no_token_is_in_a_repr() -> None:
    issuer = Issuer()
    login = issuer.login("ann")
    shown = repr([login, issuer, issuer.requests])
    assert login.access_token not in shown
    assert str(login.refresh_token) not in shown
    assert "ann" in shown
