"""The cases of Databricks' own SDKs: which hold here, which elsewhere, and which do not.

Each kind stands in one of the tables below, so that a new one cannot be passed over.
"""

from __future__ import annotations

import base64
import functools
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio.to_thread
import pytest
from databricks.sdk.config import Config
from databricks.sdk.environments import ALL_ENVS

from gateway_stream.auth import M2M, PAT, Secret
from gateway_stream.auth.authority import Desk
from gateway_stream.auth.methods import scopes_of
from gateway_stream.auth.sources.federation import Federation, FromFile
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import is_databricks, parse_base
from gateway_stream.gateway.places import VARIABLES
from gateway_stream.gateway.settings import Settings, resolve
from gateway_stream.net.calls import Calls
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.transport import Transport
from gateway_stream.testing import FakeGateway, Reply
from tests.support.corpus import conformance, needs_corpus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TAKEN: Final = {
    "host": "addresses are normalized alike, or refused by a rule of this client",
    "cloud": "hosts of every cloud are known, look-alikes are not",
    "host_type": "an account console is told from a workspace, and refused",
    "chain": "the same method with the same settings; what databricks-sdk's arguments say, variables say here",
    "cloud_field": "a cloud that is named outranks the host's name",
    "scopes": "split, sorted and each once",
    "scopes_profile": "the same, from a profile",
    "env_alias": "the older name of a variable counts where the newer is not set",
    "oauth_m2m": "endpoints are found and asked alike",
    "host_metadata": "what a host says of itself is used alike, where a token is fetched",
    "oidc_endpoints": "a workspace's own document is asked, again after a 429",
    "azure_tenant": "left to databricks-sdk, and shown to be known there",
    "azure_environment": "likewise",
}
ELSEWHERE: Final = {
    "cli_scope": "tests/auth/sources/test_databricks_cli.py",
    "cli_expiry": "tests/auth/sources/test_databricks_cli.py",
}
DEVIATIONS: Final = {
    "dsn": "an address with credentials in it is refused; user and password are variables of their own",
}
ARGUMENTS: Final = {"host", "token", "profile"}
REFUSED: Final = {"", "https://", "ftp://abc.def.ghi"}
CLOUDS: Final = {"AZURE": "azure-client-secret", "GCP": "google-credentials", "AWS": None}
"""What is chosen in each cloud where the credentials of all are set."""


@functools.cache
def document() -> dict[str, Any]:
    folder = conformance()
    if folder is None:
        return {"cases": [], "home_files": {}}
    found: dict[str, Any] = json.loads((folder / "auth_cases.json").read_text())
    return found


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['id']} {case['name']}")
        for case in document()["cases"]
        if case["kind"] == kind
    ]


@needs_corpus
def test_every_kind_of_case_is_taken_or_told() -> None:
    tables = [set(TAKEN), set(ELSEWHERE), set(DEVIATIONS)]
    assert {case["kind"] for case in document()["cases"]} == set().union(*tables)
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert all(Path(file).is_file() for file in ELSEWHERE.values())


@needs_corpus
@pytest.mark.parametrize("case", cases("host"))
def test_a_host_is_normalized_as_in_the_sdk_or_refused(case: dict[str, Any]) -> None:
    text = case["input"] or ""
    if text in REFUSED or "@" in text or "#" in text:
        with pytest.raises(ConfigError):
            parse_base(text)
    elif "[" in text:  # The SDK cuts an IPv6 address at its first colon.
        assert parse_base(text).origin == "https://[::1]"
    else:
        origin, path, _ = case["expected"].lower().partition("/path")
        base = parse_base(text)
        assert base.origin == origin
        assert base.prefix == path or not path


@needs_corpus
@pytest.mark.parametrize("case", cases("cloud"))
def test_a_host_of_a_cloud_is_known(case: dict[str, Any]) -> None:
    host, expected = case["input"], case["expected"]
    assert is_databricks(host) == host.endswith(expected["dns_zone"])
    environ = {"ARM_CLIENT_ID": "i", "ARM_CLIENT_SECRET": "s", "GOOGLE_CREDENTIALS": "{}"}
    found = resolve(environ=environ, home=None, host=host, allow_host=(host,))
    assert getattr(found.source, "auth_type", None) == CLOUDS[expected["cloud"]]


