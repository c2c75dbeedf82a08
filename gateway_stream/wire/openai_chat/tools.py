"""Putting the pieces of tool calls together.

A call is known by its position (``index``) *and* its id, because each alone fails with some vendor:
positions start anywhere, stay at 0 for every call or are left out; ids come only with the first
piece, with every piece, or not at all. The rules:

- A piece without an id continues the last call of its position; without a position too, the last
  call of all.
- A piece with an id continues the call that has this position and id. An id that its position has
  not seen begins a call. Without a position, the id alone decides.
- A piece that brings a name and arguments when the call's arguments are whole already begins a
  call, for nothing can follow whole arguments; the very same call sent again is not a second one.
- In a whole message every entry is a call.
- What a call is, a function's or another kind, its first piece says; the pieces that continue it
  need not say it again.

A call opens when its id and name are known, when its arguments begin, or when something else comes
after it. Names and ids may be repeated and are never added up. A first piece of arguments that is
just ``{}`` counts only if no more come. Calls end with the answer: vendors send pieces of them even
after the finish reason. A call that has no name when it opens cannot be run, so it ends invalid.

A call of no function is one block that holds all of it but its position: the entry itself where it
came at once, byte for byte, and else its pieces put together, of which ids, types and names are said once and all other
texts are added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.events import Opaque
from gateway_stream.wire.json_text import UNREADABLE, compact, read_object
from gateway_stream.wire.openai_chat.calls import SEEDED, Call, Position
from gateway_stream.wire.openai_chat.views import ToolCallPiece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.events import BlockStatus
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.blocks import Blocks
    from gateway_stream.wire.openai_chat.place import Place
    from gateway_stream.wire.openai_chat.views import FunctionPiece

__all__ = ["ToolCalls"]

_SAID_ONCE: Final = frozenset({"id", "name", "type"})


class ToolCalls:
    """The tool calls of one answer."""

    def __init__(self, writer: AnswerWriter, blocks: Blocks) -> None:
        self._writer = writer
        self._blocks = blocks
        self._positions: dict[int | None, Position] = {}
        self._count = 0
        self._last: Call | None = None
        self._unopened: Call | None = None

    def take(self, pieces: list[ToolCallPiece], place: Place, *, whole: bool) -> None:
        """Take the pieces of one chunk, or the calls of a ``whole`` message."""
        for number, piece in enumerate(pieces):
            known = None if whole else self._known(piece)
            if piece.function is None and (_is_foreign(piece) or _holds_pieces(known)):
                json = _placeless(place.cut(piece, "tool_calls", number))
                if whole:
                    self._blocks.single("other", opaque=_kept(json))
                else:
                    self._take_foreign(piece, json, known)
                continue
            name = _text(piece.function and piece.function.name)
            arguments = _arguments(piece.function)
            call = self._call(piece, None if _holds_pieces(known) else known, name, arguments)
            if call is None:
                continue
            if piece.thought_signature:
                signature = place.cut(
                    piece.thought_signature, "tool_calls", number, "thoughtSignature"
                )
                call.opaque["thoughtSignature"] = signature
            if piece.extra_content:
                extra = place.cut(piece.extra_content, "tool_calls", number, "extra_content")
                call.opaque["extra_content"] = extra
            self._add(call, name, arguments)

    def take_legacy(self, function: FunctionPiece, place: Place) -> None:
        """Take a piece of ``function_call``, from when an answer could have only one."""
        self.take([ToolCallPiece(index=-1, function=function)], place, whole=False)

    def settle(self) -> None:
        """Something else comes, or the end: a call that waits for its id gets none."""
        if self._unopened is not None:
            self._open(self._unopened)

    def _position(self, index: int | None) -> Position:
        position = self._positions.get(index)
        if position is None:
            position = self._positions[index] = Position()
        return position

    def _known(self, piece: ToolCallPiece) -> Call | None:
        """The call that a piece continues, if it is one that has begun."""
        id = _text(piece.id)  # noqa: A001
        call = self._position(piece.index).known(id)
        if call is None and piece.index is None and self._last is not None:
            return self._last if id in ("", self._last.id) else None
        return call

    def _begin(self, piece: ToolCallPiece) -> Call:
        call = Call(_text(piece.id), self._count)
        self._count += 1
        self._position(piece.index).add(call)
        return call

    def _call(
        self, piece: ToolCallPiece, call: Call | None, name: str, arguments: str
    ) -> Call | None:
        """The ``call`` that a piece continues, or the one that it begins; ``None`` if sent again."""
        id = _text(piece.id)  # noqa: A001
        if call is not None and name and arguments:
            before = call.whole_before(arguments)
            if before is not None:
                if id and id == call.id and before == arguments:
                    return None
                call = None
        if call is None:
            call = self._begin(piece)
            self.settle()
            self._unopened = call
            self._blocks.waiting = self.settle
        elif id and not call.id and call.block is None:
            self._position(piece.index).identify(call, id)
        self._last = call
        return call

    def _take_foreign(self, piece: ToolCallPiece, json: str, call: Call | None) -> None:
        """Take a piece of a call of no function."""
        id = _text(piece.id)  # noqa: A001
        if call is None or call.pieces is None:
            call = self._begin(piece)
            self._open_foreign(call)
        elif id and not call.id:
            self._position(piece.index).identify(call, id)
        self._last = call
        if call.pieces is not None:
            call.pieces.append(json)

    def _open_foreign(self, call: Call) -> None:
        pieces = call.pieces = []

        def closing() -> BlockStatus | None:
            json = pieces[0] if len(pieces) == 1 else compact(_joined(map(read_object, pieces)))
            self._blocks.keep(index, _kept(json))
            return None

        index = call.block = self._blocks.open("other", closing=closing)

    def _add(self, call: Call, name: str, arguments: str) -> None:
        call.name = call.name or name
        if call.block is None and ((call.name and call.id) or arguments):
            self._open(call)
        if call.block is not None and call.opaque:
            self._blocks.keep(call.block, _opaque(call.opaque))
        if not arguments:
            return
        if arguments == SEEDED and not call.arguments and not call.seed:
            call.seed = arguments
        elif call.seed and not arguments.strip():
            return
        else:
            call.seed = ""
            self._write(call, arguments)

    def _write(self, call: Call, arguments: str) -> None:
        if call.block is not None and self._writer.is_open(call.block):
            call.arguments.append(arguments)
            self._writer.delta(call.block, arguments)

    def _open(self, call: Call) -> None:
        self._unopened = self._blocks.waiting = None
        named = bool(call.name)

        def closing() -> BlockStatus | None:
            if call.seed:
                self._write(call, call.seed)
            return None if named else "invalid"

        call.block = self._blocks.open("tool_call", id=call.id, name=call.name, closing=closing)
        if call.opaque:
            self._blocks.keep(call.block, _opaque(call.opaque))


def _is_foreign(piece: ToolCallPiece) -> bool:
    return piece.custom is not None or bool(piece.type and piece.type != "function")


def _holds_pieces(call: Call | None) -> bool:
    return call is not None and call.pieces is not None


def _kept(json: str) -> Opaque:
    return Opaque("openai_chat", "openai_chat", f'{{"tool_calls":[{json}]}}')


def _placeless(json: str) -> str:
    """An entry without its position, which is one in the stream; its other members as they came."""
    try:
        members = msgspec.json.decode(json, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return json
    if "index" not in members:
        return json
    del members["index"]
    return msgspec.json.encode(members).decode()


def _joined(pieces: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The pieces of one object as a whole."""
    told: dict[str, list[Any]] = {}
    for piece in pieces:
        for key, value in piece.items():
            if value is not None:
                told.setdefault(key, []).append(value)
    joined: dict[str, Any] = {}
    for key, values in told.items():
        if key in _SAID_ONCE:
            joined[key] = next(filter(None, values), values[0])
        elif all(isinstance(value, dict) for value in values):
            joined[key] = _joined(values)
        elif all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        else:
            joined[key] = values[-1]
    return joined


def _opaque(fields: dict[str, str]) -> Opaque:
    """What the vendor wants back with a call, in the fields that carried it."""
    google = "thoughtSignature" in fields or '"google"' in fields.get("extra_content", "")
    json = ",".join(f'"{field}":{text}' for field, text in fields.items())
    return Opaque("openai_chat", "google" if google else "openai_chat", f"{{{json}}}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else str(value)


def _arguments(function: FunctionPiece | None) -> str:
    """Arguments as JSON text; some vendors send them as the object itself."""
    value = function.arguments if function is not None else None
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value)
