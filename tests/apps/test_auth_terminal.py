"""Somebody at the terminal: what they are offered and asked, and what is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import DeviceFlow, FakeGateway, Issuer
from tests.apps.commands import run, told
from tests.apps.terminal import at_terminal
from tests.apps.test_auth import files_of

if TYPE_CHECKING:
    from pathlib import Path

CHAT = ("chat", "-m", "claude", "why?", "--host")
OFFER = "in the browser? [Y/n] "


@pytest.mark.parametrize("answer", ["", "y", "Yes"])
async def test_a_chat_at_a_terminal_offers_the_login_and_goes_on(
    workspace: FakeGateway, user: dict[str, str], answer: str
) -> None:
    async with at_terminal(*CHAT, workspace.url, **user) as terminal:
        seen = await terminal.until(OFFER)
        assert f"Log in to {workspace.url.removeprefix('http://')} {OFFER}" in seen
        terminal.type(answer)
        assert await terminal.end() == 0, terminal.seen
    assert terminal.output == b"Because of the air.\n"
    assert "as ann@example.com" in terminal.seen
    assert workspace.requests[-1].identity == "ann@example.com"
    async with at_terminal(*CHAT, workspace.url, **user) as terminal:
        assert await terminal.end() == 0
    assert OFFER not in terminal.seen


@pytest.mark.parametrize("json", [[], ["--json"]], ids=["prose", "json"])
async def test_who_declines_gets_the_error(
    workspace: FakeGateway, user: dict[str, str], json: list[str]
) -> None:
    async with at_terminal(*CHAT, workspace.url, *json, **user) as terminal:
        await terminal.until(OFFER)
        terminal.type("n")
        assert await terminal.end() == 4
    assert terminal.seen.count("gateway-stream:") == 1
    assert f"gateway-stream auth login --host {workspace.url}" in terminal.seen
    assert terminal.output.count(b'"failure"') == len(json)
    assert files_of(user) == ""


async def test_ctrl_c_at_the_offer_ends_the_command(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    async with at_terminal(*CHAT, workspace.url, **user) as terminal:
        await terminal.until(OFFER)
        terminal.interrupt()
        assert await terminal.end() == 130
    assert "interrupted" in terminal.seen


async def test_a_login_that_fails_after_the_offer_is_the_error(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    issuer.user = None
    async with at_terminal(*CHAT, workspace.url, **user) as terminal:
        await terminal.until(OFFER)
        terminal.type("y")
        assert await terminal.end() == 4
    assert "the login was refused" in terminal.seen


async def test_without_a_terminal_nothing_is_offered(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    done = await run(*CHAT, workspace.url, **user)
    assert done.returncode == 4
    assert len(told(done)) == 1
    assert OFFER.encode() not in done.stderr


async def test_at_a_host_of_databricks_the_error_names_the_login(user: dict[str, str]) -> None:
    host = "https://nobody.cloud.databricks.com"
    done = await run(*CHAT, host, **user)
    assert done.returncode == 4
    assert f"gateway-stream auth login --host {host}" in told(done)[0]
    async with at_terminal(*CHAT, host, **user) as terminal:
        await terminal.until(f"Log in to nobody.cloud.databricks.com {OFFER}")
        terminal.type("no")
        assert await terminal.end() == 4


async def test_a_server_that_knows_no_logins_is_offered_none(user: dict[str, str]) -> None:
    async with (
        FakeGateway(tokens={"key"}) as server,
        at_terminal(*CHAT, server.url, **user) as terminal,
    ):
        assert await terminal.end() == 4
    assert OFFER not in terminal.seen


async def test_a_token_that_was_found_and_refused_is_no_reason_to_offer_a_login(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    allow = ("--allow-host", workspace.url.removeprefix("http://"))
    at = {**user, "DATABRICKS_TOKEN": "dapi-bad"}
    async with at_terminal(*CHAT, workspace.url, *allow, **at) as terminal:
        assert await terminal.end() == 4
    assert OFFER not in terminal.seen


async def test_a_token_is_typed_without_being_seen(
    workspace: FakeGateway, issuer: Issuer, user: dict[str, str]
) -> None:
    token = issuer.login().access_token
    login = ("auth", "login", "--token", "--host", workspace.url)
    async with at_terminal(*login, **user) as terminal:
        await terminal.until("(not shown): ")
        terminal.type(token)
        assert await terminal.end() == 0, terminal.seen
    assert token not in terminal.seen
    assert token in files_of(user)


async def test_what_is_typed_and_is_no_text_is_wrong_usage(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    strict = {**user, "PYTHONIOENCODING": "utf-8:strict"}
    login = ("auth", "login", "--token", "--host", workspace.url)
    async with at_terminal(*login, **strict) as terminal:
        await terminal.until("(not shown): ")
        terminal.type("dapi\udcff")
        assert await terminal.end() == 2
    assert "what was typed is not UTF-8 text" in terminal.seen
    assert "dapi" not in terminal.seen


async def test_ctrl_c_while_a_browser_is_open_ends_both(
    workspace: FakeGateway, user: dict[str, str], tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho a window opens\nexec sleep 60\n")
    browser.chmod(0o755)
    at = {**user, "BROWSER": f"{browser} %s"}
    async with at_terminal("auth", "login", "--host", workspace.url, **at) as terminal:
        await terminal.until("a window opens")
        terminal.interrupt()
        assert await terminal.end() == 130
    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize(
    ("device", "prompt"), [(None, "the code in it: "), (DeviceFlow(), "or go to")]
)
async def test_ctrl_c_where_a_browser_elsewhere_is_waited_for_ends_the_command(
    workspace: FakeGateway,
    issuer: Issuer,
    user: dict[str, str],
    device: DeviceFlow | None,
    prompt: str,
) -> None:
    issuer.device = device
    login = ("auth", "login", "--no-browser", "--host", workspace.url)
    async with at_terminal(*login, **user) as terminal:
        await terminal.until(prompt)
        terminal.interrupt()
        assert await terminal.end() == 130
    assert files_of(user) == ""


async def test_ctrl_c_at_the_question_for_a_token_ends_the_command(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    async with at_terminal("auth", "login", "--token", "--host", workspace.url, **user) as terminal:
        await terminal.until("(not shown): ")
        terminal.interrupt()
        assert await terminal.end() == 130
    assert files_of(user) == ""
