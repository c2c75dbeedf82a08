"""What is asked: a request that names no wire family.

A conversation is a list of messages and of answers: a `Turn` stands where the model spoke, as it
came, so that what its vendor wants back (signatures, encrypted reasoning, item ids) goes back
unread. `Message` is for what the user and the tools say, and for assistant text that did not come
from a `Turn`.

What no field here holds goes into ``extra``: it is merged into the body verbatim, last, so it also
overrides. ``headers`` likewise.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any, Literal, TypeAlias

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.events import Opaque
from gateway_stream.turn import Block, Turn

if typing.TYPE_CHECKING:
    from collections.abc import Callable

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

CacheHint: TypeAlias = Literal["5m", "1h"]
"""Ask the vendor to cache the request up to and with this part, for so long, where it can."""

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Prose."""

    text: str
    cache: CacheHint | None = None
    opaque: Opaque | None = None


class ImagePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="image", kw_only=True):
    """An image: ``data`` (base64) with its media type, or ``url``."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    cache: CacheHint | None = None

    def __post_init__(self) -> None:
        """Hold the part to its rule."""
        _one_of("an image", data=self.data, url=self.url)


class DocumentPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="document", kw_only=True):
    """A file such as a PDF: ``data`` (base64) with its media type, or ``url``."""

    media_type: str = "application/pdf"
    data: str | None = None
    url: str | None = None
    name: str | None = None
    cache: CacheHint | None = None

    def __post_init__(self) -> None:
        """Hold the part to its rule."""
        _one_of("a document", data=self.data, url=self.url)


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


class Message(msgspec.Struct, frozen=True, omit_defaults=True, tag="message"):
    """What one side said. Tool results are parts of a user's message."""

    role: Literal["user", "assistant"]
    content: str | tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A tool that the model may ask for. ``parameters`` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None
    cache: CacheHint | None = None

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> Tool:
        """Describe ``function`` by its name, docstring and type hints, through msgspec.

        Every parameter needs a type hint that msgspec can turn into a schema; parameters with a
        default are optional.

        Raises:
            ConfigError: a parameter has no hint, no schema, or is ``*args`` or ``**kwargs``.
        """
        name = name or function.__name__
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            message = f"tool {name!r}: a type hint cannot be read: {error}"
            raise ConfigError(message, hint="Import the type where the function is.") from error
        parameters = inspect.signature(function).parameters.values()
        fields = [_field(name, parameter, hints) for parameter in parameters]
        model = msgspec.defstruct(name, fields, kw_only=True)
        schema = _schema(model, f"tool {name!r}")
        schema.pop("title", None)
        return cls(
            name=name,
            description=description or inspect.getdoc(function) or "",
            parameters=schema,
        )


def _field(
    tool: str, parameter: inspect.Parameter, hints: dict[str, Any]
) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.kind in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
        parameter.POSITIONAL_ONLY,
    ):
        message = f"tool {tool!r}: parameter {parameter.name!r} cannot be given by name"
        raise ConfigError(message, hint="Give the function named parameters only.")
    if parameter.name not in hints:
        message = f"tool {tool!r}: parameter {parameter.name!r} has no type hint"
        raise ConfigError(message, hint="Add one; the model's schema is built from it.")
    if parameter.default is parameter.empty:
        return (parameter.name, hints[parameter.name])
    default = parameter.default
    if isinstance(default, list | dict | set | bytearray) and default:
        default = msgspec.field(default_factory=lambda: parameter.default)
    return (parameter.name, hints[parameter.name], default)


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the model must use tools; ``name`` is for ``mode="tool"``."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How much the model is to reason: an ``effort`` word, or a ``budget`` in tokens."""

    effort: Effort | None = None
    budget: int | None = None


class OutputSchema(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The JSON schema that the answer's text must fit."""

    schema: dict[str, Any]
    name: str = "answer"
    strict: bool = True

    @classmethod
    def of(cls, type: Any) -> OutputSchema:
        """The schema of any type that msgspec can decode; `Turn.parse` reads the answer with it.

        Raises:
            ConfigError: the type has no schema.
        """
        name = getattr(type, "__name__", "answer")
        return cls(schema=_schema(type, f"output {name!r}"), name=name)


def _schema(type_: Any, what: str) -> dict[str, Any]:
    """The JSON schema of a type itself, beside the definitions that it refers to."""
    try:
        schema = msgspec.json.schema(type_)
    except TypeError as error:
        message = f"{what}: {error}"
        raise ConfigError(message, hint="Use types that msgspec can describe.") from error
    definitions = schema.pop("$defs", {})
    own = schema.pop("$ref", "").removeprefix("#/$defs/")
    if own:
        schema = dict(definitions[own])
        if f'"#/$defs/{own}"'.encode() not in msgspec.json.encode(definitions):
            del definitions[own]
    if definitions:
        schema["$defs"] = definitions
    return schema


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request to a model. A field left at ``None`` is not sent."""

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
