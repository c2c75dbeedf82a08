"""A conversation as Chat messages.

An answer goes back as it came: its text and reasoning parts in order, with the opaque data of each
where its provider is the one that is asked (or, where that is not known, where this dialect brought
it). Opaque data has the shape in which the wire carried it, which tells where it belongs:

- with a ``type``, it is a part of the content; the block's text is put into it again;
- without, its fields are fields of the tool call, of the text part (``thoughtSignature``) or of the
  message (``reasoning_content`` and the other plain keys, ``reasoning_details``, ``thinking_blocks``,
  ``audio``, ``extra_content``, ``tool_calls`` of no function), the block's text put in likewise.

The two dialects of Claude and of Gemini convert: a signed ``thinking`` block is a ``reasoning`` part
with the same signature, ``redacted_thinking`` is one with the same data, and a ``thoughtSignature``
is the same on a part and on a call. Reasoning without opaque data stays behind, and so does that under
a plain key where the provider asked is a known one: those who name their reasoning so are not among
the known, and the known refuse a key that they do not have.

Content is a string wherever one text is all that is said, as the smaller speakers know no other
form; all the text of an answer is one, a refusal in it set off by a blank line. Blank text beside tool
calls, which some vendors refuse, stays behind. A call that was cut or is no JSON object goes back
without arguments. A result of a tool is a message of its own, before whatever
else is said with it. Such messages hold text only: images of results follow in a user's message, and
that a result is an error is said in words. A part of a user's message that only this dialect knows
goes to whoever is asked: no vendor has signed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    parts_of,
)
from gateway_stream.turn import Turn
from gateway_stream.wire.json_text import read_object
from gateway_stream.wire.openai_chat.shapes import filled_entry, filled_part

if TYPE_CHECKING:
    from gateway_stream.events import Opaque
    from gateway_stream.request import CacheHint, Message, Part

__all__ = ["EVERYONE", "Conversation", "cache_control", "is_prose"]

EVERYONE: Final = "*"
"""The provider for whom everything is written that anybody could read: for comparing, not for sending."""

_FAMILY: Final = "openai_chat"
_ERROR: Final = "Error: "
_APART: Final = "\n\n"


class Conversation:
    """Builds ``messages``; ``dropped`` tells what of the conversation they cannot hold."""

    def __init__(self, provider: str | None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        self._provider = provider

    def add_system(self, system: str | tuple[TextPart, ...]) -> None:
        """What the model is told before the conversation."""
        parts = (TextPart(system),) if isinstance(system, str) else system
        self._say("system", [self._text(part) for part in parts])

    def add(self, message: Message | Turn) -> None:
        """The next message or answer."""
        if isinstance(message, Turn):
            for call in message.tool_calls:
                if not call.runnable:
                    how = f"tool call {call.id!r} are {call.status} and go back as {{}}"
                    self.dropped.append(f"the arguments of {how}")
            message = _refusals_apart(message)
        parts = parts_of(message)
        if isinstance(message, Turn) or message.role == "assistant":
            self._add_assistant(parts)
        else:
            self._add_user(parts)

    def _say(self, role: str, content: list[dict[str, Any]], **fields: Any) -> None:
        said: Any = content
        if len(content) == 1 and is_prose(content[0]):
            said = content[0]["text"]
        self.messages.append({"role": role, "content": said or ("" if content else None), **fields})

    # What the user and the tools say.

    def _add_user(self, parts: tuple[Part, ...]) -> None:
        content: list[dict[str, Any]] = []
        results = [part for part in parts if isinstance(part, ToolResultPart)]
        for result in results:
            content += self._add_result(result)
        for part in parts:
            match part:
                case TextPart():
                    content.append(self._text(part))
                case ImagePart():
                    content.append(self._image(part))
                case DocumentPart():
                    content += self._document(part)
                case OpaquePart() if part.opaque.family == _FAMILY:
                    content.append(read_object(part.opaque.json))
                case ToolResultPart():
                    pass
                case _:
                    self._drop(part, "a user's message")
        if content or not results:
            self._say("user", content or [{"type": "text", "text": ""}])

    def _add_result(self, result: ToolResultPart) -> list[dict[str, Any]]:
        """Add the message of a result; give what has to follow in a user's message."""
        images: list[dict[str, Any]] = []
        if isinstance(result.content, str):
            parts = [TextPart(result.content)]
        else:
            parts = [part for part in result.content if isinstance(part, TextPart)]
            images = [self._image(part) for part in result.content if isinstance(part, ImagePart)]
        content = [self._text(part) for part in parts] or [{"type": "text", "text": ""}]
        if result.is_error:
            content[0]["text"] = _ERROR + content[0]["text"]
        content[-1].update(self._cache(result.cache))
        self._say("tool", content, tool_call_id=result.call_id)
        return images

    def _text(self, part: TextPart) -> dict[str, Any]:
        return {"type": "text", "text": part.text, **self._cache(part.cache)}

    def _image(self, part: ImagePart) -> dict[str, Any]:
        url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
        return {"type": "image_url", "image_url": {"url": url}, **self._cache(part.cache)}

    def _document(self, part: DocumentPart) -> list[dict[str, Any]]:
        if part.data is None:
            self.dropped.append("a document by URL: this dialect takes documents as data only")
            return []
        file = {
            "filename": part.name or "document",
            "file_data": f"data:{part.media_type};base64,{part.data}",
        }
        return [{"type": "file", "file": file, **self._cache(part.cache)}]

    def _cache(self, cache: CacheHint | None) -> dict[str, Any]:
        return cache_control(cache, self._provider, self.dropped)

    # What the model said.

    def _add_assistant(self, parts: tuple[Part, ...]) -> None:
        content: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        fields: dict[str, Any] = {}
        for part in parts:
            match part:
                case TextPart():
                    self._add_text(part, content, fields)
                case ReasoningPart() | OpaquePart():
                    self._add_opaque(part, content, fields)
                case ToolCallPart():
                    calls.append(self._call(part))
                case _:
                    self._drop(part, "an answer")
        if calls:
            fields["tool_calls"] = [*fields.get("tool_calls", []), *calls]
        if "tool_calls" in fields and any(map(_is_blank, content)):
            self.dropped.append("blank text beside tool calls: some vendors refuse it")
            content = [part for part in content if not _is_blank(part)]
        if content and all(map(is_prose, content)):
            content = [{"type": "text", "text": "".join(part["text"] for part in content)}]
        if content or fields:
            self._say("assistant", content, **fields)

    def _add_text(
        self, part: TextPart, content: list[dict[str, Any]], fields: dict[str, Any]
    ) -> None:
        tree = self._tree(part.opaque, "the opaque data of a text")
        if part.text or "thoughtSignature" in tree:
            signature = {key: tree[key] for key in ("thoughtSignature",) if key in tree}
            content.append({**self._text(part), **signature})
        fields.update({key: value for key, value in tree.items() if key == "extra_content"})

    def _add_opaque(
        self,
        part: ReasoningPart | OpaquePart,
        content: list[dict[str, Any]],
        fields: dict[str, Any],
    ) -> None:
        text = part.text if isinstance(part, ReasoningPart) else ""
        if part.opaque is None:
            self.dropped.append("reasoning without a signature: its vendor would not take it back")
            return
        what = "reasoning or a server tool's block"
        tree = self._tree(part.opaque, what)
        if tree and part.opaque.family != _FAMILY:
            tree = _converted(tree)
            if not tree:
                self.dropped.append(f"{what}: this dialect has no shape for it")
        if "type" in tree:
            content.append(filled_part(tree, text))
            return
        for key, value in tree.items():
            if isinstance(value, list):
                filled = [filled_entry(entry, text) for entry in value]
                fields.setdefault(key, []).extend(filled)
            elif isinstance(value, str):
                fields[key] = fields.get(key, "") + (value or text)
            else:
                fields[key] = value

    def _call(self, part: ToolCallPart) -> dict[str, Any]:
        tree = self._tree(part.opaque, "the opaque data of a tool call")
        signed = {
            key: value
            for key, value in tree.items()
            if key in ("thoughtSignature", "extra_content")
        }
        function = {"name": part.name, "arguments": part.arguments}
        return {"id": part.id, "type": "function", "function": function, **signed}

    def _tree(self, opaque: Opaque | None, what: str) -> dict[str, Any]:
        """The opaque data that may go to the provider that is asked; empty where it may not."""
        if opaque is None:
            return {}
        ours = opaque.family == _FAMILY
        if opaque.provider == self._provider or (self._provider in (None, EVERYONE) and ours):
            tree = read_object(opaque.json)
            if tree and (ours or opaque.family in ("anthropic", "gemini")):
                return tree
        self.dropped.append(f"{what}: it goes back to {opaque.provider!r} only")
        return {}

    def _drop(self, part: Part, where: str) -> None:
        self.dropped.append(f"{type(part).__name__} in {where}: this dialect has no place for it")


