"""Logins that somebody made before, where no setting says what authorizes."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Final

import pytest

from gateway_stream import AuthError, Client, ConfigError
from gateway_stream.auth import PAT, Secret
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.net.admission import Cost, Place
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.loops import Post
from gateway_stream.net.watchdog import Timeouts, Watch
from gateway_stream.sending import send_authorized
from gateway_stream.testing import FakeGateway, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

W: Final = "https://acme.cloud.databricks.com"
G: Final = "https://123.ai-gateway.cloud.databricks.com"
HELLO: Final = Reply.scripted(text="hello")
CLI: Final = """#!{python} -SE
print('{{"access_token": "{token}", "token_type": "Bearer"}}')
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GATEWAY_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABRICKS_AUTH_STORAGE", "plaintext")
    monkeypatch.setenv("DATABRICKS_CLI_PATH", str(tmp_path / "databricks"))


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=HELLO, tokens=None, keep_credentials=True) as gateway:
        yield gateway


async def log_in(host: str, token: str, profile: str | None = None) -> None:
    kept = KeptLogin.of_token(host, Secret(token), profile=profile)
    await LoginStore().save(kept)


def jwt(claims: dict[str, str]) -> str:
    written = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{written}.c2ln"


def install_cli(folder: Path, *, claims: dict[str, str] | None = None) -> None:
    token = jwt(claims) if claims else "dapiCLI"
    program = folder / "databricks"
    program.write_text(CLI.format(python=sys.executable, token=token))
    program.chmod(0o700)


async def token_of(client: Client) -> str:
    """The token that the client would send."""
    source = client._settings.source
    assert source is not None
    state = await client._loops.here()
    credentials = await client._services.of(source).credentials(state)
    return credentials.token.value.reveal()


def sent(gateway: FakeGateway) -> list[str | None]:
    return [received.headers.get("authorization") for received in gateway.requests]


# --- at a host of Databricks ---


async def test_a_stored_login_comes_before_the_clis(tmp_path: Path) -> None:
    install_cli(tmp_path)
    await log_in(W, "dapiSTORED")
    async with Client(host=W) as client:
        assert not client.anonymous
        assert await token_of(client) == "dapiSTORED"


async def test_without_a_stored_login_the_clis_counts(tmp_path: Path) -> None:
    install_cli(tmp_path)
    await log_in("https://other.cloud.databricks.com", "dapiOTHER")
    async with Client(host=W) as client:
        assert await token_of(client) == "dapiCLI"


async def test_the_clis_login_has_to_have_the_scopes_that_the_settings_name(
    tmp_path: Path,
) -> None:
    install_cli(tmp_path, claims={"scope": "all-apis offline_access"})
    profile = f"[DEFAULT]\nhost = {W}\nscopes = sql\n"
    (tmp_path / ".databrickscfg").write_text(profile)
    async with Client() as client:
        with pytest.raises(AuthError, match=r"nobody is logged in.*other scopes"):
            await token_of(client)
    (tmp_path / ".databrickscfg").write_text(profile.replace("sql", "all-apis"))
    async with Client() as client:
        assert (await token_of(client)).count(".") == 2


async def test_a_cli_that_may_succeed_the_next_time_is_not_told_as_no_login(
    tmp_path: Path,
) -> None:
    (tmp_path / "databricks").write_text("#!/bin/sh\necho cache update: locked >&2\nexit 1\n")
    (tmp_path / "databricks").chmod(0o700)
    async with Client(host=W) as client:
        with pytest.raises(AuthError, match="gave no token") as caught:
            await token_of(client)
    assert caught.value.retryable


async def test_without_any_login_the_error_says_how_to_log_in() -> None:
    async with Client(host=W) as client:
        with pytest.raises(AuthError) as caught:
            await client.complete("claude", "hi")
    error = caught.value
    assert error.message.startswith("nobody is logged in at acme.cloud.databricks.com")
    assert f"gateway-stream auth login --host {W}" in (error.hint or "")
    assert "\n" not in str(error)


