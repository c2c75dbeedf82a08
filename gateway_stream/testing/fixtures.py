"""The pytest fixture: ``pytest_plugins = ["gateway_stream.testing.fixtures"]`` in the root conftest.

It runs under anyio's own pytest plugin, and on asyncio only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing.server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["fake_gateway"]


@pytest.fixture
async def fake_gateway(anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    """A fake gateway that serves as long as the test runs and lets everybody in."""
    async with FakeGateway() as gateway:
        yield gateway
