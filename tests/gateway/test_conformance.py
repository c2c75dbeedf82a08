"""The cases of Databricks' own SDKs: which hold here now, and which wait.

A case waits where it needs a way to log in that this client does not have yet. Each kind stands in
one of the two tables below, so that a new one cannot be passed over.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import is_databricks, parse_base
from gateway_stream.gateway.settings import Settings, resolve
from tests.support.corpus import conformance, needs_corpus

if TYPE_CHECKING:
    from pathlib import Path

TAKEN: Final = {
    "host": "addresses are normalized alike, or refused by a rule of this client",
    "cloud": "hosts of every cloud are known, look-alikes are not",
    "host_type": "an account console is told from a workspace, and refused",
    "chain": "tokens, variables and profiles; `waits` tells which of them",
}
WAITING: Final = {
    "oauth_m2m": "needs the client-credentials flow",
    "dsn": "needs user and password",
    "oidc_endpoints": "needs OAuth's discovery",
    "host_metadata": "needs OAuth's discovery",
    "scopes": "needs OAuth",
    "scopes_profile": "needs OAuth",
    "env_alias": "needs federation by a token in a file",
    "cli_scope": "needs the tokens of the Databricks CLI",
    "cli_expiry": "needs the tokens of the Databricks CLI",
    "azure_tenant": "needs Microsoft Entra",
    "azure_environment": "needs Microsoft Entra",
    "cloud_field": "needs a place where the cloud matters, which is Microsoft Entra",
}
ARGUMENTS: Final = {"host", "token", "profile"}
IGNORED: Final = {"account_id", "workspace_id"}
VARIABLES: Final = {
    "DATABRICKS_HOST",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CONFIG_FILE",
    "DATABRICKS_CONFIG_PROFILE",
}


@functools.cache
def document() -> dict[str, Any]:
    folder = conformance()
    if folder is None:
        return {"cases": [], "home_files": {}}
    found: dict[str, Any] = json.loads((folder / "auth_cases.json").read_text())
    return found


def waits(case: dict[str, Any]) -> bool:
    """Whether a case of the chain is about a way to log in that is not here yet."""
    return bool(set(case["args"]) - ARGUMENTS - IGNORED or set(case["env"]) - VARIABLES)


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['id']} {case['name']}")
        for case in document()["cases"]
        if case["kind"] == kind and not (kind == "chain" and waits(case))
    ]


@needs_corpus
def test_every_kind_of_case_is_taken_or_waits() -> None:
    assert {case["kind"] for case in document()["cases"]} <= set(TAKEN) | set(WAITING)
    assert not set(TAKEN) & set(WAITING)
    assert all(cases(kind) for kind in TAKEN)


@needs_corpus
@pytest.mark.parametrize("case", cases("host"))
def test_a_host_is_normalized_as_in_the_sdk_or_refused(case: dict[str, Any]) -> None:
    text = case["input"] or ""
    try:
        base = parse_base(text)
    except ConfigError:
        refused = any(mark in text for mark in "@#") or not urlsplit(text).scheme.startswith("http")
        assert refused or not urlsplit(text).netloc
        return
    expected = case["expected"]
    if "[" in expected:  # The SDK cuts an IPv6 address at its first colon.
        assert base.host == "::1"
    else:
        assert base.origin == expected.lower().removesuffix(urlsplit(expected).path)


@needs_corpus
@pytest.mark.parametrize("case", cases("cloud"))
def test_a_host_of_a_cloud_is_known(case: dict[str, Any]) -> None:
    assert is_databricks(case["input"]) == case["input"].endswith(case["expected"]["dns_zone"])


@needs_corpus
@pytest.mark.parametrize("case", cases("host_type"))
def test_an_account_console_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="account console"):
        parse_base(case["input"])


@needs_corpus
@pytest.mark.parametrize("case", cases("chain"))
def test_tokens_and_profiles_are_found_as_in_the_sdk(case: dict[str, Any], tmp_path: Path) -> None:
    for name, text in document()["home_files"].get(case["home"], {}).items():
        (tmp_path / name).write_text(text)
    expected = case["expected"]
    if expected.get("auth_type") != "pat":
        assert token_sent(case, tmp_path) is None
        return
    if urlsplit(expected["host"]).netloc.startswith("accounts."):
        with pytest.raises(ConfigError, match="account console"):
            gathered(case, tmp_path)
        return
    found = gathered(case, tmp_path, allow_host=(expected["host"],))
    assert found.base.origin == expected["host"].lower()
    assert found.token is not None
    assert f"Bearer {found.token.reveal()}" == expected["headers"]["Authorization"]
    # Without being allowed, a host that is not Databricks' gets nothing that was found.
    strict = gathered(case, tmp_path)
    assert (strict.token is None) == (
        not is_databricks(found.base.host) and found.token_origin != "argument"
    )


def gathered(case: dict[str, Any], home: Path, allow_host: tuple[str, ...] = ()) -> Settings:
    arguments = {name: value for name, value in case["args"].items() if name in ARGUMENTS}
    return resolve(environ=case["env"], home=home, allow_host=allow_host, **arguments)


def token_sent(case: dict[str, Any], home: Path) -> str | None:
    try:
        token = gathered(case, home).token
    except ConfigError:
        return None
    return token.reveal() if token else None
