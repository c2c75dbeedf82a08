"""A proxy answers with pages of its own, under statuses that mean what they mean at a gateway."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from gateway_stream import BadRequest, Client, GatewayError, GatewayUnavailable, Overloaded
from gateway_stream.testing import FakeGateway, Fault
from tests.proxies.answers import ANSWER, haproxy, nginx
from tests.proxies.servers import NEEDS_HAPROXY, NEEDS_NGINX, HAProxy, Nginx

if TYPE_CHECKING:
    from tests.proxies.conftest import Through
    from tests.proxies.servers import Proxy

NEVER_BEGUN = Fault(delay_headers=60)
NO_RESPONSE = Fault(no_response=True)
RESET = Fault(no_response=True, cut="reset")


async def refusal(client: Client, question: str = "why?") -> GatewayError:
    """What is raised, once it is shown to be one short line without markup."""
    with pytest.raises(GatewayError) as caught:
        await client.complete("databricks-claude-sonnet-4-6", question)
    error = caught.value
    assert error.partial is None
    assert error.phase == "response"
    text = str(error)
    assert "\n" not in text
    assert "<" not in text
    assert len(text) < 200
    return error


@pytest.mark.parametrize(
    "proxy", [nginx("proxy_read_timeout 100ms;", "impatient"), haproxy("timeout server 100ms")]
)
async def test_a_response_that_a_proxy_waits_for_in_vain_is_a_gateway_unavailable(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = ANSWER.with_fault(NEVER_BEGUN)
    async with through(proxy) as client:
        error = await refusal(client)
    assert isinstance(error, GatewayUnavailable)
    assert (error.status, error.retryable) == (504, True)
    assert "Gateway Time-out" in str(error)


@pytest.mark.parametrize("fault", [NO_RESPONSE, RESET], ids=["closed", "reset"])
@pytest.mark.parametrize("proxy", [nginx("", "as it comes"), haproxy()])
async def test_a_gateway_that_ends_the_connection_unanswered_is_unavailable(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy, fault: Fault
) -> None:
    fake_gateway.default = ANSWER.with_fault(fault)
    async with through(proxy) as client:
        error = await refusal(client)
    assert isinstance(error, GatewayUnavailable)
    assert (error.status, error.retryable) == (502, True)
    assert "Bad Gateway" in str(error)


@NEEDS_NGINX
async def test_a_gateway_that_refuses_connections_is_unavailable_behind_nginx(
    through: Through,
) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        host, port = unheard.getsockname()
        async with through(Nginx(), upstream=f"{host}:{port}") as client:
            error = await refusal(client)
    assert isinstance(error, GatewayUnavailable)
    assert (error.status, error.retryable) == (502, True)


@pytest.mark.parametrize("server", ["", "disabled"], ids=["refuses", "is taken out"])
@NEEDS_HAPROXY
async def test_a_gateway_that_is_down_is_overloaded_behind_haproxy(
    through: Through, server: str
) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        host, port = unheard.getsockname()
        async with through(HAProxy(server=server), upstream=f"{host}:{port}") as client:
            error = await refusal(client)
    assert isinstance(error, Overloaded)
    assert (error.status, error.retryable) == (503, True)
    assert "Service Unavailable" in str(error)


@pytest.mark.parametrize("size", [2_000, 5_000_000])
@NEEDS_NGINX
async def test_a_request_too_large_for_a_proxy_is_refused_though_it_is_still_being_sent(
    through: Through, fake_gateway: FakeGateway, size: int
) -> None:
    async with through(Nginx(settings="client_max_body_size 1k;")) as client:
        error = await refusal(client, "x" * size)
    assert isinstance(error, BadRequest)
    assert (error.status, error.retryable) == (413, False)
    assert "Request Entity Too Large" in str(error)
    assert fake_gateway.requests == []


@NEEDS_NGINX
async def test_a_proxy_that_gives_no_page_beside_a_limit_names_the_wait(
    through: Through, fake_gateway: FakeGateway
) -> None:
    limit = "location /ai-gateway/ { add_header Retry-After 7 always; return 429; }"
    async with through(Nginx(settings=limit)) as client:
        error = await refusal(client)
    assert (error.kind, error.status) == ("rate_limited", 429)
    assert (error.retryable, error.retry_after) == (True, 7.0)
    assert fake_gateway.requests == []
