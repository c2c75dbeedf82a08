"""Clocks that end what hangs, and the one watchdog that looks at them all.

An answer can hang in several places, and each asks another question, so each has a clock of its own:

- ``queue``: is there a place for the request?
- ``connect``: is anybody there? (The pool's own; it counts for each connection that is made.)
- ``first_content``: does the answer begin? From sending to the first text, reasoning or argument.
- ``silence``: is the connection alive? From one byte to the next, once the response has begun. Comments
  and pings are bytes.
- ``progress``: does the model get on? From content to content. Reasoning is content, pings are not.
- ``deadline``: is it still of use? From the call to the end, over all tries and waits.

`Timeouts` holds them, in seconds; ``None`` waits for ever. Until content came, ``first_content`` and
``progress`` run together from the moment of sending, and what has brought bytes but no content for
``progress`` seconds is told as that.

**Waiting counts, reading does not.** Silence, progress and first content are what a reader waits for. While
nobody reads, nothing is asked of the socket, so the time in which a reader does something else is taken
out. The deadline takes nothing out.

**No timer for each read.** Re-arming a timer costs more than decoding a token. So a read only stamps its
`Watch`, and a watchdog looks at all of them when the first of their clocks could run out. Clocks only move
on as long as bytes come, so it looks seldom, and it is exact: what has not moved by then has run out.

**A loop that was held up** has not read what came meanwhile. An alarm that rings late shows it, and then the watchdog looks
a moment later: nobody loses an answer because another task computed for a minute.

A pool that is closed ends all that it watches, wherever it waits: what went on would have no pool, or open another
that nobody closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import msgspec

from gateway_stream.errors import ConfigError, StreamTruncated, TimedOut
from gateway_stream.net.leases import CLOSED, closed
from gateway_stream.turn import Timings

if TYPE_CHECKING:
    from gateway_stream.errors import GatewayError
    from gateway_stream.net.clocks import Alarm, Timer
    from gateway_stream.net.transport import Exchange

__all__ = ["Stage", "Timeouts", "Watch", "Watchdog", "checked_timeouts"]

_NEVER: Final = float("inf")
_HELD_UP: Final = 0.1
"""Seconds by which an alarm is late where something else kept the loop."""

_A_MOMENT: Final = 0.01
"""Seconds in which a loop that was kept reads what has come."""

Stage: TypeAlias = Literal["idle", "queued", "sent", "reading"]
"""Where an answer is: between tries, waiting for a place, waiting for a response, being read."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each thing may take, in seconds; ``None`` is for ever.

    Attributes:
        queue: waiting for a place.
        connect: looking up a name, connecting, TLS.
        first_content: from sending to the first content. 600 is what the vendors' clients give a request,
            and more than the 297 that Databricks' servers give a model.
        progress: from content to content, whatever else comes. Models that think in secret send pings only.
        silence: from byte to byte.
        deadline: from the call to the end of the answer, with all tries and waits.

    Raises:
        ConfigError: one is not more than 0.
    """

    queue: float | None = None
    connect: float | None = 10.0
    first_content: float | None = 600.0
    progress: float | None = 600.0
    silence: float | None = 120.0
    deadline: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would end everything at once."""
        for name in self.__struct_fields__:
            seconds = getattr(self, name)
            if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
                message = f"the timeout {name!r} is {seconds!r}"
                raise ConfigError(message, hint="Give seconds above 0, or None to wait for ever.")


class Doing(Protocol):
    """What is being done, for whoever ends it."""

    def cancel(self) -> None:
        """End it."""


