"""The contents of a request, read as messages.

What stands beside a text or a call in its part (signatures) is opaque data of that part, as in an
answer; a part that is none of ours (tools on the vendor's side, sound, pictures that the model drew)
is opaque data as a whole, and goes back as it came.

Calls and results need no id here: a result without one answers the first call of its name that has
none yet. Such calls get an id of the form that is never written.

A result is an object of any shape. Its ``output`` or ``error``, where that is a text and all there is,
is the result; otherwise all of it is, as JSON text. What is lost so, and fields that no part of ours
has a place for, make the contents `Contents.lossy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

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
from gateway_stream.wire.asked_views import left_over, read_as, refuse
from gateway_stream.wire.gemini.asked_trees import Tree, named, several
from gateway_stream.wire.json_text import compact

if TYPE_CHECKING:
    from gateway_stream.request import Part

__all__ = ["Contents", "plain"]

_P = TypeVar("_P", bound="Part")

_ROLES: Final[dict[str, Literal["user", "assistant"]]] = {
    "": "user",
    "user": "user",
    "function": "user",
    "model": "assistant",
}
_PAYLOADS: Final = frozenset(
    {
        *("text", "functionCall", "functionResponse", "inlineData", "fileData"),
        *("executableCode", "codeExecutionResult", "toolCall", "toolResponse"),
    }
)
_BESIDE_THOUGHTS: Final = frozenset({"thoughtSignature", "partMetadata", "videoMetadata"})
_DOCUMENTS: Final = ("application/", "text/")


class _Content(msgspec.Struct):
    role: str = ""
    parts: Any = ()


class _Text(msgspec.Struct):
    text: str = ""
    thought: bool = False


class _Call(msgspec.Struct):
    name: str
    id: str = ""
    args: Tree = {}


class _Result(msgspec.Struct):
    response: Tree
    name: str = ""
    id: str = ""
    parts: Any = ()


class _File(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str | None = None
    file_uri: str | None = None
    display_name: str | None = None


class Contents:
    """Reads the contents of one request.

    Attributes:
        lossy: whether something of what was read is in no part.
    """

    def __init__(self) -> None:
        self.lossy = False
        self._ids: set[str] = set()
        self._unanswered: list[ToolCallPart] = []

    def messages(self, contents: Any) -> tuple[Message, ...]:
        """The conversation.

        Raises:
            BadRequest: something is not what its name says; the text says what, and where.
        """
        messages = []
        for number, content in enumerate(several(contents, "body.contents")):
            where = f"body.contents[{number}]"
            tree = named(content, where)
            role = read_as(_Content, tree, where).role
            if role not in _ROLES:
                refuse(f"{where}.role: it is {role!r}, and must be 'user' or 'model'")
            parts = self.parts(tree, where, by_model=role == "model")
            if parts:
                messages.append(Message(_ROLES[role], plain(parts)))
        if not messages:
            refuse("body.contents: there is nothing in them")
        return tuple(messages)

    def parts(self, content: Tree, where: str, *, by_model: bool = False) -> tuple[Part, ...]:
        """The parts of one content.

        Raises:
            BadRequest: as `messages` does.
        """
        view = read_as(_Content, content, where)
        self.lossy |= bool(left_over(content, _Content))
        given = enumerate(several(view.parts or [], f"{where}.parts"))
        found = [self._part(part, f"{where}.parts[{number}]", by_model) for number, part in given]
        return tuple(part for part in found if part is not None)

    def _part(self, given: Any, where: str, by_model: bool) -> Part | None:  # noqa: FBT001  whose it is
        part = named(given, where)
        payloads = _PAYLOADS & part.keys()
        if payloads == {"text"} or (not payloads and part.keys() <= _BESIDE_THOUGHTS):
            return _prose(part, where) or (_whole(given) if part.get("thought") else None)
        if len(payloads) != 1:
            return _whole(given)
        (payload,) = payloads
        beside = {name: value for name, value in part.items() if name != payload}
        where = f"{where}.{payload}"
        match payload:
            case "functionCall":
                return self._call(named(part[payload], where), beside, where)
            case "functionResponse":
                self.lossy |= bool(beside)
                return self._result(named(part[payload], where), where)
            case "inlineData" | "fileData" if not by_model and "thoughtSignature" not in beside:
                file = self._file(named(part[payload], where), where)
                self.lossy |= file is not None and bool(beside)
                return file or _whole(given)
            case _:
                return _whole(given)

    def _call(self, call: Tree, beside: Tree, where: str) -> ToolCallPart:
        view = read_as(_Call, call, where)
        self._ids.add(view.id)
        self.lossy |= bool(left_over(call, _Call))
        part = ToolCallPart(
            id=view.id or self._make_id(),
            name=view.name,
            arguments=compact(view.args),
            opaque=_opaque(beside) if beside else None,
        )
        self._unanswered.append(part)
        return part

    def _result(self, result: Tree, where: str) -> ToolResultPart:
        view = read_as(_Result, result, where)
        text, is_error = self._outcome(view.response)
        files = [
            self._result_file(file, f"{where}.parts[{number}]")
            for number, file in enumerate(several(view.parts or [], f"{where}.parts"))
        ]
        self.lossy |= bool(left_over(result, _Result)) or None in files
        images = tuple(file for file in files if file is not None)
        texts = (TextPart(text),) if text else ()
        call_id, name = self._answered(view)
        return ToolResultPart(
            call_id=call_id,
            name=name or None,
            content=(*texts, *images) if images else text,
            is_error=is_error,
        )

    def _outcome(self, response: Tree) -> tuple[str, bool]:
        """What a result says, and whether it is an error."""
        is_error = response.keys() == {"error"}
        if is_error or response.keys() == {"output"}:
            (value,) = response.values()
            if isinstance(value, str):
                return value, is_error
            self.lossy = True
            return compact(value), is_error
        self.lossy = True
        return compact(response), is_error

    def _answered(self, view: _Result) -> tuple[str, str]:
        """The id and name of the call that a result answers."""
        for call in self._unanswered:
            if call.id == view.id if view.id else call.name == view.name:
                self._unanswered.remove(call)
                return call.id, view.name or call.name
        return view.id or self._make_id(), view.name

    def _result_file(self, given: Any, where: str) -> ImagePart | None:
        part = named(given, where)
        if part.keys() not in ({"inlineData"}, {"fileData"}):
            return None
        ((payload, file),) = part.items()
        read = self._file(named(file, where), f"{where}.{payload}")
        return read if isinstance(read, ImagePart) else None

    def _file(self, file: Tree, where: str) -> ImagePart | DocumentPart | None:
        """A picture or a document; ``None`` for a file that is neither, or does not say what it is."""
        view = read_as(_File, file, where)
        data, url, kind, name = view.data, view.file_uri, view.mime_type, view.display_name
        picture = kind.startswith("image/")
        if (data is None) is (url is None) or not (picture or kind.startswith(_DOCUMENTS)):
            return None
        self.lossy |= name is not None or bool(left_over(file, _File))
        if picture:
            return ImagePart(media_type=kind, data=data, url=url)
        return DocumentPart(media_type=kind, data=data, url=url, name=name)

    def _make_id(self) -> str:
        number = len(self._ids)
        while f"call_{number}" in self._ids:
            number += 1
        self._ids.add(f"call_{number}")
        return f"call_{number}"


def plain(parts: tuple[_P, ...]) -> str | tuple[_P, ...]:
    """The text that the parts are, where they are one text and nothing else."""
    match parts:
        case [TextPart(text=text, opaque=None)]:
            return text
        case _:
            return parts


def _prose(part: Tree, where: str) -> Part | None:
    """A text or a thought; ``None`` for what says nothing, and for a thought with other fields."""
    view = read_as(_Text, part, where)
    beside = {name: value for name, value in part.items() if name not in ("text", "thought")}
    opaque = _opaque(beside) if beside else None
    if not view.text and not beside:
        return None
    if not view.thought:
        return TextPart(view.text, opaque=opaque)
    if beside.keys() <= _BESIDE_THOUGHTS:
        return ReasoningPart(text=view.text, opaque=opaque)
    return None


def _whole(given: Tree) -> OpaquePart:
    return OpaquePart(opaque=_opaque(given))


def _opaque(tree: Tree) -> Opaque:
    return Opaque("gemini", "google", compact(tree))
