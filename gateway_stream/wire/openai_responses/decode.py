"""Responses frames to events.

The type of a frame is its JSON's ``type``; the SSE event name counts only where the JSON has none.

Which frames may be missing: all but the ones that carry content. ``response.created``,
``output_item.added``, ``content_part.added`` and the deltas are each optional (see `blocks`), and so is
the terminal frame where ``[DONE]`` comes (agents send nothing else): the answer then ends for an
unknown reason, and calls that were not closed are cut. A body that just ends is truncated, however much
of it was queued, in progress or done.

``response.completed`` and ``response.incomplete`` prove the end at once; which of them it is, the
response in the frame may know better (see `response`). Some servers call all of them ``response.done``: it
is an end where its response says how it ended. ``response.failed``, a ``cancelled`` response and every
frame that is or holds an error end the answer in one `Failure`; vendors tell the same error in two frames, and
the first one counts. A frame of no type known here is asked whether it is an error before it is
called unknown, for gateways write theirs without this dialect's framing.

Passed over in silence: progress and previews of items that come whole in the end
(``web_search_call.searching``, ``code_interpreter_call_code.delta``, partial images). A frame of a type that
nothing here knows gives a notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway_stream.events import Failure
from gateway_stream.wire.failures import read_stream_failure
from gateway_stream.wire.json_text import UNREADABLE, compact
from gateway_stream.wire.openai_responses.blocks import Blocks
from gateway_stream.wire.openai_responses.items import (
    PartKind,
    WireItem,
    annotations_of,
    kind_of_part,
)
from gateway_stream.wire.openai_responses.response import ENDS, Response
from gateway_stream.wire.openai_responses.views import (
    Fields,
    Frame,
    decode_frame,
    fields_text,
    is_framing,
    read_fields,
    read_frame,
    read_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.events import StopReason
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_responses.slots import Part

__all__ = ["Translation"]


class _Text(NamedTuple):
    """A text that streams: the type of its item, its kind, and the field that its ``done`` has."""

    item: str
    kind: PartKind
    whole: str


_TEXTS: Final = {
    "response.output_text": _Text("message", "text", "text"),
    "response.refusal": _Text("message", "refusal", "refusal"),
    "response.reasoning_text": _Text("reasoning", "content", "text"),
    "response.reasoning": _Text("reasoning", "content", "text"),
    "response.reasoning_summary_text": _Text("reasoning", "summary", "text"),
    "response.reasoning_summary": _Text("reasoning", "summary", "text"),
    "response.function_call_arguments": _Text("function_call", "arguments", "arguments"),
    "response.custom_tool_call_input": _Text("custom_tool_call", "input", "input"),
}
_DELTAS: Final = {f"{name}.delta": text for name, text in _TEXTS.items()}
_WHOLES: Final = {f"{name}.done": text for name, text in _TEXTS.items()}
_PARTS: Final[dict[str, tuple[str, PartKind]]] = {
    "output_text": ("message", "text"),
    "refusal": ("message", "refusal"),
    "reasoning_text": ("reasoning", "content"),
    "summary_text": ("reasoning", "summary"),
}
_ENDS: Final = {f"response.{word}": word for word in ENDS}
_FAILED: Final = frozenset({"failed", "cancelled"})
_UNFINISHED: Final = frozenset({"queued", "in_progress"})
_HEARTBEATS: Final = frozenset({"keepalive", "ping"})
_FRAMING: Final = frozenset({"type", "sequence_number", "output_index", "item", "response"})


class Translation:
    """Reads one answer."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._blocks = Blocks(writer)
        self._live = self._blocks.live
        self._told: Fields = {}

    def frame(self, data: bytes, event: str) -> None:
        """Take one frame."""
        view: Frame | None
        try:
            view = decode_frame(data)
        except UNREADABLE:
            view = read_frame(data, self._writer)
            if view is None:
                return
        delta = view.delta
        if type(delta) is str and view.error is None and view.error_code is None:
            name = (view.type, view.output_index, view.content_index, view.summary_index)
            part = self._live.get(name)
            if part is not None and part.item.current is part:
                part.said.append(delta)
                self._writer.delta(part.index, delta)  # type: ignore[arg-type]  # live parts are open
                return
        self._take(view, data, event)

    def answer(self, data: bytes) -> None:
        """Take a whole response object."""
        response = Response(data)
        if response.word("status") is None and "output" not in response.fields:
            self._writer.broken("the body is not a response", data)
        else:
            self._end(response, {})

    def done(self) -> None:
        """Take ``[DONE]``: the end, where no terminal frame came before it."""
        if not self._writer.done:
            self._finish(None)

    def _take(self, view: Frame, data: bytes, event: str) -> None:
        type_ = view.type or (event if event != "message" else "")
        if view.error or view.error_code:
            self._error(view, data)
        elif type_ in _DELTAS:
            self._delta(view, type_, _DELTAS[type_])
        elif type_ in _WHOLES:
            self._whole(view, _WHOLES[type_])
        elif type_ in self._rare:
            self._rare[type_](self, view, data)
        elif type_ in _ENDS:
            self._end(Response(view.response), _beside(data), _ENDS[type_])
        elif not type_ and view.object == "response":
            self.answer(data)
        elif type_ in _HEARTBEATS:
            self._writer.notice("heartbeat", type_)
        elif not _previews(type_):
            self._unknown(type_, data)

    # Texts.

    def _delta(self, view: Frame, type_: str, text: _Text) -> None:
        if isinstance(view.delta, str):
            name = (view.type, view.output_index, view.content_index, view.summary_index)
            part = self._blocks.begin_part(view.output_index, text.item, text.kind, _place(view))
            self._blocks.delta(name if view.type else (type_, *name[1:]), part, view.delta)

    def _whole(self, view: Frame, text: _Text) -> None:
        self._settle(view, text.item, text.kind, getattr(view, text.whole))

    def _part_added(self, view: Frame, _data: bytes) -> None:
        known = self._part(view, read_object(view.part))
        if known is not None:
            self._blocks.begin_part(view.output_index, *known, _place(view))

    def _part(self, view: Frame, fields: dict[str, Any]) -> tuple[str, PartKind] | None:
        """Where a part belongs: by its type, or to the message that is open in its place."""
        known = _PARTS.get(str(fields.get("type")))
        if known is None and self._blocks.has_open(view.output_index, "message"):
            return "message", kind_of_part(fields)
        return known

    def _part_done(self, view: Frame, _data: bytes) -> None:
        fields = read_object(view.part)
        known = self._part(view, fields)
        if known is None:
            return
        part = self._settle(view, *known, fields.get("refusal", fields.get("text")))
        if part is not None:
            for annotation in annotations_of(fields):
                self._blocks.cite(part, annotation)

    def _settle(self, view: Frame, item: str, kind: PartKind, whole: Any) -> Part | None:
        if not isinstance(whole, str) or self._blocks.is_done(view.output_index, item):
            return None
        part = self._blocks.begin_part(view.output_index, item, kind, _place(view))
        self._blocks.settle(part, whole)
        return part

    def _annotation(self, view: Frame, _data: bytes) -> None:
        if not self._blocks.is_done(view.output_index, "message"):
            part = self._blocks.begin_part(view.output_index, "message", "text", _place(view))
            self._blocks.cite(part, view.annotation)

    # Items.

    def _item_added(self, view: Frame, _data: bytes) -> None:
        wire = WireItem(bytes(view.item))
        if wire.type:
            self._blocks.announce(view.output_index, wire)

    def _item_done(self, view: Frame, data: bytes) -> None:
        wire = WireItem(bytes(view.item))
        if wire.type:
            self._blocks.tell(view.output_index, wire, _beside(data))

    # The response.

    def _created(self, view: Frame, data: bytes) -> None:
        self._blocks.restart()
        self._going_on(view, data)

    def _going_on(self, view: Frame, _data: bytes) -> None:
        if not self._writer.started:
            self._start(Response(view.response))

    def _start(self, response: Response) -> None:
        if not self._writer.started:
            vendor = response.vendor({})
            self._writer.start(
                id=response.word("id"), model=response.word("model"), vendor=fields_text(vendor)
            )
            self._told = vendor

    def _ended(self, view: Frame, data: bytes) -> None:
        """``response.done``, which leaves it to the response to say how it ended."""
        response = Response(view.response)
        if response.ended_as("") in ENDS:
            self._end(response, _beside(data))
        else:
            self._unknown("response.done", data)

    def _end(self, response: Response, beside: Fields, event: str = "") -> None:
        """The response as it ended; ``event`` is the frame's word for how, where a frame said so."""
        self._start(response)
        status = response.ended_as(event)
        if status in _FAILED or response.error:
            self._writer.usage(**response.counts())
            self._writer.stop("unknown", status)
            self._fail(response.error, f"the response ended as {status}")
        elif status in _UNFINISHED:
            self._writer.truncated(f"the response is still {status}", code=status)
        else:
            self._blocks.conclude(response.items(), cut=status == "incomplete")
            self._writer.usage(**response.counts())
            vendor = fields_text(response.vendor(self._told) | beside)
            self._finish(response.stop(status), vendor)

    def _finish(
        self, stop: tuple[StopReason, str | None] | None, vendor: str | None = None
    ) -> None:
        """The answer is whole. Only an end by the model's own will closes calls that are still open."""
        asks_client = self._blocks.close(proved=stop is not None and stop[0] == "end_turn")
        if stop is not None:
            reason, raw = stop
            if reason == "end_turn" and asks_client:
                reason = "tool_use"
            self._writer.stop(reason, raw, vendor)
        self._writer.finish()

    # Errors.

    def _error(self, view: Frame, data: bytes) -> None:
        error = view.error
        if not error:
            fields = read_object(data)
            error = {key: fields[key] for key in fields if key not in _FRAMING}
        failure = read_stream_failure(data) or read_stream_failure(
            compact({"error": error}).encode()
        )
        self._blocks.break_off()
        self._writer.fail(failure or _unexplained("the stream reports an error"))

    def _unknown(self, type_: str, data: bytes) -> None:
        failure = read_stream_failure(data)
        if failure is None:
            self._writer.notice("unknown_event", type_ or data[:200].decode("utf-8", "replace"))
        else:
            self._blocks.break_off()
            self._writer.fail(failure)

    def _fail(self, error: bytes | None, what: str) -> None:
        self._blocks.break_off()
        failure = read_stream_failure(b'{"error":' + error + b"}") if error else None
        self._writer.fail(failure or _unexplained(what))

    _rare: Final[dict[str, Callable[[Translation, Frame, bytes], None]]] = {
        "response.created": _created,
        "response.in_progress": _going_on,
        "response.queued": _going_on,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.content_part.added": _part_added,
        "response.content_part.done": _part_done,
        "response.reasoning_summary_part.added": _part_added,
        "response.reasoning_summary_part.done": _part_done,
        "response.output_text.annotation.added": _annotation,
        "response.done": _ended,
        "error": _error,
    }


def _place(view: Frame) -> int:
    """The place of a text among its item's."""
    return view.content_index or view.summary_index or 0


def _beside(data: bytes) -> Fields:
    """What a frame says beside its framing and its item or response."""
    if is_framing(data):
        return {}
    fields = read_fields(data)
    return {k: v for k, v in fields.items() if k not in _FRAMING and bytes(v) != b"null"}


def _previews(type_: str) -> bool:
    """Whether a frame only tells the progress of an item that comes whole in the end."""
    return type_.startswith("response.") and ("_call" in type_ or "mcp_list_tools" in type_)


def _unexplained(what: str) -> Failure:
    return Failure(
        kind="stream_failed",
        message=f"{what} and does not say why",
        retryable=True,
        hint="Send the request again; if it repeats, report it to the gateway's owner.",
    )
