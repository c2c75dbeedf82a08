"""Parts of a conversation as content blocks.

A block that came from this vendor goes back as it came: its opaque data is laid around the text or
arguments that our part holds. The same model seen through OpenAI Chat carries the same signatures in
another shape, which is turned back. Anything else is dropped with a notice, and so is what the vendor
would refuse the whole request for: reasoning without a signature, text that is blank. Reasoning that
this dialect's wire gave without a signature goes back where the maker of the model is not known.

A call of an answer that is not whole goes back without arguments, for no vendor takes half of them,
and a notice tells it.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Notice, Opaque
from gateway_stream.request import (
    CacheHint,
    DocumentPart,
    ImagePart,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.json_text import read_object

if TYPE_CHECKING:
    from gateway_stream.turn import Turn

__all__ = ["PartEncoder", "cached"]

Block = dict[str, Any]

_THINKING: Final = ("thinking", "redacted_thinking")
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


def cached(block: Block, hint: CacheHint | None) -> Block:
    """The block with the mark that asks to cache the request up to it."""
    return {**block, "cache_control": {"type": "ephemeral", "ttl": hint}} if hint else block


class PartEncoder:
    """Writes parts as blocks, and notes what it cannot write.

    Args:
        provider: who will read the request, or ``None`` where it is not known.
    """

    def __init__(self, provider: str | None) -> None:
        self._provider = provider
        self._dropped: dict[str, None] = {}

    def drop(self, what: str) -> None:
        """Note that something of the request is not sent; the same note is kept once."""
        self._dropped[what] = None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notes so far."""
        return tuple(Notice("dropped_part", what) for what in self._dropped)

    def tell_broken_calls(self, turn: Turn) -> None:
        """Note the calls of an answer that go back without the arguments that came."""
        for call in turn.tool_calls:
            if not call.runnable:
                self.drop(f"the arguments of tool call {call.id!r}: they are {call.status}")

    def blocks(self, part: Part) -> list[Block]:
        """The blocks that say what ``part`` says: one, none where it is dropped, seldom more."""
        match part:
            case TextPart():
                written = self._text(part)
            case ReasoningPart():
                written = self._reasoning(part)
            case ToolCallPart():
                written = [self._tool_use(part)]
            case ToolResultPart():
                written = [self._tool_result(part)]
            case ImagePart():
                written = self._image(part)
            case DocumentPart():
                written = self._document(part)
            case OpaquePart():
                written = [self._own(part.opaque, "a part")]
        return [block for block in written if block]

    def _text(self, part: TextPart) -> list[Block]:
        if not part.text.strip():
            self.drop("blank text: the vendor refuses it")
            return []
        around = self._own(part.opaque, "text") if part.opaque else {}
        return [cached({**around, "type": "text", "text": part.text}, part.cache)]

    def _reasoning(self, part: ReasoningPart) -> list[Block]:
        opaque = part.opaque
        if opaque is None:
            self.drop("reasoning without a signature: the vendor refuses it")
            return []
        if opaque.family == "openai_chat" and self._reads(opaque):
            blocks = _from_chat(read_object(opaque.json), part.text)
            if not blocks:
                self.drop("reasoning whose signature has an unknown shape")
            return blocks
        tree = self._own(opaque, "reasoning")
        if tree.get("type") == "thinking":
            tree = {"type": "thinking", "thinking": part.text, **tree}
        return [tree]

    def _tool_use(self, part: ToolCallPart) -> Block:
        around = self._own(part.opaque, "a tool call") if part.opaque else {}
        arguments = read_object(part.arguments or "{}")
        if not arguments and part.arguments.strip() not in ("", "{}"):
            self.drop(f"the arguments of tool call {part.id!r}: they are no JSON object")
        return {
            **around,
            "type": "tool_use",
            "id": _identifier(part.id),
            "name": part.name,
            "input": arguments,
        }

    def _tool_result(self, part: ToolResultPart) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": _identifier(part.call_id)}
        if isinstance(part.content, str):
            block["content"] = part.content
        else:
            block["content"] = [block for inner in part.content for block in self.blocks(inner)]
        if part.is_error:
            block["is_error"] = True
        return cached(block, part.cache)

    def _image(self, part: ImagePart) -> list[Block]:
        source: Block = {"type": "url", "url": part.url}
        if part.url is None:
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        if part.url is None and part.media_type is None:
            self.drop("an image without its media type")
            return []
        return [cached({"type": "image", "source": source}, part.cache)]

    def _document(self, part: DocumentPart) -> list[Block]:
        source: Block = {"type": "url", "url": part.url}
        if part.data is not None:
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            if part.media_type == "text/plain":
                try:
                    source |= {"type": "text", "data": base64.b64decode(part.data).decode()}
                except (binascii.Error, UnicodeDecodeError):
                    self.drop("a text document that is not UTF-8 in base64")
                    return []
        title = {"title": part.name} if part.name else {}
        return [cached({"type": "document", "source": source, **title}, part.cache)]

    def _reads(self, opaque: Opaque) -> bool:
        if self._provider is None:
            return opaque.family == "anthropic"
        return opaque.provider == self._provider

    def _own(self, opaque: Opaque, what: str) -> Block:
        """The vendor's own block; nothing where it is not for this vendor, or of another shape."""
        if opaque.family != "anthropic" or not self._reads(opaque):
            self.drop(
                f"opaque data of {what}: only {opaque.provider} can read it, in {opaque.family}"
            )
            return {}
        return read_object(opaque.json)


def _from_chat(tree: Block, text: str) -> list[Block]:
    """Signed and encrypted reasoning as OpenAI Chat carries it: in summaries, or in blocks of this dialect."""
    own = tree.get("thinking_blocks", [tree] if tree.get("type") in _THINKING else [])
    if own:
        signed = [
            block for block in own if isinstance(block, dict) and block.get("type") in _THINKING
        ]
        return [
            {**block, "thinking": block.get("thinking") or text} if "signature" in block else block
            for block in signed
        ]
    summary = tree.get("summary")
    blocks: list[Block] = []
    for item in summary if isinstance(summary, list) else ():
        if not isinstance(item, dict):
            continue
        if item.get("signature"):
            thinking = item.get("text") or text
            blocks.append(
                {"type": "thinking", "thinking": thinking, "signature": item["signature"]}
            )
            text = ""
        elif item.get("type") == "summary_encrypted_text" and item.get("data"):
            blocks.append({"type": "redacted_thinking", "data": item["data"]})
    return blocks


def _identifier(text: str) -> str:
    """A tool call's id in the letters that the vendor allows."""
    return _NOT_IN_IDS.sub("_", text)
