"""What comes back: one typed event protocol for every model and wire family.

An answer is a sequence of events. A `Start` opens it; the answer's parts are *blocks*, each a
`BlockStart`, its deltas and a `BlockEnd`; `Usage` is a snapshot of what was counted; exactly one
terminal event, `Stop` or `Failure`, comes last. Blocks may be open side by side (parallel tool
calls), so every event of a block carries its `index`: dense from 0 in order of first appearance
and shared by all kinds of block. It is never the wire's own index, which vendors reuse, skip and
start wherever they like.

Events are values: frozen, comparable, and the same in JSON and back (`decode_event`). A field that
the wire did not fill is ``None``, and ``None`` is not zero. What no field holds is kept as the
vendor's own JSON text: in `Opaque` where the vendor wants it back in the next request, in
``vendor`` where it does not.

Events only grow. A reader of a newer journal gets an unknown event as a `Notice`, not an error.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

__all__ = [
    "BlockEnd",
    "BlockKind",
    "BlockStart",
    "BlockStatus",
    "Event",
    "Failure",
    "FailureKind",
    "Media",
    "Notice",
    "NoticeCode",
    "Opaque",
    "ReasoningDelta",
    "RefusalDelta",
    "Reset",
    "Source",
    "Start",
    "Stop",
    "StopReason",
    "TextDelta",
    "ToolCallDelta",
    "Usage",
    "decode_event",
]

BlockKind: TypeAlias = Literal[
    "text",
    "reasoning",
    "refusal",
    "tool_call",
    "server_tool",
    "server_result",
    "media",
    "other",
]
"""What a part of the answer is. ``tool_call`` is for the caller to run; ``server_tool`` and
``server_result`` were run on the vendor's side."""

BlockStatus: TypeAlias = Literal["complete", "truncated", "invalid"]
"""How a block ended: closed and whole, cut short, or closed with content that breaks its rules."""

StopReason: TypeAlias = Literal[
    "end_turn",
    "max_tokens",
    "tool_use",
    "stop_sequence",
    "content_filter",
    "refusal",
    "pause",
    "unknown",
]
"""Why the model stopped, in words of no vendor; the vendor's own is `Stop.raw`."""

FailureKind: TypeAlias = Literal[
    "config",
    "auth",
    "access_denied",
    "connect",
    "connection_lost",
    "timed_out",
    "queue_full",
    "rate_limited",
    "overloaded",
    "model_not_found",
    "route_not_found",
    "bad_request",
    "gateway_unavailable",
    "protocol",
    "stream_truncated",
    "stream_failed",
    "budget_exceeded",
]
"""One word for each class of `gateway_stream.errors`."""

NoticeCode: TypeAlias = Literal[
    "queued",
    "retry",
    "route_downgraded",
    "quirk_learned",
    "heartbeat",
    "delta_mismatch",
    "unknown_event",
    "replaced_bytes",
    "dropped_choice",
    "dropped_part",
    "missing_reason",
    "unterminated",
    "invalid_field",
    "connection_lost",
    "token_not_renewed",
    "fallback",
    "fast_model_failed",
    "events_lost",
]
"""What a `Notice` tells. More may come: treat an unknown code as one to ignore."""


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """What a vendor wants back unread in the next request: signatures, encrypted reasoning, item ids.

    ``json`` is the vendor's JSON as text. Nothing here parses or rewrites it between the stream and
    the request that carries it back. ``family`` names the wire shape it has, ``provider`` who can
    read it (``"anthropic"``, ``"openai"``, ``"google"``...); it goes back to that provider only.
    """

    family: str
    provider: str
    json: str


class Start(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="start"):
    """An answer begins. One for each attempt that delivers something.

    ``request_id`` is the gateway's, from the response headers; ``attempt`` counts from 1.
    """

    id: str | None = None
    model: str | None = None
    request_id: str | None = None
    attempt: int = 1
    vendor: str | None = None


