"""Who is asking: credentials, how they are kept fresh, and how they are kept out of everything else.

A *source* (`TokenSource`) says how a token is got; a *service* (`gateway_stream.auth.service`) keeps it fresh
for all who want it. Give a source to ``Client(auth=...)``, or to a single ``client.stream(..., auth=...)``.
"""

from __future__ import annotations

from gateway_stream.auth.fixed import PAT
from gateway_stream.auth.machine import M2M
from gateway_stream.auth.secret import Secret
from gateway_stream.auth.source import TokenSource
from gateway_stream.auth.token import Token

__all__ = ["M2M", "PAT", "Secret", "Token", "TokenSource"]