def cache_control(
    cache: CacheHint | None, provider: str | None, dropped: list[str]
) -> dict[str, Any]:
    """The field that asks for caching, in the one spelling that this dialect has."""
    if cache is None:
        return {}
    if provider not in ("anthropic", EVERYONE):
        dropped.append("a cache hint: this provider caches by itself or not at all")
        return {}
    control = {"type": "ephemeral", "ttl": cache} if cache != "5m" else {"type": "ephemeral"}
    return {"cache_control": control}


def _refusals_apart(turn: Turn) -> Turn:
    """The turn with a blank line wherever text and a refusal, which goes back as text, meet."""
    if not turn.refusal:
        return turn
    blocks = []
    before = None
    for block in turn.blocks:
        written = block
        if block.kind in ("text", "refusal") and block.text:
            if before not in (None, block.kind):
                written = replace(block, text=_APART + block.text)
            before = block.kind
        blocks.append(written)
    return replace(turn, blocks=tuple(blocks))


def is_prose(part: dict[str, Any]) -> bool:
    """Whether a part of a content is a text and nothing else."""
    said = part.keys() == {"type", "text"} and part["type"] == "text"
    return said and isinstance(part["text"], str)


def _is_blank(part: dict[str, Any]) -> bool:
    return is_prose(part) and not part["text"].strip()


def _converted(tree: dict[str, Any]) -> dict[str, Any]:
    """A block of another dialect in the shape that it has in this one; empty where it has none."""
    if tree.get("type") == "thinking":
        entry = {"type": "summary_text", "text": "", "signature": tree.get("signature")}
    elif tree.get("type") == "redacted_thinking":
        entry = {"type": "summary_encrypted_text", "data": tree.get("data")}
    else:
        return {}
    return {"type": "reasoning", "summary": [entry]}
