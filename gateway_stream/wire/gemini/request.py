"""Requests as Gemini generateContent.

The vendor's plain API, as documented:

- The model and whether to stream are in the URL, so the body has neither.
- Roles are ``user`` and ``model``. Messages of one role that follow each other become one content.
  Results of tools are a content of their own, before anything else that the user says: the results
  of all calls of one answer in the order of the calls, as the vendor demands. Text of a result is
  its ``output``, or its ``error``.
- Schemas are plain JSON schema: ``parametersJsonSchema`` and ``responseJsonSchema``. A tool without
  parameters has no schema. The vendor has no strict tools, and always enforces an output schema.
- An effort is a ``thinkingLevel``, of which ``HIGH`` is the highest; the effort ``none`` and a
  budget are a ``thinkingBudget``. The vendor refuses both at once, and then the budget holds. Who
  asks for reasoning gets to see it: thoughts are included unless there are to be none.
- The vendor has no metadata, no cache hints in parts, and cannot be told to make one call at a time.
- Of ``extra``, objects are merged into objects of the body, name by name, so that
  ``{"generationConfig": {"topK": 40}}`` adds to the configuration; everything else replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.request import TextPart, ToolCallPart, ToolResultPart, parts_of
from gateway_stream.turn import Turn
from gateway_stream.wire.family import WireRequest
from gateway_stream.wire.gemini.parts import PartEncoder

if TYPE_CHECKING:
    from gateway_stream.request import Message, Reasoning, Request, Tool, ToolChoice

__all__ = ["encode_request"]

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
_LEVELS: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}


def encode_request(request: Request, provider: str | None) -> WireRequest:
    """Write ``request``; ``provider`` says whose opaque data can go back."""
    encoder = PartEncoder(provider)
    body: dict[str, Any] = {"contents": _contents(request, encoder)}
    body |= _system(request.system, encoder)
    body |= _tools(request, encoder)
    configuration = _configuration(request, encoder)
    if configuration:
        body["generationConfig"] = configuration
    for name in request.metadata:
        encoder.drop(f"metadata {name!r}: this dialect has none")
    return WireRequest(
        family="gemini",
        model=request.model,
        stream=request.stream,
        body=_merged(body, request.extra),
        headers=dict(request.headers),
        notices=encoder.notices,
    )


def _contents(request: Request, encoder: PartEncoder) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = []
    order: dict[str, int] = {}  # of the calls of the answer before
    for message in request.messages:
        if isinstance(message, Turn):
            encoder.tell_broken_calls(message)
    for role, messages in _sides(request):
        parts = [part for message in messages for part in parts_of(message)]
        if role == "model":
            calls = [part.id for part in parts if isinstance(part, ToolCallPart)]
            order = {call_id: place for place, call_id in enumerate(calls)}
        results = [part for part in parts if isinstance(part, ToolResultPart)]
        results.sort(key=lambda part: order.get(part.call_id, len(order)))
        others = [part for part in parts if not isinstance(part, ToolResultPart)]
        for group in (results, others):
            written = [encoder.part(part) for part in group]
            if content := [part for part in written if part is not None]:
                contents.append({"role": role, "parts": content})
    return contents


def _sides(request: Request) -> list[tuple[str, list[Message | Turn]]]:
    """The messages, those of one side that follow each other together."""
    sides: list[tuple[str, list[Message | Turn]]] = []
    for message in request.messages:
        said_by_model = isinstance(message, Turn) or message.role == "assistant"
        role = "model" if said_by_model else "user"
        if sides and sides[-1][0] == role:
            sides[-1][1].append(message)
        else:
            sides.append((role, [message]))
    return sides


def _system(system: str | tuple[TextPart, ...] | None, encoder: PartEncoder) -> dict[str, Any]:
    parts = (TextPart(system),) if isinstance(system, str) else system or ()
    written = [encoder.part(part) for part in parts]
    kept = [part for part in written if part is not None]
    return {"systemInstruction": {"parts": kept}} if kept else {}


def _tools(request: Request, encoder: PartEncoder) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if request.tools:
        declarations = [_declaration(tool, encoder) for tool in request.tools]
        written["tools"] = [{"functionDeclarations": declarations}]
    if request.tool_choice is not None:
        written["toolConfig"] = {"functionCallingConfig": _choice(request.tool_choice, encoder)}
    if request.parallel_tool_calls is False:
        encoder.drop("parallel_tool_calls: this dialect cannot forbid them")
    return written


def _declaration(tool: Tool, encoder: PartEncoder) -> dict[str, Any]:
    encoder.uncached(tool.cache)
    if tool.strict:
        encoder.drop("strict tools: this dialect has none")
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.parameters:
        written["parametersJsonSchema"] = tool.parameters
    return written


def _choice(choice: ToolChoice, encoder: PartEncoder) -> dict[str, Any]:
    written: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode == "tool":
        if choice.name:
            written["allowedFunctionNames"] = [choice.name]
        else:
            encoder.drop("tool_choice 'tool' without a name: any tool is asked for")
    return written


def _configuration(request: Request, encoder: PartEncoder) -> dict[str, Any]:
    plain = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
    }
    written: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    if request.output is not None:
        written["responseMimeType"] = "application/json"
        written["responseJsonSchema"] = request.output.schema
    if request.reasoning is not None:
        thinking = _thinking(request.reasoning, encoder)
        if thinking:
            written["thinkingConfig"] = thinking
    return written


def _thinking(reasoning: Reasoning, encoder: PartEncoder) -> dict[str, Any]:
    effort, budget = reasoning.effort, reasoning.budget
    if effort is not None and budget is not None:
        encoder.drop(f"effort {effort!r}: this dialect takes an effort or a budget")
    elif effort == "none":
        budget = 0
    if budget is not None:
        return {"thinkingBudget": budget, "includeThoughts": budget != 0}
    if effort is None:
        return {}
    if effort not in _LEVELS:
        encoder.drop(f"effort {effort!r}: high is the highest here")
    return {"thinkingLevel": _LEVELS.get(effort, "HIGH"), "includeThoughts": True}


def _merged(body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for name, value in extra.items():
        known = merged.get(name)
        both = isinstance(known, dict) and isinstance(value, dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
