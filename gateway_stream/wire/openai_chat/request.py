"""A neutral request as an OpenAI Chat body.

The output limit goes into ``max_tokens``, the name that every speaker of the dialect knows, unless
``extra`` has it under the longer one: those who know that refuse both. A
reasoning budget has no field of its own here; Claude's ``thinking`` is the one spelling that exists,
so a budget goes to that provider only. What says how tools are to be used is refused where there are
none, so it stays behind then; a choice of one tool without its name asks for any. Streams ask for their counts, which else are not sent.

What the dialect cannot say becomes a `Notice`; ``extra`` is merged in last and overrides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Notice
from gateway_stream.wire.family import WireRequest
from gateway_stream.wire.openai_chat.messages import EVERYONE, Conversation, cache_control

if TYPE_CHECKING:
    from gateway_stream.request import Reasoning, Request, Tool, ToolChoice

__all__ = ["encode_request"]

_LONGER_NAME: Final = "max_completion_tokens"


def encode_request(request: Request, provider: str | None) -> WireRequest:
    """The body for ``request``; ``provider`` decides which opaque data goes back."""
    conversation = Conversation(provider)
    if request.system:
        conversation.add_system(request.system)
    for message in request.messages:
        conversation.add(message)
    dropped = conversation.dropped
    fields: dict[str, Any] = {
        "model": request.model,
        "messages": conversation.messages,
        "tools": [_tool(tool, provider, dropped) for tool in request.tools] or None,
        **_use_of_tools(request, dropped),
        "max_tokens": None if _LONGER_NAME in request.extra else request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "response_format": _response_format(request),
        "metadata": request.metadata or None,
        "stream": request.stream,
        "stream_options": {"include_usage": True} if request.stream else None,
        **_reasoning(request.reasoning, provider, dropped),
    }
    body = {name: value for name, value in fields.items() if value is not None}
    body.update(request.extra)
    return WireRequest(
        family="openai_chat",
        model=request.model,
        stream=request.stream,
        body=body,
        headers=dict(request.headers),
        notices=tuple(Notice("dropped_part", detail) for detail in dict.fromkeys(dropped)),
    )


def _tool(tool: Tool, provider: str | None, dropped: list[str]) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {
        "type": "function",
        "function": function,
        **cache_control(tool.cache, provider, dropped),
    }


def _use_of_tools(request: Request, dropped: list[str]) -> dict[str, Any]:
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    fields = {
        "tool_choice": _tool_choice(choice, dropped) if choice else None,
        "parallel_tool_calls": parallel,
    }
    if request.tools or request.extra.get("tools"):
        return fields
    dropped.extend(
        f"{name}: there are no tools" for name, value in fields.items() if value is not None
    )
    return {}


def _tool_choice(choice: ToolChoice, dropped: list[str]) -> str | dict[str, Any]:
    if choice.mode != "tool":
        return choice.mode
    if not choice.name:
        dropped.append("tool_choice 'tool' without a name: any tool is asked for")
        return "required"
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(request: Request) -> dict[str, Any] | None:
    output = request.output
    if output is None:
        return None
    schema = {"name": output.name, "schema": output.schema, "strict": output.strict}
    return {"type": "json_schema", "json_schema": schema}


def _reasoning(
    reasoning: Reasoning | None, provider: str | None, dropped: list[str]
) -> dict[str, Any]:
    if reasoning is None:
        return {}
    fields: dict[str, Any] = {}
    if reasoning.effort is not None:
        fields["reasoning_effort"] = reasoning.effort
    if reasoning.budget is not None:
        if provider in ("anthropic", EVERYONE):
            fields["thinking"] = {"type": "enabled", "budget_tokens": reasoning.budget}
        else:
            dropped.append("the reasoning budget: this dialect knows an effort only")
    return fields
