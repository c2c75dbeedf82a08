"""Output items: what an answer of this family is made of, read from an item's JSON.

Four types of item have text that streams: ``message``, ``reasoning``, ``function_call`` and
``custom_tool_call``. All others come whole, and their name says what they are: ``..._call`` is a tool
that runs at the vendor or that the vendor describes, ``..._output`` what such a tool gave, anything
else is kept as it is.

An item goes back to the vendor as it came. What a block holds already is left out of its opaque
data: the text of a message's part and the arguments of a function call. Whole items stay whole, a
custom tool call too: its input is free text, which no block of arguments can vouch for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_responses.views import Fields, read_fields, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.events import BlockKind, BlockStatus

__all__ = [
    "FAMILY",
    "PROVIDER",
    "PartKind",
    "WireItem",
    "annotations_of",
    "kind_of_item",
    "kind_of_part",
    "media_of",
    "same_json",
    "source_of",
]

FAMILY: Final = "openai_responses"
PROVIDER: Final = "openai"

PartKind: TypeAlias = Literal[
    "text", "refusal", "summary", "content", "arguments", "input", "other"
]
"""A stream of text inside an item: two in messages, two in reasoning, one in each kind of call."""

_ITEM_KINDS: Final[dict[str, BlockKind]] = {
    "message": "text",
    "reasoning": "reasoning",
    "function_call": "tool_call",
    "custom_tool_call": "tool_call",
    "program": "server_tool",
    "mcp_list_tools": "server_tool",
    "mcp_approval_request": "server_tool",
}
_CLIENT_RUN: Final = frozenset(
    {"apply_patch_call", "computer_call", "local_shell_call", "mcp_approval_request", "shell_call"}
)
_decode_parts: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SHARED: Final = frozenset({"id", "type", "role", "status", "phase", "content"})
_MESSAGE_PARTS: Final[dict[str, PartKind]] = {
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
}


def kind_of_part(part: dict[str, Any]) -> PartKind:
    """The kind of text that a part of a message is."""
    return _MESSAGE_PARTS.get(_word(part.get("type")) or "text", "other")


def kind_of_item(type_: str) -> BlockKind:
    """The kind of block that an item of this type is."""
    known = _ITEM_KINDS.get(type_)
    if known is not None:
        return known
    if type_.endswith("_call"):
        return "server_tool"
    return "server_result" if type_.endswith("_output") else "other"


class WireItem:
    """An item as it came: its own JSON text, and the same read.

    ``type`` is empty where it has none; ``cut`` tells that the item is not whole.
    """

    __slots__ = ("cut", "raw", "tree", "type")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.tree = read_object(raw)
        self.type = _word(self.tree.get("type")) or ""
        self.cut = self.tree.get("status") == "incomplete"

    @property
    def id(self) -> str | None:
        """The item's id."""
        return _word(self.tree.get("id"))

    @property
    def call_id(self) -> str | None:
        """What joins a call and its output."""
        return _word(self.tree.get("call_id"))

    @property
    def name(self) -> str | None:
        """A tool's name."""
        return _word(self.tree.get("name"))

    @property
    def status(self) -> BlockStatus | None:
        """How its block ends, as far as the vendor says."""
        return "truncated" if self.cut else None

    @property
    def waits_for_client(self) -> bool:
        """Whether a tool of the vendor's own kind is the client's to run, or to allow."""
        return self.type in _CLIENT_RUN or self.tree.get("execution") == "client"

    def texts(self) -> Iterator[tuple[PartKind, int, str | None, dict[str, Any]]]:
        """Its streams of text: kind, place, text (``None`` if not told), and the part's own fields."""
        tree = self.tree
        match self.type:
            case "message":
                for at, part in enumerate(_parts(tree.get("content"))):
                    kind = kind_of_part(part)
                    text = part.get("refusal" if kind == "refusal" else "text")
                    yield kind, at, text if isinstance(text, str) else None, part
            case "reasoning":
                for at, part in enumerate(_parts(tree.get("summary"))):
                    yield "summary", at, _string(part.get("text")), part
                for at, part in enumerate(_parts(tree.get("content"))):
                    yield "content", at, _string(part.get("text")), part
            case "function_call":
                yield "arguments", 0, _json_text(tree.get("arguments")), {}
            case "custom_tool_call":
                yield "input", 0, _json_text(tree.get("input")), {}

    def opaque(self) -> Opaque:
        """The item whole, except for a function call's arguments."""
        if self.type != "function_call":
            return self.whole()
        fields = read_fields(self.raw)
        fields.pop("arguments", None)
        return _opaque(fields)

    def whole(self) -> Opaque:
        """The item whole."""
        return Opaque(FAMILY, PROVIDER, self.raw.decode("utf-8", "replace"))

    def message_parts(self) -> MessageParts:
        """The item cut into its parts, which is done once for all of them."""
        return MessageParts(read_fields(self.raw), self.tree.get("content"))


