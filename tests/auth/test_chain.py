"""Which credentials are meant, of all that could be."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream import Client
from gateway_stream.auth import M2M, PAT, Secret
from gateway_stream.auth.methods import METHODS
from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
from gateway_stream.auth.sources.federation import Federation, FromFile, FromGitHub, FromVariable
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.settings import Settings, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_stream.auth import TokenSource

W = "https://acme.cloud.databricks.com"
OTHER = "https://other.cloud.databricks.com"
AZURE = "https://adb-1.2.azuredatabricks.net"
GCP = "https://1.2.gcp.databricks.com"
G = "https://123.ai-gateway.cloud.databricks.com"
LOCAL = "http://127.0.0.1:8000"
CORP = "https://dbx.corp"

HOST = {"DATABRICKS_HOST": W}
TOKEN = {"DATABRICKS_TOKEN": "dapiENV"}
MACHINE = {"DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "secret"}
BASIC = {"DATABRICKS_USERNAME": "me", "DATABRICKS_PASSWORD": "password"}
ON_GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
ON_AZURE = {"ARM_CLIENT_ID": "id", "ARM_CLIENT_SECRET": "secret", "ARM_TENANT_ID": "tenant"}
FILE = f"""
[DEFAULT]
host = {W}
token = dapiDEFAULT

[machine]
host = {W}
client_id = profiled
client_secret = secret
scopes = model-serving, mlflow
account_id = account

[half]
host = {W}
client_id = profiled

[cli]
host = {W}
auth_type = databricks-cli
databricks_cli_path = /opt/databricks
scopes = sql

[two]
host = {W}
token = dapiTWO
client_id = profiled
client_secret = secret

[decided]
host = {W}
token = dapiTWO
client_id = profiled
client_secret = secret
auth_type = oauth-m2m

[hostless]
auth_type = databricks-cli

[pasted]
token = {OTHER} :: dapiPASTED

[elsewhere]
host = {OTHER}
client_id = other
account_id = other

[othercli]
host = {OTHER}
auth_type = databricks-cli

[google]
host = {GCP}
google_service_account = me@example.com
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".databrickscfg").write_text(FILE)
    return tmp_path


def chosen(
    environ: dict[str, str] | None = None, *, home: Path | None = None, **arguments: Any
) -> Settings:
    return resolve(environ=environ or {}, home=home, **arguments)


def m2m(
    client_id: str = "id", *, host: str | None = W, scopes: tuple[str, ...] | None = None
) -> M2M:
    secret = Secret("secret")
    return M2M(client_id=client_id, client_secret=secret, host=host, scopes=scopes or ("all-apis",))


def pat(token: str) -> PAT:
    return PAT(Secret(token))


# --- each method, and where it is found ---


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        pytest.param(TOKEN, pat("dapiENV"), id="a token"),
        pytest.param(MACHINE, m2m(), id="a service principal"),
        pytest.param(
            BASIC,
            Unified(
                host=W,
                auth_type="basic",
                settings={"username": "me", "password": Secret("password")},
            ),
            id="user and password",
        ),
        pytest.param(
            {"DATABRICKS_OIDC_TOKEN": "jwt", "DATABRICKS_CLIENT_ID": "id"},
            Federation(subject=FromVariable(), client_id="id", host=W),
            id="a JWT in a variable",
        ),
        pytest.param(
            {"DATABRICKS_OIDC_TOKEN_ENV": "JWT", "DATABRICKS_TOKEN_AUDIENCE": "me"},
            Federation(subject=FromVariable("JWT"), audience="me", host=W),
            id="a JWT in a variable of another name",
        ),
        pytest.param(
            {"DATABRICKS_OIDC_TOKEN_FILEPATH": "/run/jwt"},
            Federation(subject=FromFile("/run/jwt"), host=W),
            id="a JWT in a file",
        ),
        pytest.param(
            {"DATABRICKS_CLIENT_ID": "id"} | ON_GITHUB,
            Federation(subject=FromGitHub(), client_id="id", host=W),
            id="a job on GitHub",
        ),
        pytest.param(
            {
                "DATABRICKS_CLIENT_ID": "id",
                "SYSTEM_ACCESSTOKEN": "t",
                "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "https://x/",
            },
            Unified(host=W, auth_type="azure-devops-oidc", settings={"client_id": "id"}),
            id="a job on Azure DevOps",
        ),
        pytest.param(
            {"DATABRICKS_METADATA_SERVICE_URL": "http://127.0.0.1/"},
            Unified(
                host=W,
                auth_type="metadata-service",
                settings={"metadata_service_url": Secret("http://127.0.0.1/")},
            ),
            id="a metadata service",
        ),
        pytest.param(
            {"DATABRICKS_AZURE_RESOURCE_ID": "/a/b/c"},
            Unified(
                host=W,
                auth_type="azure-cli",
                settings={"azure_workspace_resource_id": "/a/b/c"},
            ),
            id="Azure's CLI",
        ),
        pytest.param(
            {"DATABRICKS_RUNTIME_VERSION": "16.4"},
            Unified(host=W, auth_type="runtime"),
            id="a notebook",
        ),
        pytest.param(
            {"DATABRICKS_CLI_PATH": "/opt/databricks"},
            StoredOrCLI(host=W, gateway=W, command="/opt/databricks"),
            id="nothing but a login",
        ),
    ],
)
def test_the_environment_says_how_to_log_in(environ: dict[str, str], source: TokenSource) -> None:
    assert chosen(environ, host=W).source == source


