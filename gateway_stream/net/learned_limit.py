"""How many requests at a time a server takes, learned from what it takes and refuses.

Gateways limit how many requests they answer at a time, and say nowhere how many. What they do say, one request at a
time, is yes or no, and that is all that is learned from here. (Latency, from which Netflix' concurrency-limits
or Envoy's adaptive concurrency filter learn, tells little where one answer takes a second and the next a minute.)

**Shrinking.** A refusal proves that the server holds no more than the others in flight. So that is the limit from then on,
at once: of 200 requests sent together of which 37 are taken, 163 refusals leave 37. What was in flight may be known
less exactly by the time that the refusal is here; `PlaceQueue.refuse` counts both ways, and the larger counts.

**One doubt.** Servers also refuse by accident. A level that has held for a round of acceptances is not given up for one refusal
without a pause: it counts only if another follows within five acceptances. A server that really takes fewer refuses
the next one too; one that refuses one in a hundred for other reasons mostly does not. One that refuses one in twenty
is taken for overloaded, as TCP takes such a loss.

**Growing.** Only what was accepted while the limit was fully used says anything about the limit.

- *Probing.* At a level that the server has refused to exceed, one request more is sent after some four acceptances for each slot
  (50 at least, 150 at most). It is refused as a rule, so this bounds what probing costs: under 1 % of the
  requests at a limit of 37, 2 % at a small one.
- *Exploring.* A probe that is accepted has disproved the level. The limit then grows by an eighth for every round of
  acceptances, until the next refusal.
- *Recovering.* Below half of what the server held before it began to refuse, each acceptance adds a slot, so the limit doubles with each
  round (slow start, RFC 5681, section 3.1). A server that refused everything for a minute leaves a limit of 1, and gets its load
  back in a few rounds.

**Dear probes.** Where a refusal brings a pause for all (`Retry-After`), a probe costs that pause and the ramp after it. It is tried
again only after twenty times as long.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LearnedLimit"]

_ROUNDS: Final = 4
_FEWEST: Final = 50
_MOST: Final = 150
_EXPLORE: Final = 8
_DOUBT: Final = 5
_CAUTION: Final = 20.0
_RAMP_SECONDS: Final = 5.0
"""About what a ramp costs, as seconds of full throughput."""


class LearnedLimit:
    """The limit of one server, pure: it is told what happens and when.

    Attributes:
        limit: requests at a time; ``None`` while nothing was refused.
        mark: what a request keeps that is sent while the limit is fully used, and brings back when it is
            accepted.
    """

    __slots__ = (
        "_accepted",
        "_before",
        "_calm",
        "_doubt",
        "_good",
        "_half",
        "_proven",
        "_steps",
        "_taken",
        "limit",
        "mark",
    )

    def __init__(self) -> None:
        self.limit: int | None = None
        self.mark = 1
        self._accepted = 0  # at full use and at this level
        self._good = 0  # the level that held for a round, or what refusals left of it
        self._taken = 0  # acceptances at full use, ever
        self._doubt = -_DOUBT  # how many there were at the refusal that is doubted
        self._steps = 0  # since the last refusal
        self._proven = 0  # what the server held, since the last refusals
        self._half = 0  # of what it held before those
        self._calm = True
        self._before = 0.0  # no probing before then

    def refused(self, others: int, now: float, pause: float) -> None:
        """The server refused a request while ``others`` were in flight, and all pause for so many seconds."""
        if self.limit == self._good and not pause:
            doubted, self._doubt = self._doubt, self._taken
            if self._taken - doubted > _DOUBT:
                return
        self._good = min(self._good, max(1, others))
        if self._calm:
            self._half, self._proven = self._proven // 2, 0
            self._calm = False
        self.limit = max(1, others if self.limit is None else min(self.limit, others))
        self._next_level()
        self._steps = 0
        if pause > 0:
            self._before = max(self._before, now + _CAUTION * (pause + _RAMP_SECONDS))

    def accepted(self, mark: int, held: int, now: float) -> None:
        """The server accepted a request.

        Args:
            mark: what it was given when it was sent, 0 if the limit was not fully used then.
            held: how many accepted requests are in flight now.
            now: the time.
        """
        self._proven = max(self._proven, held)
        limit = self.limit
        if limit is None or mark != self.mark:
            return
        self._calm = True
        self._proven = max(self._proven, limit)
        if limit < self._half:
            self.limit = limit + 1
            return
        self._accepted += 1
        self._taken += 1
        if self._accepted >= limit:
            self._good = limit
        needed = limit if self._steps else min(max(_ROUNDS * limit, _FEWEST), _MOST)
        if self._accepted >= needed and now >= self._before:
            self.limit = limit + (max(1, limit // _EXPLORE) if self._steps else 1)
            self._next_level()
            self._steps += 1

    def _next_level(self) -> None:
        self._accepted = 0
        self.mark += 1