def checked_timeouts(given: object) -> None:
    """Refuse what is no `Timeouts`.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(given, Timeouts):
        message = f"timeouts is {given!r}, and no Timeouts"
        raise ConfigError(message, hint="Say which: Timeouts(deadline=30), in seconds.")


class Watch:
    """The clocks of one answer, and the times that it took.

    Its owner tells it what happens; whoever reads the socket stamps it. ``scope`` or ``exchange`` is what
    ends when a clock runs out, and ``error`` then says which.
    """

    __slots__ = (
        "_dog",
        "_first",
        "_progress",
        "_queue",
        "_silence",
        "called",
        "connect",
        "content",
        "due_at",
        "error",
        "exchange",
        "first_byte",
        "first_content",
        "idle",
        "longest_gap",
        "now",
        "queued",
        "read_at",
        "reads",
        "scope",
        "sent",
        "stage",
        "timeouts",
        "waited_from",
        "waiting",
    )

    def __init__(self, timeouts: Timeouts, dog: Watchdog, called: float) -> None:
        self.timeouts = timeouts
        self.now = dog.timer.monotonic
        self.called = self.waited_from = self.read_at = called
        self.stage: Stage = "idle"
        self.scope: Doing | None = None
        self.exchange: Exchange | None = None
        self.error: GatewayError | None = None
        self.waiting = False
        self.queued = self.connect = 0.0
        self._dog = dog
        self._queue = _seconds(timeouts.queue)
        self._first = _seconds(timeouts.first_content)
        self._progress = _seconds(timeouts.progress)
        self._silence = _seconds(timeouts.silence)
        self.due_at = self.called + _seconds(timeouts.deadline)
        self.begin()
        dog.watch(self)

    def begin(self) -> None:
        """Another try begins: the times of the one before are void."""
        self.content = False
        self.idle = self.longest_gap = 0.0
        self.reads = 0
        self.sent: float | None = None
        self.first_byte: float | None = None
        self.first_content: float | None = None
        self.exchange = None

    def enter(self, stage: Stage) -> None:
        """Go on to another place, and wait there."""
        now = self.now()
        if self.stage == "sent":
            self.idle += now - self.waited_from
        elif self.stage == "queued":
            self.queued += now - self.waited_from
        self.stage = stage
        self.waited_from = now
        if stage == "sent":
            self.sent = now - self.called
        self.waiting = stage != "reading"
        self._dog.look_at(self.due(now))

    def leave(self) -> None:
        """Nothing of it is waited for any more."""
        self._dog.leave(self)

    def read(self) -> None:
        """Bytes came, just now."""
        now = self.now()
        if not self.reads:
            self.first_byte = now - self.called
        elif now - self.read_at > self.longest_gap:
            self.longest_gap = now - self.read_at
        self.reads += 1
        self.read_at = now

    def timings(self) -> Timings:
        """How long the answer took so far."""
        return Timings(
            queued=self.queued,
            connect=self.connect,
            sent=self.sent,
            first_byte=self.first_byte,
            first_content=self.first_content,
            last=self.read_at - self.called if self.reads else None,
            longest_gap=self.longest_gap,
            reads=self.reads,
        )

    def came(self, *, content: bool) -> None:
        """What was read has content, or none."""
        if content:
            self.idle = 0.0
            if not self.content:
                self.content = True
                self.first_content = self.read_at - self.called
        else:
            self.idle += self.now() - self.waited_from
        if self.reads == 1:  # from here on progress counts, which may run out sooner
            self._dog.look_at(max(self.read_at, self.due(self.read_at)))

    def due(self, now: float) -> float:
        """When the first of its clocks runs out if nothing happens, or when to look again."""
        if self.stage == "queued":
            return min(self.due_at, self.waited_from + self._queue)
        if self.stage == "idle":
            return self.due_at
        left = (self._progress if self.content else self._first) - self.idle
        if self.stage == "reading":
            if self.reads:
                left = min(left, self._progress - self.idle)
            left = min(left, self._silence)
        return min(self.due_at, (self.waited_from if self.waiting else now) + left)

    def expire(self, now: float) -> None:
        """End what hangs."""
        self.end(self._error(now))

    def end(self, error: GatewayError) -> None:
        """End what is being done, with an error that says why."""
        self.error = error
        if self.scope is not None:
            self.scope.cancel()
        elif self.exchange is not None:
            self.exchange.expire(error)

    def _error(self, now: float) -> TimedOut:
        timeouts = self.timeouts
        still = now - self.waited_from + self.idle
        if now >= self.due_at:
            return _timed_out("deadline", timeouts.deadline)
        if self.stage == "queued":
            return _timed_out("queue", timeouts.queue)
        if self.stage == "reading" and now - self.waited_from >= self._silence:
            return _timed_out("silence", timeouts.silence)
        if self.content or (self.reads and still >= self._progress):
            return _timed_out("progress", timeouts.progress)
        return _timed_out("first_content", timeouts.first_content)


class Watchdog:
    """Looks at the watches of one event loop."""

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self._watched: set[Watch] = set()
        self._alarm: Alarm | None = None
        self._alarm_at = _NEVER
        self._held_up = False

    def watch(self, watch: Watch) -> None:
        """Look after it until it is left."""
        self._watched.add(watch)
        self.look_at(watch.due_at)

    def leave(self, watch: Watch) -> None:
        """Look after it no more."""
        self._watched.discard(watch)

    def look_at(self, moment: float) -> None:
        """Look not later than at ``moment``."""
        if moment < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = moment
            self._alarm = self.timer.call_later(moment - self.timer.monotonic(), self._look)

    def close(self) -> None:
        """Look no more, and end what is still watched: its pool goes."""
        for watch in list(self._watched):
            watch.end(_closed(watch.stage))
        self._watched.clear()
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self) -> None:
        now = self.timer.monotonic()
        # Once: where the loop is always late, clocks run out all the same.
        self._held_up = not self._held_up and now - self._alarm_at > _HELD_UP
        self._alarm, self._alarm_at = None, _NEVER
        if self._held_up:
            self.look_at(now + _A_MOMENT)
            return
        soonest = _NEVER
        for watch in list(self._watched):
            due = watch.due(now)
            if due > now:
                soonest = min(soonest, due)
            elif watch.error is None:
                watch.expire(now)
        self.look_at(soonest)


_WHAT_HUNG: Final = {
    "queue": (
        "no place came free within {0:g} s",
        "Ask for less at once, or give the queue more time.",
    ),
    "first_content": (
        "no content came within {0:g} s",
        "Try again, or give the first content more time.",
    ),
    "silence": ("nothing came for {0:g} s", "Try again; what came before is kept."),
    "progress": (
        "nothing but signs of life came for {0:g} s",
        "Try again, or give progress more time if the model thinks for so long.",
    ),
    "deadline": (
        "the answer was not whole within its deadline of {0:g} s",
        "Give it a later deadline, or ask for less.",
    ),
}
_WORTH_ANOTHER: Final = ("first_content", "silence")


def _timed_out(phase: str, seconds: float | None) -> TimedOut:
    message, hint = _WHAT_HUNG[phase]
    return TimedOut(
        message.format(seconds),
        phase=phase,
        retryable=phase in _WORTH_ANOTHER,
        hint=hint,
    )


def _closed(stage: Stage) -> GatewayError:
    if stage != "reading":
        return closed()
    return StreamTruncated(
        "the client was closed before the answer's end",
        code=CLOSED,
        phase="stream",
        hint="Close it once its streams have been read.",
    )


def _seconds(limit: float | None) -> float:
    return _NEVER if limit is None else limit
