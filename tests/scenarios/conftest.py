"""Scenarios are played without anything of the machine's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing.fixtures import fake_gateway
from tests.support.settings import forget_settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fake_gateway"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)
