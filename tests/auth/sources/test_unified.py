"""databricks-sdk's chain, asked as it is: the cases of its own suite, and what becomes of its answers."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import Client
from gateway_stream.auth import Secret, Token
from gateway_stream.auth.dump import dump, load
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.auth.token import UNKNOWN_LIFE
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.testing import FakeGateway, Issuer, Received, Reply
from tests.support.corpus import conformance, needs_corpus
from tests.support.nowhere import Nowhere, nowhere
from tests.support.pipes import read_pipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway_stream.auth.authority import Desk

APP = {"client_id": "app", "client_secret": "planted-secret"}
AZ = """#!{python} -SE
import json, sys
if {fails}:
    sys.exit("ERROR: Please run 'az login' to setup account. planted-secret")
if sys.argv[2] == "show":
    print(json.dumps({{"user": {{"name": "ann@example.com", "type": "user"}}}}))
else:
    resource = sys.argv[sys.argv.index("--resource") + 1]
    print(json.dumps({{"accessToken": "for-" + resource.split("/")[-1], "tokenType": "Bearer",
                       "expiresOn": "2099-05-05 12:00:00.000000"}}))
"""
ENDS_IN_2100 = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"
AZURE_HOST = "https://adb-123.4.azuredatabricks.net"
AZURE_DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ("DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_", "SYSTEM_")
    for name in list(os.environ):
        if name.startswith(words) or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))


@pytest.fixture
async def gateway(anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    issuer = Issuer(clients={"app": "planted-secret"})
    async with FakeGateway(issuer=issuer, default=Reply.scripted(text="hello")) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    async with open_desk(gateway.url) as desk:
        yield desk


@pytest.fixture
async def elsewhere(
    anyio_backend: object,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Nowhere]:
    async with nowhere(tmp_path) as place:
        for name, value in place.variables.items():
            monkeypatch.setenv(name, value)
        yield place


def install_az(folder: Path, *, fails: bool = False) -> None:
    (folder / "programs" / "az").write_text(AZ.format(python=sys.executable, fails=fails))
    (folder / "programs" / "az").chmod(0o700)


# --- the cases of databricks-sdk -------------------------------------------------------------


def chain() -> list[Any]:
    folder = conformance()
    found = json.loads((folder / "auth_cases.json").read_text())["cases"] if folder else []
    return [
        pytest.param(case, id=f"{case['id']} {case['name']}")
        for case in found
        if case["kind"] == "chain"
    ]


def write_home(folder: Path, name: str | None) -> None:
    conformed = conformance()
    if name is None or conformed is None:
        return
    homes = json.loads((conformed / "auth_cases.json").read_text())["home_files"]
    for file, text in homes[name].items():
        (folder / "home" / file).write_text(text)


@needs_corpus
def test_there_are_cases_of_databricks_sdk() -> None:
    found = [case.values[0]["expected"].get("auth_type") for case in chain()]
    assert found.count("basic") == 9
    assert found.count("azure-cli") == 3


@pytest.mark.parametrize("case", chain())
async def test_what_databricks_sdk_finds_is_what_a_request_carries(
    case: Any, elsewhere: Nowhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in case["env"].items():
        monkeypatch.setenv(name, value)
    write_home(tmp_path, case["home"])
    if case["az_cli"]:
        install_az(tmp_path, fails=case["az_cli"] == "fail")
    given = dict(case["args"])
    source = Unified(
        host=given.pop("host", None),
        profile=given.pop("profile", None),
        auth_type=given.pop("auth_type", None),
        settings=given,
    )
    expected = case["expected"]
    async with open_desk("https://unused.example") as desk:
        desk.workspace = None
        if "error_contains" in expected:
            with pytest.raises(GatewayError) as caught:
                await source.fetch(desk, instead_of=None)
            hold_error(caught.value, expected["error_contains"])
        else:
            token = await source.fetch(desk, instead_of=None)
            hold_token(token, expected)
    assert {asked.partition(" ")[0] for asked in elsewhere.asked} <= {"GET"}
    if expected.get("host"):
        assert {asked.split("/")[2].lower() for asked in elsewhere.asked} == {
            expected["host"].removeprefix("https://").lower()
        }


def hold_error(error: GatewayError, told: str) -> None:
    if "more than one authorization method" in told:
        methods = told.partition("configured: ")[2].partition(".")[0]
        assert isinstance(error, ConfigError)
        assert methods in str(error)
    elif "has no DEFAULT profile" in told:
        assert isinstance(error, ConfigError)
        assert "'DEFAULT'" in str(error)
    else:
        assert isinstance(error, AuthError)
        assert "databricks-sdk finds no credentials" in str(error)


def hold_token(token: Token, expected: dict[str, Any]) -> None:
    if expected["auth_type"] == "azure-cli":
        assert token.value == Secret(f"for-{AZURE_DATABRICKS}")
        assert token.headers["X-Databricks-Azure-SP-Management-Token"].reveal().startswith("for-")
        assert token.headers["X-Databricks-Azure-Workspace-Resource-Id"] == Secret("/sub/rg/ws")
        return
    assert dict(token.authorization()) == expected["headers"]
    assert token.expires_at is None


# --- its tokens ------------------------------------------------------------------------------


async def test_a_client_streams_with_what_databricks_sdk_finds(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "app")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "planted-secret")
    async with Client(host=gateway.url, auth=Unified()) as client:
        turn = await client.complete("databricks-claude-sonnet-4-6", "hi")
    assert turn.text == "hello"
    assert gateway.requests[-1].identity == "app"


async def test_each_fetch_brings_another_token(gateway: FakeGateway, desk: Desk) -> None:
    source = Unified(settings={**APP})
    first = await source.fetch(desk, instead_of=None)
    second = await source.fetch(desk, instead_of=first)
    assert first.value != second.value
    assert gateway.issuer is not None
    assert len(gateway.issuer.granted) == 2


async def test_a_jwt_says_itself_when_it_expires(gateway: FakeGateway, desk: Desk) -> None:
    before = desk.clock.time()
    token = await Unified(settings={**APP}).fetch(desk, instead_of=None)
    assert token.expires_at is not None
    assert before + 3599 <= token.expires_at <= desk.clock.time() + 3600
    assert before <= token.obtained_at <= desk.clock.time()
    assert gateway.issuer is not None
    assert gateway.issuer.alive(token.value.reveal())


@pytest.mark.parametrize(("value", "life"), [("opaque", 1800.0), (ENDS_IN_2100, None)])
async def test_of_an_opaque_token_alone_databricks_sdk_says_when_it_expires(
    gateway: FakeGateway, desk: Desk, value: str, life: float | None
) -> None:
    async def answer(received: Received) -> Reply | None:
        told: dict[str, Any] = {"oidc_endpoint": f"{gateway.url}/oidc", "workspace_id": "1"}
        if received.path.endswith("/oauth-authorization-server"):
            told = {
                "authorization_endpoint": f"{gateway.url}/oidc/v1/authorize",
                "token_endpoint": f"{gateway.url}/oidc/v1/token",
            }
        if received.path == "/oidc/v1/token":
            told = {"access_token": value, "token_type": "Bearer", "expires_in": 1800}
        return Reply(body=json.dumps(told).encode(), content_type="application/json")

    gateway.issuer, gateway.default = None, answer
    before = desk.clock.time()
    token = await Unified(settings={**APP}).fetch(desk, instead_of=None)
    assert token.value == Secret(value)
    assert token.expires_at is not None
    if life is None:
        assert token.expires_at == 4102444800.0
    else:
        assert before + life - 1 <= token.expires_at <= desk.clock.time() + life


@pytest.mark.usefixtures("elsewhere")
async def test_a_token_of_unknown_life_is_not_kept_for_ever(desk: Desk, tmp_path: Path) -> None:
    install_az(tmp_path)
    before = desk.clock.time()
    source = Unified(host=AZURE_HOST)
    token = await source.fetch(desk, instead_of=None)
    assert token.expires_at == token.obtained_at + UNKNOWN_LIFE
    assert token.obtained_at >= before


async def test_a_token_is_for_the_clients_workspace_whatever_the_environment_says(
    gateway: FakeGateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeGateway(issuer=Issuer(clients={"app": "planted-secret"})) as other:
        monkeypatch.setenv("DATABRICKS_HOST", other.url)
        token = await Unified(settings={**APP}).fetch(desk, instead_of=None)
        assert other.issuer is not None
        assert other.issuer.requests == []
    assert gateway.issuer is not None
    assert gateway.issuer.alive(token.value.reveal())


async def test_a_host_that_is_named_is_the_host(gateway: FakeGateway, desk: Desk) -> None:
    async with FakeGateway(issuer=Issuer(clients={"app": "planted-secret"})) as other:
        token = await Unified(host=other.url, settings={**APP}).fetch(desk, instead_of=None)
        assert other.issuer is not None
        assert other.issuer.alive(token.value.reveal())
    assert gateway.requests == []


async def test_a_profile_is_the_one_that_is_named(
    gateway: FakeGateway, desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".databrickscfg").write_text(
        f"[DEFAULT]\nhost = {gateway.url}\ntoken = dapi-other\n"
        f"[work]\nhost = {gateway.url}\nusername = ann\npassword = planted\n"
    )
    token = await Unified(profile="work").fetch(desk, instead_of=None)
    assert (token.scheme, token.value) == ("Basic", Secret("YW5uOnBsYW50ZWQ="))


@pytest.mark.parametrize("named", ["by the program", "by the environment", "beside a host"])
async def test_what_a_profile_of_another_host_holds_is_not_sent(
    gateway: FakeGateway,
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    async with FakeGateway() as other:
        (tmp_path / "home" / ".databrickscfg").write_text(
            f"[other]\nhost = {other.url}\ntoken = dapi-planted\n"
            f"[mine]\nhost = {gateway.url}/\ntoken = dapi-mine\n"
        )
        source = Unified(profile="other")
        if named != "by the program":
            monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "other")
            source = Unified(host=gateway.url if named == "beside a host" else None)
        with pytest.raises(ConfigError, match="profile 'other' is for another host"):
            await source.fetch(desk, instead_of=None)
    token = await Unified(host=gateway.url, profile="mine").fetch(desk, instead_of=None)
    assert token.value == Secret("dapi-mine")


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("elsewhere")
async def test_nobody_waiting_any_more_leaves_a_chain_that_hangs(
    desk: Desk, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    hanging = (
        f"#!/bin/sh\necho $$ > {pipe}\nexec {sys.executable} -c 'import time; time.sleep(600)'\n"
    )
    (tmp_path / "programs" / "az").write_text(hanging)
    (tmp_path / "programs" / "az").chmod(0o700)
    source = Unified(host=AZURE_HOST)
    async with anyio.create_task_group() as tasks:

        async def fetch() -> None:
            await source.fetch(desk, instead_of=None)

        tasks.start_soon(fetch)
        pid = int(await read_pipe(pipe))
        tasks.cancel_scope.cancel()
    os.kill(pid, signal.SIGKILL)  # it was still there; now its thread ends too


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["databricks.sdk.core", "databricks.sdk"])
async def test_without_the_package_its_install_line_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("databricks.sdk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"pip install 'gateway-stream\[auth\]'") as caught:
        await Unified().fetch(desk, instead_of=None)
    assert "databricks-sdk is not installed" in caught.value.message


async def test_a_refusal_tells_its_code_and_quotes_nothing(
    gateway: FakeGateway, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.issuer = Issuer(clients={"app": "another"})
    with pytest.raises(AuthError) as caught:
        await Unified(settings={**APP}).fetch(desk, instead_of=None)
    error = caught.value
    assert error.code == "invalid_client"
    assert error.message == "databricks-sdk got no token by oauth-m2m"
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "planted" not in "".join(shown.format())
    assert "planted" not in caplog.text


async def test_a_login_in_the_browser_is_left_to_the_terminal(
    desk: Desk, gateway: FakeGateway
) -> None:
    with pytest.raises(AuthError, match="Log in: gateway-stream auth login"):
        await Unified(auth_type="external-browser").fetch(desk, instead_of=None)
    assert gateway.issuer is not None
    assert gateway.issuer.requests == []


async def test_a_setting_that_databricks_sdk_does_not_know_is_named(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no setting passwort"):
        await Unified(settings={"passwort": "x"}).fetch(desk, instead_of=None)


async def test_a_profile_that_is_not_there_is_named(
    gateway: FakeGateway, desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".databrickscfg").write_text(f"[work]\nhost = {gateway.url}\n")
    with pytest.raises(ConfigError, match="finds no profile 'home'"):
        await Unified(profile="home").fetch(desk, instead_of=None)


async def test_a_file_of_profiles_that_cannot_be_read_is_not_quoted(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".databrickscfg").write_text("token = dapi-planted\n")
    with pytest.raises(AuthError, match="databricks-sdk got no token") as caught:
        await Unified().fetch(desk, instead_of=None)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "planted" not in "".join(shown.format())


# --- its settings ----------------------------------------------------------------------------


def test_settings_that_are_credentials_are_put_out_of_sight() -> None:
    source = Unified(settings={"username": "ann", "password": "planted"})
    assert source.settings == {"username": "ann", "password": Secret("planted")}
    assert "planted" not in repr(source)
    assert Unified(settings={"token": Secret("planted")}).settings["token"] == Secret("planted")


def test_a_credential_that_is_none_is_refused_unquoted() -> None:
    with pytest.raises(ConfigError, match="the setting client_secret has a blank") as caught:
        Unified(settings={"client_secret": "planted word"})
    assert "planted" not in str(caught.value)


async def test_a_password_may_have_blanks_and_any_letters(desk: Desk) -> None:
    settings = {"username": "ann", "password": "correct h\u00f6rse\n"}
    source = load(dump(Unified(auth_type="basic", settings={**settings}), expose_secrets=True))
    token = await source.fetch(desk, instead_of=None)
    assert base64.b64decode(token.value.reveal()).decode() == "ann:correct h\u00f6rse\n"
    assert source == Unified(auth_type="basic", settings={**settings})
    with pytest.raises(ConfigError, match="password is empty"):
        Unified(settings={"password": ""})


def test_credentials_of_google_may_be_a_whole_file() -> None:
    account = json.dumps({"private_key": "-----BEGIN PRIVATE KEY-----\nplanted\n"}, indent=1)
    source = Unified(settings={"google_credentials": account})
    assert source.settings["google_credentials"] == Secret(account, text=True)
    assert "planted" not in repr(source)


async def test_the_credentials_are_those_that_databricks_sdk_takes_for_such() -> None:
    from databricks.sdk.core import Config

    from gateway_stream.auth.sources.unified import _SENSITIVE

    assert {
        attribute.name for attribute in Config.attributes() if attribute.sensitive
    } == _SENSITIVE


def test_sources_of_one_identity_are_equal_and_others_are_not() -> None:
    source = Unified(settings={**APP})
    assert source.identity == Unified(settings={**APP}).identity
    others = [
        Unified(settings={**APP, "client_secret": "other"}),
        Unified(settings={**APP}, profile="work"),
        Unified(settings={**APP}, auth_type="oauth-m2m"),
        Unified(settings={**APP}, host="https://other"),
    ]
    assert len({source.identity, *(other.identity for other in others)}) == 5
