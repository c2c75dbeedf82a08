"""What an answer says beside its parts and counts, kept as the vendor's own JSON.

Of each field the last one told holds; an empty one does not replace what was told. The counts'
details (modalities, tiers, the total) are merged field by field, for frames tell different ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.wire.gemini.views import (
    fields_of,
    join,
    objects_of,
    read_usual,
    regular_fields,
)

if TYPE_CHECKING:
    from gateway_stream.wire.gemini.views import Fields

__all__ = ["Metadata"]

_ROOT_READ: Final = frozenset({"candidates", "modelVersion", "responseId", "error"})
_ANSWER: Final = frozenset({"usageMetadata", "promptFeedback"})
_CANDIDATE_READ: Final = frozenset({"content", "index", "finishReason"})
_COUNTS_READ: Final = frozenset(
    {
        "promptTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
    }
)
_EMPTY: Final = (b"{}", b"[]", b'""')


class Metadata:
    """The metadata of one answer."""

    def __init__(self) -> None:
        self._start: Fields = {}
        self._answer: Fields = {}
        self._usage: Fields = {}

    @property
    def start(self) -> str | None:
        """For `Start.vendor`: what the first frame says of the answer as a whole."""
        return join(self._start)

    def stop(self) -> str | None:
        """For `Stop.vendor`: everything else."""
        fields = {
            name: raw
            for name, raw in self._answer.items()
            if name not in self._start or bytes(self._start[name]) != bytes(raw)
        }
        usage = join(self._usage)
        if usage is not None:
            fields["usageMetadata"] = msgspec.Raw(usage.encode())
        return join(fields)

    def begin(self, data: bytes) -> None:
        """Read the first frame."""
        if not self._read_usual(data):
            root = self._read(data)
            known = _ROOT_READ | _ANSWER
            self._start = {name: raw for name, raw in root.items() if name not in known}

    def read(self, data: bytes) -> None:
        """Read a frame."""
        if not self._read_usual(data):
            self._read(data)

    def _read_usual(self, data: bytes) -> bool:
        """Read a frame of text and counts; tells whether it is one."""
        usual = read_usual(data)
        if usual is not None and usual.usage:
            self._read_counts(regular_fields(usual.usage))
        return usual is not None

    def _read(self, data: bytes) -> Fields:
        root = fields_of(data)
        self._read_counts(fields_of(root.get("usageMetadata")))
        for name, raw in root.items():
            if name not in _ROOT_READ and name != "usageMetadata":
                self._keep(name, raw)
        for candidate in objects_of(root.get("candidates"))[:1]:
            for name, raw in fields_of(candidate).items():
                if name not in _CANDIDATE_READ:
                    self._keep(name, raw)
        return root

    def _read_counts(self, usage: Fields) -> None:
        for name, raw in usage.items():
            if name not in _COUNTS_READ:
                self._usage[name] = raw

    def _keep(self, name: str, raw: msgspec.Raw) -> None:
        if name not in self._answer or bytes(raw) not in _EMPTY:
            self._answer[name] = raw
