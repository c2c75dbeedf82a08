"""What is left behind by requests that were left, on either loop."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gateway_stream.net.connections import HANDSHAKES

if TYPE_CHECKING:
    from gateway_stream import Client

__all__ = ["anyio_backend", "nothing_is_left", "pending"]

IN_TIME = 10

needs_uvloop = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
)


@pytest.fixture(
    scope="module",
    params=["asyncio", pytest.param("uvloop", marks=needs_uvloop)],
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Each test runs on both loops."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def nothing_is_left(client: Client) -> None:
    """Wait until no slot is in use, then look at all that could still hold something."""
    with anyio.fail_after(IN_TIME):
        while client.stats().leased:
            await anyio.lowlevel.checkpoint()
    for state in client._loops:
        stats = client.stats()
        assert (stats.sending, stats.live, stats.draining, stats.queued) == (0, 0, 0, 0)
        assert not state.watchdog._watched
        assert not state.breakers._troubled
        connector: Any = state.transport._connector
        assert not connector._acquired
        assert connector._handshakes.value == HANDSHAKES


def pending() -> int:
    """How many cancellations of this task nobody has taken back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()
