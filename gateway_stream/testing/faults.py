"""What goes wrong with a reply, as a value.

A fault says where and what. *Where* counts in one of four units. ``..._after`` counts bytes of the body,
for a connection may break anywhere. ``..._after_events`` counts the family's events, of which each family
sends others before its first text. ``..._after_text`` counts pieces of a script's text, and
``..._after_arguments`` fragments of the arguments of its first tool call, so that the same fault lets the
same answer through in every family. *What* is a cut, after which nothing can come, or a stall, after which
nothing does though it could.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["NO_FAULT", "Fault", "Spoil"]

Spoil: TypeAlias = Literal["json", "utf-8", "page"]
"""How an event is spoiled: it breaks off inside its JSON, its text holds bytes that are no UTF-8, or a
proxy's HTML page stands in its place."""

_CUTS: Final = ("cut_after", "cut_after_events", "cut_after_text", "cut_after_arguments")
_STALLS: Final = ("stall_after", "stall_after_events", "stall_after_text", "stall_after_arguments")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with a reply.

    Attributes:
        delay_headers: seconds before the response begins; ``math.inf`` never lets it.
        delay_body: seconds between the response's head and the first byte of its body.
        no_response: the connection is closed without a response, or reset where ``cut`` says so.
        error_after: after so many events the family's error event comes, and the body ends.
        spoil_text: the event with this piece of a script's text, counted from 0, is spoiled.
        spoil: how: ``json`` ends it inside its JSON, ``utf-8`` puts bytes that are no UTF-8 into its
            text, ``page`` puts a proxy's HTML page in its place. The rest comes as if nothing were.
        cut_after: the body ends after so many bytes, or at its end if it has fewer.
        cut_after_events: likewise after so many events.
        cut_after_text: likewise after so many pieces of a script's text; with 0 just before the
            first, after the reasoning.
        cut_after_arguments: likewise after so many fragments, of 12 characters, of the arguments of a
            script's first tool call. Gemini sends a call whole: there it is before the call.
        cut: how a cut ends: ``clean`` as HTTP says a body ends, ``close`` in the middle of it with
            the connection closed, ``reset`` with the connection reset, which may lose the last bytes
            of a client that is slow to read.
        stall_after: after so many bytes, or after the last, nothing more comes until the client
            leaves or the gateway closes.
        stall_after_events: likewise after so many events.
        stall_after_text: likewise after so many pieces of text, counted as for a cut.
        stall_after_arguments: likewise after so many fragments of arguments, counted as for a cut.
        keep_alive: seconds between two keep-alives while it stalls: Anthropic's and Responses' own
            events, comments in the other families, blank lines in an array or an object.
        delay_end: seconds between the last byte of the body and the end of the response.

    Raises:
        ValueError: a number is negative, the body ends in more than one way, ``cut`` is given where
            nothing is cut or ``keep_alive`` where nothing stalls, ``spoil`` without a place, or a
            response that does not come is to go wrong.
    """

    delay_headers: float = 0.0
    delay_body: float = 0.0
    no_response: bool = False
    error_after: int | None = None
    spoil_text: int | None = None
    spoil: Spoil = "json"
    cut_after: int | None = None
    cut_after_events: int | None = None
    cut_after_text: int | None = None
    cut_after_arguments: int | None = None
    cut: Literal["clean", "close", "reset"] = "clean"
    stall_after: int | None = None
    stall_after_events: int | None = None
    stall_after_text: int | None = None
    stall_after_arguments: int | None = None
    keep_alive: float | None = None
    delay_end: float = 0.0

    def __post_init__(self) -> None:
        """Hold the fault to its rules."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0:
                message = f"{field.name} is {value}, and cannot be negative"
                raise ValueError(message)
        ends = [name for name in (*_CUTS, *_STALLS) if getattr(self, name) is not None]
        if len(ends) > 1:
            message = f"a body ends once; give one of {', '.join(ends)}"
            raise ValueError(message)
        wrong = (ends, self.error_after is not None, self.spoil_text is not None)
        if self.no_response and any((*wrong, self.delay_body, self.delay_end)):
            message = "without a response there is no body that could go wrong"
            raise ValueError(message)
        if self.cut != "clean" and not (self.cuts or self.no_response):
            message = f"cut={self.cut!r} cuts nothing; say where: {', '.join(_CUTS)} or no_response"
            raise ValueError(message)
        if self.keep_alive is not None and not self.stalls:
            message = f"keep_alive keeps nothing alive; say where it stalls: {', '.join(_STALLS)}"
            raise ValueError(message)
        if self.spoil != "json" and self.spoil_text is None:
            message = f"spoil={self.spoil!r} spoils nothing; say which piece: spoil_text"
            raise ValueError(message)

    @property
    def cuts(self) -> bool:
        """Whether the body is cut."""
        return any(getattr(self, name) is not None for name in _CUTS)

    @property
    def stalls(self) -> bool:
        """Whether the body stops and does not end."""
        return any(getattr(self, name) is not None for name in _STALLS)

    @property
    def ends_at(self) -> int | None:
        """The byte of the body after which nothing more comes."""
        return self.stall_after if self.cut_after is None else self.cut_after

    @property
    def events(self) -> int | None:
        """The family's events after which nothing more comes."""
        return _either(self.cut_after_events, self.stall_after_events)

    @property
    def text(self) -> int | None:
        """The pieces of text after which nothing more comes."""
        return _either(self.cut_after_text, self.stall_after_text)

    @property
    def arguments(self) -> int | None:
        """The fragments of arguments after which nothing more comes."""
        return _either(self.cut_after_arguments, self.stall_after_arguments)


NO_FAULT: Final = Fault()
"""Nothing goes wrong."""


def _either(cut: int | None, stall: int | None) -> int | None:
    return stall if cut is None else cut