@needs_corpus
@pytest.mark.parametrize("case", cases("host_type"))
def test_an_account_console_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="account console"):
        parse_base(case["input"])


@needs_corpus
@pytest.mark.parametrize("case", cases("dsn"))
def test_an_address_with_credentials_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="'@' in it"):
        parse_base(case["input"])


# --- which credentials ---


@needs_corpus
@pytest.mark.parametrize("case", cases("chain"))
def test_credentials_are_chosen_as_in_the_sdk(case: dict[str, Any], tmp_path: Path) -> None:
    unpack(case["home"], tmp_path)
    expected = case["expected"]
    if "error_contains" in expected:
        # Which error databricks-sdk has for them is held in tests/auth/sources/test_unified.py.
        assert not has_credentials(case, tmp_path)
        return
    if urlsplit(expected["host"]).netloc.startswith("accounts."):
        with pytest.raises(ConfigError, match="account console"):
            gathered(case, tmp_path)
        return
    found = gathered(case, tmp_path, allow_host=(expected["host"],))
    assert found.base.origin == expected["host"].lower()
    assert method_of(found.source) == expected["auth_type"]
    assert expected.get("profile") in (None, found.profile)
    if "headers" in expected:
        assert authorization(found.source) == expected["headers"]["Authorization"]
    # Without being allowed, a host that is not Databricks' gets nothing that was found.
    kept = not is_databricks(found.base.host) and found.origin != "argument"
    assert has_credentials(case, tmp_path) is not kept


def unpack(home: str | None, folder: Path) -> None:
    for name, text in document()["home_files"].get(home, {}).items():
        (folder / name).write_text(text)


def gathered(case: dict[str, Any], home: Path, allow_host: tuple[str, ...] = ()) -> Settings:
    arguments = {name: value for name, value in case["args"].items() if name in ARGUMENTS}
    others = {name: value for name, value in case["args"].items() if name not in ARGUMENTS}
    auth = others.pop("auth_type", None)
    environ = case.get("env", {}) | {VARIABLES[name][0]: value for name, value in others.items()}
    return resolve(environ=environ, home=home, allow_host=allow_host, auth=auth, **arguments)


def has_credentials(case: dict[str, Any], home: Path) -> bool:
    try:
        found = gathered(case, home)
    except ConfigError:
        return False
    return not isinstance(found.source, StoredOrNothing | StoredOrCLI | None)


def method_of(source: object) -> str | None:
    return source.auth_type if isinstance(source, Unified) else getattr(source, "method", None)


def authorization(source: object) -> str | None:
    match source:
        case PAT(token=token):
            return f"Bearer {token.reveal()}"
        case Unified(settings={"username": str(username), "password": Secret() as password}):
            pair = f"{username}:{password.reveal()}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


@needs_corpus
@pytest.mark.parametrize("case", cases("cloud_field"))
def test_a_cloud_that_is_named_outranks_the_hosts_name(case: dict[str, Any]) -> None:
    environ = {
        "DATABRICKS_CLOUD": case["input"]["cloud"],
        "ARM_CLIENT_ID": "id",
        "ARM_CLIENT_SECRET": "secret",
    }
    found = resolve(environ=environ, home=None, host=case["input"]["host"])
    assert isinstance(found.source, Unified) is case["expected"]["is_azure"]
    if isinstance(found.source, Unified):
        assert found.source.settings["cloud"] == case["input"]["cloud"]


