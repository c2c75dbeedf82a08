"""Servers, a file of profiles, and settings gathered from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_stream.auth import PAT
from gateway_stream.gateway.settings import Settings, resolve

if TYPE_CHECKING:
    from pathlib import Path

W = "https://acme.cloud.databricks.com"
OTHER = "https://other.cloud.databricks.com"
PROFILED = "https://profiled.cloud.databricks.com"
G = "https://123.ai-gateway.cloud.databricks.com"
LOCAL = "http://127.0.0.1:8000"
FILE = f"""
[DEFAULT]
host = {PROFILED}
token = dapiDEFAULT

[prod]
host = {OTHER}
token = dapiPROD
workspace_id = 77

[nohost]
token = dapiNOHOST

[notoken]
host = {OTHER}
auth_type = databricks-cli

[cli]
host = {OTHER}
token = dapiCLI
auth_type = databricks-cli

[local]
host = {LOCAL}
token = dapiLOCAL
"""


def settings(
    environ: dict[str, str] | None = None, *, home: Path | None = None, **arguments: Any
) -> Settings:
    return resolve(environ=environ or {}, home=home, **arguments)


def token_of(found: Settings) -> str | None:
    return found.source.token.reveal() if isinstance(found.source, PAT) else None
