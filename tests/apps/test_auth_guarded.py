"""What hosts, files and folders say is data: it steers no terminal, runs no code, and hides nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.testing import FakeGateway, Reply
from tests.apps.commands import run, shell, told
from tests.apps.test_auth import ME, all_of, files_of, store_of, write_profiles
from tests.auth.people import kept

if TYPE_CHECKING:
    from gateway_stream.testing import Issuer


def damage(user: dict[str, str]) -> None:
    """Make the one login that is stored unreadable."""
    (index,) = Path(user["GATEWAY_STREAM_HOME"], "logins").glob("*.json")
    index.write_text("{")


async def test_a_users_name_makes_no_lines_and_steers_no_terminal(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    workspace.issuer = None
    name = "ann\x1b[2J\x9b1m\nworks     no"
    body = json.dumps({"userName": name}).encode()
    for _ in range(3):
        workspace.add(Reply(status=200, body=body, content_type="application/json"), path=ME)
    at = ("--host", workspace.url)
    done = await run("auth", "login", "--token", *at, stdin="dapi-1", **user)
    assert len(done.stdout.splitlines()) == 1
    status = await run("auth", "status", *at, **user)
    assert [line.split()[0] for line in status.stdout.decode().splitlines()].count("works") == 1
    for each in (done, status):
        assert each.returncode == 0, each.stderr
        assert not any(sign in all_of(each) for sign in "\x1b\x9b")
    as_data = json.loads((await run("auth", "status", "--json", *at, **user)).stdout)
    assert as_data["user"].startswith("ann")


@pytest.mark.parametrize("moment", [1e18, 1e300, 253402300800.0])
async def test_a_token_that_no_calendar_sees_the_end_of_is_told_of_all_the_same(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str], moment: float
) -> None:
    login = msgspec.structs.replace(kept(issuer, workspace), expires_at=moment)
    await store_of(user).save(KeptLogin(login=login))
    done = await run("auth", "status", "--json", "--host", workspace.url, **user)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert (status["works"], status["expires_at"]) == (True, None)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid access to Org: 77",
        "Source IP address: 10.0.0.1 is blocked by Databricks IP ACL for workspace: 7",
    ],
)
async def test_a_token_that_the_host_lets_do_nothing_is_not_stored(
    workspace: FakeGateway, user: dict[str, str], text: str
) -> None:
    workspace.issuer = None
    refusal = Reply.error(403, {"error_code": "PERMISSION_DENIED", "message": text})
    workspace.add(refusal, path=ME)
    at = ("--host", workspace.url)
    done = await run("auth", "login", "--token", *at, stdin="dapi-1", **user)
    assert done.returncode == 4
    assert "does not let the token's owner in" in told(done)[0]
    assert files_of(user) == ""
    workspace.add(refusal, path=ME)
    allow = ("--allow-host", workspace.url.removeprefix("http://"))
    found = await run("auth", "status", "--json", *at, *allow, DATABRICKS_TOKEN="dapi-1", **user)
    assert found.returncode == 4
    assert json.loads(found.stdout)["works"] is False


async def test_a_damaged_login_hides_no_other_profile(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    write_profiles(
        user,
        f"[here]\nhost = {workspace.url}\n[there]\nhost = https://x.databricks.com\ntoken = dapi-1\n"
        "[half]\nhost = https://y.databricks.com\nauth_type = oauth-m2m\n",
    )
    await store_of(user).save(KeptLogin(login=kept(issuer, workspace)))
    damage(user)
    done = await run("auth", "profiles", **user)
    assert done.returncode == 0, done.stderr
    _, here, there, half = [line.split(maxsplit=3) for line in done.stdout.decode().splitlines()]
    assert "is damaged" in here[-1]
    assert there == ["there", "https://x.databricks.com", "pat", "yes"]
    assert half[:2] == ["half", "https://y.databricks.com"]


async def test_a_package_beside_databricks_sdk_is_not_taken_for_it(
    user: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "databricks" / "__init__.py"
    other.parent.mkdir()
    other.touch()
    write_profiles(
        user, "[azure]\nhost = https://adb-1.2.azuredatabricks.net\nauth_type = azure-cli\n"
    )
    done = await run("auth", "profiles", **user, PYTHONPATH=str(tmp_path))
    assert b"pip install 'gateway-stream[auth]'" in done.stdout


async def test_no_code_of_the_folder_that_one_is_in_runs(
    workspace: FakeGateway, user: dict[str, str], tmp_path: Path
) -> None:
    for name in ("webbrowser", "signal", "subprocess"):
        (tmp_path / f"{name}.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    script = f"cd {tmp_path} && $COMMAND auth login --host {workspace.url}"
    done = await shell(script, **user)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
