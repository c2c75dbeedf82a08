"""The tests against a real workspace, held against one that is none: they hold, or say why they skip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream.auth import Secret
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.apps.commands import run, surroundings
from tests.auth.people import kept
from tests.support.workspace import HOST, PAT, PRINCIPAL, SUBJECT, open_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[1]
PONG = Reply.scripted(text="pong")


@pytest.fixture
async def workspace(anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    async with FakeGateway(issuer=Issuer(), default=PONG) as workspace:
        yield workspace


async def live(*arguments: str, **environ: str) -> tuple[int, str]:
    """Run live tests, and give the status and what was told of each."""
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, "-m", "pytest", "-m", "live", "-rsA", "-p", "no:cacheprovider", *arguments],
            check=False, cwd=ROOT, env=surroundings(**environ),
        )  # fmt: skip
    return done.returncode, done.stdout.decode()


def lonely(folder: Path) -> dict[str, str]:
    """A user whose home is empty, and who has no Databricks CLI."""
    return {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "GATEWAY_STREAM_HOME": str(folder / "own"),
        "GATEWAY_STREAM_LIVE_CASSETTES": str(folder / "cassettes"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (HOST, "nobody is logged in"),
        ("https://1.ai-gateway.cloud.databricks.com", "a login needs the workspace's host"),
        (None, "there are no credentials"),
    ],
    ids=["workspace", "gateway", "another server"],
)
async def test_where_nobody_is_logged_in_they_skip_and_say_so(
    workspace: FakeGateway, tmp_path: Path, host: str | None, reason: str
) -> None:
    at = {**lonely(tmp_path), "DATABRICKS_HOST": host or workspace.url}
    status, told = await live("tests/live", **at)
    assert status == 0, told
    assert " passed" not in told
    assert f"no credentials to ask with: {reason}" in told


async def test_who_is_logged_in_is_asked(workspace: FakeGateway, tmp_path: Path) -> None:
    at = {**lonely(tmp_path), "DATABRICKS_HOST": workspace.url}
    assert workspace.issuer is not None
    store = LoginStore(tmp_path / "own", rests="file")
    await store.save(KeptLogin(login=kept(workspace.issuer, workspace)))
    status, told = await live("tests/live/test_workspace.py", "-k", "text", **at)
    assert status == 0, told
    assert "4 passed" in told


async def test_each_way_to_log_in_holds(tmp_path: Path) -> None:
    async with open_workspace(tmp_path) as databricks:
        databricks.gateway.default = PONG
        at = {
            **lonely(databricks.home), **databricks.environ, "DATABRICKS_HOST": HOST,
        }  # fmt: skip
        assert (await run("auth", "login", **at)).returncode == 0
        (databricks.home / ".databrickscfg").write_text(f"[cli]\nhost = {HOST}\n")
        status, told = await live(
            "tests/live/test_credentials.py",
            **at,
            DATABRICKS_TOKEN=PAT,
            DATABRICKS_CLIENT_ID=PRINCIPAL,
            DATABRICKS_CLIENT_SECRET="dose...",
            DATABRICKS_OIDC_TOKEN=SUBJECT,
            GATEWAY_STREAM_LIVE_CLI_PROFILE="cli",
        )
    assert status == 0, told
    assert "6 passed" in told
    assert "not set: GATEWAY_STREAM_LIVE_UNIFIED" in told


async def test_a_token_that_is_stored_is_no_login_to_renew(
    workspace: FakeGateway, tmp_path: Path
) -> None:
    at = {**lonely(tmp_path), "DATABRICKS_HOST": workspace.url}
    store = LoginStore(tmp_path / "own", rests="file")
    await store.save(KeptLogin.of_token(workspace.url, Secret("dapi-1")))
    status, told = await live("tests/live/test_credentials.py", **at)
    assert status == 0, told
    assert "nobody is logged in: gateway-stream auth login" in told
