"""Workload identity: a JWT from wherever it is, exchanged at the host for a token."""

from __future__ import annotations

import base64
import json
import os
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import pytest

from gateway_stream import Client
from gateway_stream.auth import Secret
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.federation import Federation, FromFile, FromGitHub, FromVariable
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.testing import FakeGateway, Issuer, Received, Reply
from tests.support.corpus import conformance, needs_corpus
from tests.support.pipes import write_pipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.sources.federation import Supplier

ACCOUNT = "00000000-0000-0000-0000-000000000001"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GITHUB = "/github?api-version=2.0"


def signed(**claims: Any) -> str:
    """A JWT that nobody can check."""
    parts = [{"alg": "RS256"}, {"iss": "https://issuer.example", "sub": "job", **claims}]
    written = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*written, b"c2lnbmVk"]).decode()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ACTIONS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
async def gateway(anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    issuer = Issuer(clients={"app": None})
    async with FakeGateway(
        issuer=issuer, default=Reply.scripted(text="hello"), keep_credentials=True
    ) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    async with open_desk(gateway.url) as desk:
        yield desk


def exchanges(gateway: FakeGateway) -> list[dict[str, str]]:
    """The forms that came to the token endpoint."""
    return [
        {name: values[0] for name, values in parse_qs(request.raw.decode()).items()}
        for request in gateway.requests
        if request.method == "POST" and request.path.endswith("/v1/token")
    ]


def from_github(monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway, reply: Reply) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", gateway.url + GITHUB)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-key")

    async def answer(received: Received) -> Reply | None:
        return reply if received.path == "/github" else None

    gateway.default = answer
    gateway.issuer = Issuer(clients={"app": None})
    gateway.tokens = {"job-key"}


def answered(tree: object, status: int = 200) -> Reply:
    return Reply(body=json.dumps(tree).encode(), status=status, content_type="application/json")


# --- the exchange ----------------------------------------------------------------------------


