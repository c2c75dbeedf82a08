"""What a request asks of a model, read from its body in any family's words.

Three things decide how an answer has to look: the tools that may be called, the results of tools
that came since the model last spoke, and the schema that the text has to fit. Only tools that the
client runs count, for those of the vendor (web search and the like) it cannot be asked to run; and
of those only the ones that the choice of tools in the request allows.

A body is read as leniently as it can be: what is missing or has another shape was not asked for.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway_stream.testing.making import Tree, tree, trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway_stream.testing.script import FamilyName

__all__ = ["Asked", "OfferedTool", "read_asked"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class OfferedTool:
    """A tool that may be called; ``parameters`` is a JSON schema, empty where there is none."""

    name: str
    parameters: Tree


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for.

    Attributes:
        tools: the tools that may be called, in the order of the request.
        results: what tools gave since the model last spoke, as text.
        output: the JSON schema of the text; ``None`` asks for prose.
    """

    tools: tuple[OfferedTool, ...] = ()
    results: tuple[str, ...] = ()
    output: Tree | None = None


def read_asked(family: FamilyName, body: object) -> Asked:
    """What ``body``, a JSON tree, asks for."""
    return _READERS[family](tree(body))


_SOME_OBJECT: Final[Tree] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
}
"""What fits a request for JSON that names no schema."""


def _openai_chat(body: Tree) -> Asked:
    offers = [tree(offer.get("function")) for offer in trees(body.get("tools"))]
    said = _since(trees(body.get("messages")), lambda it: it.get("role") == "assistant")
    form = tree(body.get("response_format"))
    named = {**form, "schema": tree(form.get("json_schema")).get("schema")}
    return Asked(
        tools=_allowed(_offered(offers, "parameters"), body.get("tool_choice")),
        results=_texts(it.get("content") for it in said if it.get("role") in ("tool", "function")),
        output=_output(named),
    )


def _openai_responses(body: Tree) -> Asked:
    offers = [offer for offer in trees(body.get("tools")) if offer.get("type") == "function"]
    items = [(item, str(item.get("type", ""))) for item in trees(body.get("input"))]
    said = _since(items, lambda it: not _of_user(*it))
    return Asked(
        tools=_allowed(_offered(offers, "parameters"), body.get("tool_choice")),
        results=_texts(item.get("output") for item, kind in said if kind.endswith("_output")),
        output=_output(tree(tree(body.get("text")).get("format"))),
    )


def _of_user(item: Tree, kind: str) -> bool:
    """Items without a role are the model's own, but for what tools gave."""
    return kind.endswith("_output") or item.get("role", "assistant") != "assistant"


def _anthropic(body: Tree) -> Asked:
    offers = [offer for offer in trees(body.get("tools")) if "input_schema" in offer]
    said = _since(trees(body.get("messages")), lambda it: it.get("role") == "assistant")
    blocks = [block for message in said for block in trees(message.get("content"))]
    form = tree(body.get("output_config")).get("format") or body.get("output_format")
    return Asked(
        tools=_allowed(_offered(offers, "input_schema"), body.get("tool_choice")),
        results=_texts(it.get("content") for it in blocks if it.get("type") == "tool_result"),
        output=_output(tree(form)),
    )


def _gemini(body: Tree) -> Asked:
    body = tree(_camel(body))
    declared = [offer for tool in trees(body.get("tools")) for offer in trees(tool.get(_DECLARED))]
    said = _since(trees(body.get("contents")), lambda it: it.get("role") == "model")
    parts = [tree(it.get("functionResponse")) for one in said for it in trees(one.get("parts"))]
    config = tree(body.get("generationConfig"))
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    output = tree(schema) or None
    if output is None and config.get("responseMimeType") == "application/json":
        output = _SOME_OBJECT
    tools = _offered(declared, "parametersJsonSchema", "parameters")
    calling = tree(tree(body.get("toolConfig")).get("functionCallingConfig"))
    names = calling.get("allowedFunctionNames") or [tool.name for tool in tools]
    forbidden = calling.get("mode") == "NONE"
    return Asked(
        tools=() if forbidden else tuple(tool for tool in tools if tool.name in names),
        results=_texts(part.get("response") for part in parts if part),
        output=output,
    )


_DECLARED: Final = "functionDeclarations"
_SCHEMAS: Final = frozenset(
    {"parameters", "parametersJsonSchema", "response", "responseJsonSchema", "responseSchema"}
)
"""Where Gemini's own names end and names of the user's begin."""


def _camel(value: Any) -> Any:
    """Gemini takes its names in snake case too."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {
        re.sub(r"(?<=[a-z])_([a-z])", lambda found: found[1].upper(), name): one
        for name, one in value.items()
    }
    return {name: one if name in _SCHEMAS else _camel(one) for name, one in named.items()}


_READERS: Final[dict[FamilyName, Callable[[Tree], Asked]]] = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}


def _offered(offers: list[Tree], *schemas: str) -> tuple[OfferedTool, ...]:
    return tuple(
        OfferedTool(offer["name"], next((tree(offer[it]) for it in schemas if it in offer), {}))
        for offer in offers
        if isinstance(offer.get("name"), str)
    )


def _allowed(tools: tuple[OfferedTool, ...], choice: object) -> tuple[OfferedTool, ...]:
    told = tree(choice)
    if "none" in (choice, told.get("type")):
        return ()
    name = told.get("name") or tree(told.get("function")).get("name")
    return tuple(tool for tool in tools if name in (None, tool.name))


def _since(said: list[_T], by_model: Callable[[_T], bool]) -> list[_T]:
    """What was said after the model's last word, in order."""
    last = itertools.takewhile(lambda it: not by_model(it), reversed(said))
    return list(last)[::-1]


def _output(form: Tree) -> Tree | None:
    match form.get("type"):
        case "json_schema":
            return tree(form.get("schema")) or _SOME_OBJECT
        case "json_object":
            return _SOME_OBJECT
        case _:
            return None


def _texts(results: Iterable[object]) -> tuple[str, ...]:
    return tuple(" ".join(_text(result).split()) for result in results)


def _text(result: Any) -> str:
    """The text of a result; what is no text, such as an image, is left out of it."""
    if isinstance(result, str):
        return result
    if isinstance(result, list):
        return " ".join(_text(one) for one in result)
    told = tree(result)
    if isinstance(told.get("text"), str):
        return str(told["text"])
    if len(told) == 1:
        return _text(*told.values())
    return "" if "type" in told or result in (None, {}) else json.dumps(result, ensure_ascii=False)
