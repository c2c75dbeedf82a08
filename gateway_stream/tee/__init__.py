"""One answer, many readers.

**Who reads the socket.** One task of the tee's own, not a reader: a reader may then be cancelled, leave or
fall asleep at any moment, and the others miss nothing. The task takes one read after the other into a
`Journal` of bounded size and wakes all who wait for it. It reads on only while the journal has room, so the
socket, and the model's host behind it, wait for the readers.

**Which readers it waits for.** ``slow`` decides who gives way when the journal is full:

- ``"block"``: all of them. The slowest reader is the pace of all, and nobody loses anything.
- ``"drop_oldest"``: the fastest only. A reader that falls behind by more than the journal loses the oldest
  events.
- ``"detach"``: the fastest only. A reader that falls behind so far gets an error, and is out.

The fastest reader is always waited for, so no reader loses anything because all are slow.

**A reader that lost events** is told by a `Notice`, with how many. It still gets a stream that keeps to
the grammar: starts and ends of blocks are kept, and a block that lost something ends ``truncated``, so
that no tool call with a hole in it passes for a whole one. For the same reason its stream ends in a
`Failure`, and not in the `Stop` that proves an answer whole. A `Reset` heals it: what was lost is void.

**When nobody reads.** ``on_no_readers="stop"`` closes the stream, once ``grace`` seconds have passed
without a reader; until then the journal fills up to its limit, and a reader that comes back misses
nothing. With ``"continue"`` the answer is read to its end; what the journal cannot hold leaves it.

**Late readers** join at the number of an event, counted from 0; `Reader.position` tells the number of the
next one. So a web page that lost its connection says where it was and goes on there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, get_args

from gateway_stream.errors import ConfigError
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.tee.journal import Journal
from gateway_stream.tee.pump import NoReaders, Pump, Slow
from gateway_stream.tee.reader import Reader

if TYPE_CHECKING:
    from types import TracebackType

    from gateway_stream.net.clocks import Timer
    from gateway_stream.stream import EventStream

__all__ = ["GRACE_SECONDS", "JOURNAL_BYTES", "Tee", "tee"]

JOURNAL_BYTES: Final = 1024 * 1024
GRACE_SECONDS: Final = 5.0


def tee(
    stream: EventStream,
    readers: int,
    *,
    slow: Slow = "block",
    journal: int = JOURNAL_BYTES,
    on_no_readers: NoReaders = "stop",
    grace: float = GRACE_SECONDS,
    timer: Timer = SYSTEM,
) -> Tee:
    """Let many read one answer. The stream is the tee's from then on: nobody else may read it.

    Args:
        stream: the answer, of which nothing was read yet.
        readers: how many there are from the beginning; more may join later.
        slow: who gives way when a reader is slow.
        journal: bytes of events to hold, see `gateway_stream.tee.journal` for how they are counted. What
            one read of the socket brings may come on top.
        on_no_readers: what happens when nobody reads.
        grace: seconds without a reader after which ``"stop"`` stops.
        timer: what counts them.

    Raises:
        ConfigError: a number or word that cannot work.
    """
    _one_of("slow", slow, get_args(Slow))
    _one_of("on_no_readers", on_no_readers, get_args(NoReaders))
    _at_least("readers", readers, 0)
    _at_least("journal", journal, 1)
    _at_least("grace", grace, 0)
    pump = Pump(stream, Journal(journal), slow, on_no_readers, grace, timer)
    return Tee(pump, readers)


class Tee:
    """Many readers of one answer. Made by `EventStream.tee`; sends its request when entered or first read.

    Use it in ``async with``: leaving it closes the stream. All readers run on one event loop.

    Attributes:
        readers: those that were there from the beginning.
    """

    def __init__(self, pump: Pump, readers: int) -> None:
        self._pump = pump
        self.readers = tuple(Reader(pump, 0) for _ in range(readers))

    async def __aenter__(self) -> Self:
        """Send the request.

        Raises:
            GatewayError: it was refused, or no connection came about.
        """
        await self._pump.stream.__aenter__()
        self._pump.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def reader(self, start: int | None = None) -> Reader:
        """One more reader, which gets event number ``start`` and every later one, each once.

        Args:
            start: the number of its first event, as `Reader.position` told it; the next that will come
                at most. Left out, it is the first of the answer: after a `Reset`, that event.

        Raises:
            ConfigError: that event has left the journal, or there is no such number yet.
        """
        journal = self._pump.journal
        number = journal.begin if start is None else start
        if journal.first <= number <= journal.end:
            return Reader(self._pump, number)
        message = f"no reader can start at event {number}: the journal has {journal.first} to {journal.end}"
        hint = "Start later, or give the tee a larger journal."
        raise ConfigError(message, code="not_in_journal", hint=hint)

    async def aclose(self) -> None:
        """Close the stream. Readers get what is in the journal, and then an error, if it was not all."""
        await self._pump.aclose()


def _one_of(name: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        message = f"{name} is {word!r}"
        raise ConfigError(message, hint=f"Use one of {', '.join(words)}.")


def _at_least(name: str, number: float, least: int) -> None:
    if not number >= least:  # which is how NaN is caught
        message = f"{name} is {number:g}"
        raise ConfigError(message, hint=f"Give {least} or more.")