async def test_a_jwt_is_exchanged_for_a_token_of_the_service_principal(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", jwt := signed())
    source = Federation(subject=FromVariable(), client_id="app", scopes=("sql", "all-apis"))
    token = await source.fetch(desk, instead_of=None)
    assert gateway.issuer is not None
    assert gateway.issuer.identity_of(token.value.reveal()) == "app"
    assert token.expires_at is not None
    assert exchanges(gateway) == [
        {
            "grant_type": EXCHANGE,
            "subject_token": jwt,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "scope": "sql all-apis",
            "client_id": "app",
        }
    ]


@pytest.mark.parametrize(
    "netloc",
    [
        "ann:password@acme.databricks.com",
        "evil.example\\@acme.databricks.com",
        "acme.databricks.com:99999",
        "[",
        "x\u2028.databricks.com",
        "evil.example\t.databricks.com",
    ],
)
@pytest.mark.parametrize(
    ("document", "field", "below"),
    [
        ("/.well-known/databricks-config", "oidc_endpoint", "/oidc"),
        ("/oidc/.well-known/oauth-authorization-server", "token_endpoint", "/oidc/v1/token"),
    ],
)
async def test_a_place_that_parsers_may_read_in_two_ways_is_not_asked(
    gateway: FakeGateway, desk: Desk, document: str, field: str, below: str, netloc: str
) -> None:
    gateway.issuer = None
    gateway.add(answered({field: f"https://{netloc}{below}"}), path=document)
    endpoints = await desk.endpoints(gateway.url)
    assert endpoints.token == f"{gateway.url}/oidc/v1/token"


async def test_account_wide_federation_names_no_client(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", signed(sub="ann@example.com"))
    token = await Federation(subject=FromVariable()).fetch(desk, instead_of=None)
    assert "client_id" not in exchanges(gateway)[0]
    assert gateway.issuer is not None
    assert gateway.issuer.identity_of(token.value.reveal()) == "ann@example.com"


async def test_an_accounts_token_comes_from_the_accounts_server(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.issuer = Issuer(clients={"app": None}, config="account", account_id=ACCOUNT)
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", signed())
    source = Federation(subject=FromVariable(), client_id="app", account_id=ACCOUNT)
    await source.fetch(desk, instead_of=None)
    assert gateway.requests[-1].path == f"/oidc/accounts/{ACCOUNT}/v1/token"


async def test_a_client_streams_as_the_identity_of_its_job(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", signed())
    source = Federation(subject=FromVariable(), client_id="app")
    async with Client(host=gateway.url, auth=source) as client:
        turn = await client.complete("databricks-claude-sonnet-4-6", "hi")
    assert turn.text == "hello"
    assert gateway.requests[-1].identity == "app"


async def test_without_a_workspace_a_host_has_to_be_named(desk: Desk) -> None:
    desk.workspace = None
    with pytest.raises(ConfigError, match="workload identity federation needs the workspace"):
        await Federation(subject=FromVariable()).fetch(desk, instead_of=None)


async def test_a_jwt_that_no_policy_takes_is_told_by_its_claims(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.issuer = Issuer(clients={"app": None}, audience="databricks")
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", jwt := signed(aud="others"))
    source = Federation(subject=FromVariable(), client_id="app")
    with pytest.raises(AuthError) as caught:
        await source.fetch(desk, instead_of=None)
    told = str(caught.value)
    assert "issuer 'https://issuer.example', subject 'job', audience 'others'" in told
    assert caught.value.code == "invalid_request"
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [line for line in shown.format() if "/gateway_stream/auth/sources/federation" in line]
    assert ours
    assert not any(jwt in line for line in [told, *ours])


async def test_what_is_no_jwt_is_told_as_such(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", "no-jwt")
    with pytest.raises(AuthError, match="Check that what is exchanged is a JWT"):
        await Federation(subject=FromVariable(), client_id="app").fetch(desk, instead_of=None)


# --- where the JWT is from -------------------------------------------------------------------


async def test_a_variable_is_read_anew_for_each_exchange(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Federation(subject=FromVariable("JOB_TOKEN"), client_id="app")
    jwts = [signed(jti="1"), signed(jti="2")]
    tokens = []
    for jwt in jwts:
        monkeypatch.setenv("JOB_TOKEN", jwt)
        tokens.append(await source.fetch(desk, instead_of=None))
    assert [form["subject_token"] for form in exchanges(gateway)] == jwts
    assert tokens[0].value != tokens[1].value


async def test_a_file_is_read_anew_for_each_exchange(
    gateway: FakeGateway, desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    source = Federation(subject=FromFile(str(path)), client_id="app")
    jwts = [signed(jti="1"), signed(jti="2")]
    for jwt in jwts:
        path.write_text(f"{jwt}\n")
        await source.fetch(desk, instead_of=None)
    assert [form["subject_token"] for form in exchanges(gateway)] == jwts


@pytest.mark.timeout(20)
async def test_a_slow_file_does_not_hold_the_loop(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "token"
    os.mkfifo(path)  # whoever opens it waits until somebody writes
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write_pipe, path, signed())
        source = Federation(subject=FromFile(str(path)), client_id="app")
        token = await source.fetch(desk, instead_of=None)
    assert token.expires_at


async def test_an_async_function_gives_the_jwt(gateway: FakeGateway, desk: Desk) -> None:
    jwts: list[str | Secret] = [signed(jti="1"), Secret(signed(jti="2"))]
    given = iter(jwts)

    async def supply() -> str | Secret:
        return next(given)

    source = Federation(subject=supply, client_id="app")
    for _ in jwts:
        await source.fetch(desk, instead_of=None)
    assert [form["subject_token"] for form in exchanges(gateway)] == [
        signed(jti="1"), signed(jti="2")
    ]  # fmt: skip


async def test_a_function_that_blocks_is_refused(desk: Desk) -> None:
    supply: Any = signed
    with pytest.raises(ConfigError, match="subject= is not async"):
        await Federation(subject=supply).fetch(desk, instead_of=None)


@pytest.mark.parametrize(
    ("subject", "method"),
    [
        (FromVariable(), "env-oidc"),
        (FromFile("token"), "file-oidc"),
        (FromGitHub(), "github-oidc"),
        (signed, "oidc"),
    ],
)
def test_the_method_is_the_suppliers(subject: Any, method: str) -> None:
    assert Federation(subject=subject).method == method


def test_sources_of_one_identity_are_equal_and_others_are_not() -> None:
    source = Federation(subject=FromVariable(), client_id="app")
    assert source.identity == Federation(subject=FromVariable(), client_id="app").identity
    others = [
        Federation(subject=FromVariable("OTHER"), client_id="app"),
        Federation(subject=FromVariable(), client_id="other"),
        Federation(subject=FromFile("DATABRICKS_OIDC_TOKEN"), client_id="app"),
    ]
    assert len({source.identity, *(other.identity for other in others)}) == 4


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file"), (b" \n", "is empty"), (b"\xff\xfe", "is not text")],
)
async def test_a_file_without_a_token_is_named(
    gateway: FakeGateway, desk: Desk, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        await Federation(subject=FromFile(str(path))).fetch(desk, instead_of=None)
    assert str(path) in str(caught.value)
    assert caught.value.__context__ is None
    assert exchanges(gateway) == []


@pytest.mark.parametrize("value", [None, ""])
async def test_a_variable_that_is_not_set_is_named(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("JOB_TOKEN", value)
    with pytest.raises(ConfigError, match="JOB_TOKEN is not set"):
        await Federation(subject=FromVariable("JOB_TOKEN")).fetch(desk, instead_of=None)
    assert exchanges(gateway) == []


@pytest.mark.parametrize("subject", [FromVariable("JOB_TOKEN"), "file"])
async def test_what_is_no_token_is_refused_unquoted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Supplier | str
) -> None:
    monkeypatch.setenv("JOB_TOKEN", "Bearer planted-jwt")
    path = tmp_path / "token"
    path.write_text("Bearer planted-jwt")
    source = Federation(subject=FromFile(str(path)) if isinstance(subject, str) else subject)
    with pytest.raises(ConfigError, match="has a blank in it") as caught:
        await source.fetch(desk, instead_of=None)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "planted" not in "".join(shown.format())


# --- GitHub Actions --------------------------------------------------------------------------


async def test_github_is_asked_for_the_audience_with_the_jobs_key(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_github(monkeypatch, gateway, answered({"value": (jwt := signed())}))
    source = Federation(subject=FromGitHub(), client_id="app")
    await source.fetch(desk, instead_of=None)
    (asked,) = [request for request in gateway.requests if request.path == "/github"]
    assert asked.query == {"api-version": "2.0", "audience": f"{gateway.url}/oidc/v1/token"}
    assert asked.headers["authorization"] == "Bearer job-key"
    assert exchanges(gateway)[0]["subject_token"] == jwt


async def test_an_audience_arrives_as_it_was_given(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_github(monkeypatch, gateway, answered({"value": signed()}))
    audience = "https://x/?a=1&b=2 #ü"
    source = Federation(subject=FromGitHub(), client_id="app", audience=audience)
    await source.fetch(desk, instead_of=None)
    (asked,) = [request for request in gateway.requests if request.path == "/github"]
    assert asked.query["audience"] == audience


@pytest.mark.parametrize(
    "missing", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
)
async def test_outside_of_such_a_job_github_is_not_asked(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    from_github(monkeypatch, gateway, answered({"value": signed()}))
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigError, match=f"{missing} not set.*id-token: write"):
        await Federation(subject=FromGitHub()).fetch(desk, instead_of=None)
    assert "/github" not in {request.path for request in gateway.requests}


@pytest.mark.parametrize(
    "reply", [answered({"value": signed()}, 403), answered({"count": 1}), answered(["value"])]
)
async def test_github_may_give_none(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    from_github(monkeypatch, gateway, reply)
    with pytest.raises(AuthError, match="GitHub Actions gives no token to exchange"):
        await Federation(subject=FromGitHub()).fetch(desk, instead_of=None)
    assert exchanges(gateway) == []


# --- whom the JWT is for ---------------------------------------------------------------------


async def audience_at(gateway: FakeGateway, told: dict[str, Any] | None, **source: Any) -> str:
    """What a host with such a ``databricks-config`` has GitHub asked for."""
    asked = []

    async def answer(received: Received) -> Reply | None:
        if received.path == "/.well-known/databricks-config" and told is not None:
            return answered(told)
        if received.path == "/github":
            asked.append(received.query["audience"])
        return None

    gateway.default, gateway.issuer = answer, None
    async with open_desk(gateway.url) as desk:
        with pytest.raises(GatewayError, match="GitHub Actions gives no token"):
            await Federation(subject=FromGitHub(), **source).fetch(desk, instead_of=None)
    return asked[0].replace(gateway.url, "HOST")


@pytest.mark.parametrize(
    ("told", "source", "audience"),
    [
        (None, {}, "HOST/oidc/v1/token"),
        (None, {"account_id": "acc"}, "HOST/oidc/accounts/acc/v1/token"),
        ({"workspace_id": "1"}, {}, "HOST/oidc/v1/token"),
        ({"workspace_id": "1", "account_id": "acc"}, {}, "HOST/oidc/v1/token"),
        ({"account_id": "acc"}, {}, "acc"),
        ({"cloud": "AWS"}, {"account_id": "acc"}, "acc"),
        ({"account_id": "acc"}, {"audience": "mine"}, "mine"),
        ({"token_federation_default_oidc_audiences": ["a", "b"], "account_id": "acc"}, {}, "a"),
        ({"token_federation_default_oidc_audiences": ["a"]}, {"audience": "mine"}, "mine"),
        ({"token_federation_default_oidc_audiences": []}, {}, "HOST/oidc/v1/token"),
        ({"token_federation_default_oidc_audiences": [7]}, {}, "HOST/oidc/v1/token"),
    ],
)
async def test_the_audience_is_the_given_one_or_the_hosts_or_the_accounts_or_the_endpoint(
    gateway: FakeGateway,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any] | None,
    source: dict[str, str],
    audience: str,
) -> None:
    from_github(monkeypatch, gateway, answered({}))
    assert await audience_at(gateway, told, **source) == audience


def audience_cases() -> list[Any]:
    folder = conformance()
    cases = json.loads((folder / "auth_cases.json").read_text())["cases"] if folder else []
    return [
        pytest.param(case, id=f"{case['id']} {case['name']}")
        for case in cases
        if case["kind"] == "host_metadata" and "token_audience" in case["expected"]
    ]


@needs_corpus
def test_there_are_cases_of_databricks_sdk() -> None:
    assert len(audience_cases()) == 3


@pytest.mark.parametrize("case", audience_cases())
async def test_the_audience_is_that_of_databricks_sdk(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]
) -> None:
    host = case["args"]["host"]
    (document,) = case["http"]
    told = json.loads(json.dumps(document["json"]).replace(host, gateway.url))
    from_github(monkeypatch, gateway, answered({}))
    found = await audience_at(
        gateway,
        told,
        account_id=case["args"].get("account_id"),
        audience=case["args"].get("token_audience"),
    )
    assert found == case["expected"]["token_audience"].replace(host, "HOST")
