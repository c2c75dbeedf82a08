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

A call opens when its id and name are known, when its arguments begin, or when something else comes
after it. Names and ids may be repeated and are never added up. A first piece of arguments that is
just ``{}`` counts only if no more come. Calls end with the answer: vendors send pieces of them even
after the finish reason. A call that never gets a name cannot be run, so it ends invalid; an entry
that calls no function is kept whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Opaque
from gateway_stream.wire.arguments import arguments_status
from gateway_stream.wire.json_text import compact
from gateway_stream.wire.openai_chat.views import ToolCallPiece

if TYPE_CHECKING:
    from gateway_stream.events import BlockStatus
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.blocks import Blocks
    from gateway_stream.wire.openai_chat.leftovers import Place
    from gateway_stream.wire.openai_chat.views import FunctionPiece

__all__ = ["ToolCalls"]

_SEEDED: Final = "{}"


class _Call:
    """A tool call while its pieces come."""

    __slots__ = ("arguments", "block", "id", "name", "opaque", "seed")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.block: int | None = None
        self.arguments: list[str] = []
        self.seed = ""
        self.opaque: dict[str, str] = {}

    def whole_before(self, arguments: str) -> str | None:
        """The arguments so far, if they are whole and ``arguments`` may be another call's."""
        last = self.arguments[-1] if self.arguments else self.seed
        if not (arguments.lstrip().startswith("{") and last.rstrip().endswith("}")):
            return None
        text = "".join(self.arguments) or self.seed
        if text == _SEEDED != arguments or arguments_status(text) != "complete":
            return None
        return text


class ToolCalls:
    """The tool calls of one answer."""

    def __init__(self, writer: AnswerWriter, blocks: Blocks) -> None:
        self._writer = writer
        self._blocks = blocks
        self._by_position: dict[int | None, list[_Call]] = {}
        self._last: _Call | None = None
        self._unopened: _Call | None = None

    def take(self, pieces: list[ToolCallPiece], place: Place, *, whole: bool) -> None:
        """Take the pieces of one chunk, or the calls of a ``whole`` message."""
        for number, piece in enumerate(pieces):
            function = piece.function
            if function is None and piece.type and piece.type != "function":
                json = f'{{"tool_calls":[{place.cut(piece, "tool_calls", number)}]}}'
                self._blocks.single("other", opaque=Opaque("openai_chat", "openai_chat", json))
                continue
            name = _text(function and function.name)
            arguments = _arguments(function)
            call = self._call(piece, name, arguments, whole=whole)
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

    def _call(
        self, piece: ToolCallPiece, name: str, arguments: str, *, whole: bool
    ) -> _Call | None:
        """The call that a piece belongs to; ``None`` for one that was sent again."""
        id = _text(piece.id)  # noqa: A001
        at_position = self._by_position.setdefault(piece.index, [])
        call = None if whole else self._known(piece.index, id, at_position)
        if call is not None and name and arguments:
            before = call.whole_before(arguments)
            if before is not None:
                if id and id == call.id and before == arguments:
                    return None
                call = None
        if call is None:
            call = _Call(id)
            if self._unopened is not None:
                self._open(self._unopened)
            self._unopened = call
            self._blocks.waiting = self.settle
            at_position.append(call)
        elif id and not call.id and call.block is None:
            call.id = id
        self._last = call
        return call

    def _known(self, position: int | None, id: str, at_position: list[_Call]) -> _Call | None:
        if not id:
            return at_position[-1] if at_position else (self._last if position is None else None)
        for call in reversed(at_position):
            if call.id in (id, ""):
                return call
        if position is None and self._last is not None and self._last.id == id:
            return self._last
        return None

    def _add(self, call: _Call, name: str, arguments: str) -> None:
        call.name = call.name or name
        if call.block is None and ((call.name and call.id) or arguments):
            self._open(call)
        if call.block is not None and call.opaque:
            self._blocks.keep(call.block, _opaque(call.opaque))
        if not arguments:
            return
        if arguments == _SEEDED and not call.arguments and not call.seed:
            call.seed = arguments
        elif call.seed and not arguments.strip():
            return
        else:
            call.seed = ""
            self._write(call, arguments)

    def _write(self, call: _Call, arguments: str) -> None:
        if call.block is not None and self._writer.is_open(call.block):
            call.arguments.append(arguments)
            self._writer.delta(call.block, arguments)

    def _open(self, call: _Call) -> None:
        self._unopened = self._blocks.waiting = None

        def closing() -> BlockStatus | None:
            if call.seed:
                self._write(call, call.seed)
            return None if call.name else "invalid"

        call.block = self._blocks.open("tool_call", id=call.id, name=call.name, closing=closing)
        if call.opaque:
            self._blocks.keep(call.block, _opaque(call.opaque))


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
