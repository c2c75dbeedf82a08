"""What authorizes requests, and where credentials never go."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.auth import M2M, PAT
from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.errors import ConfigError
from tests.gateway.places import FILE, LOCAL, OTHER, PROFILED, G, W, settings, token_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", [W, G, "https://h.io/v1", LOCAL])
def test_a_token_given_as_an_argument_goes_where_it_is_told(host: str) -> None:
    assert token_of(settings(host=host, token="dapiARG")) == "dapiARG"


@pytest.mark.parametrize(
    "host", [W, G, "https://adb-1.2.azuredatabricks.net", "acme.databricks.com"]
)
def test_a_token_of_the_environment_goes_to_hosts_of_databricks(host: str) -> None:
    assert token_of(settings({"DATABRICKS_TOKEN": "dapiENV"}, host=host)) == "dapiENV"


STRANGERS = [
    LOCAL,
    "https://dbx.corp",
    "https://evil-databricks.com",
    "https://acme.cloud.databricks.com.evil.io",
    "https://h.io/v1",
    "https://x.ai-gateway.evil.io",
]


@pytest.mark.parametrize("host", STRANGERS)
def test_a_token_of_the_environment_does_not_go_to_strangers(host: str) -> None:
    token = {"DATABRICKS_TOKEN": "dapiENV"}
    for found in (
        settings(token, host=host),
        settings(token | {"DATABRICKS_HOST": host}),
        settings(token | {"DATABRICKS_HOST": W}, gateway_host=host),
        settings(token | {"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": host}),
    ):
        assert (token_of(found), found.origin) == (None, None)
        assert found.no_token
        assert "DATABRICKS_TOKEN was not sent" in found.no_token
        assert "dapiENV" not in repr(found)


@pytest.mark.parametrize("allowed", ["dbx.corp", "DBX.corp", "https://dbx.corp/", "dbx.corp:443"])
def test_a_host_can_be_allowed(allowed: str) -> None:
    environ = {"DATABRICKS_TOKEN": "dapiENV", "DATABRICKS_HOST": "https://dbx.corp"}
    assert token_of(settings(environ, allow_host=[allowed])) == "dapiENV"
    assert token_of(settings(environ, allow_host=allowed)) == "dapiENV"


@pytest.mark.parametrize("allowed", ["corp", "x.dbx.corp", "dbx.corp:8443", "evil.io"])
def test_allowing_a_host_allows_no_other(allowed: str) -> None:
    environ = {"DATABRICKS_TOKEN": "dapiENV", "DATABRICKS_HOST": "https://dbx.corp"}
    assert token_of(settings(environ, allow_host=[allowed])) is None


def test_a_token_goes_to_all_servers_of_the_settings_or_to_none() -> None:
    environ = {"DATABRICKS_TOKEN": "dapiENV"}
    assert token_of(settings(environ, host="https://dbx.corp", gateway_host=G)) is None
    assert token_of(settings(environ, host=W, gateway_host="https://dbx.corp")) is None
    assert token_of(settings(environ, host=W, gateway_host=G)) is not None


@pytest.mark.parametrize(
    ("arguments", "environ", "token"),
    [
        pytest.param({"profile": "prod"}, {}, "dapiPROD", id="its own"),
        pytest.param(
            {"profile": "prod", "host": f"{OTHER}/ai-gateway"}, {}, "dapiPROD", id="the same"
        ),
        pytest.param({"profile": "prod", "host": W}, {}, None, id="another of Databricks"),
        pytest.param({"host": W}, {}, None, id="another than the default profile's"),
        pytest.param({}, {"DATABRICKS_HOST": W}, None, id="another from the environment"),
        pytest.param(
            {"profile": "prod", "gateway_host": G}, {}, "dapiPROD", id="its gateway's own host"
        ),
        pytest.param({"profile": "prod", "gateway_host": W}, {}, None, id="another as gateway"),
        pytest.param({"profile": "prod", "host": G}, {}, None, id="a gateway's own host alone"),
        pytest.param(
            {}, {"DATABRICKS_API_BASE": G}, None, id="a gateway's own host from the environment"
        ),
        pytest.param(
            {},
            {
                "DATABRICKS_HOST": OTHER,
                "DATABRICKS_API_BASE": G,
                "DATABRICKS_CONFIG_PROFILE": "prod",
            },
            None,
            id="a gateway's own host that the environment puts beside it",
        ),
        pytest.param(
            {"profile": "prod", "gateway_host": "https://1.ai-gateway.evil.io"},
            {},
            None,
            id="a stranger that calls itself a gateway",
        ),
        pytest.param({"profile": "nohost", "host": W}, {}, None, id="none named in the profile"),
        pytest.param({"profile": "local"}, {}, None, id="this machine"),
        pytest.param(
            {"profile": "local", "allow_host": ["127.0.0.1:8000"]},
            {},
            "dapiLOCAL",
            id="one allowed",
        ),
        pytest.param(
            {"profile": "prod", "host": "https://dbx.corp", "allow_host": ["dbx.corp"]},
            {},
            None,
            id="one allowed, and not its own",
        ),
    ],
)
def test_a_token_of_a_profile_goes_to_the_host_of_that_profile_alone(
    home: Path, arguments: dict[str, Any], environ: dict[str, str], token: str | None
) -> None:
    found = settings(environ, home=home, **arguments)
    assert token_of(found) == token
    told = found.source.reason if isinstance(found.source, StoredOrCLI) else found.no_token
    assert bool(told) is (token is None)


def test_an_unreadable_host_of_a_profile_keeps_its_token_and_nothing_else(tmp_path: Path) -> None:
    console = "[DEFAULT]\nhost = https://accounts.cloud.databricks.com\ntoken = dapiDEFAULT\n"
    (tmp_path / ".databrickscfg").write_text(console)
    found = settings(home=tmp_path, host=W)
    assert (found.base.origin, token_of(found)) == (W, None)


def test_without_a_token_anywhere_requests_go_without_and_the_settings_say_so() -> None:
    found = settings(host=LOCAL)
    assert (token_of(found), found.origin) == (None, None)
    assert found.no_token
    assert "token=" in found.no_token


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        pytest.param({"profile": "notoken"}, {}, id="a profile"),
        pytest.param({"profile": "cli"}, {}, id="a profile with a token that is left over"),
        pytest.param(
            {},
            {
                "DATABRICKS_HOST": W,
                "DATABRICKS_TOKEN": "dapiENV",
                "DATABRICKS_AUTH_TYPE": "databricks-cli",
            },
            id="the environment",
        ),
    ],
)
def test_a_token_is_not_sent_where_another_way_to_log_in_is_chosen(
    home: Path, arguments: dict[str, Any], environ: dict[str, str]
) -> None:
    found = settings(environ, home=home, **arguments)
    assert isinstance(found.source, DatabricksCLI)
    assert token_of(settings(environ, home=home, token="dapiARG", **arguments)) == "dapiARG"


def test_the_way_to_log_in_that_is_static_tokens_can_be_named() -> None:
    environ = {"DATABRICKS_TOKEN": "dapiENV", "DATABRICKS_AUTH_TYPE": "pat"}
    assert token_of(settings(environ, host=W)) == "dapiENV"


def test_a_token_that_is_not_sent_need_not_be_good() -> None:
    environ = {"DATABRICKS_TOKEN": "a b"}
    assert token_of(settings(environ, host=LOCAL)) is None
    assert token_of(settings(environ, host=W, token="dapiARG")) == "dapiARG"


HOSTS = st.sampled_from([None, W, OTHER, PROFILED, G, *STRANGERS])
PROFILES = st.sampled_from([None, "DEFAULT", "prod", "nohost", "local", "machine", "cli"])
VARIABLES = st.fixed_dictionaries(
    {
        "DATABRICKS_HOST": HOSTS,
        "DATABRICKS_API_BASE": HOSTS,
        "DATABRICKS_TOKEN": st.sampled_from([None, "dapiENV", f"{OTHER}::dapiPAIR"]),
        "DATABRICKS_CLIENT_ID": st.sampled_from([None, "id"]),
        "DATABRICKS_CLIENT_SECRET": st.sampled_from([None, "dapiSECRET"]),
        "DATABRICKS_AUTH_TYPE": st.sampled_from([None, "pat", "oauth-m2m", "databricks-cli"]),
        "DATABRICKS_CONFIG_PROFILE": PROFILES,
    }
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "host": HOSTS,
        "gateway_host": HOSTS,
        "profile": PROFILES,
        "auth": st.sampled_from([None, "pat", "oauth-m2m", "databricks-cli", "external-browser"]),
    }
)
ANY_DATABRICKS = {"dapiENV", "dapiSECRET"}
OWN = {
    "dapiPROD": OTHER,
    "dapiDEFAULT": PROFILED,
    "dapiPAIR": OTHER,
    "dapiMACHINE": OTHER,
    "dapiCLI": OTHER,
}
MACHINE = f"[machine]\nhost = {OTHER}\nclient_id = id\nclient_secret = dapiMACHINE\n"


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / ".databrickscfg").write_text(FILE + MACHINE)
    return home


@given(VARIABLES, ARGUMENTS)
def test_no_credential_that_was_found_reaches_a_stranger(
    profiles: Path, variables: dict[str, str | None], arguments: dict[str, str | None]
) -> None:
    environ = {name: value for name, value in variables.items() if value}
    try:
        found = settings(environ, home=profiles, **arguments)
    except ConfigError as refusal:
        text = "".join(traceback.TracebackException.from_exception(refusal).format())
    else:
        text = repr(found)
        origins = {server.origin for server in (found.base, found.workspace) if server}
        beside = {G} if arguments["gateway_host"] == G else set()
        match found.source:
            case PAT(token=secret) | M2M(client_secret=secret):
                if secret.reveal() in ANY_DATABRICKS:
                    assert origins <= {W, OTHER, PROFILED, G}
                else:
                    own = OWN[secret.reveal()]
                    assert own in origins
                    assert origins <= {own} | beside
            case DatabricksCLI(host=host) | StoredOrCLI(host=host):
                assert origins <= {W, OTHER, PROFILED, G}
                assert origins <= {host or G} | beside
            case StoredOrNothing(host=host) | StoredLoginSource(host=host):
                assert origins <= {host} | beside
            case source:
                assert source is None
    assert "dapi" not in text
