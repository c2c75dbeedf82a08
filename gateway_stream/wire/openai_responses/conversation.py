"""Messages and turns as input items.

A turn goes back as the items that it came as, in order. A block's opaque data is its item without the text
that the block holds, so an item is that data and the text put together again; the parts of one
message carry the same item id and become one item. Items of server tools, reasoning and custom
tool calls are in their opaque data whole, and go back untouched but for one thing: an item id that is
null, or has more than 64 characters, is left out, for the vendor hands out such ids and refuses them.

The vendor takes a message of the model in two forms, and each has what it must have. With an item id it is
the item: a status, and annotations beside each text, even if there are none. Without one it is a role and
a text. So a message that has no id goes as one of these for each of its parts, unless it says
what that form cannot: citations, a refusal, fields that nothing here knows. Then it goes as it came.

Reasoning goes back if it can be read there: it is encrypted, or has an id and the vendor keeps responses. The
vendor refuses other reasoning, and reasoning at the end of a turn that nothing followed, so these are left
out with a notice.

Call ids are the vendor's last word too: where a call was announced under one id and closed under
another, the call and its result go back under the last. The vendor refuses arguments that are no JSON,
so a call that was cut or is invalid goes back with none at all, and a notice.

A tool result has no mark of failure here: its text has to tell. Results of custom tools have an item
type of their own, told from the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Notice, Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    parts_of,
)
from gateway_stream.turn import Turn
from gateway_stream.wire.json_text import read_object
from gateway_stream.wire.openai_responses.items import FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream.request import Message

__all__ = ["Conversation"]

_ID_LIMIT: Final = 64
_PLAIN: Final = frozenset({"type", "role", "status", "phase", "content"})
_PLAIN_PART: Final = frozenset({"type", "text", "annotations"})


class Conversation:
    """Collects ``items`` and the ``notices`` of what could not go.

    Args:
        provider: who runs the model, where that is known.
        stored: whether the vendor may keep responses, so that an item's id alone says what it is.
    """

    def __init__(self, provider: str | None, *, stored: bool) -> None:
        self._items: list[dict[str, Any]] = []
        self._input: dict[str, Any] | None = None
        self.notices: list[Notice] = []
        self._provider = provider
        self._stored = stored
        self._call_ids: dict[str, str] = {}
        self._custom: set[str] = set()
        self._cut: set[str | None] = set()

    @property
    def items(self) -> list[dict[str, Any]]:
        """The input items, in forms that the vendor takes."""
        return [sent for item in self._items for sent in _sent(item)]

    def drop(self, what: str) -> None:
        """Tell that something does not go."""
        notice = Notice("dropped_part", what)
        if notice not in self.notices:
            self.notices.append(notice)

    def drop_cache_hint(self) -> None:
        """Tell that a cache hint does not go."""
        self.drop("cache: this vendor caches on its own")

    def plain_text(self, text: str | tuple[TextPart, ...]) -> str:
        """Text without parts, which a blank line joins."""
        if isinstance(text, str):
            return text
        if any(part.cache for part in text):
            self.drop_cache_hint()
        return "\n\n".join(part.text for part in text)

    def add(self, message: Message | Turn) -> None:
        """The next message or turn."""
        self._input = None
        blocks = message.blocks if isinstance(message, Turn) else ()
        calls = (block for block in blocks if block.kind == "tool_call")
        self._cut = {call.id for call in calls if call.status != "complete"}
        assistant = isinstance(message, Turn) or message.role == "assistant"
        for part in parts_of(message):
            if getattr(part, "cache", None):
                self.drop_cache_hint()
            self._add_part(part, assistant=assistant)
        while assistant and self._items and self._items[-1].get("type") == "reasoning":
            self._items.pop()
            self.drop("reasoning: nothing that the model said follows it")

    def _add_part(self, part: Part, *, assistant: bool) -> None:
        match part:
            case TextPart() if assistant:
                self._add_said(part)
            case TextPart():
                self._add_input({"type": "input_text", "text": part.text})
            case ImagePart() | DocumentPart() if assistant:
                self.drop(f"{type(part).__name__}: an assistant's message has text only")
            case ImagePart() | DocumentPart():
                self._add_input(_file(part))
            case ToolCallPart():
                self._add_call(part)
            case ToolResultPart():
                self._add_result(part)
            case ReasoningPart():
                self._add_reasoning(part)
            case OpaquePart():
                self._add_opaque(part, assistant=assistant)

    # What the user says.

    def _add_input(self, content: dict[str, Any]) -> None:
        if self._input is None or self._items[-1] is not self._input:
            self._input = {"type": "message", "role": "user", "content": []}
            self._items.append(self._input)
        self._input["content"].append(content)

    def _add_result(self, part: ToolResultPart) -> None:
        if part.is_error:
            self.drop("is_error: a tool result has no mark of failure here; its text has to tell")
        content: str | list[dict[str, Any]]
        if isinstance(part.content, str):
            content = part.content
        elif len(part.content) == 1 and isinstance(part.content[0], TextPart):
            content = part.content[0].text
        else:
            content = [_result(item) for item in part.content]
        custom = part.call_id in self._custom
        self._items.append(
            {
                "type": "custom_tool_call_output" if custom else "function_call_output",
                "call_id": self._call_ids.get(part.call_id, part.call_id),
                "output": content,
            }
        )

    # What the model said.

    def _add_said(self, part: TextPart) -> None:
        item = self._item(part.opaque)
        if item is None or item.get("type") != "message":
            if part.text:
                content = {"type": "output_text", "text": part.text}
                self._add_message({"type": "message"}, content)
            return
        told = item.get("content")
        if not told and not part.text:
            self._items.append(item)
            return
        content = {"type": "output_text", **(told[0] if told else {})}
        content["refusal" if content.get("type") == "refusal" else "text"] = part.text
        self._add_message(item, content)

    def _add_message(self, item: dict[str, Any], content: dict[str, Any]) -> None:
        last = self._items[-1] if self._items else {}
        if item.get("id") and last.get("id") == item["id"]:
            last["content"].append(content)
        else:
            self._items.append({**item, "content": [content]})

    def _add_call(self, part: ToolCallPart) -> None:
        item = self._item(part.opaque) or {"type": "function_call"}
        if item.get("type") == "custom_tool_call":
            self._custom.add(part.id)
        else:
            if part.id in self._cut and "arguments" not in item:
                self.drop(
                    "arguments: those of a call that was cut or is invalid; it goes with none"
                )
            item.setdefault("name", part.name)
            item.setdefault("arguments", part.arguments)
        self._call_ids[part.id] = item.setdefault("call_id", part.id)
        self._items.append(item)

    def _add_reasoning(self, part: ReasoningPart) -> None:
        item = self._item(part.opaque)
        if item is None:
            if part.opaque is None:
                self.drop("reasoning: it has no data that its vendor could read")
        elif item.get("encrypted_content") or (self._stored and item.get("id") and _takes_id(item)):
            self._items.append(item)
        else:
            self.drop("reasoning: it is not encrypted, and the vendor has no id to find it by")

    def _add_opaque(self, part: OpaquePart, *, assistant: bool) -> None:
        item = self._item(part.opaque)
        if item is None:
            return
        content = item.get("content")
        if not assistant and str(item.get("type")).startswith("input_"):
            self._add_input(item)
        elif item.get("type") == "message" and content:
            self._add_message(item, content[0])
        else:
            self._items.append(item)

    def _item(self, opaque: Opaque | None) -> dict[str, Any] | None:
        """The item that opaque data is, if it may go to this vendor."""
        if opaque is None:
            return None
        readable = self._provider is None or opaque.provider == self._provider
        if opaque.family != FAMILY or not readable:
            self.drop(f"opaque data of {opaque.provider} over {opaque.family}: not readable here")
            return None
        return read_object(opaque.json)


def _takes_id(item: dict[str, Any]) -> bool:
    """Whether the item has an id that the vendor takes."""
    return 0 < len(str(item.get("id") or "")) <= _ID_LIMIT


def _sent(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An item in a form that the vendor takes."""
    if not _takes_id(item):
        item = {key: value for key, value in item.items() if key != "id"}
    if item.get("type") != "message" or item.get("role") == "user":
        yield item
        return
    item = {"role": "assistant", **item, "status": item.get("status") or "completed"}
    parts = item.get("content") or ()
    if "id" not in item and item.keys() <= _PLAIN and all(map(_is_plain, parts)):
        kept = {key: item[key] for key in ("type", "role", "phase") if item.get(key)}
        for part in parts:
            yield {**kept, "content": part["text"]}
    else:
        yield {**item, "content": [_annotated(part) for part in parts]}


def _is_plain(part: dict[str, Any]) -> bool:
    """Whether a part of a message is a text and nothing else."""
    text = part.get("type") in ("output_text", "text") and "text" in part
    return text and part.keys() <= _PLAIN_PART and not part.get("annotations")


def _annotated(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") != "output_text":
        return part
    return {**part, "annotations": part.get("annotations") or []}


def _file(part: ImagePart | DocumentPart) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    data = f"data:{part.media_type};base64,{part.data}"
    return {"type": "input_file", "filename": part.name or "document", "file_data": data}


def _result(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    return _file(part)
