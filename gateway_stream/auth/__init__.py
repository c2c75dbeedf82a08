"""Who is asking: credentials, how they are kept fresh, and how they are kept out of everything else.

A *source* (`TokenSource`) says how a token is got; a *service* (`gateway_stream.auth.service`) keeps it fresh
for all who want it. Give a source to ``Client(auth=...)``, or to a single ``client.stream(..., auth=...)``.

Each name is imported when it is used: few programs need more than one, and some bring much.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway_stream.auth.login.pkce import Authorization, Login
    from gateway_stream.auth.secret import Secret
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.auth.sources.databricks_cli import DatabricksCLI
    from gateway_stream.auth.sources.federation import (
        Federation,
        FromFile,
        FromGitHub,
        FromVariable,
    )
    from gateway_stream.auth.sources.fixed import PAT
    from gateway_stream.auth.sources.machine import M2M
    from gateway_stream.auth.sources.stored_login import NotLoggedIn, StoredLoginSource
    from gateway_stream.auth.sources.unified import Unified
    from gateway_stream.auth.sources.user import U2M
    from gateway_stream.auth.stored import StoredLogin
    from gateway_stream.auth.token import Token

__all__ = [
    "M2M",
    "PAT",
    "U2M",
    "Authorization",
    "DatabricksCLI",
    "Federation",
    "FromFile",
    "FromGitHub",
    "FromVariable",
    "Login",
    "NotLoggedIn",
    "Secret",
    "StoredLogin",
    "StoredLoginSource",
    "Token",
    "TokenSource",
    "Unified",
]

_WHERE: Final = {
    "M2M": "sources.machine",
    "PAT": "sources.fixed",
    "U2M": "sources.user",
    "Authorization": "login.pkce",
    "DatabricksCLI": "sources.databricks_cli",
    "Federation": "sources.federation",
    "FromFile": "sources.federation",
    "FromGitHub": "sources.federation",
    "FromVariable": "sources.federation",
    "Login": "login.pkce",
    "NotLoggedIn": "sources.stored_login",
    "Secret": "secret",
    "StoredLogin": "stored",
    "StoredLoginSource": "sources.stored_login",
    "Token": "token",
    "TokenSource": "source",
    "Unified": "sources.unified",
}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """What is imported when it is named."""
        if name not in _WHERE:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