@pytest.mark.parametrize(
    ("profile", "source"),
    [
        pytest.param("DEFAULT", pat("dapiDEFAULT"), id="a token"),
        pytest.param(
            "machine", m2m("profiled", scopes=("mlflow", "model-serving")), id="a service principal"
        ),
        pytest.param(
            "cli",
            DatabricksCLI(host=W, profile="cli", command="/opt/databricks", scopes=("sql",)),
            id="the Databricks CLI",
        ),
        pytest.param("decided", m2m("profiled"), id="two of which one is named"),
        pytest.param("pasted", pat("dapiPASTED"), id="a pasted credential"),
        pytest.param(
            "google",
            Unified(
                host=GCP,
                auth_type="google-id",
                settings={"google_service_account": "me@example.com"},
            ),
            id="Google",
        ),
    ],
)
def test_a_profile_says_how_to_log_in(home: Path, profile: str, source: TokenSource) -> None:
    found = chosen(home=home, profile=profile)
    assert (found.source, found.origin, found.profile) == (source, "profile", profile)
    assert chosen({"DATABRICKS_CONFIG_PROFILE": profile}, home=home).source == source


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_named(method: str) -> None:
    environ = TOKEN | MACHINE | BASIC | ON_AZURE
    environ |= {
        "DATABRICKS_OIDC_TOKEN_FILE": "/run/jwt",
        "DATABRICKS_METADATA_SERVICE_URL": "http://127.0.0.1/",
        "GOOGLE_CREDENTIALS": "credentials.json",
        "DATABRICKS_GOOGLE_SERVICE_ACCOUNT": "me",
    }
    for found in (
        chosen(environ, host=W, auth=method),
        chosen(environ | {"DATABRICKS_AUTH_TYPE": method}, host=W),
    ):
        source = found.source
        assert source is not None
        assert method in (source.method, getattr(source, "auth_type", None))


def test_the_account_of_the_settings_makes_no_workspace_an_account() -> None:
    environ = {"DATABRICKS_OIDC_TOKEN": "jwt", "DATABRICKS_ACCOUNT_ID": "account"}
    found = chosen(environ, host=W)
    assert found.source == Federation(subject=FromVariable(), host=W)
    assert found.account_id == "account"


def test_databricks_sdk_is_told_the_workspace_and_the_profile_that_was_named(home: Path) -> None:
    source = Unified(host=W, profile="machine")
    assert chosen(home=home, profile="machine", auth="unified").source == source
    assert chosen(home=home, host=W, auth="unified").source == Unified(host=W)


def test_databricks_sdk_looks_for_no_host_of_its_own_where_there_is_no_workspace() -> None:
    assert chosen(host=G, auth="unified").source == Unified(host=G)
    assert chosen(BASIC, host=G, auth="basic").source == Unified(
        host=G, auth_type="basic", settings={"username": "me", "password": Secret("password")}
    )


