"""What callers write, made into a `Request`.

The short forms are for people: a string is a user's message, a function is a tool, a word is an
effort, a type is an output schema. Each becomes the one form that the rest of the library knows,
here and nowhere else, and what does not fit is refused here, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict

from gateway_stream.errors import ConfigError
from gateway_stream.request import (
    Effort,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.turn import PartialTurn, Turn

__all__ = ["Conversation", "RequestOptions", "build_request"]

Conversation: TypeAlias = str | Message | Turn | Sequence[str | Message | Turn]
"""What was said so far: a lone string is the user's."""


class RequestOptions(TypedDict, total=False):
    """The options of one request; each is a field of `Request`, in any of its short forms.

    Attributes:
        system: the instructions.
        tools: what the model may call; functions are described by their type hints.
        tool_choice: whether it must call one, and which.
        parallel_tool_calls: whether it may make several calls at once.
        max_tokens: the most tokens that it may write, 1 or more.
        temperature: how freely it samples.
        top_p: likewise, the share of the likeliest tokens to sample from.
        stop: texts at which it stops.
        seed: for answers that repeat, where the model can.
        reasoning: how much it is to reason: a word, or a budget in tokens.
        output: the JSON that the text must be: a schema, or a type that msgspec can decode.
        metadata: labels for whoever keeps the logs.
        extra: vendor fields, merged into the body verbatim and last.
        headers: headers beside the client's own.
        stream: whether the answer is to come as it is written, which is the default.
    """

    system: str | Sequence[TextPart]
    tools: Iterable[Tool | Callable[..., Any]]
    tool_choice: ToolChoice | Literal["auto", "none", "required"]
    parallel_tool_calls: bool
    max_tokens: int
    temperature: float
    top_p: float
    stop: str | Sequence[str]
    seed: int
    reasoning: Reasoning | Effort | int
    output: OutputSchema | type
    metadata: Mapping[str, str]
    extra: Mapping[str, Any]
    headers: Mapping[str, str]
    stream: bool


_SAID: Final = (Message, Turn)
_ALONE: Final = (str, *_SAID, PartialTurn, Mapping)
"""What is one message and no list of them."""

_OWN_HEADERS: Final = frozenset(
    {"authorization", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OTHER_NAMES: Final = {
    "extra_body": "extra",
    "extra_headers": "headers",
    "extra_query": "extra",
    "instructions": "system",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "reasoning_effort": "reasoning",
    "response_format": "output",
    "response_model": "output",
    "stop_sequences": "stop",
    "system_prompt": "system",
    "thinking": "reasoning",
    "thinking_budget": "reasoning",
}


def build_request(
    request: Request | str, messages: Conversation | None, options: Mapping[str, Any]
) -> Request:
    """The request that a call's arguments mean: a `Request`, or a model, messages and options.

    Raises:
        TypeError: an unknown option, or arguments that do not go together.
        ConfigError: an option of a kind that cannot be sent.
    """
    if isinstance(request, Request):
        if messages is not None or options:
            message = "a Request already holds its messages and options; give one or the other"
            raise TypeError(message)
        _check_headers(request.headers)
        return request
    unknown = [name for name in options if name not in RequestOptions.__annotations__]
    if unknown:
        raise TypeError(_unknown(unknown[0]))
    if messages is None:
        message = "a model needs messages: stream(model, messages, ...)"
        raise TypeError(message)
    fields = {name: _LONG_FORMS.get(name, _same)(value) for name, value in options.items()}
    asked = Request(model=request, messages=_conversation(messages), **fields)
    _check_headers(asked.headers)
    return asked


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            message = f"the header {name!r} is the client's own"
            raise ConfigError(
                message, hint="Leave it out; token= and user_agent= set such headers."
            )
        if not _HEADER_NAME.fullmatch(name) or _CONTROL.search(value):
            message = f"the header {name!r} has characters that HTTP does not allow"
            raise ConfigError(message, hint="Remove line ends and control characters.")


def _unknown(name: str) -> str:
    import difflib  # noqa: PLC0415  for typos only

    known = RequestOptions.__annotations__
    near = _OTHER_NAMES.get(name) or next(iter(difflib.get_close_matches(name, known, 1)), None)
    advice = f"; did you mean {near!r}?" if near else "; vendor fields go into extra={...}"
    return f"unknown option {name!r}{advice}"


def _conversation(messages: Conversation) -> tuple[Message | Turn, ...]:
    if isinstance(messages, _ALONE):
        messages = [messages]
    return tuple(_said(message) for message in messages)


def _said(message: object) -> Message | Turn:
    if isinstance(message, str):
        return Message("user", message)
    if isinstance(message, _SAID):
        return message
    if isinstance(message, PartialTurn):
        text = "a partial answer cannot go back as an answer"
        hint = "Send what you want of it as Message('assistant', partial.text)."
        raise ConfigError(text, hint=hint)
    text = f"a message is a str, a Message or a Turn, not {type(message).__name__}"
    if isinstance(message, Part):
        text += ": a part goes into one, Message('user', (part,))"
    elif isinstance(message, Mapping):
        text += ": write Message(role, content)"
    raise TypeError(text)


def _same(value: Any) -> Any:
    return value


def _stop(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _system(value: str | Sequence[TextPart]) -> str | tuple[TextPart, ...]:
    return value if isinstance(value, str) else tuple(value)


def _tools(value: Iterable[Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    return tuple(tool if isinstance(tool, Tool) else _tool(tool) for tool in value)


def _tool(value: object) -> Tool:
    if not callable(value):
        text = f"a tool is a Tool or a function with type hints, not {type(value).__name__}"
        raise TypeError(text)
    return Tool.from_function(value)


def _tool_choice(value: ToolChoice | Literal["auto", "none", "required"]) -> ToolChoice:
    return value if isinstance(value, ToolChoice) else ToolChoice(value)


def _reasoning(value: Reasoning | Effort | int) -> Reasoning:
    if isinstance(value, Reasoning):
        return value
    return Reasoning(effort=value) if isinstance(value, str) else Reasoning(budget=value)


def _output(value: OutputSchema | type) -> OutputSchema:
    return value if isinstance(value, OutputSchema) else OutputSchema.of(value)


_LONG_FORMS: Final[dict[str, Callable[[Any], Any]]] = {
    "system": _system,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "stop": _stop,
    "reasoning": _reasoning,
    "output": _output,
    "metadata": dict,
    "extra": dict,
    "headers": dict,
}
