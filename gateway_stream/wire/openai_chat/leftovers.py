"""What no event holds, and the vendor's own text of what goes back.

`Leftovers` collects what the views do not read, as a tree in the vendor's own shape, from the frames
that say more than the next piece of text: those that begin the answer or a block, carry the finish
reason, or add nothing at all. What the start of the answer has told already is not told again, so
the fields that every chunk repeats appear once. `Place` cuts a value's JSON text out of its frame,
byte for byte, for what goes back unread.

Dropped are: padding against traffic analysis, log probabilities of single tokens, copies (the
``message`` beside a ``delta``, the completion-style ``text``), and the constants of the framing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree

__all__ = ["Leftovers", "Place"]

_CALL: Final = {
    "index": None,
    "id": None,
    "type": None,
    "function": {"name": None, "arguments": None},
    "thoughtSignature": None,
    "extra_content": None,
}
_DELTA: Final = {
    "role": None,
    "content": None,
    "tool_calls": [_CALL],
    "reasoning_content": None,
    "reasoning": None,
    "reasoning_text": None,
    "thinking": None,
    "reasoning_details": None,
    "refusal": None,
    "function_call": {"name": None, "arguments": None},
    "audio": None,
    "images": None,
    "annotations": None,
    "executed_tools": None,
    "extra_content": None,
}
_USAGE: Final = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "prompt_tokens_details": {"cached_tokens": None, "cache_write_tokens": None},
    "completion_tokens_details": {"reasoning_tokens": None},
    "cache_read_input_tokens": None,
    "cache_creation_input_tokens": None,
}
_CHOICE: Final = {
    "index": None,
    "finish_reason": None,
    "delta": _DELTA,
    "message": _DELTA,
    "logprobs": None,
    "text": None,
    "obfuscation": None,
    "usage": _USAGE,
}
_CHUNK: Final[dict[str, Any]] = {
    "id": None,
    "model": None,
    "object": None,
    "choices": [_CHOICE],
    "delta": _DELTA,
    "usage": _USAGE,
    "x_groq": {"usage": _USAGE},
    "obfuscation": None,
    "p": None,
}
_ANSWER: Final[dict[str, Any]] = {
    **_CHUNK,
    "choices": [{"index": None, "finish_reason": None, "message": _DELTA, "usage": _USAGE}],
    "messages": [_DELTA],
}


class Leftovers:
    """What is left of the frames of one answer."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._end: dict[str, Any] = {}

    def start(self, data: bytes, *, whole: bool = False) -> str | None:
        """JSON text of what a frame before the first content holds beside the views' fields."""
        _merge(self._told, _left(data, _ANSWER if whole else _CHUNK))
        return compact(self._told) if self._told else None

    def block(self, data: bytes) -> dict[str, Any]:
        """The same of a frame that begins a block, without what is known already."""
        return _difference(_left(data, _CHUNK), self._told)

    def end(self, data: bytes) -> bool:
        """Take the same of a frame that ends the answer or adds nothing; tell if it was new."""
        left = _difference(_left(data, _CHUNK), self._told)
        if left:
            _merge(self._end, left)
        return bool(left)

    @property
    def ending(self) -> str | None:
        """JSON text of what `end` took."""
        return compact(self._end) if self._end else None


class Place:
    """Where in a frame's bytes a delta or message lies."""

    __slots__ = ("_data", "_steps")

    def __init__(self, data: bytes, *steps: str | int) -> None:
        self._data = data
        self._steps = steps

    def cut(self, value: Any, *steps: str | int) -> str:
        """The JSON text that ``value`` was read from, found by ``steps`` below the place.

        Where the frame could only be read leniently, it is written anew.
        """
        text: Any = self._data
        try:
            for step in (*self._steps, *steps):
                if isinstance(step, str):
                    text = msgspec.json.decode(text, type=dict[str, msgspec.Raw])[step]
                else:
                    text = msgspec.json.decode(text, type=list[msgspec.Raw])[step]
            return bytes(text).decode()
        except (*UNREADABLE, LookupError):
            return compact(self._find(value, steps))

    def _find(self, value: Any, steps: tuple[str | int, ...]) -> Any:
        """What lies where ``value`` was read, with the members that a view leaves out."""
        try:
            tree = read_tree(self._data)
            for step in (*self._steps, *steps):
                tree = tree[step]
        except (LookupError, TypeError, ValueError):
            return msgspec.to_builtins(value)
        return tree


def _left(data: bytes, held: dict[str, Any]) -> dict[str, Any]:
    try:
        tree = read_tree(data)
    except ValueError:
        return {}
    left = _rest(tree, held)
    return left if isinstance(left, dict) else {}


def _rest(value: Any, held: Any) -> Any:
    """``value`` without what is ``held``, and without what says nothing."""
    if isinstance(value, dict):
        known = held if isinstance(held, dict) else {}
        if value.get("delta") is not None:
            known = {**known, "message": None} if "message" in known else known
        rest = {
            key: _rest(inner, known.get(key))
            for key, inner in value.items()
            if not (key in known and known[key] is None)
        }
        return {key: inner for key, inner in rest.items() if not _says_nothing(inner)}
    if isinstance(value, list) and isinstance(held, list):
        rests = [
            _rest(inner, held[0])
            for inner in value
            if not (held[0] is not _CALL and isinstance(inner, dict) and inner.get("index"))
        ]
        return [inner for inner in rests if not _says_nothing(inner)]
    return value


def _says_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _difference(tree: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What of ``tree`` is not the same in ``known``."""
    new: dict[str, Any] = {}
    for key, value in tree.items():
        inner, before = _object(value), _object(known.get(key))
        if inner is not None and before is not None:
            differs = _difference(inner, before)
            if differs:
                new[key] = [differs] if isinstance(value, list) else differs
        elif value != known.get(key):
            new[key] = value
    return new


def _merge(into: dict[str, Any], tree: dict[str, Any]) -> None:
    """Add ``tree``; of two different values the later one holds."""
    for key, value in tree.items():
        inner, before = _object(value), _object(into.get(key))
        if inner is not None and before is not None:
            _merge(before, inner)
        else:
            into[key] = value


def _object(value: Any) -> dict[str, Any] | None:
    """An object, or the one object of a list such as ``choices``."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None
