"""Errors as responses and as frames, from their JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway_stream.wire.failures import read_failure, read_stream_failure

if TYPE_CHECKING:
    from gateway_stream.events import Failure


def http(status: int, body: Any = b"", **headers: str) -> Failure:
    """The reading of a response; ``body`` is bytes or JSON, a header's ``_`` stands for ``-``."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_failure(status, named, raw)


def inside(tree: Any) -> Failure:
    """The reading of an error inside a stream."""
    failure = read_stream_failure(json.dumps(tree).encode())
    assert failure is not None, f"no error was seen in {tree}"
    return failure


def databricks(word: str, text: str) -> dict[str, str]:
    """The gateway's own shape of an error."""
    return {"error_code": word, "message": text}
