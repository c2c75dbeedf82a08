"""What a Chat frame says, as flat views: only the fields that are read, each optional.

Vendors agree on the names of the fields more than on their types. Where they disagree (ids that are
numbers, content that is a list, arguments that are an object) the type is open, and the reader of
the field decides; anything else that is not of its type counts as absent (see `json_text.read_view`).
A chunk's ``delta`` and a whole ``message`` have the same fields, so one view serves both.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "Choice",
    "Chunk",
    "CompletionDetails",
    "Counts",
    "Delta",
    "FunctionPiece",
    "PromptDetails",
    "ToolCallPiece",
]


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
    refusal: Any = None
    function_call: FunctionPiece | None = None
    audio: dict[str, Any] | None = None
    images: list[Any] | None = None
    annotations: list[Any] | None = None
    executed_tools: list[Any] | None = None
    extra_content: Any = None


class PromptDetails(msgspec.Struct, gc=False):
    """Of what the input consisted."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """Of what the output consisted."""

    reasoning_tokens: int | None = None


class Counts(msgspec.Struct, gc=False):
    """Tokens, as the vendors count and name them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers that were asked for."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: Any = None
    message: Delta | None = None
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
    x_groq: Envelope | None = None
