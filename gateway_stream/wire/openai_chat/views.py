"""What a Chat frame says, as flat views: only the fields that are read, each optional.

Vendors agree on the names of the fields more than on their types. Where they disagree (ids that are
numbers, content that is a list, arguments that are an object) the type is open, and the reader of
the field decides; anything else that is not of its type counts as absent (see `json_text.read_view`).
A chunk's ``delta`` and a whole ``message`` have the same fields, so one view serves both. Counts may
be written as fractions or as text; `gateway_stream.wire.openai_chat.usage` reads them.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec

__all__ = [
    "Choice",
    "Chunk",
    "CompletionDetails",
    "Count",
    "Counts",
    "Delta",
    "FunctionPiece",
    "PlainChunk",
    "PromptDetails",
    "ToolCallPiece",
]


Count: TypeAlias = int | float | str | None


class FunctionPiece(msgspec.Struct, gc=False):
    """A piece of a call's name and arguments."""

    name: Any = None
    arguments: Any = None


class ToolCallPiece(msgspec.Struct, gc=False):
    """A piece of a tool call, or a whole one."""

    index: int | None = None
    id: Any = None
    type: Any = None
    function: FunctionPiece | None = None
    custom: Any = None
    thought_signature: Any = msgspec.field(default=None, name="thoughtSignature")
    extra_content: Any = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to the answer; a whole message adds it at once."""

    role: Any = None
    content: Any = None
    tool_calls: list[ToolCallPiece] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_text: Any = None
    thinking: Any = None
    reasoning_details: list[Any] | None = None
    thinking_blocks: list[Any] | None = None
    refusal: Any = None
    function_call: FunctionPiece | None = None
    audio: dict[str, Any] | None = None
    images: list[Any] | None = None
    annotations: list[Any] | None = None
    executed_tools: list[Any] | None = None
    extra_content: Any = None


class PromptDetails(msgspec.Struct, gc=False):
    """Of what the input consisted."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_creation_input_tokens: Count = None


class CompletionDetails(msgspec.Struct, gc=False):
    """Of what the output consisted."""

    reasoning_tokens: Count = None


class Counts(msgspec.Struct, gc=False):
    """Tokens, as the vendors count and name them."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: CompletionDetails | None = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    reasoning_tokens: Count = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers that were asked for."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: Any = None
    message: Delta | None = None
    text: Any = None
    usage: Counts | None = None
    error: Any = None


class Envelope(msgspec.Struct, gc=False):
    """Where counts and errors come when the chunk itself has none."""

    usage: Counts | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """A frame, or a whole answer."""

    id: Any = None
    model: Any = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None
    error_code: Any = None
    delta: Delta | None = None
    messages: list[Delta] | None = None
    finish_reason: Any = None
    x_groq: Envelope | None = None


_Nothing: TypeAlias = Literal[""] | tuple[()] | None


def _plain(view: type[msgspec.Struct], required: dict[str, Any], **open_: Any) -> Any:
    """The view of an object that has the required fields, maybe open ones, and says nothing else."""
    others = {field.name: field for field in msgspec.structs.fields(view)}
    fields: list[Any] = list(required.items())
    for name, field in others.items():
        if name not in required:
            default = msgspec.field(default=None, name=field.encode_name)
            fields.append((name, open_.get(name, _nothing(field.type)), default))
    return msgspec.defstruct(f"Plain{view.__name__}", fields, gc=False)


def _nothing(type_: Any) -> Any:
    """What a field of ``type_`` holds that says nothing, and is of that type."""
    if type_ is Any:
        return _Nothing
    lists = [member for member in get_args(type_) if get_origin(member) is list]
    return tuple[()] | None if lists else None


_PlainDelta = _plain(Delta, {"content": str}, role=Any)
_PlainChoice = _plain(
    Choice, {"delta": _PlainDelta}, index=Literal[0] | None, message=Delta | None, text=Any
)
PlainChunk: Any = _plain(
    Chunk,
    {"choices": tuple[_PlainChoice]},  # type: ignore[valid-type]  # a Struct, made above
    id=Any,
    model=Any,
    usage=Counts | None,
)
"""A chunk that brings a piece of text, and perhaps counts, and nothing else, as nearly all do.

It is `Chunk` with the types that say so: what has any other content does not fit, which msgspec finds
out faster than a reader that looks at each field.
"""
