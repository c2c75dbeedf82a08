"""Requests of OpenAI Chat, read into the neutral form.

What the neutral request has a field for is read. Then it is written again, and each member of the
body that does not come out as it went in is kept in ``extra`` as well, where it overrides: members
that nobody here knows, and those that were read in part (a tool of the vendor's own among tools, a
message with a name). So nothing is lost, whatever vendors add.

What counts as the same, because it means the same to whoever reads it:

- a content that is a string, and a single part of text; an answer's content that is missing, and an
  empty one;
- arguments that are missing, and ``{}``; one stop sequence, and a list of one; a cache hint without
  a time, and one for five minutes;
- a member that is missing, and one that is null, or a description, parameters or strictness that say
  nothing;
- a stream that does not say whether it is to be counted, and one that asks for it.

The output limit is read under both its names; the longer one stays in ``extra``, where
`gateway_stream.wire.openai_chat.request` looks for it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.request import (
    Effort,
    OutputSchema,
    Reasoning,
    Request,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.asked_views import model_named, read_as, readable, refuse
from gateway_stream.wire.openai_chat.decode_messages import cache_hint, read_messages
from gateway_stream.wire.openai_chat.messages import EVERYONE, is_prose
from gateway_stream.wire.openai_chat.request import encode_request

__all__ = ["decode_request"]

_Tree: TypeAlias = dict[str, Any]
_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}
_DEFAULT_HINT: Final = {"type": "ephemeral", "ttl": "5m"}
_SAYING_NOTHING: Final[tuple[Any, ...]] = ("", {}, False)


class _Body(msgspec.Struct):
    messages: list[Any]
    model: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[_Tree] | None = None
    tool_choice: str | _Tree | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Tree | None = None
    reasoning_effort: str | None = None
    thinking: Any = None
    metadata: _Tree | None = None
    stream: bool | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: _Tree | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    function: _Function


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    function: _Named


class _Schema(msgspec.Struct):
    schema: _Tree | None = None
    name: str | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    json_schema: _Schema


def decode_request(body: _Tree, *, model: str | None = None, stream: bool | None = None) -> Request:
    """Read a request's body.

    Raises:
        BadRequest: it is no request of this family; the text says what is wrong, and where.
    """
    body = readable(body)
    view = read_as(_Body, body, "body")
    name = model_named(view.model, model)
    if not view.messages:
        refuse("body.messages: there are none")
    try:
        request = _read(view, name, stream=stream)
    except ConfigError as error:
        refuse(f"body: {error.message}")
    return msgspec.structs.replace(request, extra=_left_over(body, request))


def _read(view: _Body, model: str, *, stream: bool | None) -> Request:
    conversation = read_messages(view.messages, "body.messages")
    limit = view.max_tokens if view.max_completion_tokens is None else view.max_completion_tokens
    return Request(
        model=model,
        messages=conversation.messages,
        system=conversation.system,
        tools=_tools(view.tools or []),
        tool_choice=_tool_choice(view.tool_choice),
        parallel_tool_calls=view.parallel_tool_calls,
        max_tokens=limit,
        temperature=view.temperature,
        top_p=view.top_p,
        stop=(view.stop,) if isinstance(view.stop, str) else tuple(view.stop or ()),
        seed=view.seed,
        reasoning=_reasoning(view),
        output=_output(view.response_format),
        metadata=_metadata(view.metadata),
        stream=bool(stream if view.stream is None else view.stream),
    )


def _tools(trees: list[_Tree]) -> tuple[Tool, ...]:
    """The tools that the caller runs."""
    tools = []
    for number, tree in enumerate(trees):
        if tree.get("type", "function") == "function":
            function = read_as(_Tool, tree, f"body.tools[{number}]").function
            tool = Tool(
                name=function.name,
                description=function.description or "",
                parameters=function.parameters or {},
                strict=function.strict,
                cache=cache_hint(tree),
            )
            tools.append(tool)
    return tuple(tools)


def _tool_choice(choice: str | _Tree | None) -> ToolChoice | None:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return ToolChoice("tool", read_as(_Choice, choice, "body.tool_choice").function.name)
    mode = _MODES.get(choice) if isinstance(choice, str) else None
    return ToolChoice(mode) if mode else None


def _reasoning(view: _Body) -> Reasoning | None:
    """How much the model is to reason: the vendor's effort, Claude's budget."""
    thinking = view.thinking if isinstance(view.thinking, dict) else {}
    budget = thinking.get("budget_tokens") if thinking.get("type") == "enabled" else None
    effort: Any = view.reasoning_effort if view.reasoning_effort in get_args(Effort) else None
    budget = budget if type(budget) is int else None
    return None if effort is budget is None else Reasoning(effort=effort, budget=budget)


def _output(form: _Tree | None) -> OutputSchema | None:
    """The schema that the answer must fit."""
    if form is None or form.get("type") != "json_schema":
        return None
    told = read_as(_Format, form, "body.response_format").json_schema
    named = {"name": told.name} if told.name else {}
    return OutputSchema(schema=told.schema or {}, strict=bool(told.strict), **named)


def _metadata(told: _Tree | None) -> dict[str, str]:
    texts = told is not None and all(isinstance(value, str) for value in told.values())
    return dict(told) if told and texts else {}


# What would not be written again as it came.


def _left_over(body: _Tree, request: Request) -> dict[str, Any]:
    written = encode_request(request, EVERYONE).body
    return {
        name: value
        for name, value in body.items()
        if value is not None
        and name not in ("model", "stream")
        and _alike(name, value) != _alike(name, written.get(name))
    }


def _alike(name: str, value: Any) -> Any:
    """A member of the body in a form in which equal ones are equal."""
    told = _told(value)
    match name:
        case "messages":
            return [_message(message) for message in told]
        case "tools" if told:
            return [_within(tool, "function") for tool in told]
        case "response_format" if told:
            return _within(told, "json_schema")
        case "stop":
            return [told] if isinstance(told, str) else told
    return told


def _told(value: Any) -> Any:
    """A tree without what is null or says what holds anyway."""
    if value == _DEFAULT_HINT:
        return {"type": "ephemeral"}
    if isinstance(value, dict):
        return {key: _told(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_told(inner) for inner in value]
    return value


def _message(message: _Tree) -> _Tree:
    content = message.get("content")
    if isinstance(content, list) and len(content) == 1 and is_prose(content[0]):
        content = content[0]["text"]
    rest = {key: value for key, value in message.items() if key not in ("content", "tool_calls")}
    if content or (content == "" and message["role"] != "assistant"):
        rest["content"] = content
    if "tool_calls" in message:
        rest["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    return rest


def _call(call: _Tree) -> _Tree:
    function = call.get("function")
    if function is None:
        return call
    arguments = {"arguments": function.get("arguments") or "{}"}
    return {"type": "function", **call, "function": {**function, **arguments}}


def _within(tree: _Tree, name: str) -> _Tree:
    """A tree with the member ``name`` as far as it says something."""
    inner = tree.get(name)
    if not isinstance(inner, dict):
        return tree
    said = {key: value for key, value in inner.items() if value not in _SAYING_NOTHING}
    return {"type": "function", **tree, name: said} if said else tree
