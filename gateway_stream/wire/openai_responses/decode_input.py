"""Input items, read as messages.

- A user's message is a message; what the model said and did in a row is one message of the assistant,
  and results of tools in a row are one message of the user's, as other families have it.
- What the system or the developer says stands apart, wherever it came: a neutral request has it once.
- An item or part of a message keeps what its part has no field for as opaque data, as an answer's block
  does. What is no part of ours (a file by its id, items of the vendor's own tools) is opaque data whole.
- The input of a custom tool call is free text. It is in its opaque data, and for whoever cannot read that
  it is an argument ``input``.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.asked_views import read_as, refuse
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_responses.items import FAMILY, PROVIDER, WireItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.request import Part

__all__ = ["Conversation", "read_input"]

_Tree: TypeAlias = dict[str, Any]
_Side: TypeAlias = Literal["system", "user", "assistant", "results"]
_PLAIN_CALL: Final = frozenset({"type", "call_id", "name", "arguments"})
_PLAIN_MESSAGE: Final = frozenset({"type", "role", "content"})
_UNNAMED: Final = "document"  # a file's name where it has none


class Conversation(NamedTuple):
    """What ``input`` says."""

    system: tuple[TextPart, ...]
    messages: tuple[Message, ...]


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Tree]


class _Text(msgspec.Struct):
    text: str


class _Image(msgspec.Struct):
    image_url: str | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str


class _CustomCall(msgspec.Struct):
    call_id: str
    name: str
    input: str


class _Result(msgspec.Struct):
    call_id: str
    output: str | list[_Tree]


def read_input(told: str | list[_Tree], where: str) -> Conversation:
    """What ``input`` says.

    Raises:
        BadRequest: an item of a known type is not what its type says.
    """
    if isinstance(told, str):
        return Conversation((), (Message("user", told),))
    said = [one for number, item in enumerate(told) for one in _said(item, f"{where}[{number}]")]
    system = tuple(part for side, parts in said if side == "system" for part in _texts(parts))
    spoken = [one for one in said if one[0] != "system"]
    if not spoken and system:
        return Conversation((), (Message("user", system),))
    messages: list[Message] = []
    for side, group in groupby(spoken, key=itemgetter(0)):
        contents = [content for _, content in group]
        if side == "user":
            messages.extend(Message("user", content) for content in contents)
        else:
            parts = tuple(part for content in contents for part in _parts(content))
            messages.append(Message("assistant" if side == "assistant" else "user", parts))
    return Conversation(system, tuple(messages))


def _said(item: _Tree, where: str) -> Iterator[tuple[_Side, str | tuple[Part, ...]]]:
    """Who says what with an item."""
    type_ = item.get("type")
    if type_ in (None, "message") and "role" in item:
        message = read_as(_Message, item, where)
        if message.role == "assistant":
            yield "assistant", tuple(_spoken(item, message, where))
        else:
            side: _Side = "user" if message.role == "user" else "system"
            yield side, _content(message.content, f"{where}.content")
        return
    if type_ is None and not item.get("id"):
        refuse(f"{where}: it is neither a message nor an item of a known type")
    match type_:
        case "message":
            refuse(f"{where}: object missing required field `role`")
        case "reasoning":
            yield "assistant", (_reasoning(item),)
        case "function_call":
            yield "assistant", (_call(item, where),)
        case "custom_tool_call":
            custom = read_as(_CustomCall, item, where)
            arguments = compact({"input": custom.input})
            call = ToolCallPart(
                id=custom.call_id, name=custom.name, arguments=arguments, opaque=_opaque(item)
            )
            yield "assistant", (call,)
        case "function_call_output" | "custom_tool_call_output":
            yield "results", (_result(item, where),)
        case _:
            answers = str(type_).endswith(("_output", "_response"))
            yield "results" if answers else "assistant", (OpaquePart(opaque=_opaque(item)),)


def _content(content: str | list[_Tree], where: str) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    return tuple(_asked(part, f"{where}[{number}]") for number, part in enumerate(content))


def _asked(part: _Tree, where: str) -> Part:
    """A part of what a user says, or of what a tool gave."""
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return TextPart(read_as(_Text, part, where).text)
        case "input_image":
            image = read_as(_Image, part, where)
            if image.image_url:
                return ImagePart(url=image.image_url)
        case "input_file":
            file = read_as(_File, part, where)
            name = None if file.filename == _UNNAMED else file.filename
            data = file.file_data or ""
            if file.file_url or data.startswith("data:"):
                return DocumentPart(url=file.file_url or data, name=name)
    return OpaquePart(opaque=_opaque(part))


def _spoken(item: _Tree, message: _Message, where: str) -> Iterator[Part]:
    """What the model said in a message."""
    plain = item.keys() <= _PLAIN_MESSAGE
    if isinstance(message.content, str) and plain:
        yield TextPart(message.content)
        return
    wire = WireItem(msgspec.json.encode({**item, "type": "message"}))
    cut = wire.message_parts()
    texts = list(wire.texts())
    for kind, at, text, part in texts:
        if kind == "other" and part.get("type") != "input_text":
            yield OpaquePart(opaque=cut.opaque(at, kind))
            continue
        if text is None:
            refuse(f"{where}.content[{at}]: object missing required field `text`")
        bare = plain and part.keys() <= {"type", "text"}
        yield TextPart(text, opaque=None if bare else cut.opaque(at, kind))
    if not texts:
        yield TextPart("", opaque=cut.opaque(0, "text"))


def _reasoning(item: _Tree) -> ReasoningPart:
    texts = WireItem(msgspec.json.encode(item)).texts()
    return ReasoningPart(
        text="\n\n".join(text for _, _, text, _ in texts if text), opaque=_opaque(item)
    )


def _call(item: _Tree, where: str) -> ToolCallPart:
    call = read_as(_Call, item, where)
    kept = {name: value for name, value in item.items() if name != "arguments"}
    opaque = None if item.keys() <= _PLAIN_CALL else _opaque(kept)
    return ToolCallPart(id=call.call_id, name=call.name, arguments=call.arguments, opaque=opaque)


def _result(item: _Tree, where: str) -> ToolResultPart:
    result = read_as(_Result, item, where)
    content = _content(result.output, f"{where}.output")
    if not isinstance(content, str):
        content = tuple(part for part in content if isinstance(part, TextPart | ImagePart))
    return ToolResultPart(call_id=result.call_id, content=content)


def _parts(content: str | tuple[Part, ...]) -> tuple[Part, ...]:
    return (TextPart(content),) if isinstance(content, str) else content


def _texts(content: str | tuple[Part, ...]) -> Iterator[TextPart]:
    return (part for part in _parts(content) if isinstance(part, TextPart))


def _opaque(tree: _Tree) -> Opaque:
    return Opaque(FAMILY, PROVIDER, compact(tree))
