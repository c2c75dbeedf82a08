"""Against a real workspace: one request by each way to log in, and a token renewed where it can be.

``make live`` runs these. Each needs its own settings, in the environment or in ``~/.databrickscfg``, and skips where
they are not there. All need a host (``DATABRICKS_HOST``, or the profile's), and one model, which
``GATEWAY_STREAM_LIVE_MODEL`` names.

================  ==========================================================================================
way               settings
================  ==========================================================================================
pat               ``DATABRICKS_TOKEN``
host::token       the same, beside ``DATABRICKS_HOST``
oauth-m2m         ``DATABRICKS_CLIENT_ID``, ``DATABRICKS_CLIENT_SECRET``
external-browser  ``gateway-stream auth login``, done before for ``DATABRICKS_HOST``
databricks-cli    ``GATEWAY_STREAM_LIVE_CLI_PROFILE``: the profile of a ``databricks auth login``
unified           ``GATEWAY_STREAM_LIVE_UNIFIED``: a way of databricks-sdk, such as ``azure-cli``
env-oidc          ``DATABRICKS_OIDC_TOKEN``, and ``DATABRICKS_CLIENT_ID`` for a service principal's policy
================  ==========================================================================================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gateway_stream import Client
from gateway_stream.auth import PAT
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.gateway.settings import resolve

pytestmark = pytest.mark.live

MODEL = os.environ.get("GATEWAY_STREAM_LIVE_MODEL") or "databricks-meta-llama-3-3-70b-instruct"


def given(*names: str) -> list[str]:
    """The values of variables, without which a test is skipped."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.skip(f"not set: {', '.join(missing)}")
    return [os.environ[name] for name in names]


async def holds(**arguments: Any) -> None:
    """A model answers whoever logs in so, and answers their next token too, where there is another."""
    settings = resolve(**arguments, environ=os.environ, home=Path.home())
    source = settings.source
    assert source is not None, settings.no_token
    assert settings.workspace is not None
    async with open_desk(settings.workspace.origin, settings.account_id) as desk:
        tokens = [await source.fetch(desk, instead_of=None)]
        if source.renewable:
            tokens.append(await source.fetch(desk, instead_of=tokens[0]))
    async with Client(**arguments) as client:
        for auth in (None, *(PAT(token.value) for token in tokens)):
            asked = "Reply with the single word: pong"
            turn = await client.complete(MODEL, asked, max_tokens=500, auth=auth)
            assert "pong" in turn.text.lower()


async def test_a_personal_access_token_authorizes() -> None:
    host, token = given("DATABRICKS_HOST", "DATABRICKS_TOKEN")
    await holds(host=host, token=token)


async def test_a_pasted_host_and_token_authorize() -> None:
    host, token = given("DATABRICKS_HOST", "DATABRICKS_TOKEN")
    await holds(token=f"{host}::{token}")


async def test_a_service_principal_authorizes() -> None:
    given("DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET")
    await holds(auth="oauth-m2m")


async def test_a_stored_login_authorizes() -> None:
    (host,) = given("DATABRICKS_HOST")
    entry = await LoginStore().find(host)
    if entry is None or entry.is_token:  # which would not be renewed
        pytest.skip(f"nobody is logged in: gateway-stream auth login --host {host}")
    await holds(host=host, auth="external-browser")


async def test_the_databricks_clis_login_authorizes() -> None:
    (profile,) = given("GATEWAY_STREAM_LIVE_CLI_PROFILE")
    await holds(profile=profile, auth="databricks-cli")


async def test_a_way_of_databricks_sdk_authorizes() -> None:
    _, method = given("DATABRICKS_HOST", "GATEWAY_STREAM_LIVE_UNIFIED")
    await holds(auth=method)


async def test_the_identity_of_a_job_authorizes() -> None:
    given("DATABRICKS_HOST", "DATABRICKS_OIDC_TOKEN")
    await holds(auth="env-oidc")