def test_a_notebooks_credentials_are_not_for_a_gateways_own_host_alone() -> None:
    found = chosen({"DATABRICKS_RUNTIME_VERSION": "16.4"}, host=G)
    assert found.source == StoredOrCLI(host=None, gateway=G)


# --- the order ---


@pytest.mark.parametrize(
    ("arguments", "environ", "source", "why"),
    [
        pytest.param(
            {"token": "dapiARG", "profile": "machine"},
            TOKEN,
            pat("dapiARG"),
            "token=",
            id="a token given before all",
        ),
        pytest.param(
            {"token": "dapiARG"},
            MACHINE | {"DATABRICKS_AUTH_TYPE": "oauth-m2m"},
            pat("dapiARG"),
            "token=",
            id="a token given before a method that was found",
        ),
        pytest.param(
            {"profile": "machine"},
            TOKEN,
            m2m("profiled", scopes=("mlflow", "model-serving")),
            "the client_secret of profile 'machine'",
            id="a profile that is given before the environment",
        ),
        pytest.param(
            {},
            HOST | MACHINE | {"DATABRICKS_CONFIG_PROFILE": "DEFAULT"},
            m2m(),
            "DATABRICKS_CLIENT_SECRET",
            id="the environment before a profile that it names",
        ),
        pytest.param(
            {}, HOST, pat("dapiDEFAULT"), "the token of profile 'DEFAULT'", id="the default profile"
        ),
        pytest.param(
            {"auth": "oauth-m2m"}, TOKEN | MACHINE, m2m(), "auth=", id="a method that is named"
        ),
        pytest.param(
            {},
            TOKEN | MACHINE | {"DATABRICKS_AUTH_TYPE": "oauth-m2m"},
            m2m(),
            "DATABRICKS_AUTH_TYPE",
            id="a method that the environment names",
        ),
        pytest.param(
            {"auth": "pat"},
            HOST | MACHINE | {"DATABRICKS_AUTH_TYPE": "oauth-m2m"},
            pat("dapiDEFAULT"),
            "auth=",
            id="the program's method before the environment's",
        ),
        pytest.param(
            {},
            TOKEN | {"DATABRICKS_CONFIG_PROFILE": "cli"},
            DatabricksCLI(host=W, profile="cli", command="/opt/databricks", scopes=("sql",)),
            "the auth_type of profile 'cli'",
            id="a profile's method before the environment's token",
        ),
        pytest.param(
            {},
            HOST | {"DATABRICKS_CONFIG_PROFILE": "hostless"},
            DatabricksCLI(host=W),
            "the auth_type of profile 'hostless'",
            id="a method of a profile without a host",
        ),
        pytest.param(
            {"profile": "half"},
            {"DATABRICKS_CLIENT_SECRET": "secret"},
            m2m("profiled"),
            "DATABRICKS_CLIENT_SECRET",
            id="a secret beside the profile that it belongs to",
        ),
        pytest.param(
            {},
            HOST
            | ON_GITHUB
            | {"DATABRICKS_CLIENT_ID": "x", "DATABRICKS_CONFIG_PROFILE": "machine"},
            m2m("profiled", scopes=("mlflow", "model-serving")),
            "the client_secret of profile 'machine'",
            id="a secret before a job's own identity",
        ),
        pytest.param(
            {"host": W, "profile": "othercli"},
            TOKEN,
            pat("dapiENV"),
            "DATABRICKS_TOKEN",
            id="no method of a profile of another host",
        ),
        pytest.param(
            {"host": W, "profile": "elsewhere"},
            MACHINE,
            m2m(),
            "DATABRICKS_CLIENT_SECRET",
            id="nothing of a profile of another host",
        ),
    ],
)
def test_the_first_place_that_says_something_holds(
    home: Path,
    arguments: dict[str, Any],
    environ: dict[str, str],
    source: TokenSource,
    why: str,
) -> None:
    found = chosen(environ, home=home, **arguments)
    assert (found.source, found.why) == (source, why)


def test_a_source_that_is_given_comes_before_all(home: Path) -> None:
    source = m2m("mine")
    environ = HOST | TOKEN | {"DATABRICKS_AUTH_TYPE": "nonsense"}
    assert chosen(environ, home=home, auth=source).source is source


