"""What a scripted answer holds, in no family's words. `gateway_stream.testing.bodies` writes it out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from gateway_stream.events import StopReason, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FamilyName", "Script", "ScriptedCall", "split_text"]

FamilyName: TypeAlias = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]
"""A wire family that the fake gateway speaks."""

_USAGE: Final = Usage(input=12, output=34)


@dataclass(frozen=True)
class ScriptedCall:
    """A tool call: its name, its arguments (an object, or JSON text as it is), its id if it matters."""

    name: str
    arguments: Mapping[str, Any] | str = ""
    id: str | None = None

    @property
    def json(self) -> str:
        """The arguments as JSON text."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), separators=(",", ":"), ensure_ascii=False)

    @property
    def tree(self) -> Any:
        """The arguments as a JSON tree, for the places where a vendor sends no text.

        Raises:
            ValueError: the arguments are text that is not JSON.
        """
        return json.loads(self.json or "{}")


@dataclass(frozen=True, kw_only=True)
class Script:
    """What an answer holds: reasoning, then text, then tool calls.

    Attributes:
        text: pieces of the text, an event each.
        reasoning: pieces of the reasoning, an event each.
        tool_calls: the calls, in order.
        usage: counts in the sense of `Usage`; what is ``None`` is left out.
        stop: why the model stopped; ``None`` is ``tool_use`` where there are calls, else ``end_turn``.
        signature: what a family that signs its reasoning signs it with.
    """

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ScriptedCall, ...] = ()
    usage: Usage = _USAGE
    stop: StopReason | None = None
    signature: str = "c2NyaXB0ZWQgc2lnbmF0dXJl"

    @property
    def reason(self) -> StopReason:
        """Why the model stopped."""
        return self.stop or ("tool_use" if self.tool_calls else "end_turn")

    @property
    def calls(self) -> tuple[tuple[str, ScriptedCall], ...]:
        """The calls, each with its id."""
        return tuple(
            (call.id or f"call_scripted_{place}", call)
            for place, call in enumerate(self.tool_calls)
        )


def split_text(text: str | Iterable[str]) -> tuple[str, ...]:
    """Pieces of a text: its words with the blanks after them. What is in pieces stays so."""
    if isinstance(text, str):
        return tuple(re.findall(r"\S+\s*|\s+", text))
    return tuple(text)
