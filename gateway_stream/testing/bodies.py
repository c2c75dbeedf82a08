"""What a model would send: a scripted answer in the bytes of its family, streamed or whole.

The script is told as events, and the events are written by the family's encoder, which is judged by
recordings and by the vendors' own SDKs. Gemini ends its lines with CRLF, as the vendor does.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from typing import TYPE_CHECKING, Final

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Opaque,
    ReasoningDelta,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing.script import FamilyName, Script
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import Encoder, encode_answer
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.testing.faults import Spoil
    from gateway_stream.testing.script import ScriptedCall
    from gateway_stream.wire.sse import Frame

__all__ = [
    "answer_body",
    "error_event",
    "events_with_arguments",
    "events_with_text",
    "keep_alive",
    "long_stream",
    "split_events",
    "spoiled",
    "stream_events",
]

_ITEM: Final = "rs_scripted"  # the item that scripted reasoning is, where the family has items
_MARK: Final = "@piece@"
_ARGUMENTS_PIECE: Final = 12
_SAME_WORD: Final = frozenset({"stop_sequence", "tool_use"})
"""Reasons that some families tell in the word for another."""

_KEEP_ALIVES: Final[dict[FamilyName | None, bytes]] = {
    "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n',
    "openai_responses": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n',
    "gemini": b": keep-alive\r\n\r\n",
}
"""Of the families that have an event for it, and of the one whose lines end otherwise."""

_PAGE: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    b"<body><h1>502 Bad Gateway</h1></body>\r\n</html>"
)
_FAILURE: Final = Failure(kind="overloaded", message="The scripted model failed midway.")


def stream_events(
    family: FamilyName, script: Script, *, model: str, array: bool = False
) -> Iterator[bytes]:
    """The events of a streamed answer, each as its bytes.

    ``array`` gives Gemini's form without ``alt=sse``, elements of a JSON array, brackets included.

    Raises:
        ValueError: the family has no word for the stop reason, or no array form.
    """
    if array and family != "gemini":
        message = f"the family {family} streams no arrays"
        raise ValueError(message)
    encoder = Encoder(FAMILIES[family])
    events = _events(family, script, model)
    frames = (frame for event in events for frame in encoder.encode(event))
    return _as_array(frames) if array else (_as_bytes(family, frame) for frame in frames)


def events_with_text(family: FamilyName, script: Script, pieces: int) -> int:
    """How many events a stream has sent when its first ``pieces`` pieces of text are out.

    With 0 it is those before the first piece, what opens it included. An array has as many.

    Raises:
        ValueError: the family has no word for the stop reason.
    """
    return _alike(family, script, dataclasses.replace(script, text=(*script.text[:pieces], _MARK)))


def events_with_arguments(family: FamilyName, script: Script, fragments: int) -> int | None:
    """How many have been sent when so many fragments of the first call's arguments are out.

    With 0 it is those before the first fragment, what opens the call included. ``None`` means all,
    because the call has no more fragments.

    Raises:
        ValueError: the script has no call, or the family has no word for the stop reason.
    """
    if not script.tool_calls:
        message = "a fault counts fragments of arguments, and this script has no tool call"
        raise ValueError(message)
    call, *others = script.tool_calls
    kept = fragments * _ARGUMENTS_PIECE
    if kept >= len(call.json):
        return None
    other = dataclasses.replace(call, arguments=call.json[:kept] + _MARK)
    return _alike(family, script, dataclasses.replace(script, tool_calls=(other, *others)))


def _alike(family: FamilyName, script: Script, other: Script) -> int:
    """How many events two streams begin with alike: the one says a mark where the other goes on."""
    streams = (stream_events(family, told, model="") for told in (script, other))
    pairs = zip(*streams, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def keep_alive(family: FamilyName | None, *, stream: bool) -> bytes:
    """What says that the other side still lives, and nothing else. Where nothing streams: a blank line."""
    if not stream:
        return b"\r\n"
    return _KEEP_ALIVES.get(family, b": keep-alive\n\n")


def spoiled(event: bytes, how: Spoil, piece: str) -> bytes:
    """An event with a piece of text, spoiled.

    Raises:
        ValueError: the piece is not in the event as it is.
    """
    told = event.rstrip(b"\r\n")
    if how == "json":
        return told[: told.rindex(b'"')] + event[len(told) :]
    if how == "page":
        return _PAGE + event[len(told) :]
    value = b":" + json.dumps(piece, ensure_ascii=False).encode()
    before, found, after = event.partition(value)
    if not found:
        message = f"the piece {piece!r} is not in its event as it is: {event!r}"
        raise ValueError(message)
    middle = 2 + len(piece[: len(piece) // 2].encode())
    return before + value[:middle] + b"\xff\xfe" + value[middle:] + after


def answer_body(family: FamilyName, script: Script, *, model: str) -> bytes:
    """The whole answer as one JSON object, as a request without streaming gets it.

    Raises:
        ValueError: the family has no word for the stop reason.
    """
    answer = fold(_events(family, script, model))
    assert isinstance(answer, Turn)  # noqa: S101  a script ends in a stop
    return encode_answer(FAMILIES[family], answer)


def error_event(family: FamilyName, *, array_place: int | None = None) -> bytes:
    """The event that tells of an error after the answer began.

    ``array_place`` gives it as that element, the last, of Gemini's array.
    """
    *_, error = Encoder(FAMILIES[family]).encode(_FAILURE)
    if array_place is None:
        return _as_bytes(family, error)
    return (b",\r\n" if array_place else b"[") + error.data + b"\r\n]"


def long_stream(
    family: FamilyName, *, size: int | None, piece: int, model: str, of: str = "text"
) -> Iterator[bytes]:
    """A stream of at least ``size`` bytes, made as it is read, of events with ``piece`` bytes of text.

    ``of="reasoning"`` makes them reasoning. With ``size=None`` the stream has no end. What would repeat
    the text at the end is left out, so that nothing of this size is ever held.
    """
    usage = Usage(input=1, output=(size or 0) // 4)
    text, reasoning = ((), (_MARK,)) if of == "reasoning" else ((_MARK,), ())
    script = Script(text=text, reasoning=reasoning, usage=usage)
    mark = _MARK.encode()
    events = list(stream_events(family, script, model=model))
    place = next(at for at, event in enumerate(events) if mark in event)
    filled = events[place].replace(mark, b"x" * piece)
    head = events[:place]
    if size is None:
        return itertools.chain(head, itertools.repeat(filled))
    tail = [event for event in events[place + 1 :] if mark not in event]
    if family == "openai_responses":
        tail = list(stream_events(family, Script(usage=script.usage), model=model))[-1:]
    room = size - sum(map(len, head + tail))
    return itertools.chain(head, itertools.repeat(filled, max(1, -(-room // len(filled)))), tail)


def split_events(body: bytes) -> list[bytes]:
    """A recorded stream cut after each blank line. A body of JSON stays in one piece."""
    if body.lstrip()[:1] in (b"{", b"["):
        return [body]
    return [piece for piece in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if piece]


def _as_bytes(family: FamilyName, frame: Frame) -> bytes:
    data = encode_frame(frame.data, frame.event)
    return data.replace(b"\n", b"\r\n") if family == "gemini" else data


def _as_array(frames: Iterable[Frame]) -> Iterator[bytes]:
    opening = b"["
    for frame in frames:
        yield opening + frame.data
        opening = b",\r\n"
    yield b"\r\n]"


def _events(family: FamilyName, script: Script, model: str) -> list[Event]:
    """The script as events: reasoning, text, then calls."""
    told = FAMILIES[family].streamed.reasons[script.reason]
    if told != script.reason and script.reason not in _SAME_WORD:
        message = f"the family {family} has no word for the stop reason {script.reason!r}"
        raise ValueError(message)
    events: list[Event] = [Start("scripted", model or None), script.usage]
    index = 0
    if script.reasoning:
        item = _ITEM if family == "openai_responses" else None
        events.append(BlockStart(index, "reasoning", item=item))
        events += [ReasoningDelta(index, piece) for piece in script.reasoning]
        events.append(BlockEnd(index, opaque=_seal(family, script)))
        index += 1
    if script.text:
        events.append(BlockStart(index, "text"))
        events += [TextDelta(index, piece) for piece in script.text]
        events.append(BlockEnd(index))
        index += 1
    for place, (call_id, call) in enumerate(script.calls):
        sealed = _seal_of_calls(family, script) if place == 0 else None
        events += _call(index + place, call_id, call, sealed)
    return [*events, Stop(script.reason)]


def _call(index: int, call_id: str, call: ScriptedCall, sealed: Opaque | None) -> Iterator[Event]:
    yield BlockStart(index, "tool_call", call_id, call.name)
    text = call.json
    for at in range(0, len(text), _ARGUMENTS_PIECE):
        yield ToolCallDelta(index, text[at : at + _ARGUMENTS_PIECE])
    yield BlockEnd(index, opaque=sealed)


def _seal(family: FamilyName, script: Script) -> Opaque | None:
    """How a family that signs reasoning signs it."""
    if family == "anthropic":
        thinking = {"type": "thinking", "signature": script.signature}
        return Opaque("anthropic", "anthropic", json.dumps(thinking))
    if family == "openai_responses":
        summary = [{"type": "summary_text", "text": "".join(script.reasoning)}]
        item = {"id": _ITEM, "type": "reasoning", "summary": summary}
        sealed = {**item, "encrypted_content": script.signature}
        return Opaque("openai_responses", "openai", json.dumps(sealed))
    return None


def _seal_of_calls(family: FamilyName, script: Script) -> Opaque | None:
    """How a family signs the first of an answer's calls."""
    if family == "gemini":
        return Opaque("gemini", "google", json.dumps({"thoughtSignature": script.signature}))
    return None
