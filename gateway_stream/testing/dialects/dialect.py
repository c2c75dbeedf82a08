"""What the four dialects of scripted answers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway_stream.events import StopReason
    from gateway_stream.testing.script import Script, ScriptedCall

__all__ = ["CREATED", "Dialect", "Tree", "fragments", "frame", "known", "word_for"]

Tree: TypeAlias = dict[str, Any]

CREATED: Final = 1_750_000_000
"""When every scripted answer was made, in seconds of the epoch."""

_ARGUMENTS_PIECE: Final = 12


@dataclass(frozen=True)
class Dialect:
    """How a vendor writes an answer.

    Attributes:
        stream: the events of a streamed answer, each as its bytes.
        answer: the whole answer as one JSON tree.
        error: the event that tells of an error after the answer began.
    """

    stream: Callable[[Script, str], Iterator[bytes]]
    answer: Callable[[Script, str], Tree]
    error: bytes


def frame(tree: Tree, event: str = "", *, end: bytes = b"\n") -> bytes:
    """One server-sent event."""
    name = b"event: " + event.encode() + end if event else b""
    return name + b"data: " + msgspec.json.encode(tree) + end + end


def fragments(call: ScriptedCall) -> list[str]:
    """The arguments of a call as they would be streamed."""
    text = call.json
    return [text[at : at + _ARGUMENTS_PIECE] for at in range(0, len(text), _ARGUMENTS_PIECE)]


def known(**counts: int | None) -> Tree:
    """The counts that are known."""
    return {name: count for name, count in counts.items() if count is not None}


def word_for(words: dict[StopReason, str], script: Script) -> str:
    """The vendor's word for why the model stopped.

    Raises:
        ValueError: it has none.
    """
    word = words.get(script.reason)
    if word is None:
        message = f"this family has no word for the stop reason {script.reason!r}"
        raise ValueError(message)
    return word
