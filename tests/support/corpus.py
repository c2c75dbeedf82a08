"""The recorded streams that lie outside this project, where they lie.

``GATEWAY_STREAM_CORPUS`` names the folder. Unset, tests that need it skip; set and absent, they fail.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "GATEWAY_STREAM_CORPUS"
FAMILIES = ("openai_chat", "openai_responses", "anthropic", "gemini")


def corpus() -> Path | None:
    """The corpus folder, or None where the variable is not set."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    path = Path(value).resolve()
    if not (path / "expected.jsonl").is_file():
        message = f"{VARIABLE} is set, and there is no corpus at {path}"
        raise FileNotFoundError(message)
    return path


def conformance() -> Path | None:
    """The conformance cases, which lie beside the corpus."""
    path = corpus()
    return path.parent / "conformance" if path else None


needs_corpus = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no folder of recorded streams"
)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded body. ``loose`` names the fields on which a client may decide otherwise."""

    name: str
    family: str
    body: bytes
    meta: dict[str, Any]
    expected: dict[str, Any]
    loose: frozenset[str] = frozenset()

    def reads(self) -> list[bytes]:
        """The body cut as the network cut it, where that was recorded."""
        sizes = self.meta.get("chunk_sizes")
        if not sizes:
            return [self.body]
        pieces, at = [], 0
        for size in sizes:
            pieces.append(self.body[at : at + size])
            at += size
        return pieces


@functools.cache
def recordings() -> tuple[Recording, ...]:
    """All recorded streams, by name."""
    folder = corpus()
    if folder is None:
        return ()
    rows = map(json.loads, (folder / "expected.jsonl").read_text().splitlines())
    return tuple(
        Recording(
            name=row["file"],
            family=row["file"].partition("/")[0],
            body=(folder / row["file"]).read_bytes(),
            meta=json.loads((folder / row["file"]).with_suffix(".meta.json").read_text()),
            expected=row["expected"],
            loose=frozenset(row.get("loose", ())),
        )
        for row in rows
    )


@functools.cache
def hostile() -> tuple[Recording, ...]:
    """The hand-written streams that break naive readers."""
    folder = conformance()
    if folder is None:
        return ()
    rows = json.loads((folder / "hostile" / "expected.json").read_text())
    return tuple(
        Recording(
            name=name,
            family={"responses": "openai_responses"}.get(kind := name.partition("/")[0], kind),
            body=(folder / "hostile" / name).read_bytes(),
            meta={"loose": row["loose"]},
            expected=row["expected"],
            loose=frozenset(row["loose"]),
        )
        for name, row in rows.items()
    )


@functools.cache
def own() -> tuple[Recording, ...]:
    """The project's own recordings, written by hand for a rule each."""
    folder = Path(__file__).parent.parent / "wire"
    return tuple(
        Recording(
            name=str(path.relative_to(folder)),
            family=path.relative_to(folder).parts[0],
            body=path.read_bytes(),
            meta={},
            expected={},
        )
        for path in sorted(folder.glob("*/recordings/*"))
        if path.suffix in {".sse", ".json"}
    )


def of_recording(recording: Recording) -> str:
    """A test's id: the file without its ending."""
    return recording.name.rpartition(".")[0]
