"""Events folded into one answer.

`Accumulator` takes the events of one stream and gives the answer they add up to: a `Turn` when
the terminal `Stop` came, which is proof that the answer is whole, and a `PartialTurn` at any
moment before or instead. The two are different types so that no cut answer passes for a whole
one: only a `Turn` has tool calls that can be run.

Folding is linear. Deltas are kept as the fragments they are and joined once, when an answer is
asked for; nothing is parsed until somebody reads it. Both kinds of answer survive JSON
(``msgspec.json.encode`` and ``decode``) with their opaque data byte for byte, which is what lets a
conversation be stored and go on later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gateway_stream.errors import GatewayError, ProtocolError, StreamTruncated
from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Failure,
    Media,
    Notice,
    Opaque,
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
from gateway_stream.partial_json import NOTHING, read_partial

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Accumulator", "Block", "PartialTurn", "Timings", "ToolCall", "Turn", "fold"]

T = TypeVar("T")


class Timings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How long the parts of one answer took, in seconds from the call; ``None`` where it never came.

    ``queued`` and ``connect`` are durations: waiting for a place, and opening a connection (0 on a
    kept one). ``sent``, ``first_byte``, ``first_content`` and ``last`` are moments counted from the call. ``sent`` is
    when the try that answered had its place, so ``first_content - sent`` is the time to the first token.
    ``longest_gap`` is the longest wait between two reads after the first; ``reads`` counts them.
    """

    queued: float = 0.0
    connect: float = 0.0
    sent: float | None = None
    first_byte: float | None = None
    first_content: float | None = None
    last: float | None = None
    longest_gap: float = 0.0
    reads: int = 0


