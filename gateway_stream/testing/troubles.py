"""What a host does that fails, for one try or for all: what scenarios are made of."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gateway_stream.testing import judging
from gateway_stream.testing.bodies import stream_events
from gateway_stream.testing.faults import Fault
from gateway_stream.testing.making import tree, trees
from gateway_stream.testing.replies import Reply
from gateway_stream.testing.script import Script, split_text

if TYPE_CHECKING:
    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.script import FamilyName
    from gateway_stream.testing.server import Handler

__all__ = [
    "ANSWER",
    "WHOLE",
    "Behaviour",
    "Trouble",
    "always",
    "faulty",
    "filtered",
    "no_prefill",
    "once",
    "outage",
    "refused",
    "slow",
    "too_long",
    "without_end_mark",
]

ANSWER: Final = (
    "A harbour is judged on the night of the storm, not on the morning of the regatta. Whoever builds one asks "
    "what comes in when the light fails, the pilot sleeps and two ships want the same berth. So it is with "
    "whatever stands between a caller and a model: quiet days say nothing, the first bad hour says all."
)
"""What every whole answer says."""

WHOLE: Final = Reply.scripted(text=ANSWER)
"""It, as it should come."""

Behaviour: TypeAlias = Callable[[float], "Handler"]
"""Makes what answers for the troubled model, at a tempo."""


Trouble: TypeAlias = Callable[["Received", float], Reply]
"""What comes of one try, at a tempo."""


def always(trouble: Trouble) -> Behaviour:
    """Every try."""

    def make(tempo: float) -> Handler:
        async def choose(received: Received) -> Reply | None:
            return trouble(received, tempo)

        return choose

    return make


def once(trouble: Trouble) -> Behaviour:
    """The first try, and then every other."""

    def make(tempo: float) -> Handler:
        troubled = itertools.cycle((True, False))

        async def choose(received: Received) -> Reply | None:
            return trouble(received, tempo) if next(troubled) else WHOLE

        return choose

    return make


def outage(seconds: float) -> Behaviour:
    """Down from the first request on, and then not."""

    def make(tempo: float) -> Handler:
        began: list[float] = []

        async def choose(_: Received) -> Reply | None:
            now = time.monotonic()
            began[:] = began or [now]
            return Reply.refused(503) if now - began[0] < seconds * tempo else WHOLE

        return choose

    return make


def refused(status: int, *, wait: int | None = None) -> Trouble:
    """A refusal in the gateway's words; ``wait`` is what it says to wait, in seconds."""
    return lambda *_: Reply.refused(status, retry_after=wait)


def faulty(streamed: Fault, whole: Fault | None = None) -> Trouble:
    """An answer that goes wrong; ``whole`` is how one in one piece does, where that is another way."""

    def reply(received: Received, _: float) -> Reply:
        return WHOLE.with_fault(streamed if received.stream or whole is None else whole)

    return reply


def slow(seconds: float) -> Trouble:
    """The head at once, and then nothing for so long."""
    return lambda _, tempo: WHOLE.with_fault(Fault(delay_body=seconds * tempo))


_END_MARKS: Final = ("openai_chat", "anthropic")


def without_end_mark(received: Received, _: float) -> Reply:
    """A whole answer without the mark after its last event.

    Responses and Gemini have none: there this is an answer like any other.
    """
    if not received.stream or received.family not in _END_MARKS:
        return WHOLE
    script = Script(text=split_text(ANSWER))
    events = list(stream_events(received.family, script, model=received.model or ""))
    return Reply.recorded(b"".join(events[:-1]))


_TOO_LONG: Final[dict[FamilyName, dict[str, Any]]] = {
    "anthropic": {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "prompt is too long: 9000 tokens > 8192 maximum",
        },
    },
    "gemini": {
        "error": {
            "code": 400,
            "message": "The input token count (9000) exceeds the maximum number of tokens (8192).",
            "status": "INVALID_ARGUMENT",
        }
    },
}
_TOO_LONG_OPENAI: Final[dict[str, Any]] = {
    "error": {
        "message": "This model's maximum context length is 8192 tokens, and the request has 9000.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
}


def too_long(received: Received, _: float) -> Reply:
    """A prompt that is longer than the context, refused in the words of the family's vendor."""
    assert received.family is not None  # noqa: S101  no other request comes here
    return Reply.error(400, _TOO_LONG.get(received.family, _TOO_LONG_OPENAI))


def filtered(_received: Received, _: float) -> Reply:
    """A request that a filter stopped."""
    return Reply.refused(400, f"The request was stopped by a filter: {judging.FILTERED}.")


def no_prefill(received: Received) -> Reply:
    """An answer to what does not end in an answer that was begun; that is refused."""
    body = tree(received.body)
    said = next((trees(body.get(key)) for key in ("messages", "contents", "input")), [])
    if said and said[-1].get("role") in ("assistant", "model"):
        return Reply.refused(400, judging.PREFILL_REFUSED)
    return WHOLE
