"""What tests of the gateway share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.places import FILE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with profiles."""
    (tmp_path / ".databrickscfg").write_text(FILE)
    return tmp_path