class Block(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One part of an answer: its deltas joined.

    ``text`` is prose for text, reasoning and refusal, and JSON text for a tool call's arguments.
    """

    index: int
    kind: BlockKind
    id: str | None = None
    name: str | None = None
    text: str = ""
    status: BlockStatus = "truncated"
    media: tuple[Media, ...] = ()
    sources: tuple[Source, ...] = ()
    opaque: Opaque | None = None
    vendor: str | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """What the model asks to be run. ``json`` is the text of its arguments, whole or not."""

    index: int
    id: str
    name: str
    json: str
    status: BlockStatus
    runnable: bool
    """Whether the arguments are whole: the call is closed, strictly parsed, and in a `Turn`."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments to run the tool with; no arguments at all are ``{}``.

        Raises:
            ProtocolError: the call is not `runnable`. `preview` shows what came.
        """
        if not self.runnable:
            why = {
                "complete": "its answer is not whole",
                "truncated": "its arguments were cut short",
                "invalid": "its arguments are not a JSON object",
            }[self.status]
            message = f"tool call {self.name!r} cannot be run: {why}"
            raise ProtocolError(message, hint="preview() shows what came of it; never run that.")
        arguments: dict[str, Any] = msgspec.json.decode(self.json or "{}")
        return arguments

    def preview(self) -> Any:
        """What the bytes so far prove of the arguments, to show and never to run.

        Raises:
            ProtocolError: the text cannot become JSON.
        """
        try:
            value, _ = read_partial(self.json)
        except ValueError as error:
            message = f"the arguments of tool call {self.name!r} are {error}"
            raise ProtocolError(message, hint="The model wrote them so; ask it again.") from error
        return {} if value is NOTHING else value


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a whole and a partial answer share."""

    id: str | None = None
    model: str | None = None
    request_id: str | None = None
    attempt: int = 1
    blocks: tuple[Block, ...] = ()
    usage: Usage = Usage()
    notices: tuple[Notice, ...] = ()
    vendor: str | None = None
    timings: Timings | None = None

    def _joined(self, kind: BlockKind) -> str:
        return "".join([block.text for block in self.blocks if block.kind == kind])

    @property
    def text(self) -> str:
        """The prose of the answer: all its text blocks joined."""
        return self._joined("text")

    @property
    def reasoning(self) -> str:
        """The model's reasoning as far as the vendor shows it."""
        return self._joined("reasoning")

    @property
    def refusal(self) -> str:
        """The text in which the model declined."""
        return self._joined("refusal")

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks the caller to run, in the order in which they began."""
        whole = isinstance(self, Turn)
        return tuple(
            ToolCall(
                index=block.index,
                id=block.id or "",
                name=block.name or "",
                json=block.text,
                status=block.status,
                runnable=whole and block.status == "complete",
            )
            for block in self.blocks
            if block.kind == "tool_call"
        )


class Turn(_Answer, frozen=True, omit_defaults=True, kw_only=True, tag="turn"):
    """A whole answer: its end was proved. ``max_tokens`` and a refusal are whole answers too."""

    stop: Stop

    def parse(self, type: type[T]) -> T:
        """The answer's text as a value of ``type``: any type that msgspec can decode.

        Raises:
            ProtocolError: the text is not JSON of that type.
        """
        try:
            return msgspec.json.decode(self.text, type=type)
        except (msgspec.DecodeError, RecursionError) as error:
            message = f"the answer does not parse as {_type_name(type)}: {error}"
            hint = (
                "The answer was cut at its token limit; raise max_tokens."
                if self.stop.reason == "max_tokens"
                else "Ask for an output schema, or read turn.text."
            )
            raise ProtocolError(message, hint=hint) from error


class PartialTurn(_Answer, frozen=True, omit_defaults=True, kw_only=True, tag="partial_turn"):
    """What came of an answer that is not whole, or not yet.

    ``stop_seen`` is a stop that the wire named without the evidence that would make it hold.
    """

    stop_seen: Stop | None = None
    failure: Failure | None = None


def _type_name(type_: Any) -> str:
    return getattr(type_, "__name__", str(type_))


class _OpenBlock:
    """A block while its events come."""

    __slots__ = ("end", "fragments", "media", "sources", "start")

    def __init__(self, start: BlockStart) -> None:
        self.start = start
        self.fragments: list[str] = []
        self.media: list[Media] = []
        self.sources: list[Source] = []
        self.end: BlockEnd | None = None

    def block(self) -> Block:
        end = self.end
        return Block(
            index=self.start.index,
            kind=self.start.kind,
            id=self.start.id,
            name=self.start.name,
            text="".join(self.fragments),
            status=end.status if end else "truncated",
            media=tuple(self.media),
            sources=tuple(self.sources),
            opaque=end.opaque if end else None,
            vendor=end.vendor if end else None,
        )


class Accumulator:
    """Folds the events of one stream. Takes each event once, in order."""

    def __init__(self) -> None:
        self._notices: list[Notice] = []
        self._forget()

    def _forget(self) -> None:
        self._start = Start()
        self._blocks: list[_OpenBlock] = []
        self._usage = Usage()
        self._end: Stop | Failure | None = None

    def add(self, event: Event) -> None:
        """Take the next event."""
        self.extend((event,))

    def extend(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta or kind is RefusalDelta:
                self._blocks[event.index].fragments.append(event.text)  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                self._blocks[event.index].fragments.append(event.arguments)  # type: ignore[union-attr]
            else:
                self._add_rare(event)

    def _add_rare(self, event: Event) -> None:
        match event:
            case BlockStart():
                self._blocks.append(_OpenBlock(event))
            case BlockEnd():
                self._blocks[event.index].end = event
            case Usage():
                self._usage = event
            case Start():
                self._start = event
            case Stop() | Failure():
                self._end = event
            case Reset():
                self._forget()
            case Notice():
                self._notices.append(event)
            case Media():
                self._blocks[event.index].media.append(event)
            case Source():
                self._blocks[event.index].sources.append(event)

    @property
    def usage(self) -> Usage:
        """What was counted so far."""
        return self._usage

    @property
    def whole(self) -> bool:
        """Whether a `Stop` came."""
        return isinstance(self._end, Stop)

    def partial(
        self, *, stop_seen: Stop | None = None, timings: Timings | None = None
    ) -> PartialTurn:
        """What came so far, at any moment."""
        failure = self._end if isinstance(self._end, Failure) else None
        return PartialTurn(**self._fields(timings), stop_seen=stop_seen, failure=failure)

    def turn(self, *, stop_seen: Stop | None = None, timings: Timings | None = None) -> Turn:
        """The whole answer.

        Raises:
            GatewayError: the stream ended in a `Failure`; the error has its class and the partial.
            StreamTruncated: no terminal event came.
        """
        end = self._end
        if isinstance(end, Stop):
            return Turn(**self._fields(timings), stop=end)
        partial = self.partial(stop_seen=stop_seen, timings=timings)
        if end is not None:
            raise GatewayError.from_failure(end, partial)
        message = "the answer has not ended yet"
        raise StreamTruncated(message, hint="Read the stream to its end first.", partial=partial)

    def _fields(self, timings: Timings | None) -> dict[str, Any]:
        start = self._start
        return {
            "id": start.id,
            "model": start.model,
            "request_id": start.request_id,
            "attempt": start.attempt,
            "vendor": start.vendor,
            "blocks": tuple([block.block() for block in self._blocks]),
            "usage": self._usage,
            "notices": tuple(self._notices),
            "timings": timings,
        }


def fold(events: Iterable[Event]) -> Turn | PartialTurn:
    """The answer that ``events`` add up to: a `Turn` only if a `Stop` ended them."""
    accumulator = Accumulator()
    taken = list(events)
    accumulator.extend(taken)
    whole = bool(taken) and isinstance(taken[-1], Stop)
    return accumulator.turn() if whole else accumulator.partial()
