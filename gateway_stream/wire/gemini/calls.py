"""Function calls: whole in one part, or streamed over many.

A call is whole when its part does not say ``willContinue``. Its arguments go on as the bytes they
are; a call without arguments delivers none. A part that says ``willContinue`` begins a streamed
call, and so does one with ``partialArgs``. What follows belongs to the call whose id it carries,
or, without id, to the last one still open if it has no name of its own. The first part that does
not say ``willContinue`` ends the call, whether it carries the last value or nothing at all (the
empty ``functionCall`` that some models send as end mark).

A streamed call that no part ended was not closed, so it is never complete: not at the end of the
answer, and not when the next call without id begins.

A value that is null is told by a field of its own, whose being there is the value.

The signature, and anything else beside the call in its part, is the call's opaque data; of a
streamed call, what the first part that has the field says.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway_stream.events import BlockStatus, Opaque
from gateway_stream.wire.gemini.arguments import StreamedArguments
from gateway_stream.wire.gemini.views import (
    Fields,
    as_string,
    fields_of,
    is_true,
    join,
    members_of,
    objects_of,
    text_of,
)

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter

__all__ = ["Calls", "opaque_of"]

_READ: Final = frozenset({"name", "id", "args", "partialArgs", "willContinue"})
_SCALAR: Final = re.compile(rb"true|false|-?[0-9]")
_NULL: Final = "nullValue"
_PLACE: Final = frozenset({"jsonPath", "willContinue"})


def opaque_of(json: str | None) -> Opaque | None:
    """What goes back to the vendor of this dialect."""
    return Opaque("gemini", "google", json) if json else None


class Calls:
    """The function calls of one answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._open: dict[str, _StreamedCall] = {}  # by id; at most one has none, and began last

    def take(self, part: Fields) -> None:
        """Take a part that holds a ``functionCall``."""
        call = fields_of(part["functionCall"])
        beside = {name: raw for name, raw in part.items() if name not in ("functionCall", "text")}
        streamed = self._continued(as_string(call.get("id")), as_string(call.get("name")))
        more = is_true(call.get("willContinue"))
        if streamed is None:
            if not call and not beside:
                self._writer.notice("dropped_part", "the end of a function call that never began")
                return
            if not more and "partialArgs" not in call:
                self._whole(call, beside)
                return
            streamed = self._begin(call)
        streamed.add(call, beside)
        if not more:
            del self._open[streamed.id]
            streamed.end()

    def _continued(self, call_id: str, name: str) -> _StreamedCall | None:
        """The open call that a part goes on with."""
        if call_id and call_id in self._open:
            return self._open[call_id]
        if name:
            return None
        if call_id:
            return self._open.get("")
        return next(reversed(self._open.values()), None)

    def _whole(self, call: Fields, beside: Fields) -> None:
        writer = self._writer
        name = as_string(call.get("name"))
        index = writer.open("tool_call", id=as_string(call.get("id")) or None, name=name)
        if "args" in call:
            writer.delta(index, text_of(call["args"]))
        writer.end(
            index,
            status=None if name else "invalid",
            opaque=opaque_of(join(beside)),
            vendor=join({key: raw for key, raw in call.items() if key not in _READ}),
        )

    def _begin(self, call: Fields) -> _StreamedCall:
        earlier = self._open.pop("", None)
        if earlier is not None:
            earlier.cut()
        streamed = _StreamedCall(
            self._writer, as_string(call.get("id")), as_string(call.get("name"))
        )
        self._open[streamed.id] = streamed
        return streamed


class _StreamedCall:
    """A call whose arguments come value by value."""

    def __init__(self, writer: AnswerWriter, call_id: str, name: str) -> None:
        self._writer = writer
        self._arguments = StreamedArguments()
        self._beside: Fields = {}
        self._unread: Fields = {}
        self._name = name
        self.id = call_id
        self._index = writer.open("tool_call", id=call_id or None, name=name, ending=self._ending)
        writer.delta(self._index, self._arguments.open())

    def add(self, call: Fields, beside: Fields) -> None:
        """Take what one part brings."""
        self._beside = beside | self._beside
        self._unread |= {key: raw for key, raw in call.items() if key not in _READ}
        arguments = self._arguments
        text = "".join(
            [arguments.put_member(*member) for member in members_of(call.get("args"))]
            + [
                self._put(fields_of(item, null=_NULL))
                for item in objects_of(call.get("partialArgs"))
            ]
        )
        self._writer.delta(self._index, text)

    def _put(self, piece: Fields) -> str:
        """The text of one new value."""
        arguments = self._arguments
        place = as_string(piece.get("jsonPath"))
        values = [name for name in piece if name not in _PLACE]
        if not values:
            return arguments.end_string(place)
        name, raw = values[0], piece[values[0]]
        if name == "stringValue":
            more = is_true(piece.get("willContinue"))
            return arguments.put_string(place, as_string(raw), continues=more)
        if name == _NULL:
            return arguments.put_json(place, "null")
        if name in ("numberValue", "boolValue") and _SCALAR.match(bytes(raw)):
            return arguments.put_json(place, text_of(raw))
        arguments.broken = True
        return ""

    def end(self) -> None:
        """The call is whole, as far as the wire is concerned."""
        self._writer.delta(self._index, self._arguments.close())
        self._writer.end(self._index)

    def cut(self) -> None:
        """The call will not become whole."""
        self._writer.end(self._index, status="truncated")

    def _ending(self, cut: bool) -> tuple[BlockStatus | None, Opaque | None, str | None]:  # noqa: FBT001  the writer's signature
        broken = not cut and (self._arguments.broken or not self._name)
        if broken:
            self._writer.notice(
                "invalid_field", f"arguments of {self._name!r} came in a form that cannot be read"
            )
        return ("invalid" if broken else None, opaque_of(join(self._beside)), join(self._unread))
