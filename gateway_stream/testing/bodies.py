"""What a model would send: a scripted answer in the bytes of its family, streamed or whole."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.events import Usage
from gateway_stream.testing.dialects.anthropic import ANTHROPIC
from gateway_stream.testing.dialects.gemini import GEMINI, array_elements, array_error
from gateway_stream.testing.dialects.openai_chat import OPENAI_CHAT
from gateway_stream.testing.dialects.openai_responses import OPENAI_RESPONSES
from gateway_stream.testing.script import FamilyName, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.testing.dialects.dialect import Dialect

__all__ = [
    "answer_body",
    "error_event",
    "events_with_text",
    "long_stream",
    "split_events",
    "stream_events",
]

_DIALECTS: Final[dict[FamilyName, Dialect]] = {
    "openai_chat": OPENAI_CHAT,
    "openai_responses": OPENAI_RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
}
_MARK: Final = b"@piece@"


def stream_events(
    family: FamilyName, script: Script, *, model: str, array: bool = False
) -> Iterator[bytes]:
    """The events of a streamed answer, each as its bytes.

    ``array`` gives Gemini's form without ``alt=sse``, elements of a JSON array, brackets included.

    Raises:
        ValueError: the family has no word for the stop reason, or no array form.
    """
    if not array:
        return _DIALECTS[family].stream(script, model)
    if family != "gemini":
        message = f"the family {family} streams no arrays"
        raise ValueError(message)
    return array_elements(script, model)


def events_with_text(family: FamilyName, script: Script, pieces: int) -> int:
    """How many events a stream has sent when its first ``pieces`` pieces of text are out.

    With 0 it is those before the first piece, what opens it included. An array has as many.

    Raises:
        ValueError: the family has no word for the stop reason.
    """
    told, other = (
        stream_events(family, dataclasses.replace(script, text=text), model="")
        for text in (script.text, (*script.text[:pieces], _MARK.decode()))
    )
    # The two streams part where the one says the mark and the other goes on in its own way.
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(told, other, strict=False))
    return sum(1 for _ in alike)


def answer_body(family: FamilyName, script: Script, *, model: str) -> bytes:
    """The whole answer as one JSON object, as a request without streaming gets it.

    Raises:
        ValueError: the family has no word for the stop reason.
    """
    return msgspec.json.encode(_DIALECTS[family].answer(script, model))


def error_event(family: FamilyName, *, array_place: int | None = None) -> bytes:
    """The event that tells of an error after the answer began.

    ``array_place`` gives it as that element, the last, of Gemini's array.
    """
    return _DIALECTS[family].error if array_place is None else array_error(array_place)


def long_stream(family: FamilyName, *, size: int, piece: int, model: str) -> Iterator[bytes]:
    """A stream of at least ``size`` bytes, made as it is read, of text events ``piece`` long.

    What would repeat the text at the end is left out, so that nothing of this size is ever held.
    """
    script = Script(text=(_MARK.decode(),), usage=Usage(input=1, output=size // 4))
    events = list(stream_events(family, script, model=model))
    place = next(at for at, event in enumerate(events) if _MARK in event)
    filled = events[place].replace(_MARK, b"x" * piece)
    head = events[:place]
    tail = [event for event in events[place + 1 :] if _MARK not in event]
    if family == "openai_responses":
        tail = list(stream_events(family, Script(usage=script.usage), model=model))[-1:]
    room = size - sum(map(len, head + tail))
    return itertools.chain(head, itertools.repeat(filled, max(1, -(-room // len(filled)))), tail)


def split_events(body: bytes) -> list[bytes]:
    """A recorded stream cut after each blank line. A body of JSON stays in one piece."""
    if body.lstrip()[:1] in (b"{", b"["):
        return [body]
    return [piece for piece in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if piece]
