"""A workspace to log in to, and a user of this machine who never did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import FakeGateway, Issuer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BROWSER = Path(__file__).parent / "browser.py"


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(user="ann@example.com")


@pytest.fixture
async def workspace(issuer: Issuer, anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    answer = Reply.scripted(text="Because of the air.")
    async with FakeGateway(issuer=issuer, default=answer) as workspace:
        yield workspace


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose home is empty, who has a browser and no keyring."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "GATEWAY_STREAM_HOME": str(tmp_path / "own"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "BROWSER": f"{sys.executable} {BROWSER} honest %s",
    }