class MessageParts:
    """A message cut into one opaque item for each part.

    The first that is asked for has all that the message says. The others have what makes them parts of
    the same message (`_SHARED`), so that many parts do not repeat a large message many times.
    """

    def __init__(self, fields: Fields, parts: Any) -> None:
        self._fields = fields
        self._parts: list[msgspec.Raw] = []
        if isinstance(parts, list):
            self._parts = _decode_parts(fields["content"])

    def opaque(self, at: int, kind: PartKind) -> Opaque:
        """The message with the one part at ``at``, without the text that the part's block holds."""
        kept = read_fields(self._parts[at]) if at < len(self._parts) else {}
        if kind != "other":
            for name in ("text", "refusal", "logprobs"):
                kept.pop(name, None)
        content = msgspec.Raw(msgspec.json.encode([kept] if kept else []))
        opaque = _opaque(self._fields | {"content": content})
        self._fields = {k: v for k, v in self._fields.items() if k in _SHARED}
        return opaque


def same_json(one: str, other: str) -> bool:
    """Whether two texts are the same JSON."""
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def annotations_of(part: dict[str, Any]) -> list[Any]:
    """The annotations of a message's part."""
    annotations = part.get("annotations")
    return annotations if isinstance(annotations, list) else []


def source_of(annotation: Any) -> dict[str, Any] | None:
    """The fields of a `Source`: address, title and span, as far as the annotation tells them."""
    if not isinstance(annotation, dict):
        return None
    begin, end = annotation.get("start_index"), annotation.get("end_index")
    span = (begin, end) if isinstance(begin, int) and isinstance(end, int) else None
    return {
        "url": _string(annotation.get("url")),
        "title": _string(annotation.get("title")) or _string(annotation.get("filename")),
        "span": span,
    }


def media_of(item: WireItem) -> Iterator[dict[str, str | None]]:
    """The fields of `Media` for the images that a server tool made."""
    tree = item.tree
    if item.type == "image_generation_call":
        result = _string(tree.get("result"))
        if result:
            form = _string(tree.get("output_format"))
            yield _medium(result, f"image/{form}" if form else None)
    outputs = tree.get("outputs")
    for output in _parts(outputs) if isinstance(outputs, list) else ():
        url = _string(output.get("url"))
        if output.get("type") == "image" and url:
            yield _medium(url, None)


def _medium(value: str, media_type: str | None) -> dict[str, str | None]:
    if value.startswith("data:"):
        head, _, data = value.partition(",")
        return {"media_type": head[5:].removesuffix(";base64") or media_type, "data": data}
    if value.startswith(("http://", "https://")):
        return {"media_type": media_type, "url": value}
    return {"media_type": media_type, "data": value}


def _opaque(fields: Fields) -> Opaque:
    return Opaque(FAMILY, PROVIDER, msgspec.json.encode(fields).decode("utf-8", "replace"))


def _parts(value: Any) -> list[dict[str, Any]]:
    """A list of parts; a bare string is one part with this text."""
    if isinstance(value, str):
        return [{"text": value}]
    if not isinstance(value, list):
        return []
    return [part if isinstance(part, dict) else {"text": part} for part in value]


def _word(value: Any) -> str | None:
    """An id or name, whatever JSON type a vendor gives it."""
    if value is None or isinstance(value, str):
        return value or None
    return compact(value)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json_text(value: Any) -> str | None:
    """Arguments: JSON text, or the JSON itself, as some servers send it."""
    return value if value is None or isinstance(value, str) else compact(value)