def test_of_a_source_that_is_given_the_file_need_say_nothing(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text("spoiled")
    assert chosen(home=tmp_path, host=W, auth=m2m()).profile is None
    assert chosen(MACHINE, home=tmp_path, host=W).profile is None


def test_a_cloud_of_its_own_counts_in_that_cloud_alone(home: Path) -> None:
    assert chosen(HOST | ON_AZURE, home=home).source == pat("dapiDEFAULT")
    assert chosen(HOST | TOKEN | ON_AZURE).source == pat("dapiENV")
    assert isinstance(chosen(ON_AZURE, host=AZURE).source, Unified)
    assert chosen(HOST | TOKEN | {"GOOGLE_CREDENTIALS": "{}"}).source == pat("dapiENV")


@pytest.mark.parametrize("half", ["DATABRICKS_CLIENT_ID", "DATABRICKS_USERNAME", "ARM_TENANT_ID"])
@pytest.mark.parametrize("host", [W, AZURE])
def test_half_a_method_says_nothing_by_itself(half: str, host: str) -> None:
    assert chosen(TOKEN | {half: "x"}, host=host).source == pat("dapiENV")
    assert isinstance(chosen({half: "x"}, host=host).source, StoredOrCLI)


def test_what_is_secret_comes_before_azures_cli() -> None:
    resource = {"DATABRICKS_AZURE_RESOURCE_ID": "/a/b/c"}
    assert chosen(TOKEN | resource, host=AZURE).source == pat("dapiENV")
    assert chosen(HOST | BASIC | resource).why == "DATABRICKS_PASSWORD"


# --- contradictions, and what is missing ---


@pytest.mark.parametrize(
    ("arguments", "environ", "names"),
    [
        pytest.param({}, HOST | TOKEN | MACHINE, ("pat", "oauth-m2m"), id="a token and a secret"),
        pytest.param({}, HOST | MACHINE | BASIC, ("oauth-m2m", "basic"), id="two kinds of secrets"),
        pytest.param(
            {},
            HOST | TOKEN | {"DATABRICKS_OIDC_TOKEN": "jwt"},
            ("DATABRICKS_TOKEN", "DATABRICKS_OIDC_TOKEN"),
            id="a token and a JWT",
        ),
        pytest.param(
            {"host": AZURE}, TOKEN | ON_AZURE, ("pat", "azure-client-secret"), id="a cloud's own"
        ),
        pytest.param({"profile": "two"}, {}, ("the token of profile 'two'",), id="in a profile"),
        pytest.param({"host": W, "token": "t", "auth": m2m()}, {}, ("auth=", "token="), id="given"),
    ],
)
def test_two_ways_in_one_place_are_an_error_that_names_both(
    home: Path, arguments: dict[str, Any], environ: dict[str, str], names: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(environ, home=home, **arguments)
    assert all(name in str(caught.value) for name in names)


def test_a_profile_of_another_host_completes_nothing(home: Path) -> None:
    with pytest.raises(ConfigError, match="needs a client_id"):
        chosen({"DATABRICKS_CLIENT_SECRET": "x"}, home=home, host=W, profile="elsewhere")


def test_a_login_is_for_a_profile_only_if_somebody_named_it(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text(f"[DEFAULT]\nhost = {W}\n")
    unnamed = StoredOrCLI(host=W, gateway=W)
    named = StoredOrCLI(host=W, gateway=W, profile="DEFAULT", cli_profile="DEFAULT")
    assert chosen(home=tmp_path).source == unnamed
    assert chosen(home=tmp_path, profile="DEFAULT").source == named


def test_two_ways_that_may_not_be_sent_are_no_error() -> None:
    assert chosen(TOKEN | MACHINE, host=LOCAL).source == StoredOrNothing(host=LOCAL)


@pytest.mark.parametrize(
    ("arguments", "environ", "remedy"),
    [
        ({"host": W}, {"DATABRICKS_CLIENT_SECRET": "x"}, "Set DATABRICKS_CLIENT_ID, or client_id"),
        (
            {"host": W, "auth": "oauth-m2m"},
            {"DATABRICKS_CLIENT_ID": "x"},
            "DATABRICKS_CLIENT_SECRET",
        ),
        ({"host": W, "auth": "pat"}, {}, "Set DATABRICKS_TOKEN"),
        ({"host": W, "auth": "file-oidc"}, {}, "DATABRICKS_OIDC_TOKEN_FILEPATH"),
        ({"host": W, "auth": "basic"}, {"DATABRICKS_PASSWORD": "x"}, "DATABRICKS_USERNAME"),
        ({"host": W}, {"DATABRICKS_AUTH_TYPE": "pat"}, "DATABRICKS_AUTH_TYPE asks for pat"),
    ],
)
def test_what_is_missing_is_named(
    arguments: dict[str, Any], environ: dict[str, str], remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(environ, **arguments)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "environ", "name"),
    [
        pytest.param({"auth": "dapi0123"}, {}, "auth=", id="given"),
        pytest.param({}, {"DATABRICKS_AUTH_TYPE": "dapi0123"}, "DATABRICKS_AUTH_TYPE", id="found"),
    ],
)
def test_an_unknown_method_is_an_error_that_lists_those_there_are_and_quotes_nothing(
    arguments: dict[str, Any], environ: dict[str, str], name: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(environ, host=W, **arguments)
    assert str(caught.value).startswith(name)
    assert all(method in str(caught.value) for method in METHODS)
    assert "dapi0123" not in str(caught.value)


# --- one pasted credential ---


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        pytest.param({"token": f"{W}::dapiX"}, {}, id="given"),
        pytest.param({"token": "  acme.cloud.databricks.com/ ::  dapiX\n"}, {}, id="with blanks"),
        pytest.param({"token": Secret(f"{W}::dapiX")}, {}, id="as a secret"),
        pytest.param({"token": f"{W}::dapiX"}, {"DATABRICKS_HOST": OTHER}, id="before a variable"),
        pytest.param({"token": f"{W}::dapiX", "host": f"{W}/ai-gateway"}, {}, id="beside its host"),
        pytest.param({}, {"DATABRICKS_TOKEN": f"{W}::dapiX"}, id="in a variable"),
        pytest.param({}, {"DATABRICKS_API_KEY": f"{W}::dapiX"}, id="in the other variable"),
        pytest.param({}, HOST | {"DATABRICKS_TOKEN": f"{W}::dapiX"}, id="beside its variable"),
    ],
)
def test_one_pasted_credential_is_host_and_token(
    arguments: dict[str, Any], environ: dict[str, str]
) -> None:
    found = chosen(environ, **arguments)
    assert (found.base.origin, found.source) == (W, pat("dapiX"))


def test_a_pasted_credential_is_cut_at_its_first_separator() -> None:
    assert chosen(token=f"{W}::a::b").source == pat("a::b")


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        pytest.param({"token": f"{W}::dapiX", "host": OTHER}, {}, id="given"),
        pytest.param(
            {}, {"DATABRICKS_HOST": OTHER, "DATABRICKS_TOKEN": f"{W}::dapiX"}, id="in variables"
        ),
    ],
)
def test_a_pasted_credential_that_contradicts_its_host_is_an_error(
    arguments: dict[str, Any], environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="are two servers"):
        chosen(environ, **arguments)


