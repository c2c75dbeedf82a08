"""What of the frames no event holds.

`Leftovers` collects what the views do not read, as a tree in the vendor's own shape, from the frames
that say more than the next piece of text: those that begin the answer or a block, carry the finish
reason, or add nothing at all. What the start of the answer has told already is not told again, so
the fields that every chunk repeats appear once. Of several choices only the first is looked at, and
of calls only those that no block keeps whole. What the beginning and the end collect is written once,
when it is asked for: frames may go on adding to it.

Most frames hold nothing beside the views' fields but a few that every chunk repeats (`_Usual`). Reading a
frame as one in which anything else is forbidden proves that in a fraction of the time of looking through its tree.

Dropped are: padding against traffic analysis, log probabilities of single tokens, copies (the
``message`` beside a ``delta``, the completion-style ``text`` beside either), and the constants of the framing.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

import msgspec

from gateway_stream.wire.json_text import UNREADABLE, compact, read_tree

__all__ = ["Leftovers"]

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
    "thinking_blocks": None,
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
    "messages": [_DELTA],
    "usage": _USAGE,
    "x_groq": {"usage": _USAGE},
    "obfuscation": None,
    "p": None,
}
_ANSWER: Final[dict[str, Any]] = {
    **_CHUNK,
    "choices": [
        {"index": None, "finish_reason": None, "message": _DELTA, "text": None, "usage": _USAGE}
    ],
}


_UNHELD: Final = object()


def _usual(held: dict[str, Any], **open_: Any) -> Any:
    """The view of an object in which only held fields may say anything, and open ones what they may."""
    fields: list[Any] = []
    for name, inner in {**held, **open_}.items():
        type_ = None if isinstance(inner, dict | list) else Any if inner is None else inner | None
        fields.append((name, type_, None))
    return msgspec.defstruct("Usual", fields, gc=False, forbid_unknown_fields=True)


_REPEATED: Final = ("created", "provider", "service_tier", "system_fingerprint")
_UsualChoice = _usual(_CHOICE, delta=_usual(_DELTA))
_Usual = _usual(
    _CHUNK,
    choices=list[_UsualChoice],  # type: ignore[valid-type]  # a Struct, made above
    usage=dict[str, Any],
    **dict.fromkeys(_REPEATED, str | int | float | bool),
)
_decode_usual: Final = msgspec.json.Decoder(_Usual).decode
_repeated_in: Final = attrgetter(*_REPEATED)
_NOTHING_REPEATED: Final = (None,) * len(_REPEATED)


class Leftovers:
    """What is left of the frames of one answer."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._repeated: tuple[Any, ...] = _NOTHING_REPEATED
        self._taken = b""  # the frame that `end` took last
        self._held = _CHUNK

    def start(self, data: bytes, *, whole: bool = False) -> None:
        """Take what a frame before the first content holds beside the views' fields."""
        if whole:
            self._held = _ANSWER
        usual = self._read_usual(data)
        if usual is None or usual.usage:
            left = _left(data, self._held)
        else:  # in the frame's order
            fields = msgspec.json.decode(data).items()
            left = {
                name: value
                for name, value in fields
                if name in _REPEATED and value not in (None, "")
            }
        if self._told:
            _merge(self._told, left)
        else:
            self._told = left
        self._repeated = tuple([left.get(name) for name in _REPEATED])

    def beginning(self) -> str | None:
        """JSON text of what `start` took."""
        return compact(self._told) if self._told else None

    def new(self, data: bytes) -> dict[str, Any]:
        """The same of a frame that comes later, without what is told already."""
        usual = self._read_usual(data)
        if usual is None or _repeated_in(usual) not in (self._repeated, _NOTHING_REPEATED):
            return _difference(_left(data, self._held), self._told)
        if not usual.usage:
            return {}
        counts = _rest_of_object(usual.usage, _USAGE)
        return _difference({"usage": counts}, self._told) if counts else {}

    def end(self, data: bytes) -> None:
        """Take the same of a frame that ends the answer or adds nothing; many do both."""
        if data is self._taken:
            return
        self._taken = data
        _merge(self._end, self.new(data))

    def ending(self) -> str | None:
        """JSON text of what `end` took."""
        return compact(self._end) if self._end else None

    def _read_usual(self, data: bytes) -> Any:
        """A frame as `_Usual`; ``None`` for one that may hold more."""
        if self._held is not _CHUNK:
            return None
        try:
            return _decode_usual(data)
        except UNREADABLE:
            return None


def _left(data: bytes, held: dict[str, Any]) -> dict[str, Any]:
    try:
        tree = read_tree(data)
    except ValueError:
        return {}
    if not isinstance(tree, dict):
        return {}
    choices = tree.get("choices")
    if isinstance(choices, list):
        tree["choices"] = [choice for place, choice in enumerate(choices) if _first(choice, place)]
    if not choices and (tree.get("delta") is not None or tree.get("messages") is not None):
        held = {**held, "finish_reason": None}
    left: dict[str, Any] = _rest(tree, held)
    return left


def _first(choice: Any, place: int) -> bool:
    """Whether a choice is the one that is read."""
    index = choice.get("index") if isinstance(choice, dict) else None
    return not (place if index is None else index)


def _rest(value: Any, held: Any) -> Any:
    """``value`` without what is ``held``, and without what says nothing."""
    if type(value) is dict:
        return _rest_of_object(value, held if type(held) is dict else {})
    if type(value) is list and type(held) is list:
        rests = [
            _rest(inner, held[0])
            for inner in value
            if not (held[0] is _CALL and _is_foreign(inner))
        ]
        return [inner for inner in rests if not _says_nothing(inner)]
    return value


def _rest_of_object(value: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    copied = "message" if value.get("delta") is not None and "message" in held else None
    rest = {}
    for key, inner in value.items():
        if inner is None:
            continue
        within = held.get(key, _UNHELD)
        if within is None or key == copied:
            continue
        kind = type(inner)
        left = _rest(inner, within) if kind is dict or kind is list else inner
        if left or not _says_nothing(left):
            rest[key] = left
    return rest


def _is_foreign(call: Any) -> bool:
    """Whether a piece of a call is one of no function, which goes into its block whole."""
    if not isinstance(call, dict) or call.get("function") is not None:
        return False
    return call.get("type") not in (None, "", "function") or any(
        isinstance(value, dict) for key, value in call.items() if key not in _CALL
    )


def _says_nothing(value: Any) -> bool:
    return value is None or (not value and type(value) in (str, list, dict))


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
