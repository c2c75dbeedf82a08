"""An answer that a proxy cuts is never a `Turn`, whoever broke off and however the body is framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import ConnectionLost, GatewayError, StreamTruncated
from gateway_stream.testing import FakeGateway, FamilyName, Fault
from tests.proxies.answers import BROKEN_OFF, HELD, MODELS, UNBUFFERED, haproxy, nginx

if TYPE_CHECKING:
    from gateway_stream import Client
    from tests.proxies.conftest import Through
    from tests.proxies.servers import Proxy

PATIENCE = "proxy_read_timeout 300ms;"
CHUNKED = [
    nginx(f"{UNBUFFERED} {PATIENCE}", "unbuffered"),
    nginx(f"proxy_buffering on; {PATIENCE}", "buffered"),
    haproxy("timeout server 300ms"),
]
UNTIL_CLOSED = nginx(
    f"{UNBUFFERED} {PATIENCE} chunked_transfer_encoding off;",
    "bodies that end with the connection",
)
BREAKS = {
    "stalled": Fault(stall_after=HELD),
    "closed": Fault(cut_after=HELD, cut="close"),
    "reset": Fault(cut_after=HELD, cut="reset"),
}
EACH_BREAK = pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)


async def errors(client: Client) -> dict[FamilyName, GatewayError]:
    """Ask for an answer of every family at once, and give what each raised."""
    raised: dict[FamilyName, GatewayError] = {}

    async def ask(family: FamilyName) -> None:
        with pytest.raises(GatewayError) as caught:
            await client.complete(MODELS[family], "why?")
        raised[family] = caught.value

    async with anyio.create_task_group() as tasks:
        for family in MODELS:
            tasks.start_soon(ask, family)
    return raised


@EACH_BREAK
@pytest.mark.parametrize("proxy", CHUNKED)
async def test_an_answer_that_a_proxy_breaks_off_is_truncated_by_a_lost_connection(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy, fault: Fault
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(fault)
    async with through(proxy) as client:
        raised = await errors(client)
    for family, error in raised.items():
        assert isinstance(error, StreamTruncated), family
        assert (error.code, error.retryable) == ("connection_lost", True)
        assert isinstance(error.__cause__, ConnectionLost)
        assert error.partial is not None
        assert error.partial.text == "Because "


@EACH_BREAK
@pytest.mark.parametrize("proxy", [UNTIL_CLOSED])
async def test_an_answer_cut_where_any_end_looks_clean_is_truncated_by_what_it_lacks(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy, fault: Fault
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(fault)
    async with through(proxy) as client:
        raised = await errors(client)
    for family, error in raised.items():
        assert isinstance(error, StreamTruncated), family
        assert error.code == "cut_event"
        assert error.partial is not None
        assert error.partial.text == "Because "


@pytest.mark.parametrize("proxy", [*CHUNKED, UNTIL_CLOSED])
async def test_an_answer_that_ends_between_two_events_is_truncated_by_the_stop_it_lacks(
    through: Through, fake_gateway: FakeGateway, proxy: Proxy
) -> None:
    fake_gateway.default = BROKEN_OFF.with_fault(Fault(cut_after_text=1))
    async with through(proxy) as client:
        raised = await errors(client)
    for family, error in raised.items():
        assert isinstance(error, StreamTruncated), family
        assert error.code == "no_stop"
        assert error.partial is not None
        assert error.partial.text == "Because "
