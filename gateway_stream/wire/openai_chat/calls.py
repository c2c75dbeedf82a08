"""Tool calls while their pieces come, and which of them a piece may continue.

Answers may have thousands of calls under one position, and calls thousands of pieces: nothing here
looks at a call or a piece again for each one that follows.
"""

from __future__ import annotations

import re
from typing import Final

from gateway_stream.wire.arguments import arguments_status

__all__ = ["SEEDED", "Call", "Position"]

SEEDED: Final = "{}"
"""A first piece of arguments that may only hold their place."""

_MARK: Final = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_NESTS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class Call:
    """A tool call while its pieces come."""

    __slots__ = (
        "arguments",
        "block",
        "id",
        "name",
        "nesting",
        "number",
        "opaque",
        "pieces",
        "seed",
    )

    def __init__(self, id: str, number: int) -> None:
        self.id = id
        self.number = number
        self.pieces: list[str] | None = None  # of a call of no function
        self.name = ""
        self.block: int | None = None
        self.arguments: list[str] = []
        self.nesting = _Nesting()
        self.seed = ""
        self.opaque: dict[str, str] = {}

    def whole_before(self, arguments: str) -> str | None:
        """The arguments so far, if they are whole and ``arguments`` may be another call's."""
        last = self.arguments[-1] if self.arguments else self.seed
        if not (arguments.lstrip().startswith("{") and last.rstrip().endswith("}")):
            return None
        if not self.nesting.closed_after(self.arguments):
            return None
        text = "".join(self.arguments) or self.seed
        if text == SEEDED != arguments:
            return None
        if arguments_status(text) != "complete":
            self.nesting.spoilt = True
            return None
        return text


class _Nesting:
    """Whether all brackets of a JSON text are closed, each of its pieces looked at once.

    It is asked after a bracket only, so never in the middle of an escape. ``spoilt`` is a text that
    was closed and is no object: nothing that follows can make it one.
    """

    __slots__ = ("_depth", "_quoted", "_seen", "spoilt")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._seen = 0
        self.spoilt = False

    def closed_after(self, pieces: list[str]) -> bool:
        """Whether the text so far is closed; ``pieces`` are those of the last time and more."""
        if self.spoilt:
            return False
        text = "".join(pieces[self._seen :])
        self._seen = len(pieces)
        for found in _MARK.finditer(text):
            mark = found.group()
            if mark == '"':
                self._quoted = not self._quoted
            elif not self._quoted and mark in _NESTS:
                self._depth += _NESTS[mark]
        return self._depth == 0 and not self._quoted


class Position:
    """The calls that share an ``index`` on the wire, in the order in which they began."""

    __slots__ = ("_by_id", "_without_id", "last")

    def __init__(self) -> None:
        self.last: Call | None = None
        self._by_id: dict[str, Call] = {}
        self._without_id: list[Call] = []

    def known(self, id: str) -> Call | None:
        """The last call that a piece with ``id`` may continue: one with this id or with none."""
        if not id:
            return self.last
        call = self._by_id.get(id)
        waiting = self._without_id[-1] if self._without_id else None
        if call is None or (waiting is not None and waiting.number > call.number):
            return waiting
        return call

    def add(self, call: Call) -> None:
        """A call begins."""
        self.last = call
        if call.id:
            self._by_id[call.id] = call
        else:
            self._without_id.append(call)

    def identify(self, call: Call, id: str) -> None:
        """The id of the call that `known` gave as one without has come."""
        self._without_id.pop()
        call.id = id
        self._by_id[id] = call
