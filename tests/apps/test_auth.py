"""Logging in and out on the command line, and what it says of credentials. No secret is in what it says."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from gateway_stream.auth import Secret
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.testing import DeviceFlow, FakeGateway, Issuer, Reply
from tests.apps.commands import COMMAND, run, surroundings, told
from tests.auth.people import kept, visit

if TYPE_CHECKING:
    from subprocess import CompletedProcess

BAD = "dapi-planted-0123456789"
ME = "/api/2.0/preview/scim/v2/Me"


def store_of(user: dict[str, str]) -> LoginStore:
    return LoginStore(Path(user["GATEWAY_STREAM_HOME"]), rests="file")


def files_of(user: dict[str, str]) -> str:
    """All that the user's home holds."""
    files = [path for path in Path(user["HOME"]).rglob("*") if path.is_file()]
    return "".join(path.read_text() for path in files)


def write_profiles(user: dict[str, str], text: str) -> None:
    Path(user["HOME"], ".databrickscfg").write_text(text)


def all_of(done: CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode()


# --- in one go -------------------------------------------------------------------------------


async def test_a_login_serves_every_command_until_the_logout(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    at = {**user, "DATABRICKS_HOST": workspace.url}
    netloc = workspace.url.removeprefix("http://")

    done = await run("auth", "login", **at)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith(
        f"logged in at {netloc} as ann@example.com; it rests in a file"
    )
    assert b"chatter" not in done.stdout
    granted = str(issuer.granted[0].token)
    assert granted in files_of(user)
    assert granted not in all_of(done)

    done = await run("auth", "status", "--json", **at)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    expected = {
        "host": workspace.url, "strategy": "external-browser", "user": "ann@example.com",
        "rests": "file", "works": True, "error": None,
    }  # fmt: skip
    assert {name: status[name] for name in expected} == expected
    assert status["expires_at"].endswith("+00:00")
    assert granted not in all_of(done)

    done = await run("auth", "token", **at)
    assert (done.returncode, done.stdout, done.stderr) == (0, granted.encode() + b"\n", b"")

    done = await run("chat", "-m", "claude", "why?", **at)
    assert (done.returncode, done.stdout) == (0, b"Because of the air.\n")
    assert workspace.requests[-1].identity == "ann@example.com"

    done = await run("auth", "logout", **at)
    assert (done.returncode, done.stdout) == (0, f"removed the login at {netloc}\n".encode())
    assert files_of(user) == ""
    assert (await run("auth", "token", **at)).returncode == 4
    assert (await run("chat", "-m", "claude", "why?", **at)).returncode == 4


# --- logging in ------------------------------------------------------------------------------


async def test_a_browser_that_comes_back_from_another_login_logs_nobody_in(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    forged = {**user, "BROWSER": user["BROWSER"].replace("honest", "forged")}
    done = await run("auth", "login", "--host", workspace.url, **forged)
    assert done.returncode == 4
    assert told(done) == ["gateway-stream: nothing was pasted. Begin the login again."]
    assert files_of(user) == ""


async def test_a_login_that_is_refused_is_one_line(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    issuer.user = None
    done = await run("auth", "login", "--host", workspace.url, **user)
    assert done.returncode == 4
    (line,) = told(done)
    assert "the login was refused: The user did not allow it" in line
    assert files_of(user) == ""


@pytest.mark.parametrize(
    ("pasted", "status"),
    [("{address}", 0), ("{code}", 0), ("{address}x", 4), ("http://localhost:8020/?error=no", 4)],
    ids=["address", "code", "other state", "no state"],
)
async def test_without_a_browser_here_the_address_or_the_code_is_pasted(
    workspace: FakeGateway, user: dict[str, str], pasted: str, status: int
) -> None:
    process = await anyio.open_process(
        [str(COMMAND), "auth", "login", "--no-browser", "--host", workspace.url],
        env=surroundings(**user), stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    async with process:
        assert process.stderr is not None
        assert process.stdin is not None
        seen = b""
        with anyio.fail_after(30):
            while b"Paste" not in seen:
                seen += await process.stderr.receive()
            url = next(word for word in seen.decode().split() if word.startswith(workspace.url))
            address = await visit(url, "http://localhost:")
            code = address.partition("code=")[2].partition("&")[0]
            await process.stdin.send(pasted.format(address=address, code=code).encode() + b"\n")
            assert await process.wait() == status
    assert (await store_of(user).find(workspace.url) is not None) == (status == 0)


async def test_a_device_code_is_shown_where_the_host_has_such_logins(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    issuer.device = DeviceFlow(interval=0.05)
    results = []

    async def log_in() -> None:
        results.append(await run("auth", "login", "--no-browser", "--host", workspace.url, **user))

    async with anyio.create_task_group() as group:
        group.start_soon(log_in)
        await workspace.wait_for(lambda _: bool(issuer.user_codes), within=20)
        (code,) = issuer.user_codes
        issuer.approve(code)
    (done,) = results
    assert done.returncode == 0, done.stderr
    assert f"enter the code {code}" in done.stderr.decode()


async def test_the_account_that_the_settings_name_is_logged_in_to(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    issuer.config = "account"
    at = {**user, "DATABRICKS_HOST": workspace.url}
    unknown = await run("auth", "login", **at)
    assert unknown.returncode == 4
    assert "DATABRICKS_ACCOUNT_ID" in told(unknown)[0]
    done = await run("auth", "login", **at, DATABRICKS_ACCOUNT_ID=issuer.account_id)
    assert done.returncode == 0, done.stderr
    store = store_of(user)
    (entry,) = await store.entries(workspace.url)
    stored = await store.read(entry.key)
    assert stored is not None
    assert stored.login.account_id == issuer.account_id


@pytest.mark.parametrize("named_by", ["option", "variable"])
async def test_a_login_is_kept_for_the_profile_that_was_named(
    workspace: FakeGateway, user: dict[str, str], named_by: str
) -> None:
    write_profiles(user, f"[here]\nhost = {workspace.url}\n")
    option = ["--profile", "here"] if named_by == "option" else []
    variable = {} if named_by == "option" else {"DATABRICKS_CONFIG_PROFILE": "here"}
    done = await run("auth", "login", *option, **user, **variable)
    assert done.returncode == 0, done.stderr
    (entry,) = await store_of(user).entries(workspace.url)
    assert entry.profile == "here"
    assert (await run("auth", "status", "--host", workspace.url, **user)).returncode == 4
    assert (await run("auth", "status", "--profile", "here", **user)).returncode == 0


async def test_a_profile_of_another_host_that_a_variable_names_says_nothing(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    write_profiles(user, "[there]\nhost = https://x.databricks.com\n")
    at = {**user, "DATABRICKS_CONFIG_PROFILE": "there"}
    done = await run("auth", "login", "--host", workspace.url, **at)
    assert done.returncode == 0, done.stderr
    (entry,) = await store_of(user).entries(workspace.url)
    assert entry.profile is None


async def test_a_login_is_for_no_profile_of_another_host(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    write_profiles(user, "[there]\nhost = https://x.databricks.com\n")
    done = await run("auth", "login", "--profile", "there", "--host", workspace.url, **user)
    assert done.returncode == 4
    (line,) = told(done)
    assert "profile 'there' is for another host" in line
    assert not workspace.requests


@pytest.mark.parametrize("command", ["login", "status", "token", "logout"])
async def test_without_a_host_the_option_and_the_variable_are_named(
    user: dict[str, str], command: str
) -> None:
    done = await run("auth", command, **user)
    assert done.returncode == 4
    (line,) = told(done)
    assert "Pass --host, or set DATABRICKS_HOST" in line


# --- a token that somebody has ---------------------------------------------------------------


@pytest.mark.parametrize("form", ["{token}\n", "{host}::{token}", " {host} :: {token} \n"])
async def test_a_token_that_the_host_takes_is_stored(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str], form: str
) -> None:
    token = issuer.login().access_token
    host = [] if "{host}" in form else ["--host", workspace.url]
    stdin = form.format(host=workspace.url, token=token)
    done = await run("auth", "login", "--token", *host, stdin=stdin, **user)
    assert done.returncode == 0, done.stderr
    assert b"stored a token at 127.0.0.1" in done.stdout
    assert b"as ann@example.com" in done.stdout
    assert token not in all_of(done)
    given = await run("auth", "token", "--host", workspace.url, **user)
    assert given.stdout == f"{token}\n".encode()
    status = json.loads(
        (await run("auth", "status", "--json", "--host", workspace.url, **user)).stdout
    )
    assert (status["strategy"], status["works"]) == ("pat", True)


async def test_a_token_that_the_host_refuses_is_not_stored(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    done = await run("auth", "login", "--token", "--host", workspace.url, stdin=BAD, **user)
    assert done.returncode == 4
    (line,) = told(done)
    assert "does not accept the token (status 403)" in line
    assert BAD not in all_of(done) + files_of(user)


@pytest.mark.parametrize(("status", "expected"), [(401, 4), (429, 5)])
async def test_what_a_host_says_of_a_token_is_not_told(
    workspace: FakeGateway, user: dict[str, str], status: int, expected: int
) -> None:
    workspace.issuer = None
    quoting = {"error_code": "X", "message": f"what is {BAD}?"}
    workspace.add(Reply.error(status, quoting, headers={"Retry-After": "60"}), path=ME)
    done = await run("auth", "login", "--token", "--host", workspace.url, stdin=BAD, **user)
    assert done.returncode == expected
    assert BAD not in all_of(done) + files_of(user)


@pytest.mark.parametrize("answer", [Reply.error(404, {}), None], ids=["no such path", "forbidden"])
async def test_a_token_is_stored_where_the_host_does_not_tell_whose_it_is(
    workspace: FakeGateway, user: dict[str, str], answer: Reply | None
) -> None:
    workspace.issuer = None
    forbidden = Reply.error(403, {"error_code": "PERMISSION_DENIED", "message": "not your scope"})
    workspace.add(answer or forbidden, path=ME)
    done = await run("auth", "login", "--token", "--host", workspace.url, stdin="dapi-1", **user)
    assert done.returncode == 0, done.stderr
    assert (b"does not say whether the token is good" in done.stderr) == (answer is not None)
    assert "dapi-1" in files_of(user)


async def test_the_workspace_of_a_host_that_serves_several_is_asked(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    token, host = issuer.login().access_token, f"{workspace.url}/?o=77"
    done = await run("auth", "login", "--token", "--host", host, stdin=token, **user)
    assert done.returncode == 0, done.stderr
    asked = workspace.requests[-1]
    assert (asked.path, asked.query) == (ME, {"o": "77"})
    assert asked.headers["x-databricks-workspace-id"] == "77"


async def test_a_page_is_no_word_for_a_token(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    page = b"<!doctype html><html><title>Databricks - Sign In</title><form>Log in</form></html>"
    workspace.add(Reply(status=200, body=page, content_type="text/html"), path=ME)
    token = issuer.login().access_token
    done = await run("auth", "login", "--token", "--host", workspace.url, stdin=token, **user)
    assert done.returncode == 4
    assert "Check that the host is the workspace's own address" in told(done)[0]
    assert files_of(user) == ""


@pytest.mark.parametrize(
    ("arguments", "stdin", "text"),
    [
        (["login", "--token", BAD], "", "auth login --token asks for a token"),
        (["login", f"--token={BAD}"], "", "does not take a value"),
        (["login", BAD], "", "it takes no argument"),
        (["token", BAD], "", "it takes no argument"),
        (["login", "--token"], "\n", "no token came"),
    ],
)
async def test_a_token_is_no_argument(
    user: dict[str, str], arguments: list[str], stdin: str, text: str
) -> None:
    done = await run("auth", *arguments, stdin=stdin, **user)
    assert done.returncode == 2
    (line,) = told(done)
    assert text in line
    assert BAD not in all_of(done)


@pytest.mark.parametrize(
    "pasted", ["Bearer dapi-1", "https://user:dapi-1@host::dapi-1", "http://far.example::dapi-1"]
)
async def test_what_is_no_token_is_refused_and_not_quoted(
    workspace: FakeGateway, user: dict[str, str], pasted: str
) -> None:
    host = [] if "::" in pasted else ["--host", workspace.url]
    done = await run("auth", "login", "--token", *host, stdin=pasted, **user)
    assert done.returncode == 4
    assert len(told(done)) == 1
    assert "dapi-1" not in all_of(done)


async def test_a_host_in_the_token_that_contradicts_the_option_is_an_error(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    pasted = "https://other.cloud.databricks.com::dapi-1"
    done = await run("auth", "login", "--token", "--host", workspace.url, stdin=pasted, **user)
    assert done.returncode == 4
    assert "two servers" in told(done)[0]


# --- a token for other programs --------------------------------------------------------------


async def test_an_expired_login_is_renewed_for_a_token(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    await store_of(user).save(KeptLogin(login=kept(issuer, workspace, over=True)))
    done = await run("auth", "token", "--host", workspace.url, **user)
    assert done.returncode == 0, done.stderr
    assert issuer.alive(done.stdout.decode().strip())
    assert issuer.refreshes == 1


def stale(issuer: Issuer, workspace: FakeGateway) -> KeptLogin:
    """A login whose token serves for a while, but not for long."""
    login = kept(issuer, workspace)
    assert login.expires_at is not None
    return KeptLogin(
        login=msgspec.structs.replace(
            login, expires_at=login.expires_at - 3000, obtained_at=login.obtained_at - 3000
        )
    )


async def test_a_token_is_renewed_ahead(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    login = stale(issuer, workspace)
    await store_of(user).save(login)
    done = await run("auth", "token", "--host", workspace.url, **user)
    assert done.returncode == 0, done.stderr
    assert issuer.refreshes == 1
    assert Secret(done.stdout.decode().strip()) != login.login.access_token
    again = await run("auth", "token", "--host", workspace.url, **user)
    assert again.stdout == done.stdout
    assert issuer.refreshes == 1


async def test_a_token_that_serves_is_printed_though_it_cannot_be_renewed(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    login = stale(issuer, workspace)
    await store_of(user).save(login)
    assert login.login.refresh_token is not None
    issuer.revoke(login.login.refresh_token.reveal())
    done = await run("auth", "token", "--host", workspace.url, **user)
    assert done.returncode == 0
    assert done.stdout == login.login.access_token.reveal().encode() + b"\n"
    assert b"was not renewed" in done.stderr


async def test_a_login_that_is_over_gives_no_token(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    login = KeptLogin(login=kept(issuer, workspace, over=True))
    await store_of(user).save(login)
    assert login.login.refresh_token is not None
    issuer.revoke(login.login.refresh_token.reveal())
    done = await run("auth", "token", "--host", workspace.url, **user)
    assert (done.returncode, done.stdout) == (4, b"")
    assert "gateway-stream auth login" in told(done)[0]


async def test_two_processes_at_once_renew_a_login_once(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    await store_of(user).save(KeptLogin(login=kept(issuer, workspace, over=True)))
    printed: list[bytes] = []

    async def ask() -> None:
        done = await run("auth", "token", "--host", workspace.url, **user)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
    assert len(printed) == 2
    assert len(set(printed)) == 1
    assert (issuer.refreshes, issuer.reuses) == (1, 0)


async def test_a_token_of_the_environment_is_printed_where_it_may_go(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    at = {**user, "DATABRICKS_HOST": workspace.url, "DATABRICKS_TOKEN": "dapi-1"}
    refused = await run("auth", "token", **at)
    assert (refused.returncode, refused.stdout) == (4, b"")
    assert "--allow-host" in told(refused)[0]
    allowed = workspace.url.removeprefix("http://")
    done = await run("auth", "token", "--allow-host", allowed, **at)
    assert (done.returncode, done.stdout) == (0, b"dapi-1\n")


async def test_nobody_logs_in_for_a_login_that_cannot_be_stored(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    write_profiles(user, "")  # a file, where a folder is wanted
    at = {**user, "GATEWAY_STREAM_HOME": f"{user['HOME']}/.databrickscfg/home"}
    done = await run("auth", "login", "--host", workspace.url, **at)
    assert done.returncode == 4
    assert len(told(done)) == 1
    assert workspace.requests == []


async def test_a_login_says_that_requests_do_not_use_it(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    write_profiles(
        user, f"[prod]\nhost = {workspace.url}\nclient_id = a\nclient_secret = made-up\n"
    )
    done = await run("auth", "login", "--profile", "prod", **user)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert "do not use it: " in said
    assert "of profile 'prod' was not sent" in said


async def test_a_gateways_own_host_has_tokens_and_no_logins(user: dict[str, str]) -> None:
    host = "https://1.ai-gateway.cloud.databricks.com"
    for command in (["token"], ["login"]):
        done = await run("auth", *command, "--host", host, **user)
        assert done.returncode == 4
        assert "workspace's host" in told(done)[0]
    done = await run("auth", "token", "--host", host, DATABRICKS_TOKEN="dapi-1", **user)
    assert done.stdout == b"dapi-1\n"


# --- the status ------------------------------------------------------------------------------


async def test_a_status_names_the_variable_that_decided(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    token = issuer.login("bob@example.com").access_token
    at = {**user, "DATABRICKS_HOST": workspace.url, "DATABRICKS_TOKEN": token}
    allow = ("--allow-host", workspace.url.removeprefix("http://"))
    done = await run("auth", "status", *allow, **at)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines())
    assert lines == {
        "host": workspace.url,
        "strategy": "pat",
        "why": "DATABRICKS_TOKEN (environment)",
        "user": "bob@example.com",
        "rests": "environment",
        "works": "yes",
    }
    assert token not in all_of(done)


@pytest.mark.parametrize("json_wanted", [True, False])
async def test_a_status_without_credentials_that_work_ends_with_4(
    workspace: FakeGateway, user: dict[str, str], json_wanted: bool
) -> None:
    options = ["--json"] if json_wanted else []
    nothing = await run("auth", "status", *options, "--host", workspace.url, **user)
    assert nothing.returncode == 4
    assert "gateway-stream auth login --host" in told(nothing)[0]
    allow = ("--allow-host", workspace.url.removeprefix("http://"), "--host", workspace.url)
    bad = await run("auth", "status", *options, *allow, DATABRICKS_TOKEN=BAD, **user)
    assert bad.returncode == 4
    assert "does not accept the token" in told(bad)[0]
    assert BAD not in all_of(bad)
    if json_wanted:
        status = json.loads(bad.stdout)
        assert (status["why"], status["works"]) == ("DATABRICKS_TOKEN", False)
        assert "does not accept" in status["error"]
    else:
        assert "works     no" in bad.stdout.decode()


async def test_a_status_tells_what_is_known_of_a_host_that_is_not_there(
    user: dict[str, str],
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        netloc = f"127.0.0.1:{free.getsockname()[1]}"
        at = {**user, "DATABRICKS_HOST": f"http://{netloc}", "DATABRICKS_TOKEN": "dapi-1"}
        done = await run("auth", "status", "--json", "--allow-host", netloc, **at)
    assert done.returncode == 5
    status = json.loads(done.stdout)
    assert (status["strategy"], status["works"]) == ("pat", None)


async def test_settings_that_contradict_each_other_are_one_line(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    at = {"DATABRICKS_TOKEN": "dapi-1", "DATABRICKS_API_KEY": "dapi-2"}
    for command in (["status", "--json"], ["token"]):
        done = await run("auth", *command, "--host", workspace.url, **user, **at)
        assert done.returncode == 4
        (line,) = told(done)
        assert "DATABRICKS_TOKEN and DATABRICKS_API_KEY are both set, and differ" in line
        assert "dapi-" not in all_of(done)
    # A login is made all the same: it is not what contradicts itself.
    assert (await run("auth", "login", "--host", workspace.url, **user, **at)).returncode == 0


# --- logging out -----------------------------------------------------------------------------


async def test_a_logout_says_what_it_cannot_remove(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    await store_of(user).save(KeptLogin(login=kept(issuer, workspace)))
    write_profiles(
        user,
        f"[here]\nhost = {workspace.url}\ntoken = {BAD}\n[there]\nhost = https://x.databricks.com\ntoken = {BAD}\n",
    )
    done = await run("auth", "logout", "--host", workspace.url, DATABRICKS_TOKEN=BAD, **user)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [
        f"removed the login at {workspace.url.removeprefix('http://')}",
        "DATABRICKS_TOKEN is still set in the environment: unset it",
        f"profile 'here' still has a token: remove it from {user['HOME']}/.databrickscfg",
    ]


async def test_a_logout_of_a_profile_leaves_other_logins_and_says_so(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    write_profiles(user, f"[here]\nhost = {workspace.url}\n")
    store = store_of(user)
    await store.save(KeptLogin(login=kept(issuer, workspace), profile="here"))
    await store.save(KeptLogin(login=kept(issuer, workspace)))
    done = await run("auth", "logout", "--profile", "here", **user)
    assert done.returncode == 0, done.stderr
    assert b"another login" in done.stdout
    (entry,) = await store.entries(workspace.url)
    assert entry.profile is None
    assert (await run("auth", "logout", "--host", workspace.url, **user)).returncode == 0
    assert await store.entries(workspace.url) == []


async def test_a_logout_where_nobody_is_logged_in_says_so(user: dict[str, str]) -> None:
    done = await run("auth", "logout", "--host", "https://x.databricks.com", **user)
    assert (done.returncode, done.stdout) == (0, b"no login is stored at x.databricks.com\n")


# --- profiles --------------------------------------------------------------------------------


async def test_profiles_are_listed_with_what_they_would_do(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    write_profiles(
        user,
        f"""
[__settings__]
default_profile = token
[token]
host = https://a.cloud.databricks.com
token = {BAD}
[machine]
host = https://b.cloud.databricks.com
client_id = {BAD}
client_secret = {BAD}
[half]
host = https://b.cloud.databricks.com
auth_type = oauth-m2m
client_id = {BAD}
[cli]
host = https://c.cloud.databricks.com
auth_type = databricks-cli
[login]
host = {workspace.url}
[federated]
host = https://d.cloud.databricks.com
oidc_token_filepath = /nonexistent
[odd]
host = https://user:{BAD}@host
""",
    )
    await store_of(user).save(KeptLogin(login=kept(issuer, workspace)))
    done = await run("auth", "profiles", PATH="/nonexistent", **user)
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=3) for line in done.stdout.decode().splitlines()]
    assert rows[0] == ["profile", "host", "strategy", "ready"]
    told_of = {row[0]: row[-1] for row in rows[1:]}
    assert done.stdout.decode().splitlines()[1].split() == [
        "token", "*", "https://a.cloud.databricks.com", "pat", "yes",
    ]  # fmt: skip
    assert told_of["machine"] == "yes"
    assert "needs a client_secret" in told_of["half"]
    assert told_of["cli"] == "no: nobody is logged in"
    assert told_of["login"].startswith("yes: external-browser, in a file")
    assert told_of["federated"] == "no: its file with a token is not there"
    assert told_of["odd"].startswith("no: ")
    assert BAD not in all_of(done)
    assert not workspace.requests


async def test_no_profiles_are_no_lines(user: dict[str, str]) -> None:
    done = await run("auth", "profiles", **user)
    assert (done.returncode, done.stdout) == (0, b"")


async def test_without_a_command_the_help_names_all_of_them(user: dict[str, str]) -> None:
    done = await run("auth", **user)
    assert done.returncode == 2
    for command in ("login", "status", "token", "logout", "profiles"):
        assert f" {command} " in done.stdout.decode()
