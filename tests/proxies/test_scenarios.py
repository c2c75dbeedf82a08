"""The sixteen scenarios are passed through proxies and under TLS as they are without."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import FakeGateway, FamilyName
from gateway_stream.testing.playing import play
from gateway_stream.testing.scenarios import SCENARIOS, Scenario
from gateway_stream.testing.scorecard import this_client
from tests.proxies.answers import COMPRESSED, UNBUFFERED, haproxy, nginx
from tests.proxies.servers import NEEDS_NGINX, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

TEMPO = 0.05
FAMILIES: tuple[FamilyName, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


def parts() -> list[ParameterSet]:
    """Each scenario in one family, and in the others where time does not matter."""
    return [
        pytest.param(
            scenario,
            family,
            id=f"{scenario.number}-{family}",
            marks=[] if place % 4 == turn else [pytest.mark.slow],
        )
        for place, scenario in enumerate(SCENARIOS)
        for turn, family in enumerate(FAMILIES)
    ]


PARTS = pytest.mark.parametrize(("scenario", "family"), parts())


@PARTS
@pytest.mark.parametrize(
    "proxy",
    [
        nginx(UNBUFFERED, "unbuffered"),
        haproxy(),
        pytest.param(COMPRESSED, id="nginx, compressing", marks=[NEEDS_NGINX, pytest.mark.slow]),
    ],
)
async def test_this_client_passes_through_a_proxy(
    fake_gateway: FakeGateway,
    certificate: Path,
    bundle: Path,
    tmp_path: Path,
    proxy: Proxy,
    scenario: Scenario,
    family: FamilyName,
) -> None:
    upstream = fake_gateway.url.removeprefix("http://")
    async with proxy.serve(upstream, certificate, tmp_path) as url:
        client = this_client(ssl=bundle)
        scored = await play(fake_gateway, scenario, family, client, tempo=TEMPO, host=url)
    assert (scored.grade, scored.wrong, scored.errors if scored.grade == "safe" else ()) == (
        "pass",
        (),
        (),
    )
    assert scored.tries == len([it for it in fake_gateway.requests if it.model != "healthy"])


@PARTS
async def test_this_client_passes_under_tls(
    certificate: Path, bundle: Path, scenario: Scenario, family: FamilyName
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with FakeGateway(ssl=context) as gateway:
        scored = await play(gateway, scenario, family, this_client(ssl=bundle), tempo=TEMPO)
    assert (scored.grade, scored.wrong) == ("pass", ())