MACHINE = {"DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "secret"}


@needs_corpus
@pytest.mark.parametrize("case", cases("scopes"))
def test_scopes_are_read_as_in_the_sdk(case: dict[str, Any]) -> None:
    given = case["input"]
    assert (
        list(scopes_of(",".join(given) if isinstance(given, list) else given)) == case["expected"]
    )


@needs_corpus
@pytest.mark.parametrize("case", cases("scopes_profile"))
def test_the_scopes_of_a_profile_are_asked_for(case: dict[str, Any], tmp_path: Path) -> None:
    unpack(case["input"]["home"], tmp_path)
    found = resolve(environ=MACHINE, home=tmp_path, profile=case["input"]["profile"])
    assert isinstance(found.source, M2M)
    assert list(found.source.scopes) == case["expected"]


@needs_corpus
@pytest.mark.parametrize("case", cases("env_alias"))
def test_a_file_with_a_token_has_two_names(case: dict[str, Any]) -> None:
    found = resolve(environ=case["env"], home=None, allow_host=(case["env"]["DATABRICKS_HOST"],))
    assert isinstance(found.source, Federation)
    assert found.source.subject == FromFile(case["expected"]["oidc_token_filepath"])


# --- what a host says of itself ---


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(keep_credentials=True) as gateway:
        yield gateway


@pytest.fixture
async def desk(gateway: FakeGateway) -> AsyncIterator[Desk]:
    transport = Transport(ssl.create_default_context(), None, connect_timeout=5)
    yield Desk(Calls(transport), SYSTEM, workspace=gateway.url, known={})
    await transport.aclose()


def serve(gateway: FakeGateway, case: dict[str, Any]) -> dict[str, Any]:
    """The case at the gateway's address, its documents queued there."""
    host = case.get("args", {}).get("host") or f"https://{case['input']['workspace_host']}"
    here: dict[str, Any] = json.loads(json.dumps(case).replace(host, gateway.url))
    answers = here.get("http", [])
    if "host_metadata" in here:
        url = f"{gateway.url}/.well-known/databricks-config"
        answers.append({"GET": url, "json": here["host_metadata"]})
    for answer in answers:
        body = answer["json"]
        status = body.get("$http_status", 200)
        path = urlsplit(answer.get("GET") or answer["POST"]).path
        gateway.add(Reply.error(status, body), path=path)
    return here


@needs_corpus
@pytest.mark.parametrize("case", cases("oauth_m2m"))
async def test_a_service_principal_asks_where_the_sdk_asks(
    case: dict[str, Any], gateway: FakeGateway, desk: Desk, tmp_path: Path
) -> None:
    here = serve(gateway, case)
    found = gathered(here, tmp_path, allow_host=(gateway.url,))
    assert method_of(found.source) == here["expected"]["auth_type"]
    desk.account_id = found.account_id
    assert found.source is not None
    token = await found.source.fetch(desk, instead_of=None)
    assert token.authorization() == here["expected"]["headers"]
    asked = [f"{gateway.url}{received.path}" for received in gateway.requests]
    assert asked[-2:] == [here["expected"]["discovery_url"], here["expected"]["token_endpoint"]]
    pair = base64.b64encode(b"test-client:test-secret").decode()
    assert gateway.requests[-1].headers["authorization"] == f"Basic {pair}"


HOST: Final = "https://acme.cloud.databricks.com"
METADATA: Final = "/oidc/.well-known/oauth-authorization-server"
OIDC: Final = {"DATABRICKS_OIDC_TOKEN": "jwt"}


def knows_account(case: Any) -> bool:
    return bool(case.values[0]["expected"].get("account_id"))


@needs_corpus
@pytest.mark.parametrize("case", cases("host_metadata"))
async def test_what_a_host_says_of_itself_is_used_as_in_the_sdk(
    case: dict[str, Any], gateway: FakeGateway, desk: Desk
) -> None:
    here = serve(gateway, case)
    expected = here["expected"]
    desk.account_id = here["args"].get("account_id")
    if "error_contains" in expected:
        with pytest.raises(ConfigError, match="no account's id is known"):
            await desk.endpoints(gateway.url)
        return
    endpoints = await desk.endpoints(gateway.url)
    if "discovery_url" in expected:
        # Where the SDK knows of none, the documented place is tried.
        place = expected["discovery_url"] or f"{gateway.url}{METADATA}"
        assert place == f"{gateway.url}{gateway.requests[1].path}"
    if "token_audience" in expected:
        settings = {"DATABRICKS_TOKEN_AUDIENCE": here["args"].get("token_audience", "")}
        found = resolve(environ=OIDC | settings, home=None, host=HOST).source
        assert isinstance(found, Federation)
        assert (found.audience or endpoints.audience) == expected["token_audience"]


@needs_corpus
@pytest.mark.parametrize("case", [c for c in cases("host_metadata") if knows_account(c)])
async def test_the_account_of_the_settings_comes_before_that_which_the_host_names(
    case: dict[str, Any], gateway: FakeGateway, desk: Desk
) -> None:
    # It shows where a host has a place for it. What the host says of a workspace's id is not used.
    changed: dict[str, Any] = json.loads(json.dumps(case))
    place = f"{gateway.url}/oidc/accounts/{{account_id}}"
    changed["http"][0]["json"]["oidc_endpoint"] = place
    here = serve(gateway, changed)
    desk.account_id = here["args"].get("account_id")
    await desk.endpoints(gateway.url)
    asked = gateway.requests[1].path
    assert asked.split("/")[:4] == ["", "oidc", "accounts", here["expected"]["account_id"]]


@needs_corpus
@pytest.mark.parametrize("case", cases("oidc_endpoints"))
async def test_a_workspace_is_asked_for_its_endpoints_again_after_a_429(
    case: dict[str, Any], gateway: FakeGateway, desk: Desk
) -> None:
    here = serve(gateway, case)
    url = here["expected"]["discovery_get"]
    told = {"token_endpoint": f"{gateway.url}/t", "authorization_endpoint": f"{gateway.url}/a"}
    gateway.add(Reply.error(429, {}), Reply.error(200, told), path=urlsplit(url).path)
    assert (await desk.endpoints(gateway.url)).token == f"{gateway.url}/t"
    asked = [f"{gateway.url}{received.path}" for received in gateway.requests]
    assert asked.count(url) == 2


# --- left to databricks-sdk ---


AZURE = {"ARM_CLIENT_ID": "id", "ARM_CLIENT_SECRET": "secret", "ARM_ENVIRONMENT": "USGOVERNMENT"}


def test_microsoft_entra_is_left_to_databricks_sdk() -> None:
    found = resolve(environ=AZURE, home=None, host="https://adb-1.2.azuredatabricks.net")
    assert isinstance(found.source, Unified)
    assert found.source.auth_type == "azure-client-secret"
    told = {"azure_client_id": "id", "azure_environment": "USGOVERNMENT"}
    assert found.source.settings == told | {"azure_client_secret": Secret("secret")}


@needs_corpus
@pytest.mark.parametrize("case", cases("azure_tenant"))
async def test_databricks_sdk_finds_the_tenant(case: dict[str, Any], gateway: FakeGateway) -> None:
    asked = case["input"]
    headers = {"Location": asked["location"]} if asked["location"] else {}
    gateway.add(
        Reply.error(asked["status"], b"", headers=headers), path=urlsplit(asked["GET"]).path
    )

    def tenant() -> str | None:
        config = Config(host=gateway.url, token="t", retry_timeout_seconds=1)
        config.load_azure_tenant_id()  # type: ignore[no-untyped-call]  # it has no annotations
        return config.azure_tenant_id

    found = await anyio.to_thread.run_sync(tenant)
    assert found == case["expected"]["azure_tenant_id"]


@needs_corpus
@pytest.mark.parametrize("case", cases("azure_environment"))
def test_databricks_sdk_knows_the_clouds_of_azure(case: dict[str, Any]) -> None:
    name = case["input"].upper().removeprefix("AZURE")
    known = [each.azure_environment for each in ALL_ENVS if each.azure_environment]
    endpoints = {each.active_directory_endpoint for each in known if each.name == name}
    assert endpoints == {case["expected"]["active_directory_endpoint"]}
