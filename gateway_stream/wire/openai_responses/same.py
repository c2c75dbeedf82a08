"""Whether two members of a request's body say the same.

They do where they differ only in what the vendor reads alike:

- a text alone and a list of one text, in messages and in outputs of tools;
- ``type: "message"``, ``detail: "auto"``, ``status: "completed"``, no annotations, ``strict: false`` of an output
  schema, a tool without a description, told or left out;
- null and nothing, an empty list or object and nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["same"]

_Tree: TypeAlias = dict[str, Any]


def same(name: str, one: Any, other: Any) -> bool:
    """Whether the member ``name`` says the same in both forms."""
    plain = _PLAIN.get(name, _told)
    return bool((plain(one) or None) == (plain(other) or None) and _kinds(one) == _kinds(other))


def _kinds(value: Any) -> bool:
    """Numbers and booleans are equal in Python, and not to a vendor."""
    return isinstance(value, bool)


def _told(value: Any) -> Any:
    """An object's members that are not null."""
    if isinstance(value, dict):
        return {name: member for name, member in value.items() if member is not None}
    return value


def _without(tree: _Tree, **defaults: Any) -> _Tree:
    """The members of an object that are told and no defaults."""
    told: _Tree = _told(tree)
    return {
        name: value
        for name, value in told.items()
        if name not in defaults or value != defaults[name]
    }


def _input(value: Any) -> Any:
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    return [_item(item) for item in value or ()]


def _item(item: _Tree) -> _Tree:
    if "role" in item:
        spoken = item["role"] == "assistant"
        told = _without(item, type="message", **({"status": "completed"} if spoken else {}))
        return _with_parts(told, "content", "output_text" if spoken else "input_text")
    return _with_parts(_told(item), "output", "input_text")


def _with_parts(item: _Tree, name: str, text: str) -> _Tree:
    content = item.get(name)
    if isinstance(content, str):
        return {**item, name: [{"type": text, "text": content}]}
    if not isinstance(content, list):
        return item
    parts = [
        _without(p, annotations=[], detail="auto") if isinstance(p, dict) else p for p in content
    ]
    return {**item, name: parts}


def _tools(value: Any) -> Any:
    return [_without(tool, description="") for tool in value or ()]


def _text(value: Any) -> Any:
    text = _told(value)
    if isinstance(text, dict) and isinstance(text.get("format"), dict):
        return {**text, "format": _without(text["format"], strict=False)}
    return text


_PLAIN: Final[dict[str, Callable[[Any], Any]]] = {"input": _input, "tools": _tools, "text": _text}
