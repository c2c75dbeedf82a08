"""A client beside a fake gateway, with nothing of the machine's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream import Client
from gateway_stream.testing.fixtures import fake_gateway
from tests.support.settings import forget_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway_stream.testing import FakeGateway

__all__ = ["fake_gateway"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("DATABRICKS_MAX_RETRIES", "0")  # what is refused is looked at, once


@pytest.fixture
async def client(fake_gateway: FakeGateway) -> AsyncIterator[Client]:
    async with Client(host=fake_gateway.url, token="dapi-test") as client:
        yield client
