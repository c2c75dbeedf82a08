"""Parts of a conversation as Gemini parts.

Opaque data goes back on the exact part that it came with. Data of this family is either fields that
stand beside a part's text or call (``thoughtSignature``), or a whole part, which goes back as it is.
Of other families only the thought signature of the same provider's Chat dialect has a known place
here. What cannot be read by the provider that is asked is dropped with a notice, and so is
reasoning that carries it: without its data it would pass for the model's own. Reasoning without any
opaque data is a thought: most thoughts of this dialect come unsigned. A call of an answer that is not
whole goes back without arguments, and a notice tells it.

Ids of calls are optional in this dialect, and older services refuse them. An id of the form that
`AnswerWriter` makes up was never on the wire, so it does not go there: neither on the call nor on
its result, which then stands for the call by its name and place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Notice
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.json_text import read_object

if TYPE_CHECKING:
    from gateway_stream.events import Opaque
    from gateway_stream.request import CacheHint, Part
    from gateway_stream.turn import Turn

__all__ = ["PartEncoder"]

_FAMILY: Final = "gemini"
_BESIDE: Final = frozenset({"thoughtSignature", "thought", "partMetadata", "videoMetadata"})
_MADE_UP: Final = re.compile(r"call_\d+\Z")


class PartEncoder:
    """Writes the parts of one request and collects what could not be written."""

    def __init__(self, provider: str | None) -> None:
        self._provider = provider
        self._names: dict[str, str] = {}
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was dropped, each once."""
        return tuple(Notice("dropped_part", detail) for detail in self._notices)

    def drop(self, detail: str) -> None:
        """Say that something cannot be carried."""
        self._notices[detail] = None

    def uncached(self, cache: CacheHint | None) -> None:
        """Say that a cache hint cannot be carried."""
        if cache is not None:
            self.drop("cache: this dialect caches by itself, or by name through extra")

    def tell_broken_calls(self, turn: Turn) -> None:
        """Say which calls of an answer go back without the arguments that came."""
        for call in turn.tool_calls:
            if not call.runnable:
                self.drop(f"arguments of the call of {call.name!r}: they are {call.status}")

    def part(self, part: Part) -> dict[str, Any] | None:
        """One part; ``None`` for one that cannot be carried or holds nothing."""
        match part:
            case TextPart():
                self.uncached(part.cache)
                beside = self._beside(part.opaque, "text")
                return {"text": part.text, **beside} if part.text or beside else None
            case ImagePart() | DocumentPart():
                self.uncached(part.cache)
                if isinstance(part, DocumentPart) and part.name:
                    self.drop("document name: this dialect has none")
                return _file(part)
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                self.uncached(part.cache)
                return self._result(part)
            case ReasoningPart():
                return self._reasoning(part)
            case OpaquePart():
                return self._whole(part.opaque)

    def _call(self, part: ToolCallPart) -> dict[str, Any]:
        self._names[part.id] = part.name
        arguments = read_object(part.arguments or "{}")
        if not arguments and part.arguments.strip() not in ("", "{}"):
            self.drop(f"arguments of the call of {part.name!r}: they are no JSON object")
        call = {**_wire_id(part.id), "name": part.name, "args": arguments}
        return {"functionCall": call, **self._beside(part.opaque, "tool call")}

    def _result(self, part: ToolResultPart) -> dict[str, Any]:
        name = part.name or self._names.get(part.call_id)
        if name is None:
            self.drop(f"name of the tool of result {part.call_id!r}: no call has this id")
            name = part.call_id
        content = part.content
        pieces = (TextPart(content),) if isinstance(content, str) else content
        texts = [piece.text for piece in pieces if isinstance(piece, TextPart)]
        files = [_file(piece) for piece in pieces if isinstance(piece, ImagePart)]
        key = "error" if part.is_error else "output"
        result: dict[str, Any] = {
            **_wire_id(part.call_id),
            "name": name,
            "response": {key: "\n".join(texts)},
        }
        if files:
            result["parts"] = files
        return {"functionResponse": result}

    def _reasoning(self, part: ReasoningPart) -> dict[str, Any] | None:
        opaque = part.opaque
        if opaque is None:
            return {"text": part.text, "thought": True} if part.text else None
        fields = self._fields(opaque, "reasoning")
        if fields is None or not fields.keys() <= _BESIDE:
            return fields
        return {"text": part.text, "thought": True, **fields}

    def _whole(self, opaque: Opaque) -> dict[str, Any] | None:
        if opaque.family != _FAMILY:
            self.drop(f"a part of {opaque.provider} in the form of {opaque.family}")
            return None
        return self._fields(opaque, "a part")

    def _beside(self, opaque: Opaque | None, what: str) -> dict[str, Any]:
        fields = self._fields(opaque, what) if opaque is not None else None
        return fields or {}

    def _fields(self, opaque: Opaque, what: str) -> dict[str, Any] | None:
        """The fields that opaque data stands for here; ``None`` where it cannot go back."""
        ours = opaque.family == _FAMILY
        if opaque.provider == self._provider or (self._provider is None and ours):
            tree = read_object(opaque.json)
            fields = tree if ours else _signature(tree)
            if fields:
                return fields
        self.drop(f"opaque data of {opaque.provider} on {what}")
        return None


def _signature(tree: dict[str, Any]) -> dict[str, Any]:
    """The thought signature in a part of the Chat dialect, in either of its places."""
    found = tree.get("thoughtSignature")
    content = tree.get("extra_content")
    if found is None and isinstance(content, dict) and isinstance(content.get("google"), dict):
        found = content["google"].get("thought_signature")
    return {"thoughtSignature": found} if isinstance(found, str) and found else {}


def _wire_id(call_id: str) -> dict[str, str]:
    return {} if not call_id or _MADE_UP.search(call_id) else {"id": call_id}


def _file(part: ImagePart | DocumentPart) -> dict[str, Any]:
    """Bytes, or an address."""
    kind = {"mimeType": part.media_type} if part.media_type else {}
    if part.data is not None:
        return {"inlineData": {**kind, "data": part.data}}
    return {"fileData": {**kind, "fileUri": part.url}}
