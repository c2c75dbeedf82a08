"""What the pages about credentials say. The one about logging in is done, section by section.

It is held against a workspace on this machine.

A section's settings are its shell lines that export something, its workflow's ``env:``, its profiles. Each of them is put
into an environment of its own, and the page's first program is run in it; the section's own programs are run
with all of its settings. Commands that log in are run before. Each program has to get an answer, from a gateway
that answers nobody whom it does not know, and as the one who is meant.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import auth
from gateway_stream.auth import Secret, methods, service, token
from gateway_stream.auth.login import interactive as login
from gateway_stream.auth.login import loopback
from gateway_stream.auth.sources import databricks_cli, unified
from gateway_stream.auth.store import keyring_store
from gateway_stream.auth.store import login_store as store
from gateway_stream.gateway import places
from gateway_stream.net import calls
from tests.apps.commands import COMMAND
from tests.support.workspace import (
    CLI_USER,
    GITHUB,
    HOST,
    PRINCIPAL,
    RUNNER,
    SUBJECT,
    open_workspace,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.workspace import Workspace

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "how-to" / "log-in.md"
SECTION = re.compile(r"^## (?P<name>.+)\n(?P<text>(?:(?!^## ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
WORKFLOW_VARIABLE = re.compile(r"^ +([A-Z_]+): (\S+)$", re.MULTILINE)
PROFILE = re.compile(r"^\[(\w+)\]$", re.MULTILINE)

RUNNER_OF = """
import ast, asyncio, inspect, sys
code = compile(sys.argv[1], "<page>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
left = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(left):
    asyncio.run(left)
"""
"""Runs a program as it stands, or as a notebook would."""

USER = "user@example.com"
WHO = {
    "On your own machine": USER,
    "Over SSH": USER,
    "In GitHub Actions": PRINCIPAL,
    "In another job that has an identity": PRINCIPAL,
    "As a service principal": PRINCIPAL,
    "With a profile prod": PRINCIPAL,
    "With a profile mine": CLI_USER,
}
"""Who asks, as the gateway sees it; all others have a token that was given."""

NOTEBOOK = """
def init_runtime_native_unified():
    return "%s", None, None, lambda: {"Authorization": "Bearer %s"}
"""


@dataclass
class Case:
    """One program with its settings."""

    section: str
    code: str
    environ: dict[str, str] = field(default_factory=dict)
    profiles: str = ""
    text: str = ""

    @property
    def commands(self) -> list[list[str]]:
        """What is run at a terminal before."""
        lines = re.findall(r"^gateway-stream (.+)$", self.text, re.MULTILINE)
        return [shlex.split(line) for line in lines]

    @property
    def who(self) -> str | None:
        """Who asks."""
        profile = self.environ.get("DATABRICKS_CONFIG_PROFILE", "")
        named = re.search(r'profile="(\w+)"', self.code)
        return WHO.get(f"{self.section} {named[1] if named else profile}".strip())


def variables(kind: str, text: str) -> dict[str, str]:
    if kind == "yaml":
        return dict(WORKFLOW_VARIABLE.findall(text))
    told: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("export "):
            settings = (word.partition("=") for word in shlex.split(line)[1:])
            told |= {name: value for name, _, value in settings}
    return told


def cases() -> list[object]:
    text = PAGE.read_text()
    blocks = [(found["kind"], found["text"]) for found in BLOCK.finditer(text)]
    program = next(code for kind, code in blocks if kind == "python")
    found_all: list[object] = []

    def add(case: Case) -> None:
        found_all.append(pytest.param(case, id=f"{case.section} {len(found_all)}"))

    for section in SECTION.finditer(text):
        name, whole = section["name"], section["text"]
        settings: dict[str, str] = {}
        profiles = ""
        own: list[str] = []
        for block in BLOCK.finditer(whole):
            kind, content = block["kind"], block["text"]
            if kind == "python":
                own.append(content)
            elif kind == "ini":
                profiles = content
                for profile in PROFILE.findall(content):
                    chosen = {"DATABRICKS_CONFIG_PROFILE": profile}
                    add(Case(name, program, chosen, content, whole))
            elif told := variables(kind, content):
                settings |= told
                add(Case(name, program, told, "", whole))
        for code in own:
            add(Case(name, code, settings, profiles, whole))
    return found_all


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    async with open_workspace(tmp_path) as workspace:
        yield workspace


def supplied(case: Case, folder: Path) -> dict[str, str]:
    """What the place where a program runs gives it, beside what the page tells its reader to set."""
    environ: dict[str, str] = {}
    if "id-token: write" in case.text:
        environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"https://{GITHUB}/idtoken?api-version=2.0"
        environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = RUNNER
    if "%pip" in case.text:
        package = folder / "runtime" / "dbruntime"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "sdk_credential_provider.py").write_text(NOTEBOOK % (HOST, "dapi..."))
        path = f"{package.parent}{os.pathsep}{DOCS.parent}"
        environ |= {"DATABRICKS_RUNTIME_VERSION": "16.4", "PYTHONPATH": path}
    return environ


async def log_in(command: list[str], environ: dict[str, str]) -> None:
    """Run a command, and do what it tells a person to do who has a browser elsewhere."""
    with anyio.fail_after(30):
        async with await anyio.open_process([COMMAND, *command], env=environ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            told = ""
            async for read in process.stderr:
                told += read.decode()
                address = re.search(r"any browser: (\S+)", told)
                if address and told.endswith("in it: "):
                    came_back = await browse(address[1], environ)
                    await process.stdin.send(came_back.encode() + b"\n")
            assert await process.wait() == 0, told


async def browse(url: str, environ: dict[str, str]) -> str:
    """Where a browser ends that cannot open the last address."""
    code = """
import sys, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        print(arguments[-1])
try:
    urllib.request.build_opener(Stay).open(sys.argv[1])
except urllib.error.HTTPError:
    pass
"""
    ended = await anyio.run_process([sys.executable, "-c", code, url], env=environ)
    return ended.stdout.decode().strip()


@pytest.mark.parametrize("case", cases())
async def test_a_way_to_log_in_gets_an_answer(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    environ = {**workspace.environ, **case.environ, **supplied(case, tmp_path)}
    environ = {
        name: SUBJECT if value.startswith("$(") else value for name, value in environ.items()
    }
    code = case.code
    for place in re.findall(r'FromFile\("([^"]+)"\)', code):
        file = tmp_path / "token"
        file.write_text(SUBJECT + "\n")
        code = code.replace(place, str(file))
    if case.profiles:
        (workspace.home / ".databrickscfg").write_text(case.profiles)
    for command in case.commands:
        await log_in(command, environ)
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", "-c", RUNNER_OF, code],
            env=environ, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert workspace.asked() == [case.who]


# --- what the pages say and the code knows ------------------------------------------------------

REFERENCE = (DOCS / "reference" / "auth.md").read_text()
TOKENS = (DOCS / "explanation" / "tokens.md").read_text()
NUMBERS = {
    "it is taken to live": token.UNKNOWN_LIFE / 60,
    "it is renewed behind the scenes": service.IDLE / 60,
    "a failure is told again": service.RECALL,
    "no third token": service.SETTLING,
    "a fetch": service.FETCH_SECONDS,
    "one call of it": calls.SECONDS,
    "one call of it, ": calls.ATTEMPTS,
    "the Databricks CLI": databricks_cli.SECONDS,
    "the Databricks CLI, ": databricks_cli.ATTEMPTS,
    "databricks-sdk": unified.SECONDS,
    "a person in the browser": login.SECONDS / 60,
    "the ports": loopback.PORTS[0],
    "the ports, ": loopback.PORTS[-1],
    "a keyring": keyring_store.SECONDS,
    "the lock": store.PATIENCE,
}


@pytest.mark.parametrize("row", NUMBERS)
def test_a_number_of_the_reference_is_the_codes(row: str) -> None:
    lines = re.findall(rf"^\| {row.removesuffix(', ')}[^|]*\| (.*) \|$", REFERENCE, re.MULTILINE)
    assert [re.search(rf"\b{NUMBERS[row]:g}\b", line) is not None for line in lines] == [True]


@pytest.mark.parametrize("life", [3600, 1800, 600, 60])
def test_the_life_of_a_token_is_told_as_it_is_judged(life: int) -> None:
    judged = token.Token(value=Secret("any"), obtained_at=0, expires_at=life)
    named = "1 h" if life == 3600 else f"{life // 60} min"
    stale, over = (f"{int(at // 60)}:{int(at % 60):02}" for at in (judged.stale_at, judged.over_at))
    assert f"| {named} | {stale} | {over} |" in TOKENS


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_way_to_log_in_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("setting", places.VARIABLES)
def test_a_setting_is_in_the_reference_with_its_variables(setting: str) -> None:
    for name in (setting, *places.VARIABLES[setting]):
        # A token for the one exchange is in no profile.
        assert f"`{name}`" in REFERENCE or name == "oidc_token", name


@pytest.mark.parametrize("name", auth.__all__)
def test_what_is_public_of_credentials_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in REFERENCE or name in ("FromFile", "FromGitHub", "FromVariable")


def test_the_picture_of_a_tokens_life_is_what_its_script_draws() -> None:
    spec = importlib.util.spec_from_file_location("drawing", DOCS / "draw_token_life.py")
    assert spec is not None
    assert spec.loader is not None
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert (DOCS / "explanation" / "token-life.svg").read_text() == drawing.draw()
