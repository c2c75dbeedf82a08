"""A block between its start and its end: what the writer must remember of it.

Fragments of arguments are kept and joined once, when the block ends and is judged; of a surrogate
pair whose halves come in two fragments the first half is kept until the second comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from gateway_stream.events import (
    BlockKind,
    BlockStatus,
    Event,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from gateway_stream.wire.arguments import arguments_status
from gateway_stream.wire.surrogates import pair_up, split_half

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DELTAS", "Ending", "OpenBlock"]

Ending: TypeAlias = tuple[BlockStatus | None, Opaque | None, str | None]
"""What a block's end carries: its status where the writer is not to judge, opaque data, vendor."""

DELTAS: Final[dict[BlockKind, Callable[[int, str], Event]]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
    "tool_call": ToolCallDelta,
}
"""What makes a delta of a kind of block, where the kind has any."""


class OpenBlock:
    """What is known of an open block.

    Attributes:
        delta: makes its deltas, where its kind has any.
        ending: asked for what its end carries.
        arguments: the text of a tool call so far, in fragments.
        half: the first half of a surrogate pair, waiting for the second.
    """

    __slots__ = ("arguments", "delta", "ending", "half", "kind")

    def __init__(self, kind: BlockKind, ending: Callable[[bool], Ending] | None) -> None:
        self.kind = kind
        self.ending = ending
        self.delta = DELTAS.get(kind)
        self.arguments: list[str] = []
        self.half = ""

    def paired(self, text: str) -> tuple[str, bool]:
        """More text with its surrogate pairs joined, and whether a lone half had to be replaced."""
        text, self.half = split_half(self.half + text)
        joined = pair_up(text)
        return joined, "\ufffd" in joined and "\ufffd" not in text

    def status(self) -> BlockStatus:
        """What the block is worth once it is closed: a tool call is judged by its text."""
        return arguments_status("".join(self.arguments)) if self.kind == "tool_call" else "complete"
