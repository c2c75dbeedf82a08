"""The blocks of a Chat answer, which the wire does not name.

A chunk says only what it adds: text, reasoning, a refusal. So a block is a run of one kind. It ends
when another kind begins, and when its reasoning or text is *sealed*: a signature belongs to what
stands before it, so what follows it is another block. Tool calls run beside each other and stay open
until the answer ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_stream.wire.json_text import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.events import BlockKind, BlockStatus, Opaque
    from gateway_stream.wire.answer import AnswerWriter

__all__ = ["Blocks"]


class _Carried:
    """What the end of a block will carry, whoever ends it."""

    __slots__ = ("closing", "opaque", "vendor")

    def __init__(self, closing: Callable[[], BlockStatus | None] | None) -> None:
        self.closing = closing
        self.opaque: Opaque | None = None
        self.vendor: dict[str, Any] = {}

    def __call__(self, cut: bool) -> tuple[BlockStatus | None, Opaque | None, str | None]:  # noqa: FBT001  the writer's form
        status = self.closing() if self.closing is not None else None
        return None if cut else status, self.opaque, compact(self.vendor) if self.vendor else None


class Blocks:
    """The block that text goes to now, and the opening of all others.

    Args:
        writer: takes the events.
        starting: is called before the first block begins the answer.

    Attributes:
        fresh: the block that was opened last, until its leftovers are noted.
        text: the block of the text that runs and may go on; ``None`` where none does.
        waiting: opens what has come before and waits to be opened.
    """

    def __init__(self, writer: AnswerWriter, starting: Callable[[], None]) -> None:
        self._writer = writer
        self._starting = starting
        self._kind: BlockKind | None = None
        self._key: object = None
        self._index = 0
        self._seal: Opaque | None = None
        self._carried: dict[int, _Carried] = {}
        self.fresh: int | None = None
        self.text: int | None = None
        self.waiting: Callable[[], None] | None = None

    def write(
        self, kind: BlockKind, text: str, seal: Opaque | None = None, *, key: object = None
    ) -> bool:
        """More of ``kind``, and the signature that seals it. Tells whether this began a block.

        ``key`` tells runs of one kind apart where the wire does.
        """
        begins = self._kind != kind or self._key != key
        if begins or (self._seal is not None and seal != self._seal and (text or seal)):
            begins = True
            self._index = self.open(kind)
            self._kind, self._key = kind, key
        if text:
            self._writer.delta(self._index, text)
        if seal is not None:
            self._seal = seal
            self.keep(self._index, seal)
        self.text = self._index if self.runs("text") else None
        return begins

    def runs(self, kind: BlockKind) -> bool:
        """Whether text of ``kind`` runs and may go on."""
        return self._kind == kind and self._key is None and self._seal is None

    def current(self, kind: BlockKind) -> int:
        """The block that takes ``kind`` now; it begins if need be."""
        if self._kind != kind:
            self.write(kind, "")
        return self._index

    def open(
        self,
        kind: BlockKind,
        *,
        id: str | None = None,
        name: str | None = None,
        closing: Callable[[], BlockStatus | None] | None = None,
    ) -> int:
        """Begin a block; the run of text before it ends. ``closing`` is asked how it ended."""
        if self.waiting is not None:
            self.waiting()
        self.end_run()
        carried = _Carried(closing)
        if not self._writer.started:
            self._starting()
        self.fresh = self._writer.open(kind, id=id, name=name, ending=carried)
        self._carried[self.fresh] = carried
        return self.fresh

    def end_run(self) -> None:
        """What runs ends: more of its kind is another block."""
        if self._kind is not None:
            self._writer.end(self._index)
            self._kind = self._seal = self.text = None

    def single(
        self,
        kind: BlockKind,
        *,
        id: str | None = None,
        name: str | None = None,
        opaque: Opaque | None = None,
        vendor: str | None = None,
    ) -> None:
        """A block that comes whole."""
        self._writer.end(self.open(kind, id=id, name=name), opaque=opaque, vendor=vendor)

    def keep(self, index: int, opaque: Opaque) -> None:
        """What goes back with a block."""
        self._carried[index].opaque = opaque

    def note(self, index: int, left: dict[str, Any]) -> None:
        """What of a block's frames no event holds; lists grow, other fields are replaced."""
        vendor = self._carried[index].vendor
        for key, value in left.items():
            before = vendor.get(key)
            if isinstance(before, list) and isinstance(value, list):
                before.extend(value)  # each note is its own: a list made anew would cost its length
            else:
                vendor[key] = value
