"""Somebody at the terminal: what they are offered and asked, and what is not shown."""

from __future__ import annotations

import pytest

from gateway_stream.testing import FakeGateway, Issuer
from tests.apps.commands import run, told
from tests.apps.terminal import at_terminal
from tests.apps.test_auth import files_of

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


async def test_ctrl_c_at_the_question_for_a_token_ends_the_command(
    workspace: FakeGateway, user: dict[str, str]
) -> None:
    async with at_terminal("auth", "login", "--token", "--host", workspace.url, **user) as terminal:
        await terminal.until("(not shown): ")
        terminal.interrupt()
        assert await terminal.end() == 130
    assert files_of(user) == ""
