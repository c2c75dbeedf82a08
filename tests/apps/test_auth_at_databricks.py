"""Credentials on the command line at a host of Databricks, where what is found may be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.apps.commands import run, told
from tests.support.workspace import CLI_USER, HOST, PRINCIPAL, open_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.support.workspace import Workspace

NETLOC = HOST.removeprefix("https://")
MACHINE = {"DATABRICKS_CLIENT_ID": PRINCIPAL, "DATABRICKS_CLIENT_SECRET": "dose..."}


@pytest.fixture
async def databricks(tmp_path: Path, anyio_backend: object) -> AsyncIterator[Workspace]:  # noqa: ARG001
    async with open_workspace(tmp_path) as workspace:
        yield workspace


async def ask(workspace: Workspace, *arguments: str, **more: str) -> CompletedProcess[bytes]:
    return await run("auth", *arguments, **{**workspace.environ, "DATABRICKS_HOST": HOST, **more})


async def test_a_service_principal_is_told_from_the_cli_and_from_a_stored_login(
    databricks: Workspace,
) -> None:
    machine = json.loads((await ask(databricks, "status", "--json", **MACHINE)).stdout)
    assert (machine["strategy"], machine["why"], machine["level"]) == (
        "oauth-m2m", "DATABRICKS_CLIENT_SECRET", "environment",
    )  # fmt: skip
    assert (machine["user"], machine["works"]) == (PRINCIPAL, True)
    cli = json.loads((await ask(databricks, "status", "--json")).stdout)
    assert (cli["strategy"], cli["rests"], cli["level"]) == ("databricks-cli",) * 2 + (None,)
    assert cli["user"] == CLI_USER
    assert (await ask(databricks, "login")).returncode == 0
    stored = json.loads((await ask(databricks, "status", "--json")).stdout)
    assert (stored["strategy"], stored["rests"]) == ("external-browser", "file")
    assert stored["user"] == databricks.issuer.user


async def test_a_login_says_what_comes_before_it(databricks: Workspace) -> None:
    done = await ask(databricks, "login", **MACHINE)
    assert done.returncode == 0, done.stderr
    said = f"DATABRICKS_CLIENT_SECRET comes before this login and authorizes requests to {NETLOC}"
    assert said in done.stderr.decode()
    named = await ask(databricks, "login", DATABRICKS_AUTH_TYPE="external-browser", **MACHINE)
    assert named.returncode == 0, named.stderr
    assert b"comes before" not in named.stderr


async def test_a_token_of_every_kind_is_printed_for_other_programs(databricks: Workspace) -> None:
    for found, identity in ((MACHINE, PRINCIPAL), ({}, CLI_USER)):
        done = await ask(databricks, "token", **found)
        assert done.returncode == 0, done.stderr
        assert databricks.issuer.identity_of(done.stdout.decode().strip()) == identity
        assert done.stderr == b""


async def test_what_is_no_access_token_is_not_printed(databricks: Workspace) -> None:
    password = {"DATABRICKS_USERNAME": "ann", "DATABRICKS_PASSWORD": "planted"}
    done = await ask(databricks, "token", **password)
    assert (done.returncode, done.stdout) == (4, b"")
    assert "basic gives no access token" in told(done)[0]
    assert b"planted" not in done.stderr


async def test_a_logout_leaves_the_cli_alone_and_says_so(databricks: Workspace) -> None:
    done = await ask(databricks, "logout", **MACHINE)
    assert done.stdout.decode().splitlines() == [
        f"no login is stored at {NETLOC}",
        "DATABRICKS_CLIENT_SECRET is still set in the environment: unset it",
        "the Databricks CLI keeps logins of its own: see databricks auth --help",
    ]