@pytest.mark.parametrize("pasted", ["::dapiX", "dapi0123456789abcdef::dapiX", "ftp://x::dapiX"])
def test_a_pasted_credential_needs_a_good_host_and_is_not_quoted(pasted: str) -> None:
    with pytest.raises(ConfigError, match="the host in token") as caught:
        chosen(token=pasted)
    assert "dapi" not in str(caught.value)


def test_a_pasted_credential_that_was_found_goes_to_its_own_host_alone() -> None:
    pasted = {"DATABRICKS_TOKEN": f"{W}::dapiX"}
    assert chosen(pasted, host=OTHER).source == StoredOrCLI(
        host=OTHER,
        gateway=OTHER,
        reason="DATABRICKS_TOKEN was not sent, because other.cloud.databricks.com is not the host "
        "that goes with it",
    )
    assert chosen(pasted, gateway_host=G).source == pat("dapiX")


# --- where what was found may go ---


@pytest.mark.parametrize("environ", [MACHINE, BASIC, {"DATABRICKS_OIDC_TOKEN": "jwt"}])
@pytest.mark.parametrize("host", [LOCAL, CORP, "https://h.io/v1"])
def test_what_was_found_goes_to_no_stranger(environ: dict[str, str], host: str) -> None:
    found = chosen(environ, host=host)
    assert isinstance(found.source, StoredOrNothing)
    assert "is no host of Databricks" in (found.no_token or "")
    allowed = chosen(environ, host=host, allow_host=(host,))
    assert allowed.origin == "environment"


