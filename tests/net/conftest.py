"""Tests that ask for ``way`` run both ways of a request through aiohttp."""

from __future__ import annotations

from tests.support.ways import way

__all__ = ["way"]
