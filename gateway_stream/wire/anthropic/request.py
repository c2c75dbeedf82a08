"""Requests as Anthropic Messages.

The vendor's plain API, as documented:

- ``max_tokens`` is required. Where the request leaves it open, the answer gets 4,096 tokens, which
  every model of the vendor allows, and thinking, which counts inside, its budget on top; thinking
  without a budget gets 12,000. A gateway may charge the cap against its limits before a token is
  written, so a large default would be paid by everybody.
- Roles alternate: messages of one role that follow each other become one. Tool results lead the
  user's message that they are in, as the vendor asks for.
- A tool choice needs tools, so without any (here or in ``extra``) it is left out with a notice.
- An effort is adaptive thinking with ``output_config.effort``; a budget is enabled thinking with
  ``budget_tokens``; the effort ``none`` or a budget of 0 disables it. ``minimal`` is ``low`` here.
  What the vendor refuses beside thinking is settled in `thinking`.
- An output schema is ``output_config.format``; the vendor always enforces it and gives it no name.
- Of ``metadata`` the vendor takes ``user_id``. It takes no ``seed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.request import ToolChoice, parts_of
from gateway_stream.turn import Turn
from gateway_stream.wire.anthropic.parts import PartEncoder, cached
from gateway_stream.wire.anthropic.thinking import room_for, sampling_beside, thinking_of
from gateway_stream.wire.family import WireRequest

if TYPE_CHECKING:
    from gateway_stream.request import Request, TextPart, Tool

__all__ = ["encode_request"]

_VERSION: Final = {"anthropic-version": "2023-06-01"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
_FORCED: Final = frozenset({"any", "tool"})


def encode_request(request: Request, provider: str | None) -> WireRequest:
    """Write ``request``; ``provider`` says whose opaque data can go back."""
    encoder = PartEncoder(provider)
    tools = _tools(request, encoder)
    forced = tools.get("tool_choice", {}).get("type") in _FORCED
    thinking = thinking_of(request, encoder, forced=forced)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or room_for(thinking),
        "messages": _messages(request, encoder),
        "stream": request.stream,
    }
    body |= _system(request.system, encoder)
    body |= tools
    body |= sampling_beside(thinking, request, encoder)
    body |= _rest(request, encoder)
    body |= thinking
    body |= _output(request, encoder)
    body |= request.extra
    given = {name.lower() for name in request.headers}
    version = {name: value for name, value in _VERSION.items() if name not in given}
    return WireRequest(
        family="anthropic",
        model=request.model,
        stream=request.stream,
        body=body,
        headers={**version, **request.headers},
        notices=encoder.notices,
    )


def _messages(request: Request, encoder: PartEncoder) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant"
        if isinstance(message, Turn):
            encoder.tell_broken_calls(message)
        else:
            role = message.role
        content = [block for part in parts_of(message) for block in encoder.blocks(part)]
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += content
        elif content:
            messages.append({"role": role, "content": content})
    for written in messages:
        if written["role"] == "user":
            written["content"].sort(key=lambda block: block.get("type") != "tool_result")
    return messages


def _system(system: str | tuple[TextPart, ...] | None, encoder: PartEncoder) -> dict[str, Any]:
    if isinstance(system, str):
        return {"system": system} if system else {}
    blocks = [block for part in system or () for block in encoder.blocks(part)]
    return {"system": blocks} if blocks else {}


def _tools(request: Request, encoder: PartEncoder) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if request.tools:
        written["tools"] = [_tool(tool) for tool in request.tools]
    choice = request.tool_choice
    alone = request.parallel_tool_calls is False
    if not request.tools and "tools" not in request.extra:
        if choice is not None:
            encoder.drop("tool_choice: there are no tools")
        if alone:
            encoder.drop("parallel_tool_calls: there are no tools")
        return written
    if alone and choice is None:
        choice = ToolChoice("auto")
    if choice is not None:
        written["tool_choice"] = _choice(choice, alone=alone, encoder=encoder)
    return written


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = {"type": "object", **tool.parameters}
    if tool.strict is not None:
        written["strict"] = tool.strict
    return cached(written, tool.cache)


def _choice(choice: ToolChoice, *, alone: bool, encoder: PartEncoder) -> dict[str, Any]:
    written: dict[str, Any] = {"type": _CHOICES[choice.mode]}
    if choice.mode == "tool":
        if choice.name:
            written["name"] = choice.name
        else:
            encoder.drop("tool_choice 'tool' without a name: any tool is asked for")
            written["type"] = "any"
    if alone and choice.mode != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _rest(request: Request, encoder: PartEncoder) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if request.stop:
        written["stop_sequences"] = list(request.stop)
    if request.seed is not None:
        encoder.drop("seed: the vendor has none")
    for name, value in request.metadata.items():
        if name == "user_id":
            written["metadata"] = {name: value}
        else:
            encoder.drop(f"metadata {name!r}: the vendor takes only user_id")
    return written


def _output(request: Request, encoder: PartEncoder) -> dict[str, Any]:
    configured: dict[str, Any] = {}
    effort = request.reasoning.effort if request.reasoning is not None else None
    if effort == "minimal":
        encoder.drop("effort 'minimal': the vendor's least is 'low'")
        configured["effort"] = "low"
    elif effort not in (None, "none"):
        configured["effort"] = effort
    if request.output is not None:
        configured["format"] = {"type": "json_schema", "schema": request.output.schema}
        if not request.output.strict:
            encoder.drop("output strict=False: the vendor always enforces the schema")
    return {"output_config": configured} if configured else {}
