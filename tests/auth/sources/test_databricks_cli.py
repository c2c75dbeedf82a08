"""The Databricks CLI, played by a script: how it is asked, what is made of its answers and failures."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import Client
from gateway_stream.auth import Secret, Token
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.databricks_cli import ATTEMPTS, SECONDS, DatabricksCLI
from gateway_stream.auth.token import UNKNOWN_LIFE
from gateway_stream.errors import AuthError, ConfigError, TimedOut
from gateway_stream.testing import FakeGateway, Reply
from tests.support.clock import HastyClock
from tests.support.corpus import conformance, needs_corpus
from tests.support.pipes import read_pipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from gateway_stream.auth.authority import Desk

HOST = "https://acme.cloud.databricks.com"
NO_OPTION = {"status": 1, "stderr": "Error: unknown flag: --force-refresh\n"}
CONTENDED = {"status": 1, "stderr": "Error: forced token refresh: cache update: exit status 45\n"}

PROGRAM = f"""#!{sys.executable} -SE
import json, os, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
asked = {{"arguments": sys.argv[1:], "variables": dict(os.environ)}}
with open(os.path.join(folder, "asked.jsonl"), "a") as file:
    print(json.dumps(asked), file=file)
with open(os.path.join(folder, "asked.jsonl")) as file:
    number = len(file.readlines())
with open(os.path.join(folder, "answers.json")) as file:
    answers = json.load(file)
answer = answers[min(number, len(answers)) - 1]
if "pipe" in answer:
    with open(answer["pipe"], "w") as file:  # waits until somebody reads
        file.write(str(os.getpid()))
time.sleep(answer.get("wait", 0))
print(answer.get("stdout", ""))
print(answer.get("stderr", ""), file=sys.stderr)
sys.exit(answer.get("status", 0))
"""


class Script:
    """A program in the place of ``databricks``. It gives its answers in order, the last one for ever."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = str(folder / "databricks")
        (folder / "databricks").write_text(PROGRAM)
        (folder / "databricks").chmod(0o700)

    def answers(self, *answers: dict[str, Any]) -> None:
        (self.folder / "answers.json").write_text(json.dumps(answers))

    @property
    def asked(self) -> list[dict[str, Any]]:
        path = self.folder / "asked.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def arguments(self) -> list[list[str]]:
        return [asked["arguments"] for asked in self.asked]


def gives(token: str, expiry: str | None = "2099-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    told = {"access_token": token, "token_type": "Bearer"}
    return {"stdout": json.dumps(told | ({"expiry": expiry} if expiry else {})), **more}


def signed(**claims: Any) -> str:
    written = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{written}.c2ln"


@pytest.fixture
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def kept(value: str, *, expires_in: float, lived: float = 0.0, now: float) -> Token:
    return Token(value=Secret(value), expires_at=now + expires_in, obtained_at=now - lived)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def desk(anyio_backend: object, clock: HastyClock) -> AsyncIterator[Desk]:  # noqa: ARG001
    async with open_desk(HOST) as desk:
        desk.clock = clock
        yield desk


# --- how it is asked -------------------------------------------------------------------------


async def test_it_is_asked_for_the_token_of_the_workspace(script: Script, desk: Desk) -> None:
    script.answers(gives("first"))
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert token.value == Secret("first")
    assert token.obtained_at == desk.clock.time()
    assert script.arguments == [["auth", "token", "--host", HOST, "--output", "json"]]


async def test_a_host_of_its_own_comes_first(script: Script, desk: Desk) -> None:
    script.answers(gives("first"))
    source = DatabricksCLI(host="https://other.cloud.databricks.com/", command=script.command)
    await source.fetch(desk, instead_of=None)
    assert script.arguments[0][2:4] == ["--host", "https://other.cloud.databricks.com"]


async def test_a_profile_is_asked_for_by_its_name_alone(script: Script, desk: Desk) -> None:
    script.answers(gives("first"))
    await DatabricksCLI(profile="work", command=script.command).fetch(desk, instead_of=None)
    assert script.arguments == [["auth", "token", "--profile", "work", "--output", "json"]]


async def test_without_command_it_is_the_one_on_the_path(
    script: Script, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(script.folder))
    script.answers(gives("first"))
    await DatabricksCLI().fetch(desk, instead_of=None)
    assert len(script.asked) == 1


async def test_what_the_environment_says_of_a_login_does_not_count(
    script: Script, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere.cloud.databricks.com")
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "elsewhere")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/somewhere")
    script.answers(gives("first"))
    await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    await DatabricksCLI(profile="work", command=script.command).fetch(desk, instead_of=None)
    by_host, by_profile = (asked["variables"] for asked in script.asked)
    assert "DATABRICKS_CONFIG_PROFILE" not in by_host
    assert "DATABRICKS_HOST" not in by_profile
    assert by_host["DATABRICKS_CONFIG_FILE"] == by_profile["DATABRICKS_CONFIG_FILE"] == "/somewhere"


async def test_without_workspace_and_profile_nobody_is_asked(script: Script, desk: Desk) -> None:
    desk.workspace = None
    with pytest.raises(ConfigError, match="the Databricks CLI's login needs the workspace's host"):
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert script.asked == []


# --- another token ---------------------------------------------------------------------------


async def test_a_fresh_token_that_comes_again_is_renewed_by_force(
    script: Script, desk: Desk
) -> None:
    script.answers(gives("refused"), gives("second"))
    refused = kept("refused", expires_in=3600, now=desk.clock.time())
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=refused)
    assert token.value == Secret("second")
    assert [arguments[-1] for arguments in script.arguments] == ["json", "--force-refresh"]


