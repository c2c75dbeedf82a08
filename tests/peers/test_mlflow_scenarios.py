"""The scenarios through MLflow's AI gateway, in the dialects that it passes through.

It begins a stream with 200 before its upstream has answered. So a refusal comes as a frame, and how long to
wait is lost (S01): no client can keep to what it was not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gateway_stream.testing import FakeGateway, FamilyName
from gateway_stream.testing.playing import TROUBLED, play
from gateway_stream.testing.scenarios import HEALTHY, SCENARIOS, Scenario
from gateway_stream.testing.scorecard import this_client
from tests.peers import mlflow_gateway
from tests.peers.mlflow_gateway import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]  # the server is slow to start

TEMPO = 0.3
FAMILIES: Final[dict[FamilyName, tuple[str, str]]] = {
    "openai_responses": ("openai", "/openai/v1"),
    "anthropic": ("anthropic", "/anthropic/v1"),
    "gemini": ("gemini", "/gemini/v1beta"),
}
"""MLflow's name of the provider, and where its API begins on a gateway."""

PASSED_ON: Final = [scenario for scenario in SCENARIOS if scenario.number != "S01"]


@pytest.fixture(scope="module")
async def fake() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def mlflow(fake: FakeGateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    endpoints = [
        Endpoint(f"{model}-{provider}", provider, fake.url + base, model)
        for provider, base in FAMILIES.values()
        for model in (TROUBLED, HEALTHY)
    ]
    python, folder = mlflow_gateway.interpreter(), tmp_path_factory.mktemp("mlflow")
    gemini = f"{fake.url}/gemini/v1beta/models"
    with mlflow_gateway.running_mlflow(python, folder, endpoints, gemini=gemini) as origin:
        yield f"{origin}/gateway"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scenario", PASSED_ON, ids=lambda it: f"{it.number}-{it.name}")
async def test_this_client_passes_through_mlflow(
    fake: FakeGateway, mlflow: str, scenario: Scenario, family: FamilyName
) -> None:
    provider, _ = FAMILIES[family]
    models = (f"{TROUBLED}-{provider}", f"{HEALTHY}-{provider}")
    client = this_client()
    scored = await play(fake, scenario, family, client, tempo=TEMPO, host=mlflow, models=models)
    assert (scored.grade, scored.wrong) == ("pass", ())
