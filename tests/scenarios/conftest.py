"""Scenarios are played without anything of the machine's own settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing.fixtures import fake_gateway

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fake_gateway"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