async def test_a_token_that_the_cli_renewed_meanwhile_is_taken(script: Script, desk: Desk) -> None:
    script.answers(gives("second"))
    refused = kept("refused", expires_in=3600, now=desk.clock.time())
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=refused)
    assert token.value == Secret("second")
    assert len(script.asked) == 1


async def test_a_stale_token_is_left_for_the_cli_to_renew(script: Script, desk: Desk) -> None:
    script.answers(gives("stale"))
    stale = kept("stale", expires_in=600, lived=3000, now=desk.clock.time())
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=stale)
    assert token.value == Secret("stale")
    assert len(script.asked) == 1


async def test_an_old_cli_cannot_be_forced_and_its_token_stays(script: Script, desk: Desk) -> None:
    script.answers(gives("refused"), NO_OPTION)
    refused = kept("refused", expires_in=3600, now=desk.clock.time())
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=refused)
    assert token.value == Secret("refused")
    assert len(script.asked) == 2


async def test_a_stream_outlives_a_token_that_the_gateway_refuses(script: Script) -> None:
    script.answers(gives("revoked"), gives("revoked"), gives("good"))
    async with FakeGateway(tokens={"good"}, default=Reply.scripted(text="hello")) as gateway:
        source = DatabricksCLI(command=script.command)
        async with Client(host=gateway.url, auth=source) as client:
            turn = await client.complete("databricks-claude-sonnet-4-6", "hi")
    assert turn.text == "hello"
    assert len(script.asked) == 3


# --- the fight for its store -----------------------------------------------------------------


@pytest.mark.parametrize(
    "told", ["Error: cache update: locked", "Error: cache: exit status 45", "CACHE UPDATE failed"]
)
async def test_a_cli_that_lost_the_fight_for_its_store_is_asked_again(
    script: Script, desk: Desk, clock: HastyClock, told: str
) -> None:
    script.answers(*[{"status": 1, "stderr": told}] * (ATTEMPTS - 1), gives("first"))
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert token.value == Secret("first")
    assert len(script.asked) == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1
    assert all(wait <= 0.1 * 2**number for number, wait in enumerate(clock.slept))


async def test_the_fight_is_given_up_in_the_end(script: Script, desk: Desk) -> None:
    script.answers(CONTENDED)
    with pytest.raises(AuthError, match="gave no token") as caught:
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert caught.value.retryable
    assert len(script.asked) == 4


async def test_a_forced_renewal_fights_too(script: Script, desk: Desk) -> None:
    script.answers(gives("refused"), CONTENDED, gives("second"))
    refused = kept("refused", expires_in=3600, now=desk.clock.time())
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=refused)
    assert token.value == Secret("second")
    assert script.arguments[2][-1] == "--force-refresh"


