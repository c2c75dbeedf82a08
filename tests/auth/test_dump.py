"""Every source is data and back, with its secrets only where somebody says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from gateway_stream.auth import M2M, PAT, Secret
from gateway_stream.auth.dump import dump, load
from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
from gateway_stream.auth.sources.federation import Federation, FromFile, FromGitHub, FromVariable
from gateway_stream.auth.sources.function import Function
from gateway_stream.auth.sources.logins import StoredOrCLI, StoredOrNothing
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.auth.sources.user import U2M
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    from gateway_stream.auth.source import TokenSource

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "https://adb-1.1.azuredatabricks.net"
PLANTED: Final = "planted-secret"
OTHER: Final = "planted-other"

LOGIN: Final = StoredLogin(
    host=HOST,
    client_id="app",
    access_token=Secret(PLANTED),
    refresh_token=Secret(OTHER),
    expires_at=1_700_000_000.0,
    scopes=("all-apis", "offline_access"),
)
WITH_SECRETS: Final[list[TokenSource]] = [
    PAT(Secret(PLANTED)),
    M2M(client_id="id", client_secret=Secret(PLANTED)),
    M2M(
        client_id="id",
        client_secret=Secret(PLANTED),
        host=HOST,
        account_id="1",
        scopes=("a", "b"),
        secret_style="form",
    ),
    U2M(LOGIN),
    U2M(LOGIN, client_secret=Secret(PLANTED)),
    Unified(auth_type="basic", settings={"username": "ann", "password": PLANTED}),
]
WITHOUT: Final[list[TokenSource]] = [
    Federation(subject=FromVariable("MY_TOKEN"), client_id="id", host=HOST, scopes=("a",)),
    Federation(subject=FromFile("/var/run/token"), account_id="1", audience="x"),
    Federation(subject=FromGitHub()),
    DatabricksCLI(host=HOST),
    DatabricksCLI(profile="dev", command="/usr/bin/databricks", scopes=("sql",)),
    StoredLoginSource(host=HOST, profile="dev"),
    StoredOrCLI(host=None, gateway=HOST, reason="none"),
    StoredOrNothing(host=HOST),
    Unified(host=HOST, profile="dev"),
]


def named(source: TokenSource) -> str:
    return type(source).__name__


def state(source: TokenSource) -> object:
    """What makes a source what it is."""
    return (source.stored, source.client_secret) if isinstance(source, U2M) else source


@pytest.mark.parametrize("source", [*WITH_SECRETS, *WITHOUT], ids=named)
def test_a_source_is_loaded_as_it_was_dumped(source: TokenSource) -> None:
    data = json.loads(json.dumps(dump(source, expose_secrets=True)))
    loaded = load(data)
    assert type(loaded) is type(source)
    assert state(loaded) == state(source)
    assert loaded.identity == source.identity


@pytest.mark.parametrize("source", [*WITH_SECRETS, *WITHOUT], ids=named)
def test_every_json_writer_writes_a_dump(source: TokenSource) -> None:
    data = dump(source, expose_secrets=True)
    assert msgspec.json.decode(msgspec.json.encode(data)) == json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("source", [*WITH_SECRETS, *WITHOUT], ids=named)
def test_a_dump_holds_no_secret_unless_it_is_to(source: TokenSource) -> None:
    masked, whole = json.dumps(dump(source)), json.dumps(dump(source, expose_secrets=True))
    assert PLANTED not in masked
    assert OTHER not in masked
    assert ("***" in masked) == (PLANTED in whole)


@pytest.mark.parametrize("source", WITH_SECRETS, ids=named)
def test_a_masked_dump_is_refused(source: TokenSource) -> None:
    with pytest.raises(ConfigError, match="masked") as caught:
        load(dump(source))
    assert "expose_secrets" in str(caught.value)


@pytest.mark.parametrize("source", WITHOUT, ids=named)
def test_what_has_no_secret_is_loaded_from_either_dump(source: TokenSource) -> None:
    assert load(dump(source)) == source


async def gives_a_token() -> str:
    return PLANTED


@pytest.mark.parametrize(
    "source",
    [
        gives_a_token,
        Function(gives_a_token),
        Federation(subject=gives_a_token),
        StoredLoginSource(host=HOST, store=LoginStore(rests="memory")),
        PLANTED,
        Secret(PLANTED),
        FromFile("/x"),
        None,
    ],
    ids=["function", "Function", "subject", "memory", "text", "secret", "part", "None"],
)
def test_what_is_no_data_is_refused(source: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be dumped") as caught:
        dump(source, expose_secrets=True)
    assert PLANTED not in str(caught.value)


class Own(msgspec.Struct):
    """A user's own source, with a name that one of ours has."""

    token: str = PLANTED


def test_a_class_of_somebody_elses_with_the_name_of_ours_is_refused() -> None:
    Own.__name__ = "PAT"
    with pytest.raises(ConfigError, match="cannot be dumped"):
        dump(Own())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "Nothing"},
        {"kind": ["PAT"]},
        {"kind": "PAT"},
        {"kind": "PAT", "token": PLANTED},
        {"kind": "PAT", "token": {"secret": PLANTED}, "more": 1},
        {"kind": "PAT", "token": {"secret": f"{PLANTED} {PLANTED}"}},
        {"kind": "PAT", "token": {"secret": 5}},
        {"kind": "M2M", "client_id": {"secret": PLANTED}, "client_secret": {"secret": PLANTED}},
        {"kind": "M2M", "client_id": "x", "client_secret": {"secret": PLANTED}, "scopes": [1]},
        {"kind": "M2M", "client_id": "x", "client_secret": {"secret": PLANTED}, "secret_style": ""},
        {"kind": "StoredLogin", "host": HOST, "access_token": {"secret": PLANTED}},
        {"kind": "U2M", "stored": {"kind": "PAT", "token": {"secret": PLANTED}}},
        {"kind": "U2M", "stored": PLANTED},
        {"kind": "Unified", "settings": {"password": [PLANTED]}},
        {"kind": "Unified", "settings": []},
        {"secret": PLANTED},
        PLANTED,
        [PLANTED],
        None,
    ],
)
def test_what_is_no_dump_is_refused_without_being_quoted(data: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load(data)
    assert PLANTED not in str(caught.value)


def test_a_dump_is_made_of_names_that_can_be_read() -> None:
    assert dump(M2M(client_id="id", client_secret=Secret(PLANTED), host=HOST)) == {
        "kind": "M2M",
        "client_id": "id",
        "client_secret": {"secret": "***"},
        "host": HOST,
        "account_id": None,
        "scopes": ["all-apis"],
        "secret_style": None,
    }


def test_a_worker_process_asks_as_its_parent_does() -> None:
    code = (
        "import json, sys; from gateway_stream.auth.dump import load; "
        "source = load(json.load(sys.stdin)); sys.exit(source.client_secret.reveal() != 'planted-secret')"
    )
    source = M2M(client_id="id", client_secret=Secret(PLANTED))
    worker = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-c", code],
        input=json.dumps(dump(source, expose_secrets=True)),
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert worker.returncode == 0
