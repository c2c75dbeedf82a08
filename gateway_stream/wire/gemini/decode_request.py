"""Requests of Gemini's generateContent, read into the neutral form.

The model and whether to stream are in the path, so the caller has them.

What the neutral request says is not believed, it is tried: it is written again, and what then lacks of
the body as it came is kept in ``extra``, which is merged into what is written. So a setting that no
field has a place for stays beside its neighbours that have one, and lists that are not the same
afterwards (tools of the vendor's own kind among tools) stay whole.

Not kept is what says the same twice or nothing:

- the two names and cases of `asked_trees`, and schemas in the vendor's own form, which are written as
  the JSON schemas that they mean;
- ids of calls of the form that is made up here, the role of the system instruction, parts and lists
  with nothing in them, and where contents begin among those of one role.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.request import (
    Effort,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
)
from gateway_stream.wire.asked_views import read_as, readable, refuse
from gateway_stream.wire.gemini.asked_trees import (
    Tree,
    json_schema,
    left_unsaid,
    named,
    several,
    word,
)
from gateway_stream.wire.gemini.decode_contents import Contents, plain
from gateway_stream.wire.gemini.request import encode_request

__all__ = ["decode_request"]

_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "AUTO": "auto",
    "NONE": "none",
    "ANY": "required",
}
_EFFORTS: Final[dict[str, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}
_CONFIGURATION: Final = "generationConfig"
_CALLING: Final = "functionCallingConfig"


class _Configuration(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] = []
    seed: int | None = None
    response_json_schema: Any = None
    thinking_config: Tree = {}


class _Thinking(msgspec.Struct, rename="camel"):
    thinking_budget: int | None = None
    thinking_level: str = ""
    include_thoughts: bool = False


class _Calling(msgspec.Struct, rename="camel"):
    mode: str = ""
    allowed_function_names: list[str] = []


class _Declaration(msgspec.Struct, rename="camel"):
    name: str
    description: str = ""
    parameters_json_schema: Tree = {}


def decode_request(body: Tree, *, model: str | None = None, stream: bool | None = None) -> Request:
    """Read a request's body; ``model`` and ``stream`` are the path's.

    Raises:
        BadRequest: it is no request of this family; the text says what is wrong, and where.
    """
    asked = named(readable(body), "body")
    model = model or str(asked.get("model") or "").removeprefix("models/")
    if not model:
        refuse("the path names no model")
    if "contents" not in asked:
        refuse("body.contents: there are none")
    reader = _Reader(asked)
    try:
        request = reader.request(model, stream=bool(stream))
        return msgspec.structs.replace(request, extra=reader.left(request))
    except ConfigError as error:
        refuse(error.message)
    except RecursionError:
        refuse("body: it is nested too deeply")


class _Reader:
    """Reads the members of one body."""

    def __init__(self, asked: Tree) -> None:
        self._asked = asked
        self._regular = dict(asked)
        self._contents = Contents()
        self._system = Contents()

    def request(self, model: str, *, stream: bool) -> Request:
        """All that has a field."""
        configuration = self._configuration()
        view = read_as(_Configuration, configuration, f"body.{_CONFIGURATION}")
        schema = view.response_json_schema
        return Request(
            model=model,
            messages=self._contents.messages(self._asked["contents"]),
            system=self._instruction(),
            tools=self._tools(),
            tool_choice=self._choice(),
            max_tokens=view.max_output_tokens,
            temperature=view.temperature,
            top_p=view.top_p,
            stop=tuple(view.stop_sequences),
            seed=view.seed,
            reasoning=self._reasoning(configuration),
            output=OutputSchema(schema=schema) if isinstance(schema, dict) else None,
            stream=stream,
        )

    def left(self, request: Request) -> Tree:
        """What of the body is not there when the request is written again."""
        written = encode_request(request, None).body
        said = {"contents": self._contents, "systemInstruction": self._system}
        regular = {name: value for name, value in self._regular.items() if name not in said}
        left = left_unsaid(regular, written)
        whole = [name for name, contents in said.items() if contents.lossy]
        if "tools" in left:
            whole.append("tools")
        return {**left, **{name: self._asked[name] for name in whole}}

    def _member(self, name: str) -> Tree:
        """An object of the body in its regular form; one with nothing in it is none."""
        member = named(self._asked.get(name) or {}, f"body.{name}")
        self._regular.pop(name, None)
        if member:
            self._regular[name] = member
        return member

    def _instruction(self) -> str | tuple[TextPart, ...] | None:
        instruction = self._member("systemInstruction")
        parts = self._system.parts(instruction, "body.systemInstruction")
        texts = tuple(part for part in parts if isinstance(part, TextPart))
        self._system.lossy |= len(texts) < len(parts)
        return plain(texts) or None

    def _tools(self) -> tuple[Tool, ...]:
        tools: list[Tool] = []
        regular: list[Tree] = []
        for number, given in enumerate(several(self._asked.get("tools") or [], "body.tools")):
            where = f"body.tools[{number}]"
            tool = named(given, where)
            regular.append(tool)
            if "functionDeclarations" in tool:
                where = f"{where}.functionDeclarations"
                declarations = [
                    _declaration(one, f"{where}[{place}]")
                    for place, one in enumerate(several(tool["functionDeclarations"], where))
                ]
                tool["functionDeclarations"] = [tree for tree, _ in declarations]
                tools += [declared for _, declared in declarations]
        self._regular.pop("tools", None)
        if any(tool != {"functionDeclarations": []} for tool in regular):
            self._regular["tools"] = regular
        return tuple(tools)

    def _choice(self) -> ToolChoice | None:
        configuration = self._member("toolConfig")
        if _CALLING not in configuration:
            return None
        where = f"body.toolConfig.{_CALLING}"
        calling = configuration[_CALLING] = named(configuration[_CALLING], where)
        view = read_as(_Calling, calling, where)
        mode, names = word(view.mode), view.allowed_function_names
        if "mode" in calling:
            calling["mode"] = mode
        if mode == "ANY" and len(names) == 1:
            return ToolChoice("tool", names[0])
        return ToolChoice(_MODES[mode]) if mode in _MODES else None

    def _configuration(self) -> Tree:
        configuration = self._member(_CONFIGURATION)
        if "responseSchema" in configuration and "responseJsonSchema" not in configuration:
            schema = json_schema(configuration.pop("responseSchema"))
            configuration["responseJsonSchema"] = schema
        if not configuration.get("stopSequences", True):
            del configuration["stopSequences"]
        if not configuration:
            self._regular.pop(_CONFIGURATION, None)
        return configuration

    def _reasoning(self, configuration: Tree) -> Reasoning | None:
        """How much the model is to think. Who asks for it here does not see it unless that is said."""
        if "thinkingConfig" not in configuration:
            return None
        where = f"body.{_CONFIGURATION}.thinkingConfig"
        thinking = configuration["thinkingConfig"] = named(configuration["thinkingConfig"], where)
        view = read_as(_Thinking, thinking, where)
        budget = view.thinking_budget
        effort = _EFFORTS.get(word(view.thinking_level))
        if effort:
            thinking["thinkingLevel"] = word(view.thinking_level)
        if budget is not None and budget < 0:
            return None
        if budget is None and effort is None:
            return None
        thinking.setdefault("includeThoughts", False)
        if budget == 0 and effort is None:
            return Reasoning(effort="none")
        return Reasoning(effort=effort, budget=budget)


def _declaration(given: Any, where: str) -> tuple[Tree, Tool]:
    tree = named(given, where)
    if "parameters" in tree and "parametersJsonSchema" not in tree:
        tree["parametersJsonSchema"] = json_schema(tree.pop("parameters"))
    view = read_as(_Declaration, tree, where)
    for name in ("description", "parametersJsonSchema"):
        if not tree.get(name, True):
            del tree[name]
    return tree, Tool(
        name=view.name, description=view.description, parameters=view.parameters_json_schema
    )
