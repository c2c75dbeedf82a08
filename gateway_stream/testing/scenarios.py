"""Sixteen ways in which a model's host fails its callers, and what a client must make of each.

The list is that of Failover Bench (failoverbench/failoverbench, METHODOLOGY.md and scenarios/catalogue.yaml,
version 0.1): its faults S01 to S16, told here in our own words and served in every wire family. It knows one
family, OpenAI Chat, and gateways; what a scenario means in the others is ours.

Each scenario has a *troubled* model, which is every name but one, and a *healthy* one, `HEALTHY`, which a
client may be told to fall back to. A whole answer is `ANSWER`, sixty words, so that anything less is seen.

Seconds are those of the list. A *tempo* shortens them all alike: with 0.05 an outage of a minute takes three
seconds, for a client whose clock goes as fast. What is said on the wire (``Retry-After: 2``) stays. What fails
"once" fails every other time, so that a scenario can be watched more than once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gateway_stream.testing import judging, troubles
from gateway_stream.testing.faults import Fault
from gateway_stream.testing.troubles import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.testing.judging import Check
    from gateway_stream.testing.replies import Reply
    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.server import Handler
    from gateway_stream.testing.troubles import Behaviour

__all__ = ["ANSWER", "HEALTHY", "SCENARIOS", "Scenario"]

HEALTHY: Final = "healthy"
"""The model that has no trouble."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way to fail.

    Attributes:
        number: that of the list, ``S01`` to ``S16``.
        name: what it is called here.
        happens: what the host does.
        must: what a client must do.
        behaviour: makes what answers for the troubled model, at a tempo.
        limit: seconds that a call may take.
        ideal: whether a caller with a healthy model to fall back to should get the answer, an error, or
            may get either.
        checks: what must hold beside.
        calls: how many calls make the scenario, one after another every ``interval`` seconds.
        interval: seconds between their beginnings.
        healthy: what answers for the healthy model.
    """

    number: str
    name: str
    happens: str
    must: str
    behaviour: Behaviour
    limit: float
    ideal: Literal["answer", "error", "either"] = "answer"
    checks: tuple[Check, ...] = ()
    calls: int = 1
    interval: float = 0.0
    healthy: Callable[[Received], Reply] = lambda _: troubles.WHOLE

    def serve(self, tempo: float = 1.0) -> Handler:
        """What a `FakeGateway` takes for its ``default``: the scenario, from its beginning."""
        troubled = self.behaviour(tempo)

        async def choose(received: Received) -> Reply | None:
            if received.family is None:
                return None
            if received.model == HEALTHY:
                return self.healthy(received)
            return await troubled(received)

        return choose


_RESET: Final = Fault(no_response=True, cut="reset")
_NEVER: Final = Fault(delay_headers=math.inf)
_CUT: Final = troubles.faulty(
    Fault(cut_after_text=40, cut="close"), Fault(cut_after=100, cut="close")
)
_STALL: Final = troubles.faulty(Fault(stall_after_text=20), Fault(stall_after=100))
_SPOILT: Final = troubles.faulty(Fault(spoil_text=9), Fault(cut_after=100))

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        number="S01",
        name="limited-once",
        happens="The first try is refused with 429 and Retry-After: 2; the next is answered.",
        must="Wait as long as it was told, or ask another model. Not hammer.",
        behaviour=troubles.once(troubles.refused(429, wait=2)),
        limit=20,
        checks=(judging.waits(2),),
    ),
    Scenario(
        number="S02",
        name="limited",
        happens="Every try is refused with 429, and none says how long to wait.",
        must="Wait longer each time, then ask another model or give up. Not hammer.",
        behaviour=troubles.always(troubles.refused(429)),
        limit=40,
        checks=(judging.at_most(4, within=3), judging.at_most(6)),
    ),
    Scenario(
        number="S03",
        name="failed-once",
        happens="The first try is answered with 500; the next is answered.",
        must="Try again.",
        behaviour=troubles.once(troubles.refused(500)),
        limit=20,
        checks=(judging.at_most(6),),
    ),
    Scenario(
        number="S04",
        name="down",
        happens="Every try is answered with 503.",
        must="Ask another model within its budget of tries, or say so.",
        behaviour=troubles.always(troubles.refused(503)),
        limit=40,
        checks=(judging.at_most(6),),
    ),
    Scenario(
        number="S05",
        name="reset",
        happens="The first connection is reset before a byte of the response; the next is not.",
        must="Try again, or ask another model.",
        behaviour=troubles.once(troubles.faulty(_RESET)),
        limit=20,
        checks=(judging.at_most(6),),
    ),
    Scenario(
        number="S06",
        name="silent",
        happens="Requests are taken, and nothing ever comes back.",
        must="Stop waiting within its budget, and ask another model or say so.",
        behaviour=troubles.always(troubles.faulty(_NEVER)),
        limit=100,
        checks=(judging.at_most(6),),
    ),
    Scenario(
        number="S07",
        name="slow",
        happens="The head comes at once, the first word after 20 seconds, the rest as it should.",
        must="Answer: wait for it, or ask another model.",
        behaviour=troubles.always(troubles.slow(20)),
        limit=60,
    ),
    Scenario(
        number="S08",
        name="cut",
        happens="The stream ends after 40 of 60 words, its connection closed in the middle.",
        must="Give the whole answer from elsewhere, or an error. Never the part for the whole.",
        behaviour=troubles.always(_CUT),
        limit=40,
    ),
    Scenario(
        number="S09",
        name="stalled",
        happens="After 20 words nothing more comes, and the connection stays open.",
        must="See it within 45 seconds, and go on from elsewhere or say so; be well afterwards.",
        behaviour=troubles.always(_STALL),
        limit=45,
    ),
    Scenario(
        number="S10",
        name="malformed",
        happens="The event with the tenth word is no JSON; the rest of the stream is whole.",
        must="Not give what is left for the whole: answer from elsewhere or say so; be well afterwards.",
        behaviour=troubles.always(_SPOILT),
        limit=30,
    ),
    Scenario(
        number="S11",
        name="unmarked",
        happens="A whole stream ends as HTTP says, without the mark that comes last in its family.",
        must="See that it is whole, at once and with its counts.",
        behaviour=troubles.always(troubles.without_end_mark),
        limit=8,
        checks=(judging.at_most(1), judging.counts_tokens),
    ),
    Scenario(
        number="S12",
        name="too-long",
        happens="Every try is refused with 400: the prompt is longer than the model's context.",
        must="Not send the same again. Ask a model with more room if it was told of one, or say so.",
        behaviour=troubles.always(troubles.too_long),
        limit=20,
        ideal="either",
        checks=(judging.shorter_each_time,),
    ),
    Scenario(
        number="S13",
        name="filtered",
        happens="Every try is refused with 400: the host's filter does not allow the request.",
        must="Not send it again, and pass the reason on.",
        behaviour=troubles.always(troubles.filtered),
        limit=20,
        ideal="error",
        checks=(judging.at_most(1), judging.names_the_filter),
    ),
    Scenario(
        number="S14",
        name="no-prefill",
        happens="As in S08, and the healthy model refuses to go on from what was said before.",
        must="Begin anew there. Never give the caller that refusal in the place of what went wrong.",
        behaviour=troubles.always(_CUT),
        limit=40,
        checks=(judging.hides_no_failure,),
        healthy=troubles.no_prefill,
    ),
    Scenario(
        number="S15",
        name="flapping",
        happens="503 for a minute, then all is well; twenty calls, one every four seconds.",
        must="Answer from elsewhere meanwhile, and be back within 30 seconds of its recovery.",
        behaviour=troubles.outage(60),
        limit=30,
        checks=(judging.is_back(60, within=30),),
        calls=20,
        interval=4,
    ),
    Scenario(
        number="S16",
        name="accounted",
        happens="Every try is answered with 503, and the healthy model answers.",
        must="Tell whose answer it is, with that model's own counts.",
        behaviour=troubles.always(troubles.refused(503)),
        limit=40,
        checks=(judging.at_most(6), judging.names_who_answered(HEALTHY), judging.counts_tokens),
    ),
)
"""All sixteen, by their numbers."""
