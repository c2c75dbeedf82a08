"""Requests of Anthropic Messages, read into the neutral form.

What the neutral request has a field for is read, and what it has none for goes into ``extra`` as it
came. A member that is read in part only (tools of the vendor's own among tools, thinking that also
says how it is shown) is read and stays in ``extra`` too, where it overrides when it is written again.

Instructions in the middle of the conversation are a user's words to whoever knows none such.
An effort without thinking is left in ``extra``: a neutral effort asks for thinking, this does not.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from gateway_stream.request import (
    Effort,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.anthropic.decode_parts import cache_hint, parts_in
from gateway_stream.wire.asked_views import left_over, model_named, read_as, readable, refuse

__all__ = ["decode_request"]

_Tree: TypeAlias = dict[str, Any]
_MODES: Final[dict[str, Literal["auto", "none", "required", "tool"]]] = {
    "auto": "auto",
    "any": "required",
    "tool": "tool",
    "none": "none",
}


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Tree]


class _Body(msgspec.Struct):
    messages: list[_Message]
    model: str | None = None
    max_tokens: int | None = None
    system: str | list[_Tree] | None = None
    tools: list[_Tree] | None = None
    tool_choice: _Tree | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    metadata: _Tree | None = None
    thinking: _Tree | None = None
    output_config: _Tree | None = None


class _Tool(msgspec.Struct):
    name: str
    input_schema: _Tree
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: _Tree | None = None


class _Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class _Format(msgspec.Struct):
    type: str
    schema: _Tree


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
    if view.max_tokens is not None and view.max_tokens < 1:
        refuse(f"body.max_tokens: it is {view.max_tokens}")
    reader = _Reader(body)
    choice, parallel = reader.choice(view)
    return Request(
        model=name,
        messages=reader.messages(view),
        system=reader.system(view),
        tools=reader.tools(view),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_tokens=view.max_tokens,
        temperature=view.temperature,
        top_p=view.top_p,
        stop=tuple(view.stop_sequences or ()),
        reasoning=reader.reasoning(view),
        output=reader.output(view),
        metadata=reader.metadata(view),
        extra=reader.extra,
        stream=bool(stream if view.stream is None else view.stream),
    )


class _Reader:
    """Reads the members that are more than a value; what they do not say stays in ``extra``."""

    def __init__(self, body: _Tree) -> None:
        self._body = body
        self.extra = left_over(body, _Body)

    def _keep(self, name: str) -> None:
        self.extra[name] = self._body[name]

    def messages(self, view: _Body) -> tuple[Message, ...]:
        """The conversation."""
        told_midway = any(message.role == "system" for message in view.messages)
        if told_midway or any(left_over(tree, _Message) for tree in self._body["messages"]):
            self._keep("messages")
        return tuple(
            Message(
                "assistant" if message.role == "assistant" else "user",
                message.content
                if isinstance(message.content, str)
                else parts_in(message.content, f"body.messages[{number}].content"),
            )
            for number, message in enumerate(view.messages)
        )

    def system(self, view: _Body) -> str | tuple[TextPart, ...] | None:
        """What the model is told before the conversation."""
        if view.system is None or isinstance(view.system, str):
            return view.system
        parts = parts_in(view.system, "body.system")
        texts = tuple(part for part in parts if isinstance(part, TextPart))
        if len(texts) < len(parts):
            self._keep("system")
        return texts

    def tools(self, view: _Body) -> tuple[Tool, ...]:
        """The tools that the caller runs."""
        tools = []
        for number, tree in enumerate(view.tools or ()):
            own = tree.get("type") not in (None, "custom")
            hint = cache_hint(tree)
            if own or left_over(tree, _Tool) or (tree.get("cache_control") and not hint):
                self._keep("tools")
            if not own:
                tool = read_as(_Tool, tree, f"body.tools[{number}]")
                tools.append(
                    Tool(
                        name=tool.name,
                        description=tool.description or "",
                        parameters=tool.input_schema,
                        strict=tool.strict,
                        cache=hint,
                    )
                )
        return tuple(tools)

    def choice(self, view: _Body) -> tuple[ToolChoice | None, bool | None]:
        """Whether tools must be used, and whether several at once."""
        if view.tool_choice is None:
            return None, None
        choice = read_as(_Choice, view.tool_choice, "body.tool_choice")
        if left_over(view.tool_choice, _Choice) or not view.tools:
            self._keep("tool_choice")
        alone = choice.disable_parallel_tool_use
        return (
            ToolChoice(_MODES[choice.type], choice.name),
            None if alone is None else not alone,
        )

    def reasoning(self, view: _Body) -> Reasoning | None:
        """How much the model is to think; the effort stands in another member than the thinking."""
        if view.thinking is None:
            return None
        thinking = read_as(_Thinking, view.thinking, "body.thinking")
        effort = (view.output_config or {}).get("effort")
        if left_over(view.thinking, _Thinking):
            self._keep("thinking")
        if effort is not None and effort not in get_args(Effort):
            effort = None
        match thinking.type:
            case "enabled" if thinking.budget_tokens:
                return Reasoning(budget=thinking.budget_tokens, effort=effort)
            case "disabled" if effort is None:
                return Reasoning(effort="none")
            case "adaptive" if effort not in (None, "none"):
                return Reasoning(effort=effort)
        self._keep("thinking")
        return None

    def output(self, view: _Body) -> OutputSchema | None:
        """The schema that the answer must fit."""
        config = view.output_config
        if config is None:
            return None
        rest = {key for key, value in config.items() if value is not None} - {"format"}
        if rest - {"effort"} or ("effort" in rest and self._effort_stays(view)):
            self._keep("output_config")
        form = config.get("format")
        if not isinstance(form, dict) or form.get("type") != "json_schema":
            if form is not None:
                self._keep("output_config")
            return None
        if left_over(form, _Format):
            self._keep("output_config")
        return OutputSchema(schema=read_as(_Format, form, "body.output_config.format").schema)

    def _effort_stays(self, view: _Body) -> bool:
        thinking = view.thinking or {}
        known = (view.output_config or {}).get("effort") in get_args(Effort)
        return not known or thinking.get("type") not in ("enabled", "adaptive")

    def metadata(self, view: _Body) -> dict[str, str]:
        """Who the request is for."""
        told = view.metadata or {}
        if told.keys() <= {"user_id"} and all(isinstance(value, str) for value in told.values()):
            return dict(told)
        self._keep("metadata")
        return {}
