"""Who is asking: credentials, and how they are kept out of everything but one header."""

from __future__ import annotations

from gateway_stream.auth.secret import Secret

__all__ = ["Secret"]
