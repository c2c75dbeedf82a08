"""What a family's wire has a place for.

The families are not equal: one has no refusals, another counts no cache, a third sends the arguments
of a call only as a whole. `Carries` is the table of it, one for a family's streams and one for its
whole answers. `gateway_stream.wire.canonical.canonical` applies it: the events that an answer is read
back as once a family has written it. Encoders are held to it, ``decode(encode(events)) ==
canonical(events)``, and the table in the documentation is printed from it, so that neither can drift
from the other.

What no table changes:

- *Text is never lost.* A kind that a wire does not know (a refusal) becomes text, in its place.
- *Arguments* are the same JSON, or the call is left out, where a wire can hold whole objects only. No
  arguments and an empty object are the same, and so are blanks around one. A call that must not be
  run stays one (`Carries.sent`).
- *A stop reason* that the wire has a word for.
- *Opaque data and what depends on it* (server tools, redacted thinking, signatures) of the family's
  own: it goes out as it came in. Of any other family it is left out, and a block with it that nothing
  else makes readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

from gateway_stream.events import (
    BlockKind,
    Failure,
    FailureKind,
    Opaque,
    Stop,
    StopReason,
    Usage,
)
from gateway_stream.wire.answer import CUT_SHORT
from gateway_stream.wire.arguments import arguments_status, spoiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping  # noqa: TC004  never decoded

    from gateway_stream.turn import Block  # noqa: TC004  the same

__all__ = ["TOLD_AS", "Carries", "Closing", "Count"]

Count: TypeAlias = Literal["input", "output", "cache_read", "cache_write", "reasoning"]
"""A field of `Usage`."""

Closing: TypeAlias = Literal["marked", "next", "end"]
"""What tells that a block is closed: a mark of its own, the block after it, or the answer's end."""

TOLD_AS: Final[Mapping[FailureKind, FailureKind]] = {
    **dict.fromkeys(get_args(FailureKind), "stream_failed"),
    "auth": "auth",
    "access_denied": "access_denied",
    "bad_request": "bad_request",
    "config": "bad_request",
    "model_not_found": "model_not_found",
    "rate_limited": "rate_limited",
    "overloaded": "overloaded",
    "queue_full": "overloaded",
    "gateway_unavailable": "overloaded",
}
"""Kind of failure -> the kind as which any family's reader reads it: what went wrong between a client
and its gateway is, to the reader of what that client writes, a failure of the model."""


def _never(_before: Block, _after: Block) -> bool:
    return False


def _itself(block: Block) -> Iterable[Block]:
    return (block,)


def _as_they_are(usage: Usage) -> Usage:
    return usage


def _nowhere(_block: Block) -> int:
    return 0


def _not_it(_block: Block) -> bool:
    return False


def _is_call(block: Block) -> bool:
    return block.kind == "tool_call"


def _all(block: Block) -> Opaque | None:
    return block.opaque


class Carries(msgspec.Struct, frozen=True, kw_only=True):
    """What a family's wire has a place for.

    Attributes:
        family: the family's name, which marks opaque data as its own.
        blocks: kind of block -> the kind as which it is read back. A kind that is not here is left
            out, unless the block has opaque data of the family's own.
        reasons: stop reason -> the reason as which it is read back.
        counts: the counts of `Usage` that have a field.
        counts_as: the counts as which they are read back, where some are told as parts of others.
        media: whether images and files have a place of their own.
        sources: whether citations have.
        empty: kinds of block that are written even if nothing is in them.
        broken_calls: whether arguments that are no JSON object can be written.
        cut_texts: whether a whole answer can tell that a block which is no call was cut.
        cut_calls: whether it is told of a call that it was cut, whatever its text and what follows.
        closing: kind of block -> what closes it; kinds that are not here are ``"marked"``.
        closes_itself: whether a block is closed whatever its kind and whatever follows.
        keeps: what of a block's opaque data, which is the family's own, is written.
        asks_caller: whether a block that goes out asks its reader to run something.
        reads_as: the blocks as which one block that goes out is read back, where that is not one, or
            not the same.
        runs_on: whether two blocks that follow each other are read back as one.
        place: where a block stands, where the wire has places and not one row of blocks: they are
            read back in the order of their places.
        unnamed: the id of an answer that has none.
    """

    family: str
    blocks: Mapping[BlockKind, BlockKind]
    reasons: Mapping[StopReason, StopReason]
    counts: frozenset[Count]
    counts_as: Callable[[Usage], Usage] = _as_they_are
    media: bool = False
    sources: bool = False
    empty: frozenset[BlockKind] = frozenset()
    broken_calls: bool = True
    cut_texts: bool = False
    cut_calls: bool = False
    closing: Mapping[BlockKind, Closing] | None = None
    closes_itself: Callable[[Block], bool] = _not_it
    keeps: Callable[[Block], Opaque | None] = _all
    asks_caller: Callable[[Block], bool] = _is_call
    reads_as: Callable[[Block], Iterable[Block]] = _itself
    runs_on: Callable[[Block, Block], bool] = _never
    place: Callable[[Block], int] = _nowhere
    unnamed: str | None = None

    def owns(self, block: Block) -> bool:
        """Whether a block has opaque data that goes out as it came."""
        return block.opaque is not None and block.opaque.family == self.family

    def cuts(self, end: Stop | Failure) -> bool:
        """Whether readers take the last call of an answer that ends so for cut."""
        return isinstance(end, Failure) or self.reasons[end.reason] in CUT_SHORT

    def sent(self, block: Block, *, cut_by_end: bool) -> Block:
        """A block as it goes out: a call that must not be run, such that no reader runs it.

        One that was cut though its text cannot grow is told as invalid, unless it is told as cut: by the
        wire, or by the end of the answer (``cut_by_end``).
        """
        if block.kind != "tool_call" or block.status == "complete":
            return block
        told = self.cut_calls or cut_by_end
        if block.status == "truncated" and not told and arguments_status(block.text) != "truncated":
            block = replace(block, status="invalid")
        elif self.owns(block):
            return block
        return replace(block, text=block.text + spoiled(block.text, block.status))