# --- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "message", "hint"),
    [
        (
            "Error: cache: databricks OAuth is not configured for this host",
            f"the Databricks CLI has no login for {HOST} that is good",
            f"databricks auth login --host {HOST}, or without the CLI: gateway-stream auth login",
        ),
        (
            "Error: A new access token could not be retrieved because the refresh token is invalid.",
            f"the Databricks CLI has no login for {HOST} that is good",
            f"databricks auth login --host {HOST}, or without the CLI: gateway-stream auth login",
        ),
        ("Error: No such command 'auth'.", "is too old", "Install a newer one"),
        ('Error: unknown command "auth" for "databricks"', "is too old", "Install a newer one"),
        (
            "Error: dapi-planted",
            f"gave no token for {HOST} (exit status 1)",
            f"databricks auth token --host {HOST}",
        ),
        (NO_OPTION["stderr"], "gave no token", "See why: "),
    ],
)
async def test_a_failure_says_what_to_do_and_quotes_nothing(
    script: Script, desk: Desk, told: str, message: str, hint: str
) -> None:
    script.answers({"status": 1, "stderr": told, "stdout": "dapi-planted"})
    with pytest.raises(AuthError) as caught:
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert not caught.value.retryable
    assert len(script.asked) == 1
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "planted" not in "".join(shown.format()).replace(repr(told), "")


async def test_a_profile_with_a_blank_is_quoted_for_the_shell(script: Script, desk: Desk) -> None:
    script.answers({"status": 1, "stderr": "Error: databricks OAuth is not configured"})
    with pytest.raises(AuthError, match="--profile 'my work',"):
        await DatabricksCLI(profile="my work", command=script.command).fetch(desk, instead_of=None)


@pytest.mark.parametrize("output", ["", "no JSON", "[]", "{}", '{"access_token": ""}'])
async def test_an_answer_without_a_token_is_told(script: Script, desk: Desk, output: str) -> None:
    script.answers({"stdout": output})
    with pytest.raises(AuthError, match="answered without a token") as caught:
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert caught.value.__context__ is None


async def test_a_cli_that_is_not_installed_is_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AuthError, match=r"\(databricks\) is not installed.*gateway-stream auth"):
        await DatabricksCLI().fetch(desk, instead_of=None)


async def test_a_cli_that_cannot_be_run_is_told(script: Script, desk: Desk) -> None:
    (script.folder / "databricks").chmod(0o600)
    with pytest.raises(AuthError, match="cannot be run: Permission denied"):
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)


# --- waiting for it --------------------------------------------------------------------------


@pytest.mark.timeout(20)
async def test_a_slow_cli_does_not_hold_the_loop(script: Script, desk: Desk) -> None:
    pipe = script.folder / "pipe"
    os.mkfifo(pipe)
    script.answers(gives("first", pipe=str(pipe)))
    async with anyio.create_task_group() as tasks:
        # The program ends when this task, in the same loop, has read from it.
        tasks.start_soon(read_pipe, pipe)
        token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert token.value == Secret("first")


async def test_nobody_waiting_any_more_ends_the_cli(script: Script, desk: Desk) -> None:
    pipe = script.folder / "pipe"
    os.mkfifo(pipe)
    script.answers(gives("first", pipe=str(pipe), wait=600))
    async with anyio.create_task_group() as tasks:
        source = DatabricksCLI(command=script.command)

        async def fetch() -> None:
            await source.fetch(desk, instead_of=None)

        tasks.start_soon(fetch)
        pid = int(await read_pipe(pipe))
        os.kill(pid, 0)  # it is there
        tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_program_that_never_stops_writing_is_ended(
    script: Script, desk: Desk, stream: str
) -> None:
    program = f"#!{sys.executable} -SE\nimport sys\nwhile True: sys.{stream}.write('y' * 65536)\n"
    (script.folder / "databricks").write_text(program)
    with pytest.raises(AuthError, match="gave no token"):
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)


