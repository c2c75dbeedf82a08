"""Where requests go, from all places that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.auth import Secret
from gateway_stream.errors import ConfigError
from tests.gateway.places import OTHER, PROFILED, G, W, settings, token_of

if TYPE_CHECKING:
    from pathlib import Path

# --- the order of sources ---


ENVIRONMENT = {"DATABRICKS_HOST": W, "DATABRICKS_TOKEN": "dapiENV"}


def test_arguments_outrank_the_environment() -> None:
    found = settings(ENVIRONMENT, host=OTHER, token="dapiARG")
    assert (found.base.origin, token_of(found), found.origin) == (
        OTHER,
        "dapiARG",
        "argument",
    )


def test_a_secret_is_taken_as_a_token() -> None:
    assert token_of(settings(host=W, token=Secret("dapiARG"))) == "dapiARG"


def test_the_environment_outranks_a_profile_that_it_names(home: Path) -> None:
    found = settings(ENVIRONMENT | {"DATABRICKS_CONFIG_PROFILE": "prod"}, home=home)
    assert (found.base.origin, token_of(found), found.origin) == (W, "dapiENV", "environment")


def test_a_profile_named_by_an_argument_outranks_the_environment(home: Path) -> None:
    found = settings(ENVIRONMENT, home=home, profile="prod")
    assert (found.base.origin, token_of(found), found.origin) == (
        OTHER,
        "dapiPROD",
        "profile",
    )


def test_without_anything_else_the_default_profile_holds(home: Path) -> None:
    found = settings(home=home)
    assert (found.base.origin, token_of(found)) == (PROFILED, "dapiDEFAULT")
    assert (found.origin, found.profile) == ("profile", "DEFAULT")


def test_the_environment_names_the_profile_and_the_file(home: Path) -> None:
    elsewhere = home / "elsewhere"
    (home / ".databrickscfg").rename(elsewhere)
    environ = {"DATABRICKS_CONFIG_PROFILE": "prod", "DATABRICKS_CONFIG_FILE": str(elsewhere)}
    assert token_of(settings(environ)) == "dapiPROD"
    environ["DATABRICKS_CONFIG_FILE"] = "~/elsewhere"
    assert token_of(settings(environ, home=home)) == "dapiPROD"


def test_an_argument_names_another_profile_than_the_environment(home: Path) -> None:
    found = settings({"DATABRICKS_CONFIG_PROFILE": "absent"}, home=home, profile="prod")
    assert found.profile == "prod"


def test_an_empty_variable_is_an_unset_one(home: Path) -> None:
    variables = (
        *("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_API_KEY", "DATABRICKS_API_BASE"),
        *("DATABRICKS_CONFIG_FILE", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_WORKSPACE_ID"),
    )
    assert settings(dict.fromkeys(variables, ""), home=home) == settings(home=home)


def test_the_file_is_not_read_where_host_and_token_are_known(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text("spoiled")
    assert settings(ENVIRONMENT, home=tmp_path).profile is None
    assert settings(home=tmp_path, host=W, token="dapiARG").profile is None
    with pytest.raises(ConfigError, match="is not made of"):
        settings(home=tmp_path, host=W)


def test_a_named_profile_is_read_even_where_host_and_token_are_known(home: Path) -> None:
    with pytest.raises(ConfigError, match="no profile 'absent'"):
        settings(ENVIRONMENT | {"DATABRICKS_CONFIG_PROFILE": "absent"}, home=home)


def test_a_named_profile_without_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no profile 'prod'"):
        settings(ENVIRONMENT, home=tmp_path, profile="prod")
    with pytest.raises(ConfigError, match="no home folder"):
        settings(ENVIRONMENT, home=None, profile="prod")


def test_no_host_at_all_is_an_error_that_names_the_ways_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings({"DATABRICKS_TOKEN": "dapiENV"}, home=tmp_path)
    for way in ("host=", "DATABRICKS_HOST", ".databrickscfg"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "environ", "name"),
    [
        ({"host": "ftp://x"}, {}, "host "),
        ({"host": W, "gateway_host": "ftp://x"}, {}, "gateway_host "),
        ({}, {"DATABRICKS_HOST": "ftp://x"}, "DATABRICKS_HOST "),
        ({}, {"DATABRICKS_API_BASE": "ftp://x"}, "DATABRICKS_API_BASE "),
        ({"host": W, "token": "a\nb"}, {}, "token "),
        ({"host": W, "token": ""}, {}, "token is empty"),
        ({"host": ""}, {}, "host is empty"),
        ({"host": W}, {"DATABRICKS_TOKEN": "a\nb"}, "DATABRICKS_TOKEN "),
        ({"host": W}, {"DATABRICKS_API_KEY": "a\nb"}, "DATABRICKS_API_KEY "),
        ({"host": W, "allow_host": ("ftp://x",), "token": "x"}, {}, "allow_host "),
    ],
)
def test_an_error_names_where_the_value_stands(
    arguments: dict[str, Any], environ: dict[str, str], name: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(environ, **arguments)
    assert str(caught.value).startswith(name)


def test_an_error_names_the_profile_that_the_value_stands_in(home: Path) -> None:
    (home / ".databrickscfg").write_text("[a]\nhost = ftp://x\n[b]\nhost = x.y\ntoken = a b\n")
    with pytest.raises(ConfigError, match="the host of profile 'a' has a scheme"):
        settings(home=home, profile="a")
    with pytest.raises(ConfigError, match="the token of profile 'b' has a blank"):
        settings(home=home, profile="b", allow_host=["x.y"])


# --- the two names of the token ---


def test_the_alias_of_the_token_is_taken() -> None:
    assert token_of(settings({"DATABRICKS_HOST": W, "DATABRICKS_API_KEY": "dapiKEY"})) == "dapiKEY"


def test_both_names_with_one_value_are_one_token() -> None:
    assert token_of(settings(ENVIRONMENT | {"DATABRICKS_API_KEY": "dapiENV"})) == "dapiENV"


def test_both_names_with_two_values_are_an_error_that_shows_neither() -> None:
    environ = ENVIRONMENT | {"DATABRICKS_API_KEY": "dapiKEY"}
    with pytest.raises(ConfigError, match="DATABRICKS_TOKEN and DATABRICKS_API_KEY") as caught:
        settings(environ)
    assert "dapi" not in str(caught.value)
    assert token_of(settings(environ, token="dapiARG")) == "dapiARG"


# --- where streams go, and the workspace ---


@pytest.mark.parametrize(
    ("arguments", "environ", "base", "workspace"),
    [
        pytest.param({"host": W}, {}, f"{W}/ai-gateway", W, id="a workspace is both"),
        pytest.param(
            {"host": f"{W}/serving-endpoints"}, {}, f"{W}/serving-endpoints", W, id="classic"
        ),
        pytest.param({"host": G}, {}, G, None, id="a gateway's own host knows no workspace"),
        pytest.param({"host": "https://h.io/v1"}, {}, "https://h.io/v1", None, id="an OpenAI base"),
        pytest.param({"host": W, "gateway_host": G}, {}, G, W, id="a gateway beside a workspace"),
        pytest.param({"gateway_host": G}, {"DATABRICKS_HOST": W}, G, W, id="from two places"),
        pytest.param({"gateway_host": W}, {}, f"{W}/ai-gateway", W, id="a gateway host alone"),
        pytest.param(
            {},
            {"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": "/serving-endpoints"},
            f"{W}/serving-endpoints",
            W,
            id="a path on the host",
        ),
        pytest.param(
            {},
            {
                "DATABRICKS_HOST": f"{W}/ai-gateway?o=5",
                "DATABRICKS_API_BASE": "/serving-endpoints/",
            },
            f"{W}/serving-endpoints?o=5",
            W,
            id="a path in place of the host's path, in the same workspace",
        ),
        pytest.param(
            {},
            {"DATABRICKS_API_BASE": f"{W}/serving-endpoints"},
            f"{W}/serving-endpoints",
            W,
            id="a base that is the host too",
        ),
        pytest.param(
            {},
            {"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": G},
            G,
            W,
            id="a base beside the host",
        ),
        pytest.param(
            {"host": OTHER},
            {"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": f"{W}/serving-endpoints"},
            f"{OTHER}/ai-gateway",
            OTHER,
            id="an argument is whole",
        ),
        pytest.param(
            {},
            {"DATABRICKS_HOST": W, "DATABRICKS_API_BASE": "//evil.example/ai-gateway"},
            f"{W}/evil.example/ai-gateway",
            W,
            id="two slashes begin a path, not a host",
        ),
    ],
)
def test_streams_go_to_the_base_and_the_rest_to_the_workspace(
    arguments: dict[str, Any], environ: dict[str, str], base: str, workspace: str | None
) -> None:
    found = settings(environ, **arguments)
    assert str(found.base) == base
    assert (found.workspace.origin if found.workspace else None) == workspace


def test_a_path_can_stand_on_the_host_of_a_profile(home: Path) -> None:
    found = settings({"DATABRICKS_API_BASE": "/serving-endpoints"}, home=home)
    assert str(found.base) == f"{PROFILED}/serving-endpoints"
    assert token_of(found) == "dapiDEFAULT"


def test_a_path_without_a_host_is_an_error() -> None:
    with pytest.raises(ConfigError, match="DATABRICKS_API_BASE is a path"):
        settings({"DATABRICKS_API_BASE": "/serving-endpoints"})


# --- workspace ids ---


@pytest.mark.parametrize(
    ("arguments", "environ", "workspace_id"),
    [
        pytest.param({"host": f"{W}/?o=42"}, {}, "42", id="of the address"),
        pytest.param({"host": W}, {"DATABRICKS_WORKSPACE_ID": "43"}, "43", id="of the environment"),
        pytest.param(
            {"host": f"{W}/?o=42"}, {"DATABRICKS_WORKSPACE_ID": "43"}, "42", id="the address first"
        ),
        pytest.param({"profile": "prod"}, {}, "77", id="of the profile"),
        pytest.param({"profile": "prod", "host": W}, {}, None, id="not of another host's profile"),
        pytest.param({"host": W}, {"DATABRICKS_WORKSPACE_ID": "none"}, None, id="none is none"),
        pytest.param(
            {"host": G}, {"DATABRICKS_WORKSPACE_ID": "43"}, None, id="a gateway's own host"
        ),
        pytest.param(
            {"host": "https://h.io/v1"}, {"DATABRICKS_WORKSPACE_ID": "43"}, None, id="a stranger"
        ),
    ],
)
def test_the_workspace_id_is_found(
    home: Path, arguments: dict[str, Any], environ: dict[str, str], workspace_id: str | None
) -> None:
    assert settings(environ, home=home, **arguments).workspace_id == workspace_id


def test_a_workspace_id_that_would_change_the_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="workspace id"):
        settings({"DATABRICKS_HOST": W, "DATABRICKS_WORKSPACE_ID": "1&x=\r\n"})
