"""Whether the bytes of a body prove that its answer is whole: a second opinion.

Small on purpose and written apart from the decoder, with the standard library's JSON and a line
splitter of its own. It only ever says what *may* count as proof; that a decoder finds the proof where
there is one is for the recorded expectations to show.

- *Strong*: the family's own end mark in a whole event. It holds however the body ended. Where the
  sentinel ``[DONE]`` is not the family's own, it is strong after a stop reason.
  Data of several lines that is no JSON, while each line is, is an event for each line.
- *Weak*: a stop reason in a whole event. It holds only with the clean end of a body that was not cut
  inside an event.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Mark(NamedTuple):
    """What one event proves; ``seal``: strong if a stop reason came before."""

    strong: bool = False
    weak: bool = False
    seal: bool = False


def _first(tree: dict[str, Any], key: str) -> dict[str, Any]:
    items = tree.get(key)
    item = items[0] if isinstance(items, list) and items else None
    return item if isinstance(item, dict) else {}


def _chat(tree: dict[str, Any]) -> Mark:
    choices = tree.get("choices") or []
    named = any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)
    named = named or bool(tree.get("delta") and tree.get("finish_reason"))  # an agent's chunk
    return Mark(weak=named or bool(tree.get("messages")))  # whole answers of agents name no reason


def _responses(tree: dict[str, Any]) -> Mark:
    ended = tree.get("type") in {"response.completed", "response.incomplete", "response.failed"}
    if tree.get("type") == "response.done" and isinstance(tree.get("response"), dict):
        ended = tree["response"].get("status") in {"completed", "incomplete", "failed"}
    whole = tree.get("object") == "response" and tree.get("status") in {
        "completed",
        "incomplete",
    }
    return Mark(ended, whole)


def _anthropic(tree: dict[str, Any]) -> Mark:
    places = [tree, tree.get("delta"), tree.get("message")]
    weak = any(isinstance(place, dict) and place.get("stop_reason") for place in places)
    return Mark(tree.get("type") == "message_stop", weak)


def _gemini(tree: dict[str, Any]) -> Mark:
    candidate = _first(tree, "candidates")
    finished = candidate.get("finishReason") or candidate.get("finish_reason")
    feedback = tree.get("promptFeedback") or tree.get("prompt_feedback")
    blocked = isinstance(feedback, dict) and (
        feedback.get("blockReason") or feedback.get("block_reason")
    )
    return Mark(weak=bool(finished or blocked))


_MARKS: dict[str, Callable[[dict[str, Any]], Mark]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
_SENTINEL_IS_STRONG = {"openai_chat", "openai_responses"}
_SENTINEL = b"[DONE]"


@dataclass(frozen=True)
class Evidence:
    """Where a body proves what: ``ends[n]`` is the offset at which event ``n`` is whole."""

    family: str
    body: bytes
    ends: list[int]
    marks: list[Mark]

    def proves(self, offset: int, *, clean: bool) -> bool:
        """Whether the body up to ``offset`` may pass for a whole answer."""
        if self.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"[", b"{"}:
            return clean and self._json_is_whole(offset)
        count = bisect_right(self.ends, offset)
        marks = self.marks[:count]
        rest = b"\n".join(_data_lines(self.body[self.ends[count - 1] if count else 0 : offset]))
        cut = False
        if rest:
            mark, cut = _judge(self.family, rest)
            marks = [*marks, mark]
        if any(mark.strong for mark in marks) or self._sealed(marks):
            return True
        return clean and not cut and any(mark.weak for mark in marks)

    @staticmethod
    def _sealed(marks: list[Mark]) -> bool:
        """Whether a sentinel follows a stop reason."""
        first = next((place for place, mark in enumerate(marks) if mark.weak), len(marks))
        return any(mark.seal for mark in marks[first:])

    def _json_is_whole(self, offset: int) -> bool:
        try:
            tree = json.loads(self.body[:offset].decode("utf-8-sig"))
        except ValueError:
            return self._lines_are_whole(offset)
        items = tree if isinstance(tree, list) else [tree]
        return any(any(_MARKS[self.family](item)) for item in items if isinstance(item, dict))

    def _lines_are_whole(self, offset: int) -> bool:
        lines = self.body[:offset].split(b"\n")
        marks = [_judge_text(self.family, line) for line in lines if line.strip()]
        return None not in marks and any(any(mark) for mark in marks if mark)


def evidence(family: str, body: bytes) -> Evidence:
    """Read a body once."""
    ends: list[int] = []
    marks: list[Mark] = []
    begun, at = 0, 0
    for found in _LINE_END.finditer(body):
        if found.start() == at:  # a blank line; half of its CRLF is enough to dispatch
            data = b"\n".join(_data_lines(body[begun:at]))
            ends.append(found.start() + 1)
            marks.append(_judge(family, data)[0])
            begun = found.end()
        at = found.end()
    return Evidence(family, body, ends, marks)


def _data_lines(event: bytes) -> list[bytes]:
    lines = [line for line in _LINE_END.split(event) if line.startswith(b"data:")]
    return [line[5:].removeprefix(b" ") for line in lines]


def _judge(family: str, data: bytes) -> tuple[Mark, bool]:
    """What one event's data proves, and whether it is cut."""
    mark = _judge_text(family, data)
    if mark is not None:
        return mark, False
    judged = [_judge_text(family, line) for line in data.split(b"\n")]
    whole = [mark for mark in takewhile(lambda mark: mark is not None, judged) if mark]
    merged = Mark(*(any(flags) for flags in zip(*whole, strict=True))) if whole else Mark()
    return merged, len(whole) < len(judged)


def _judge_text(family: str, data: bytes) -> Mark | None:
    """What a text proves, or None where it is not whole."""
    data = data.strip()
    if data == _SENTINEL:
        own = family in _SENTINEL_IS_STRONG
        return Mark(strong=own, seal=not own)
    try:
        tree = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return _MARKS[family](tree) if isinstance(tree, dict) else Mark()
