"""Both ways of a request through aiohttp: see `gateway_stream.net.lean`."""

from __future__ import annotations

import pytest

__all__ = ["way"]


@pytest.fixture(params=["lean", "documented"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way requests take."""
    monkeypatch.setenv("GATEWAY_STREAM_LEAN", "1" if request.param == "lean" else "0")
    return str(request.param)