class BlockStart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="block_start"):
    """A part of the answer begins. ``id`` and ``name`` are a tool call's.

    ``item`` is the id of the wire's item that the part belongs to, as it was announced; empty where
    the item has none, ``None`` where the wire knows no items or has not told yet.
    """

    index: int
    kind: BlockKind
    id: str | None = None
    name: str | None = None
    item: str | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta"):
    """More text of block ``index``."""

    index: int
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False, tag="reasoning_delta"):
    """More of the model's reasoning: thinking, reasoning summaries and ``reasoning_content`` alike."""

    index: int
    text: str


class RefusalDelta(msgspec.Struct, frozen=True, gc=False, tag="refusal_delta"):
    """More of the text in which the model declines."""

    index: int
    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False, tag="tool_call_delta"):
    """A fragment of a tool call's arguments: JSON text, never the sum so far."""

    index: int
    arguments: str


class Media(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="media"):
    """An image or file that the model returned: ``data`` (base64) or ``url``, one of the two."""

    index: int
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class Source(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="source"):
    """Where a statement of block ``index`` comes from: a citation or grounding.

    ``span`` is (start, end) in characters of the block's text where the wire tells it.
    """

    index: int
    url: str | None = None
    title: str | None = None
    span: tuple[int, int] | None = None


class BlockEnd(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="block_end"):
    """A part of the answer ends. Only a tool call that ends ``complete`` can be run."""

    index: int
    status: BlockStatus = "complete"
    opaque: Opaque | None = None
    vendor: str | None = None


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="usage"):
    """Tokens counted so far: a cumulative snapshot, so the last one holds and none are added up.

    It comes when the first count is known, and before the end if it has changed since; vendors that
    count in every frame give no more of them than others.

    ``input`` includes cached tokens (``cache_read``, ``cache_write``); ``output`` includes
    ``reasoning``. ``None`` means that the wire did not say.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


class Stop(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="stop"):
    """The answer is whole. Terminal: nothing follows. ``raw`` is the vendor's own word for ``reason``."""

    reason: StopReason
    raw: str | None = None
    vendor: str | None = None


class Failure(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="failure", kw_only=True
):
    """The answer will not become whole. Terminal, and data: `gateway_stream.errors` raises it.

    ``status`` is the HTTP status that the failure stands for; an error inside a stream that began
    with 200 carries the status it names or implies, never the 200. ``phase`` tells when it came
    (``"request"``, ``"response"``, ``"stream"``, or the clock that ran out). ``retry_after`` is in
    seconds. ``delivered`` tells whether content came before it. ``hint`` says what to do.
    """

    kind: FailureKind
    message: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None
    phase: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    delivered: bool = False
    hint: str | None = None


class Reset(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="reset"):
    """Forget everything since the last `Start`: the request is sent again, and a new `Start` follows."""

    reason: str
    attempt: int


class Notice(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="notice"):
    """Something that a reader may want to know and may ignore."""

    code: NoticeCode
    detail: str = ""


Event: TypeAlias = (
    Start
    | BlockStart
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | Media
    | Source
    | BlockEnd
    | Usage
    | Stop
    | Failure
    | Reset
    | Notice
)
"""Any event: a tagged union, whose tag is ``type`` in JSON."""

_decode = msgspec.json.Decoder(Event).decode


class _Tagged(msgspec.Struct):
    type: str


_decode_tag = msgspec.json.Decoder(_Tagged).decode
_CLOSED_TAGS = frozenset(
    str(member.__struct_config__.tag) for member in get_args(Event) if member is not Notice
)


def decode_event(data: bytes | str) -> Event:
    """Read one event from its JSON. An event or notice of a later version becomes a `Notice`.

    Raises:
        msgspec.DecodeError: the data is not JSON, or not an event.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        event: Event = _decode(text)
    except msgspec.ValidationError:
        if _decode_tag(text).type in _CLOSED_TAGS:
            raise
        return Notice(code="unknown_event", detail=text)
    except UnicodeError as error:
        message = f"an event must be UTF-8: {error}"
        raise msgspec.DecodeError(message) from error
    return event
