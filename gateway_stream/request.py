"""What is asked: a request that names no wire family.

A conversation is a list of messages and of answers: a `Turn` stands where the model spoke, as it
came, so that what its vendor wants back (signatures, encrypted reasoning, item ids) goes back
unread. `Message` is for what the user and the tools say, and for assistant text that did not come
from a `Turn`.

What no field here holds goes into ``extra``: it is merged into the body verbatim, last, so it also
overrides. ``headers`` likewise.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.events import Opaque
from gateway_stream.tools import CacheHint, OutputSchema, Tool
from gateway_stream.turn import Block, Turn

__all__ = [
    "CacheHint",
    "DocumentPart",
    "Effort",
    "ImagePart",
    "Message",
    "OpaquePart",
    "OutputSchema",
    "Part",
    "Reasoning",
    "ReasoningPart",
    "Request",
    "TextPart",
    "Tool",
    "ToolCallPart",
    "ToolChoice",
    "ToolResultPart",
    "parts_of",
]

_DATA_URL: Final = re.compile(
    r"data:(?P<media_type>[^;,]*)(?:;[^;,]*)*;base64,(?P<data>.*)", re.DOTALL
)

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much the model is to reason, in one word."""


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Prose."""

    text: str
    cache: CacheHint | None = None
    opaque: Opaque | None = None


class ImagePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="image", kw_only=True):
    """An image: ``data`` (base64) with its media type, or ``url``; a data URL becomes the former."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    cache: CacheHint | None = None

    def __post_init__(self) -> None:
        """Hold the part to its rule."""
        _one_of("an image", data=self.data, url=self.url)
        _unpack_data_url(self)


class DocumentPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="document", kw_only=True):
    """A file such as a PDF: ``data`` (base64) with its media type, or ``url``; as `ImagePart`."""

    media_type: str = "application/pdf"
    data: str | None = None
    url: str | None = None
    name: str | None = None
    cache: CacheHint | None = None

    def __post_init__(self) -> None:
        """Hold the part to its rule."""
        _one_of("a document", data=self.data, url=self.url)
        _unpack_data_url(self)


class ToolCallPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_call", kw_only=True):
    """A tool call that the model made. ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str = "{}"
    opaque: Opaque | None = None


class ToolResultPart(
    msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_result", kw_only=True
):
    """What running a tool gave: ``content`` goes back under the call's ``call_id``.

    ``name`` is the tool's; Gemini wants it, and it is looked up in the conversation when left out.
    """

    call_id: str
    content: str | tuple[TextPart | ImagePart, ...]
    name: str | None = None
    is_error: bool = False
    cache: CacheHint | None = None

    def __post_init__(self) -> None:
        """Hold the part to its rule."""
        content: Any = self.content
        if isinstance(content, str) or (
            isinstance(content, tuple | list)
            and all(isinstance(part, TextPart | ImagePart) for part in content)
        ):
            return
        message = f"the result of call {self.call_id!r} is {type(content).__name__}, not text"
        raise ConfigError(message, hint="Give text; for data, its JSON: json.dumps(result).")


class ReasoningPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="reasoning", kw_only=True):
    """Reasoning of the model, going back with its opaque data."""

    text: str = ""
    opaque: Opaque | None = None


class OpaquePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="opaque", kw_only=True):
    """A part that only its vendor can read: server tools and their results, redacted thinking."""

    opaque: Opaque


Part: TypeAlias = (
    TextPart | ImagePart | DocumentPart | ToolCallPart | ToolResultPart | ReasoningPart | OpaquePart
)
"""Any part of a message."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True, tag="message"):
    """What one side said. Tool results are parts of a user's message."""

    role: Literal["user", "assistant"]
    content: str | tuple[Part, ...]

    def __post_init__(self) -> None:
        """Hold the message to its rules."""
        if self.role not in ("user", "assistant"):
            message = f"a message's role is 'user' or 'assistant', not {self.role!r}"
            hint = "Give instructions as system=, and tool results as parts of a user's message."
            raise ConfigError(message, hint=hint)
        if not isinstance(self.content, str | tuple | list):
            message = f"a message's content is text or parts, not {type(self.content).__name__}"
            raise ConfigError(message, hint="Give a str, or a tuple of parts.")


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the model must use tools; ``name`` is for ``mode="tool"``."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How much the model is to reason: an ``effort`` word, or a ``budget`` in tokens."""

    effort: Effort | None = None
    budget: int | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request to a model. A field left at ``None`` is not sent.

    The fields mean what the options of the same names in `gateway_stream.options.RequestOptions` do.

    Raises:
        ConfigError: no model, no message, or a ``max_tokens`` below 1.
    """

    model: str
    messages: tuple[Message | Turn, ...]
    system: str | tuple[TextPart, ...] | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning: Reasoning | None = None
    output: OutputSchema | None = None
    metadata: dict[str, str] = {}
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    stream: bool = True

    def __post_init__(self) -> None:
        """Hold the request to what every vendor asks of it."""
        if not self.model or not self.model.strip():
            message = "the request names no model"
            raise ConfigError(message, hint="Name one that the gateway serves.")
        if not self.messages:
            message = "a request needs at least one message"
            raise ConfigError(message, hint="Give what the user says.")
        if self.max_tokens is not None and self.max_tokens < 1:
            message = f"max_tokens is {self.max_tokens}"
            raise ConfigError(message, hint="Give 1 or more, or leave it out.")


def parts_of(message: Message | Turn) -> tuple[Part, ...]:
    """What a message or a turn says, as parts in order."""
    if isinstance(message, Turn):
        return tuple(part for block in message.blocks for part in _part_of(block))
    if isinstance(message.content, str):
        return (TextPart(message.content),)
    return message.content


def _part_of(block: Block) -> tuple[Part, ...]:
    """A block of an answer as the part that goes back; nothing where nothing can."""
    opaque = block.opaque
    match block.kind:
        case "text" | "refusal" if block.text or opaque:
            return (TextPart(block.text, opaque=opaque),)
        case "reasoning" if block.text or opaque:
            return (ReasoningPart(text=block.text, opaque=opaque),)
        case "tool_call":
            arguments = block.text if block.status == "complete" else ""
            return (
                ToolCallPart(
                    id=block.id or "",
                    name=block.name or "",
                    arguments=arguments or "{}",
                    opaque=opaque,
                ),
            )
        case _:
            return (OpaquePart(opaque=opaque),) if opaque else ()


def _one_of(what: str, **choices: str | None) -> None:
    if sum(value is not None for value in choices.values()) != 1:
        message = f"{what} needs exactly one of {' and '.join(choices)}"
        raise ConfigError(message, hint="Give the one that you have.")


def _unpack_data_url(part: ImagePart | DocumentPart) -> None:
    """Take a data URL apart, since no vendor takes one as a place to fetch from."""
    found = _DATA_URL.fullmatch(part.url or "")
    if found:
        msgspec.structs.force_setattr(part, "url", None)
        msgspec.structs.force_setattr(part, "data", found["data"])
        if found["media_type"]:
            msgspec.structs.force_setattr(part, "media_type", found["media_type"])
