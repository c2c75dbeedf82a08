"""What a wire family is, and the grammar that every family's events obey.

A *family* is a dialect of HTTP API: OpenAI Chat, OpenAI Responses, Anthropic Messages, Gemini. It is
a frozen value of functions, not a base class: nothing to inherit, each half testable alone. A new
family is one folder and one line in ``FAMILIES``.

**The grammar.** `_TABLE` below is all of it for the shape of an answer; the index rules are beside
it. Each consumer may rely on:

- One `Start` first, `Notice` aside; a `Failure` may stand alone; one terminal event (`Stop` or
  `Failure`) last, and nothing after it.
- Blocks are numbered from 0 in order of first appearance. Every delta lies between its block's
  `BlockStart` and `BlockEnd`, and fits the block's kind. All blocks have ended before the terminal.
- Before a `Failure`, blocks that were still open end as not complete.
- `Reset` takes everything back to before `Start`.

**Terminal evidence.** A `Stop` is written only on proof that the answer is whole. Strong proof is
the family's own end mark (Anthropic ``message_stop``; Responses ``completed``, ``incomplete``; Chat
``[DONE]``). Weak proof is a stop reason *and* the clean end of the HTTP body; a recorded file ends
clean. Whole means proved, whatever the reason: ``max_tokens`` is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    Event,
    Failure,
    Media,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway_stream.request import Request
    from gateway_stream.turn import Turn
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.carries import Carries
    from gateway_stream.wire.sse import Frame

__all__ = ["Composer", "DecodeRequest", "Family", "Translator", "WireRequest", "check_grammar"]


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request in a family's shape, before it has a URL.

    ``body`` is a JSON tree until the transport writes it, so that what the gateway is known to
    refuse can still be changed. ``notices`` tell what of the neutral request could not be carried.
    """

    family: str
    model: str
    stream: bool
    body: dict[str, Any]
    headers: dict[str, str] = {}
    notices: tuple[Notice, ...] = ()


class DecodeRequest(Protocol):
    """Reads a request."""

    def __call__(
        self, body: dict[str, Any], *, model: str | None = None, stream: bool | None = None
    ) -> Request:
        """The neutral request; ``model`` and ``stream`` are the path's, where it has them."""


class Translator(Protocol):
    """Turns one answer's frames into what an `AnswerWriter` writes. One for each answer."""

    def frame(self, data: bytes, event: str) -> None:
        """Take one frame: its data, and its SSE event name (``"message"`` where it has none).

        Raises:
            NotJson: the data is no JSON; nothing of it was taken.
        """

    def answer(self, data: bytes) -> None:
        """Take a whole answer at once: the JSON object that a request without ``stream`` gets."""

    def done(self) -> None:
        """Take the sentinel ``[DONE]``."""


class Composer(Protocol):
    """Writes one answer as the frames of a stream. One for each answer.

    `gateway_stream.wire.encoder.Encoder` sees to the order: `start`; blocks one after another, each
    opened, filled and closed before the next; `stop` or `fail`. Each method gives the frames that are
    due by then, so that a reader has each delta as soon as it is there.
    """

    def start(self, start: Start, usage: Usage) -> Iterable[Frame]:
        """The answer begins; ``usage`` is what has been counted so far."""

    def open(self, block: BlockStart) -> Iterable[Frame]:
        """A block begins."""

    def delta(self, text: str) -> Iterable[Frame]:
        """More of the open block: text, reasoning, refusal or arguments, by its kind."""

    def media(self, media: Media) -> Iterable[Frame]:
        """An image or file of the open block."""

    def source(self, source: Source) -> Iterable[Frame]:
        """A citation of the open block."""

    def close(self, end: BlockEnd) -> Iterable[Frame]:
        """The open block ends. One that is not complete must not be read back as complete."""

    def stop(self, stop: Stop, usage: Usage) -> Iterable[Frame]:
        """The answer is whole: why it stopped, what was counted, and the proof of the end."""

    def fail(self, failure: Failure, usage: Usage) -> Iterable[Frame]:
        """The answer failed. ``started`` or not, what is written proves no end."""


