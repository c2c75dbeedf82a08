"""A test's own surroundings: nothing of the machine's settings, and a home of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["forget_settings"]


def forget_settings(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Forget what the machine says of workspaces, proxies and certificates, and who is logged in."""
    for name in list(os.environ):
        if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