@pytest.mark.slow
async def test_a_cli_that_hangs_is_ended(script: Script, desk: Desk) -> None:
    script.answers(gives("first", wait=600))
    started = anyio.current_time()
    with pytest.raises(TimedOut, match="did not answer within 30 s") as caught:
        await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    assert caught.value.retryable
    assert SECONDS <= anyio.current_time() - started < 2 * SECONDS


# --- how long it lives -----------------------------------------------------------------------


def cases(kind: str) -> list[Any]:
    folder = conformance()
    found = json.loads((folder / "auth_cases.json").read_text())["cases"] if folder else []
    return [
        pytest.param(case, id=f"{case['id']} {case['name']}")
        for case in found
        if case["kind"] == kind
    ]


@needs_corpus
def test_there_are_cases_of_databricks_sdk() -> None:
    assert len(cases("cli_expiry")) == 3
    assert len(cases("cli_scope")) == 7


@pytest.mark.usefixtures("_far_from_utc")
@pytest.mark.parametrize("case", cases("cli_expiry"))
async def test_expiries_are_read_as_databricks_sdk_reads_them_but_for_the_offset(
    script: Script, desk: Desk, case: dict[str, Any]
) -> None:
    # The SDK drops an offset, so that "+11:00" makes a token live eleven hours too long.
    script.answers(gives("first", case["input"]))
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    expected = datetime.fromisoformat(case["expected"]).replace(tzinfo=UTC).timestamp()
    if case["input"].endswith("+11:00"):
        expected -= 11 * 3600
    assert token.expires_at is not None
    assert 0 <= token.expires_at - expected < 1


@pytest.mark.parametrize(
    ("expiry", "claims", "expected"),
    [
        ("2030-01-01T00:00:00Z", {"exp": 5}, 1893456000.0),
        ("2030-01-01T02:00:00+02:00", None, 1893456000.0),
        ("2029-12-31T19:00:00.5-05:00", None, 1893456000.5),
        (None, {"exp": 1893456000}, 1893456000.0),
        ("soon", {"exp": 1893456000}, 1893456000.0),
        ("0001-01-01T00:00:00Z", {"exp": 1893456000}, 1893456000.0),
        ("0001-01-01T00:00:00Z", None, UNKNOWN_LIFE),
        ("", None, UNKNOWN_LIFE),
    ],
)
async def test_a_token_expires_when_the_cli_says_or_when_it_says_itself(
    script: Script,
    desk: Desk,
    expiry: str | None,
    claims: dict[str, Any] | None,
    expected: float,
) -> None:
    script.answers(gives(signed(**claims) if claims else "opaque", expiry))
    token = await DatabricksCLI(command=script.command).fetch(desk, instead_of=None)
    if expected == UNKNOWN_LIFE:
        expected += desk.clock.time()
    assert token.expires_at == expected


# --- what it may do --------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("cli_scope"))
async def test_scopes_are_held_against_the_token_as_databricks_sdk_does(
    script: Script, desk: Desk, case: dict[str, Any]
) -> None:
    given = case["input"]
    script.answers(gives(signed(**given["token_claims"])))
    source = DatabricksCLI(command=script.command, scopes=tuple(given["configured_scopes"] or ()))
    if case["expected"] == "credentials":
        assert (await source.fetch(desk, instead_of=None)).expires_at
        return
    # Whether another way is tried then ("fallthrough") is for whoever chose this one to say.
    with pytest.raises(AuthError, match=r"other scopes \(all-apis\) than wanted \(sql\)") as caught:
        await source.fetch(desk, instead_of=None)
    assert caught.value.code == "scopes"
    assert "auth login --host" in (caught.value.hint or "")
    assert "--scopes sql" in (caught.value.hint or "")


@pytest.mark.parametrize("token", ["opaque", signed(sub="ann"), signed(scope=7)])
async def test_a_token_that_says_nothing_of_scopes_is_taken(
    script: Script, desk: Desk, token: str
) -> None:
    script.answers(gives(token))
    source = DatabricksCLI(command=script.command, scopes=("sql",))
    assert (await source.fetch(desk, instead_of=None)).value == Secret(token)