class Family(NamedTuple):
    """A wire dialect.

    Attributes:
        name: the name in ``FAMILIES``, in `Opaque.family` and on the command line.
        translator: makes what reads one answer.
        encode_request: writes a neutral request; its second argument names the provider of the
            model (``"anthropic"``, ``"openai"``, ``"google"``), or is ``None`` where it is not known.
        decode_request: reads a request's body. Model and streaming are given where they stand in
            the path and not in the body; what the neutral request has no field for is in ``extra``.
            Raises `gateway_stream.errors.BadRequest` for a body that is no request of the family.
        composer: makes what writes one answer as a stream.
        compose_answer: writes a whole answer, or a failure in its place, as one JSON object.
        streamed: what the family's streams carry.
        whole: what its whole answers carry.
    """

    name: str
    translator: Callable[[AnswerWriter], Translator]
    encode_request: Callable[[Request, str | None], WireRequest]
    decode_request: DecodeRequest
    composer: Callable[[], Composer]
    compose_answer: Callable[[Turn | Failure], bytes]
    streamed: Carries
    whole: Carries


# The grammar. States: "idle" before Start, "open" after it, "done" after the terminal event.
_TABLE: Final[dict[tuple[str, type], str]] = {
    ("idle", Notice): "idle",
    ("idle", Start): "open",
    ("idle", Failure): "done",
    ("open", Notice): "open",
    ("open", BlockStart): "open",
    ("open", TextDelta): "open",
    ("open", ReasoningDelta): "open",
    ("open", RefusalDelta): "open",
    ("open", ToolCallDelta): "open",
    ("open", Media): "open",
    ("open", Source): "open",
    ("open", BlockEnd): "open",
    ("open", Usage): "open",
    ("open", Reset): "idle",
    ("open", Stop): "done",
    ("open", Failure): "done",
}

_KINDS: Final[dict[type, tuple[BlockKind, ...]]] = {
    TextDelta: ("text",),
    ReasoningDelta: ("reasoning",),
    RefusalDelta: ("refusal",),
    ToolCallDelta: ("tool_call",),
}


def check_grammar(events: Iterable[Event], *, whole: bool = True) -> None:
    """Hold events against the grammar; ``whole`` also asks for the terminal event.

    Raises:
        ValueError: they break it; the text names the event and the rule.
    """
    state = "idle"
    kinds: list[BlockKind] = []
    open_blocks: set[int] = set()
    for place, event in enumerate(events):
        following = _TABLE.get((state, type(event)))
        if following is None:
            message = f"event {place}: {type(event).__name__} after state {state!r}: {event}"
            raise ValueError(message)
        if isinstance(event, Stop | Failure) and open_blocks:
            message = f"event {place}: {type(event).__name__} while blocks {open_blocks} are open"
            raise ValueError(message)
        if isinstance(event, Reset):
            kinds.clear()
            open_blocks.clear()
        _check_block(place, event, kinds, open_blocks)
        state = following
    if whole and state != "done":
        message = f"no terminal event; the last state is {state!r}"
        raise ValueError(message)


def _check_block(place: int, event: Event, kinds: list[BlockKind], open_blocks: set[int]) -> None:
    if isinstance(event, BlockStart):
        if event.index != len(kinds):
            message = f"event {place}: block {event.index} where {len(kinds)} is next"
            raise ValueError(message)
        kinds.append(event.kind)
        open_blocks.add(event.index)
        return
    index = getattr(event, "index", None)
    if index is None:
        return
    if index not in open_blocks:
        message = f"event {place}: {type(event).__name__} for block {index}, which is not open"
        raise ValueError(message)
    fitting = _KINDS.get(type(event))
    if fitting is not None and kinds[index] not in fitting:
        message = f"event {place}: {type(event).__name__} in a {kinds[index]} block"
        raise ValueError(message)
    if isinstance(event, BlockEnd):
        open_blocks.discard(index)