async def test_the_error_says_why_what_was_found_does_not_count(tmp_path: Path) -> None:
    other = "[DEFAULT]\nhost = https://other.cloud.databricks.com\ntoken = dapiOTHER\n"
    (tmp_path / ".databrickscfg").write_text(other)
    async with Client(host=W) as client:
        with pytest.raises(
            AuthError, match="the token of profile 'DEFAULT' was not sent"
        ) as caught:
            await client.complete("claude", "hi")
    assert "dapiOTHER" not in str(caught.value)


async def test_a_profile_that_is_named_has_a_login_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text(f"[mine]\nhost = {W}\n")
    await log_in(W, "dapiHOST")
    await log_in(W, "dapiMINE", profile="mine")
    async with Client(profile="mine") as mine, Client(host=W) as other:
        assert await token_of(mine) == "dapiMINE"
        assert await token_of(other) == "dapiHOST"


async def test_a_gateways_own_host_needs_the_workspace_for_a_login(tmp_path: Path) -> None:
    install_cli(tmp_path)
    async with Client(host=G) as client:
        with pytest.raises(ConfigError, match="needs the workspace's host") as caught:
            await client.complete("claude", "hi")
    assert "DATABRICKS_HOST" in str(caught.value)


async def test_a_token_that_is_stored_for_a_gateways_own_host_needs_no_workspace() -> None:
    await log_in(G, "dapiGATEWAY")
    async with Client(host=G) as client:
        assert await token_of(client) == "dapiGATEWAY"


async def test_oauth_for_a_gateways_own_host_alone_names_the_workspace_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "id")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret")
    async with Client(host=G) as client:
        with pytest.raises(ConfigError, match="needs the workspace's host"):
            await client.complete("claude", "hi")


# --- at any other ---


async def test_without_a_login_requests_go_without_credentials(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    install_cli(tmp_path)
    await log_in(W, "dapiSTORED")
    async with Client(host=gateway.url) as client:
        assert client.anonymous
        await client.complete("claude", "hi")
        await client.complete("claude", "hi")
        assert client.anonymous
    assert sent(gateway) == [None, None]


async def test_a_login_for_the_very_host_is_used(gateway: FakeGateway) -> None:
    await log_in(gateway.url, "dapiHERE")
    async with Client(host=gateway.url) as client:
        await client.complete("claude", "hi")
        assert not client.anonymous
    assert sent(gateway) == ["Bearer dapiHERE"]


async def test_a_refusal_without_credentials_says_why_there_were_none(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.tokens = {"dapiENV"}
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapiENV")
    async with Client(host=gateway.url) as client:
        with pytest.raises(AuthError, match="is no host of Databricks") as caught:
            await client.complete("claude", "hi")
    assert caught.value.status == 401
    assert sent(gateway) == [None]


async def test_a_refused_login_is_not_told_as_none(gateway: FakeGateway) -> None:
    gateway.tokens = set()
    await log_in(gateway.url, "dapiHERE")
    async with Client(host=gateway.url) as client:
        with pytest.raises(AuthError) as caught:
            await client.complete("claude", "hi")
    assert "no token was found" not in str(caught.value)


async def test_a_login_made_after_a_refusal_is_found(gateway: FakeGateway) -> None:
    async with Client(host=gateway.url) as client:
        await client.complete("claude", "hi")
        gateway.tokens = {"dapiHERE"}
        await log_in(gateway.url, "dapiHERE")
        await client.complete("claude", "hi")
        assert not client.anonymous
    assert sent(gateway) == [None, None, "Bearer dapiHERE"]


async def test_why_there_is_no_token_is_told_to_those_alone_who_sent_none(
    gateway: FakeGateway,
) -> None:
    gateway.tokens = set()
    async with Client(host=gateway.url, token="dapiX") as client:
        state = await client._loops.here()
        service = client._services.of(PAT(Secret("dapiX")))
        watch = Watch(Timeouts(), state.watchdog, SYSTEM.monotonic())
        url = f"{gateway.url}/serving-endpoints/m"
        post = Post(
            url,
            {},
            b"{}",
            Place(gateway.url, "m", service),
            None,
            Cost(),
            elsewhere=False,
            watch=watch,
        )
        with pytest.raises(AuthError) as caught:
            await send_authorized(state, service, post, again=False, no_token="because")
    assert "because" not in str(caught.value)
