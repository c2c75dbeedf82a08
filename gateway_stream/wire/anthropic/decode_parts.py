"""Content blocks of a request, read as parts.

Blocks keep what their part has no field for as opaque data, as an answer's blocks do: so citations,
a tool's caller and signatures go back with the part they came with. A block that is no part of ours
(a server tool, its result, a document made of parts, hidden thinking) is opaque data as a whole.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.anthropic.blocks import UNSIGNED
from gateway_stream.wire.asked_views import left_over, read_as
from gateway_stream.wire.json_text import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.request import CacheHint, Part

__all__ = ["cache_hint", "part_of", "parts_in"]

_FAMILY: Final = "anthropic"
_Tree: TypeAlias = dict[str, Any]
_HINTS: Final[dict[str, CacheHint]] = {
    '{"type":"ephemeral"}': "5m",
    '{"type":"ephemeral","ttl":"5m"}': "5m",
    '{"type":"ephemeral","ttl":"1h"}': "1h",
}


class _Text(msgspec.Struct):
    text: str
    type: str = "text"


class _Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class _File(msgspec.Struct):
    source: _Source
    type: str
    title: str | None = None


class _Thinking(msgspec.Struct):
    type: str
    thinking: str
    signature: str | None = None


class _ToolUse(msgspec.Struct):
    type: str
    id: str
    name: str
    input: _Tree


class _ToolResult(msgspec.Struct):
    type: str
    tool_use_id: str
    content: str | list[_Tree] | None = None
    is_error: bool | None = None


def parts_in(content: list[_Tree], where: str) -> tuple[Part, ...]:
    """The parts of a message's content.

    Raises:
        BadRequest: a block of a known type is not what its type says.
    """
    return tuple(part_of(block, f"{where}[{number}]") for number, block in enumerate(content))


def part_of(block: _Tree, where: str) -> Part:
    """One content block as a part.

    Raises:
        BadRequest: as `parts_in` does.
    """
    read = _READERS.get(str(block.get("type")))
    return read(block, where) if read is not None else _whole(block)


def cache_hint(block: _Tree) -> CacheHint | None:
    """The hint that a block's ``cache_control`` is, if it is one."""
    return _HINTS.get(compact(block.get("cache_control")))


def _whole(block: _Tree) -> OpaquePart:
    return OpaquePart(opaque=Opaque(_FAMILY, _FAMILY, compact(block)))


def _beside(block: _Tree, view: type[msgspec.Struct]) -> Opaque | None:
    """What of a block no field of its part holds."""
    left = left_over(block, view)
    return Opaque(_FAMILY, _FAMILY, compact({"type": block["type"], **left})) if left else None


def _without_hint(block: _Tree) -> tuple[_Tree, CacheHint | None]:
    hint = cache_hint(block)
    if hint is None:
        return block, None
    return {key: value for key, value in block.items() if key != "cache_control"}, hint


def _text(block: _Tree, where: str) -> TextPart:
    block, hint = _without_hint(block)
    return TextPart(read_as(_Text, block, where).text, hint, _beside(block, _Text))


def _image(block: _Tree, where: str) -> Part:
    bare, hint = _without_hint(block)
    image = read_as(_File, bare, where)
    source = image.source
    if left_over(bare, _File) or image.title or left_over(bare["source"], _Source):
        return _whole(block)
    if source.type == "base64" and source.data is not None and source.media_type:
        return ImagePart(media_type=source.media_type, data=source.data, cache=hint)
    if source.type == "url" and source.url is not None:
        return ImagePart(url=source.url, cache=hint)
    return _whole(block)


def _document(block: _Tree, where: str) -> Part:
    bare, hint = _without_hint(block)
    if left_over(bare, _File) or not isinstance(bare.get("source"), dict):
        return _whole(block)
    source = bare["source"]
    kind, data, url = (source.get(name) for name in ("type", "data", "url"))
    if left_over(source, _Source):
        return _whole(block)
    file = read_as(_File, bare, where)
    media_type = file.source.media_type or "application/pdf"
    if kind == "url" and url:
        return DocumentPart(url=url, name=file.title, cache=hint)
    if kind == "text" and data is not None and file.source.media_type in (None, "text/plain"):
        data, media_type = base64.b64encode(data.encode()).decode(), "text/plain"
    elif kind != "base64" or data is None:
        return _whole(block)
    return DocumentPart(media_type=media_type, data=data, name=file.title, cache=hint)


def _thinking(block: _Tree, where: str) -> ReasoningPart:
    view = read_as(_Thinking, block, where)
    rest = {key: value for key, value in block.items() if key != "thinking"}
    if not view.signature:
        rest.pop("signature", None)
    provider = _FAMILY if view.signature else UNSIGNED
    return ReasoningPart(text=view.thinking, opaque=Opaque(_FAMILY, provider, compact(rest)))


def _redacted(block: _Tree, _where: str) -> ReasoningPart:
    return ReasoningPart(opaque=Opaque(_FAMILY, _FAMILY, compact(block)))


def _tool_use(block: _Tree, where: str) -> ToolCallPart:
    view = read_as(_ToolUse, block, where)
    return ToolCallPart(
        id=view.id, name=view.name, arguments=compact(view.input), opaque=_beside(block, _ToolUse)
    )


def _tool_result(block: _Tree, where: str) -> Part:
    bare, hint = _without_hint(block)
    view = read_as(_ToolResult, bare, where)
    content: str | tuple[TextPart | ImagePart, ...] = ""
    if isinstance(view.content, str):
        content = view.content
    elif view.content:
        inner = parts_in(view.content, f"{where}.content")
        known = tuple(part for part in inner if isinstance(part, TextPart | ImagePart))
        if len(known) < len(inner):
            return _whole(block)
        content = known
    if left_over(bare, _ToolResult):
        return _whole(block)
    return ToolResultPart(
        call_id=view.tool_use_id, content=content, is_error=bool(view.is_error), cache=hint
    )


_READERS: Final[dict[str, Callable[[_Tree, str], Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
