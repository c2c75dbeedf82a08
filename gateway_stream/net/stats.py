"""How a client's pool is used, in numbers that prove each other.

Every slot in use has one exchange, and every exchange one slot: between two steps of the loop ``leased`` is
``live`` plus the requests that wait for their response's head (``sending``). What is idle holds no slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway_stream.net.admission import PlaceStats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.net.loops import LoopState

__all__ = ["Stats", "stats_of"]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How a client is used at one moment, over all event loops of the process.

    Attributes:
        leased: slots of the pool in use, those that finish in the background among them.
        sending: of these, requests whose response has not begun.
        live: of these, responses that are open.
        draining: of the live, those whose answer is over and that are read to their last byte.
        idle: connections that are kept for the next request.
        queued: requests that wait for a place.
        open_circuits: endpoints that are left alone because they only failed.
        refreshes: tokens that were fetched since the client was made; one that was given is none.
        places: the queues, one for each host, endpoint and identity.
    """

    leased: int = 0
    sending: int = 0
    live: int = 0
    draining: int = 0
    idle: int = 0
    queued: int = 0
    open_circuits: int = 0
    refreshes: int = 0
    places: tuple[PlaceStats, ...] = ()


def stats_of(states: Iterable[LoopState], *, refreshes: int) -> Stats:
    """The numbers of some event loops together."""
    leased = live = draining = idle = queued = circuits = 0
    places: list[PlaceStats] = []
    for state in states:
        leased += state.admissions.in_use
        queued += state.admissions.queued
        places += state.admissions.stats()
        live += state.transport.live
        idle += state.transport.idle
        draining += state.draining
        circuits += state.breakers.open
    return Stats(
        leased=leased,
        sending=leased - live,
        live=live,
        draining=draining,
        idle=idle,
        queued=queued,
        open_circuits=circuits,
        refreshes=refreshes,
        places=tuple(places),
    )
