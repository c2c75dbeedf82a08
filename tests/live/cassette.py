"""What a live test leaves behind: the request without headers, and the frames that came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_stream import Batch

__all__ = ["Cassette"]


class Cassette:
    """A file of JSON lines that holds no credentials: headers are never written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def asked(self, family: str, model: str, conversation: Any, options: dict[str, Any]) -> None:
        """A request is sent."""
        told = {name: value for name, value in options.items() if name not in ("headers", "tools")}
        self._write(
            {
                "format": 1,
                "family": family,
                "model": model,
                "messages": conversation,
                "options": told,
            }
        )

    def came(self, batch: Batch) -> None:
        """A read came."""
        for frame in batch.frames:
            self._write(
                {
                    "at": batch.read_at,
                    "event": frame.event,
                    "data": frame.data.decode("utf-8", "replace"),
                }
            )

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
