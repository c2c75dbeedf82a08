"""A client beside a fake gateway, as the client's own tests have it."""

from __future__ import annotations

from tests.client.conftest import _no_settings, client, fake_gateway

__all__ = ["_no_settings", "client", "fake_gateway"]
