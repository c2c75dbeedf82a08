"""The fake gateway as its users get it, and a plain HTTP client to look at it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from gateway_stream.testing.fixtures import fake_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["fake_gateway"]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
