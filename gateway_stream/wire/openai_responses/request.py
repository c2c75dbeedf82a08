"""A neutral request as a Responses body.

Nothing here sets ``store``. What the vendor keeps is the caller's to say (``extra``), and a conversation goes
back whole each time, so that it does not depend on what was kept. For the same reason a request that
asks for reasoning asks for it encrypted too (``include``): reasoning without it can go back by id
only, to a vendor that kept it. A request without ``reasoning`` does not ask, for models that do not
reason refuse the question. ``extra={"include": [...]}`` overrides.

A tool is not strict unless it says so (``strict: false``). The vendor takes a tool that does not say for
strict as far as its schema can be made so, and then every parameter is one that the model must give;
a schema with optional ones, as `Tool.from_function` makes it, would not mean what it says.

The vendor refuses a choice among tools, and a word on parallel calls, where there are none; both are
left out then. What ``extra`` has under ``tools`` counts as tools. The choice of one tool that does not
name it is the choice of any.

What this dialect has no field for: stop sequences, a seed, a token budget for reasoning, cache hints (the
vendor caches on its own), the mark of a failed tool result. Each gives a `Notice`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.wire.family import WireRequest
from gateway_stream.wire.openai_responses.conversation import Conversation
from gateway_stream.wire.openai_responses.items import FAMILY

if TYPE_CHECKING:
    from gateway_stream.request import OutputSchema, Reasoning, Request, Tool, ToolChoice

__all__ = ["encode_request"]

_ENCRYPTED: Final = "reasoning.encrypted_content"


def encode_request(request: Request, provider: str | None) -> WireRequest:
    """Write ``request`` for a model of ``provider``; see `Family.encode_request`."""
    conversation = Conversation(provider, stored=request.extra.get("store") is not False)
    for message in request.messages:
        conversation.add(message)
    body: dict[str, Any] = {"model": request.model, "input": conversation.items}
    if request.system is not None:
        body["instructions"] = conversation.plain_text(request.system)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if any(tool.cache for tool in request.tools):
            conversation.drop_cache_hint()
    settings = {
        **_tool_use(request, conversation),
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": _reasoning(request.reasoning, conversation),
        "text": _format(request.output),
        "metadata": request.metadata or None,
    }
    body.update((name, value) for name, value in settings.items() if value is not None)
    if "reasoning" in body and body["reasoning"]["effort"] != "none":
        body["include"] = [_ENCRYPTED]
    if request.stop:
        conversation.drop("stop: this dialect has no stop sequences")
    if request.seed is not None:
        conversation.drop("seed: this dialect has none")
    body["stream"] = request.stream
    body.update(request.extra)
    return WireRequest(
        family=FAMILY,
        model=request.model,
        stream=request.stream,
        body=body,
        headers=dict(request.headers),
        notices=tuple(conversation.notices),
    )


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    fields["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    fields["strict"] = bool(tool.strict)
    return fields


def _tool_use(request: Request, conversation: Conversation) -> dict[str, Any]:
    """How tools are to be used, where there are any."""
    fields: dict[str, Any] = {}
    if request.tool_choice is not None:
        fields["tool_choice"] = _tool_choice(request.tool_choice, conversation)
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.tools or request.extra.get("tools"):
        return fields
    for name in fields:
        conversation.drop(f"{name}: the request has no tools")
    return {}


def _tool_choice(choice: ToolChoice, conversation: Conversation) -> str | dict[str, Any]:
    if choice.mode != "tool":
        return choice.mode
    if choice.name:
        return {"type": "function", "name": choice.name}
    conversation.drop("tool_choice: it names no tool; the model must use any of them")
    return "required"


def _reasoning(reasoning: Reasoning | None, conversation: Conversation) -> dict[str, Any] | None:
    if reasoning is None:
        return None
    if reasoning.budget is not None:
        conversation.drop("reasoning.budget: this dialect takes an effort word only")
    return {"effort": reasoning.effort} if reasoning.effort is not None else None


def _format(output: OutputSchema | None) -> dict[str, Any] | None:
    if output is None:
        return None
    form = {
        "type": "json_schema",
        "name": output.name,
        "schema": output.schema,
        "strict": output.strict,
    }
    return {"format": form}