@pytest.mark.parametrize("method", ["oauth-m2m", "databricks-cli", "unified", "github-oidc"])
def test_a_method_that_the_program_names_is_refused_to_a_stranger_at_once(method: str) -> None:
    with pytest.raises(ConfigError, match="no host of Databricks"):
        chosen(MACHINE, host=LOCAL, auth=method)
    assert chosen(MACHINE, host=LOCAL, auth=method, allow_host=("127.0.0.1:8000",)).source


def test_a_method_that_was_found_is_left_out_for_a_stranger() -> None:
    found = chosen({"DATABRICKS_AUTH_TYPE": "databricks-cli"}, host=LOCAL)
    assert found.source is None
    assert found.no_token


def test_a_login_is_for_one_server() -> None:
    assert chosen(host=W, gateway_host=CORP).source is None
    assert chosen(host=W, gateway_host=OTHER).source is None
    assert chosen({"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": G}).source is None
    assert chosen(host=W, gateway_host=G).source == StoredOrCLI(host=W, gateway=W)
    with pytest.raises(ConfigError, match="another server than the workspace"):
        chosen(host=W, gateway_host=OTHER, auth="databricks-cli")


def test_a_stored_login_counts_at_any_host_that_it_is_for() -> None:
    assert chosen(host=LOCAL).source == StoredOrNothing(host=LOCAL)
    assert chosen(host=LOCAL, auth="external-browser").source == StoredLoginSource(host=LOCAL)


def test_a_profile_that_is_named_for_another_host_ends_the_search(home: Path) -> None:
    found = chosen(TOKEN, home=home, host=OTHER, profile="machine")
    assert found.source is None
    assert "the client_secret of profile 'machine' was not sent" in (found.no_token or "")


def test_a_default_profile_of_another_host_is_told_and_does_not_count(home: Path) -> None:
    found = chosen(home=home, host=OTHER).source
    assert isinstance(found, StoredOrCLI)
    assert "the token of profile 'DEFAULT' was not sent" in (found.reason or "")


def test_the_account_is_told_where_its_profile_counts(home: Path) -> None:
    assert chosen(home=home, profile="machine").account_id == "account"
    assert chosen(home=home, host=W, profile="elsewhere").account_id is None
    assert chosen({"DATABRICKS_ACCOUNT_ID": "a"}, host=W).account_id == "a"


# --- a client ---


def test_a_gateways_own_host_alone_leaves_the_workspace_open() -> None:
    assert chosen(MACHINE, host=G).source == m2m(host=None)
    assert chosen(TOKEN, host=G).source == pat("dapiENV")


def test_making_a_client_imports_nothing_optional() -> None:
    program = (
        "import sys; from gateway_stream import Client\n"
        f"for host in ({W!r}, {LOCAL!r}): Client(host=host)\n"
        "print([name for name in ('databricks', 'keyring', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"HOME": "/nonexistent", **MACHINE},
    )
    assert done.stdout.strip() == "[]"


def test_no_credential_is_in_a_traceback_with_local_variables(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapiENV")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret-planted")
    monkeypatch.setenv("DATABRICKS_API_KEY", "dapiOTHER")
    with pytest.raises(ConfigError, match="DATABRICKS_API_KEY") as caught:
        Client()
    monkeypatch.delenv("DATABRICKS_API_KEY")
    errors = [caught.value]
    for arguments in ({"host": W}, {"profile": "two"}, {"profile": "gone"}, {"host": "ftp://x"}):
        with pytest.raises(ConfigError) as caught:
            Client(**arguments)  # type: ignore[arg-type]
        errors.append(caught.value)
    for error in errors:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(told.format())
        assert "dapi" not in text
        assert "planted" not in text
