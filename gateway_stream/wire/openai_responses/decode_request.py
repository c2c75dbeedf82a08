"""Requests of OpenAI Responses, read into the neutral form.

What the neutral request has a field for is read. Then it is written again, and every member of the body
that would not be sent as it came stays in ``extra``, whole and as it came, where it overrides. So nothing
that a client says is lost between two services of this dialect, and nothing is said twice:

- members that no field is for; members that are read in part (a tool of the vendor's own among
  tools, reasoning that asks for a summary, an ``input`` where the system speaks);
- members that would be written and were not in the body, as what says nothing.

Forms that mean the same are the same here, see `gateway_stream.wire.openai_responses.same`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

from gateway_stream.request import (
    Effort,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.asked_views import left_over, model_named, read_as, readable, refuse
from gateway_stream.wire.openai_responses.decode_input import read_input
from gateway_stream.wire.openai_responses.request import encode_request
from gateway_stream.wire.openai_responses.same import same

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["decode_request"]

_Tree: TypeAlias = dict[str, Any]
_FROM_PATH: Final = frozenset({"model", "stream"})
"""What may be told beside the body."""


class _Body(msgspec.Struct):
    input: str | list[_Tree]
    model: str | None = None
    instructions: str | None = None
    tools: list[_Tree] | None = None
    tool_choice: Literal["auto", "none", "required"] | _Tree | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning: _Tree | None = None
    text: _Tree | None = None
    metadata: _Tree | None = None
    include: list[str] | None = None
    stream: bool | None = None


class _Tool(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: _Tree | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    name: str
    schema: _Tree
    strict: bool | None = None


def decode_request(body: _Tree, *, model: str | None = None, stream: bool | None = None) -> Request:
    """Read a request's body.

    Raises:
        BadRequest: it is no request of this family; the text says what is wrong, and where.
    """
    body = readable(body)
    view = read_as(_Body, body, "body")
    name = model_named(view.model, model)
    if view.max_output_tokens is not None and view.max_output_tokens < 1:
        refuse(f"body.max_output_tokens: it is {view.max_output_tokens}")
    conversation = read_input(view.input, "body.input")
    if not conversation.messages:
        refuse("body.input: there are no messages")
    request = Request(
        model=name,
        messages=conversation.messages,
        system=_system(view.instructions, conversation.system),
        tools=tuple(_tools(view.tools or ())),
        tool_choice=_choice(view.tool_choice),
        parallel_tool_calls=view.parallel_tool_calls,
        max_tokens=view.max_output_tokens,
        temperature=view.temperature,
        top_p=view.top_p,
        reasoning=_reasoning(view.reasoning),
        output=_output(view.text),
        metadata=_metadata(view.metadata),
        extra=left_over(body, _Body),
        stream=bool(stream if view.stream is None else view.stream),
    )
    return replace(request, extra={**request.extra, **_unsaid(request, body)})


def _unsaid(request: Request, body: _Tree) -> _Tree:
    """What of a body a request would not say as the body does."""
    written = encode_request(request, None).body
    told = {name: value for name, value in body.items() if value is not None}
    differing = {
        name: value for name, value in told.items() if not same(name, value, written.get(name))
    }
    added = written.keys() - told.keys() - _FROM_PATH
    silent: _Tree = {name: [] if name == "include" else None for name in sorted(added)}
    return {**differing, **silent}


def _system(
    instructions: str | None, spoken: tuple[TextPart, ...]
) -> str | tuple[TextPart, ...] | None:
    if not spoken:
        return instructions
    return (TextPart(instructions), *spoken) if instructions else spoken


def _tools(told: Iterable[_Tree]) -> Iterable[Tool]:
    """The tools that the caller runs. Some clients write them as in Chat, one step deeper."""
    for number, tree in enumerate(told):
        if tree.get("type") != "function":
            continue
        deeper = tree.get("function")
        members = {**deeper, **tree} if isinstance(deeper, dict) else tree
        tool = read_as(_Tool, members, f"body.tools[{number}]")
        yield Tool(
            name=tool.name,
            description=tool.description or "",
            parameters=tool.parameters or {},
            strict=tool.strict,
        )


def _choice(told: str | _Tree | None) -> ToolChoice | None:
    match told:
        case "auto" | "none" | "required":
            return ToolChoice(told)
        case {"type": "function", "name": str(name)}:
            return ToolChoice("tool", name)
    return None


def _reasoning(told: _Tree | None) -> Reasoning | None:
    effort = (told or {}).get("effort")
    return Reasoning(effort=effort) if effort in get_args(Effort) else None


def _output(told: _Tree | None) -> OutputSchema | None:
    form = (told or {}).get("format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return None
    view = read_as(_Format, form, "body.text.format")
    return OutputSchema(schema=view.schema, name=view.name, strict=bool(view.strict))


def _metadata(told: _Tree | None) -> dict[str, str]:
    told = told or {}
    return dict(told) if all(isinstance(value, str) for value in told.values()) else {}
