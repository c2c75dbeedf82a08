"""The messages of a Chat request, read into the neutral conversation.

- *Instructions* at the beginning are the request's system text. Later ones are a user's words to
  whoever knows none such.
- *Results of tools* that follow each other are parts of one user's message.
- *What the model said* is read by what reads answers, for it has the shape of a whole one: so what is
  to go back has the same opaque form, whether it came in an answer of ours or in a client's request.
- *Parts* that the neutral conversation does not know are opaque data, as they came.

Nothing here judges whether a message can be written again as it came; see
`gateway_stream.wire.openai_chat.decode_request`.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.request import (
    CacheHint,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    parts_of,
)
from gateway_stream.turn import Accumulator
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.asked_views import left_over, read_as
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_chat.decode import Translation

__all__ = ["Conversation", "cache_hint", "read_messages"]

_Tree: TypeAlias = dict[str, Any]
_Content: TypeAlias = str | list[_Tree] | None
_FAMILY: Final = "openai_chat"
_INSTRUCTIONS: Final = ("system", "developer")
_RESULTS: Final = ("tool", "function")
_HINTS: Final[dict[str, CacheHint]] = {
    '{"type":"ephemeral"}': "5m",
    '{"type":"ephemeral","ttl":"5m"}': "5m",
    '{"type":"ephemeral","ttl":"1h"}': "1h",
}


class Conversation(msgspec.Struct, frozen=True):
    """What was said, and what the model was told before."""

    system: str | tuple[TextPart, ...] | None
    messages: tuple[Message, ...]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | _Tree | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: _Content = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    refusal: str | None = None


class _Text(msgspec.Struct):
    type: Literal["text"]
    text: str
    cache_control: Any = None


class _Url(msgspec.Struct):
    url: str


class _Image(msgspec.Struct):
    type: Literal["image_url"]
    image_url: _Url | str
    cache_control: Any = None


class _FileData(msgspec.Struct):
    filename: str | None = None
    file_data: str | None = None


class _File(msgspec.Struct):
    type: Literal["file"]
    file: _FileData
    cache_control: Any = None


def cache_hint(tree: _Tree) -> CacheHint | None:
    """The hint that a part's or tool's ``cache_control`` is, if it is one."""
    return _HINTS.get(compact(tree.get("cache_control")))


def read_messages(messages: list[Any], where: str) -> Conversation:
    """Read a conversation; ``where`` is what to call its place.

    Raises:
        BadRequest: a message or a part of it is none; the text says which, and why.
    """
    places = [f"{where}[{number}]" for number in range(len(messages))]
    views = [read_as(_Message, *told) for told in zip(messages, places, strict=True)]
    first = next((n for n, view in enumerate(views) if view.role not in _INSTRUCTIONS), -1)
    first = len(views) - 1 if first < 0 else first  # somebody has to say something
    said: list[Message] = []
    results: list[Part] = []
    for view, tree, place in list(zip(views, messages, places, strict=True))[first:]:
        if view.role in _RESULTS:
            results.append(_result(view, place))
            continue
        if results:
            said.append(Message("user", tuple(results)))
            results = []
        if view.role == "assistant":
            said.append(Message("assistant", _spoken(view, tree, place)))
        else:
            said.append(Message("user", _asked(view.content, place)))
    if results:
        said.append(Message("user", tuple(results)))
    return Conversation(_system(views[:first], where), tuple(said))


def _system(told: list[_Message], where: str) -> str | tuple[TextPart, ...] | None:
    if len(told) == 1 and isinstance(told[0].content, str):
        return told[0].content
    parts = (_texts(view.content, f"{where}[{number}]") for number, view in enumerate(told))
    return tuple(part for texts in parts for part in texts) or None


# What the user and the tools say.


def _asked(content: _Content, where: str) -> str | tuple[Part, ...]:
    if not isinstance(content, list):
        return content or ""
    return tuple(_part(tree, f"{where}.content[{number}]") for number, tree in enumerate(content))


def _texts(content: _Content, where: str) -> list[TextPart]:
    asked = _asked(content, where)
    parts = (TextPart(asked),) if isinstance(asked, str) else asked
    return [part for part in parts if isinstance(part, TextPart)]


def _result(view: _Message, where: str) -> ToolResultPart:
    """What a tool gave; before calls had ids, it was told by the tool's name."""
    content = _asked(view.content, where)
    if not isinstance(content, str):
        content = tuple(part for part in content if isinstance(part, TextPart | ImagePart))
    call_id = view.name if view.role == "function" else view.tool_call_id
    return ToolResultPart(call_id=call_id or "", content=content, name=view.name)


def _part(tree: _Tree, where: str) -> Part:
    hint = cache_hint(tree)
    match tree.get("type"):
        case "text":
            return TextPart(read_as(_Text, tree, where).text, hint)
        case "image_url":
            image = read_as(_Image, tree, where).image_url
            return ImagePart(url=image if isinstance(image, str) else image.url, cache=hint)
        case "file":
            return _document(tree, where, hint) or _whole(tree)
        case _:
            return _whole(tree)


def _document(tree: _Tree, where: str, hint: CacheHint | None) -> DocumentPart | None:
    """A document that came with its data; one that is kept on the vendor's side is none of ours."""
    file = read_as(_File, tree, where).file
    if not file.file_data:
        return None
    document = DocumentPart(url=file.file_data, name=file.filename, cache=hint)
    return document if document.data is not None else None


def _whole(tree: _Tree) -> OpaquePart:
    return OpaquePart(opaque=Opaque(_FAMILY, _FAMILY, compact(tree)))


# What the model said.


def _spoken(view: _Message, tree: _Tree, where: str) -> str | tuple[Part, ...]:
    if isinstance(view.content, str) and not left_over(tree, _Said):
        return view.content
    message = dict(tree)
    texts: list[TextPart] = []
    if _is_prose(view.content) and not tree.get("extra_content"):
        texts = _texts(message.pop("content", None) or [], where)
    if view.function_call is not None:
        called = {"id": view.function_call.name, "type": "function"}
        message["tool_calls"] = [{**called, "function": message.pop("function_call")}]
    parts = _read_back(message)
    before = [part for part in parts if isinstance(part, ReasoningPart)]
    after = [part for part in parts if not isinstance(part, ReasoningPart)]
    return (*before, *texts, *after) if texts else parts


class _Said(msgspec.Struct):
    """The members of a message that says nothing but its text."""

    role: str
    content: str


def _is_prose(content: _Content) -> bool:
    return not isinstance(content, list) or all(part.get("type") == "text" for part in content)


def _read_back(message: _Tree) -> tuple[Part, ...]:
    """A message of the model as the parts that its answer would have given."""
    writer = AnswerWriter()
    answer = {"choices": [{"message": message}]}
    Translation(writer).answer(compact(answer).encode())
    accumulator = Accumulator()
    accumulator.extend(writer.out)
    return parts_of(accumulator.turn())
