"""A slot in use.

A lease has one owner at any moment, who releases it once, so there is never a question of who gives it
back: the exchange that holds it, until its response is read to the end or its connection is closed. On
the way its owner tells what the server said, from which limits are learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.events import Usage
    from gateway_stream.net.fair_queue import Flow
    from gateway_stream.net.minutes import Charge
    from gateway_stream.net.place import PlaceQueue

__all__ = ["CLOSED", "Lease", "closed"]

CLOSED: Final = "closed"
"""The code of what ended because its stream or its client was closed."""


class Lease:
    """A slot in use, made by `Admissions.admit`.

    The attributes are its queue's notes: whose it is, what was charged, what was in flight when it was admitted, and what
    the server said since.
    """

    __slots__ = ("charge", "flow", "mark", "others", "queue", "refusals", "released", "said")

    def __init__(self, queue: PlaceQueue, flow: Flow, mark: int, charge: Charge | None) -> None:
        self.queue = queue
        self.flow = flow
        self.mark = mark
        self.charge = charge
        self.others = queue.in_flight
        self.refusals = queue.refused
        self.said: bool | None = None
        self.released = False

    def release(self) -> None:
        """Give the slot back. Does nothing the second time."""
        if not self.released:
            self.released = True
            self.queue.give_back(self)

    def accepted(self, headers: Mapping[str, str] | None = None) -> None:
        """The server took the request; told once, before the release.

        ``headers`` may tell limits; their names may be in any case.
        """
        if self.said is None and not self.released:
            self.said = True
            self.queue.accept(self, headers)

    def refused(self, pause: float | None) -> None:
        """The server refused the request for its load (429, 499, 503, 529); told once, before the release.

        Args:
            pause: seconds to leave it alone, if it said so.
        """
        if self.said is not False and not self.released:
            self.queue.refuse(self, pause or 0.0)

    def used(self, usage: Usage) -> None:
        """What the answer really cost: budgets are corrected. Told again, the last one holds."""
        if self.charge is not None:
            self.queue.correct(self, usage)


def closed() -> ConnectionLost:
    """The error of a request whose client was closed."""
    message = "the client was closed before the answer began"
    return ConnectionLost(
        message, code=CLOSED, phase="queue", hint="Send it again if it is wanted."
    )
