"""All state that is tied to one event loop, in one place.

Sockets, leases and background tasks belong to the loop that made them, so a client keeps one
`LoopState` for each (process, loop) and makes it at first use. After a fork the child finds no
state of its own and makes one; what it inherited stays the parent's.

Background tasks are owned here and never enclose the user's code. One of them does nothing but
wait to be cancelled: a loop that ends cancels its tasks while it still runs, and that is the last
moment at which sockets can be closed quietly. So a client that nobody closed leaves no warning.

**Work that must end.** Some work may not stop midway: a login whose refresh token was used is lost unless the
next one is stored. A state that is closed waits for it, at most `GRACE_SECONDS`, before it closes its sockets.

**Drains.** A response whose terminal event came is read on in the background until HTTP's own end,
for at most `DRAIN_SECONDS` and `DRAIN_BYTES`, so that its connection can be kept. A new request that
would have to open a connection waits for a drain for at most `DRAIN_WAIT_SECONDS` first.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import anyio
import anyio.to_thread

from gateway_stream.errors import ConfigError, ConnectError, GatewayError, TimedOut
from gateway_stream.events import Usage
from gateway_stream.net.breaker import Breakers
from gateway_stream.net.calls import Calls
from gateway_stream.net.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from gateway_stream.net.admission import Admissions, Cost, Flow, Place
    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.recording import Follower
    from gateway_stream.net.transport import Exchange, Transport
    from gateway_stream.net.watchdog import Watch

__all__ = [
    "DRAIN_BYTES",
    "DRAIN_SECONDS",
    "DRAIN_WAIT_SECONDS",
    "GRACE_SECONDS",
    "LoopState",
    "LoopStates",
    "Post",
    "running_loop",
    "seen",
]

Result = TypeVar("Result")

DRAIN_SECONDS: Final = 0.25
DRAIN_BYTES: Final = 64 * 1024
DRAIN_WAIT_SECONDS: Final = 0.025
GRACE_SECONDS: Final = 5.0
_NOTHING: Final = Usage(input=0, output=0)


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that runs.

    Raises:
        ConfigError: none does, or it is not asyncio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = "gateway_stream runs on asyncio, because aiohttp does"
        hint = "Under trio, run it with anyio's asyncio backend."
        raise ConfigError(message, hint=hint) from None


class Post(NamedTuple):
    """A request on its way out: where to, what, and who waits for its place.

    ``elsewhere`` tells that another model may be asked, so that no pause is waited for.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    place: Place
    flow: Flow | None
    cost: Cost
    elsewhere: bool
    watch: Watch


class LoopStates:
    """A client's states, each made at first use in its process and event loop.

    Args:
        prepare: does what takes time and needs no loop, in a thread, and gives what makes a state.
    """

    def __init__(self, prepare: Callable[[], Callable[[], LoopState]]) -> None:
        self._prepare = prepare
        self._states: dict[tuple[int, asyncio.AbstractEventLoop], LoopState] = {}
        self._opening: dict[tuple[int, asyncio.AbstractEventLoop], anyio.Event] = {}

    def __iter__(self) -> Iterator[LoopState]:
        """The states of this process that are open."""
        pid = os.getpid()
        return (state for state in self._states.copy().values() if state.pid == pid)

    def ready(self) -> LoopState | None:
        """The state of the running loop, if it is made.

        Raises:
            ConfigError: no loop runs, or it is not asyncio's.
        """
        state = self._states.get((os.getpid(), running_loop()))
        return None if state is None or state.closed else state

    async def here(self) -> LoopState:
        """The state of the running loop.

        Raises:
            ConfigError: the loop is not asyncio's, or it cannot be connected from.
        """
        key = (os.getpid(), running_loop())
        while True:
            state = self._states.get(key)
            if state is not None and not state.closed:
                return state
            opening = self._opening.get(key)
            if opening is None:
                return await self._open(key)
            await opening.wait()

    async def _open(self, key: tuple[int, asyncio.AbstractEventLoop]) -> LoopState:
        opening = self._opening[key] = anyio.Event()
        try:
            make = await anyio.to_thread.run_sync(self._prepare)
            # Other threads' loops come and go meanwhile: single steps of dict, which are atomic.
            for old in [old for old in self._states.copy() if old[1].is_closed()]:
                self._states.pop(old, None)
            state = self._states[key] = make()
            return state
        finally:
            del self._opening[key]
            opening.set()

    async def close_here(self) -> None:
        """Close the state of the running loop, if it has one."""
        state = self._states.pop((os.getpid(), asyncio.get_running_loop()), None)
        if state is not None:
            await state.aclose()


class LoopState:
    """A client's pool, queues, clocks and background tasks on one event loop."""

    def __init__(
        self,
        transport: Transport,
        admissions: Admissions,
        *,
        timer: Timer,
        recorder: Follower | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.pid = os.getpid()
        self.transport = transport
        self.calls = Calls(transport)
        self.admissions = admissions
        self.breakers = Breakers(timer)
        self.watchdog = Watchdog(timer)
        self.closed = False
        self._recorder = recorder
        self._tasks: set[asyncio.Task[Any]] = set()
        self._to_end: set[asyncio.Task[Any]] = set()
        self._kept = 0  # connections that went back to the pool and were not taken since
        self._draining = 0
        self._drained = anyio.Event()
        self._guard = self.spawn(self._close_with_the_loop(), "gateway_stream: pool")

    @property
    def draining(self) -> int:
        """How many responses are being read on to their end."""
        return self._draining

    async def send(self, post: Post, headers: Mapping[str, str], *, again: bool) -> Exchange:
        """Wait for a place, then send a POST; see `Admissions.admit` and `Transport.send`.

        Args:
            post: what is sent.
            headers: its headers, with credentials.
            again: whether it was sent before, and so goes before what its session asked for later.
        """
        watch = post.watch
        watch.enter("queued")
        lease = await self.admissions.admit(
            post.place,
            flow=post.flow,
            cost=post.cost,
            again=again,
            elsewhere=post.elsewhere,
        )
        watch.enter("sent")
        if self._draining and not self._kept:
            try:
                with anyio.move_on_after(DRAIN_WAIT_SECONDS):
                    await self._drained.wait()
            except BaseException:
                lease.release()
                raise
        try:
            exchange = await self.transport.send_within(
                watch.timeouts.connect, post.url, headers, post.body, lease
            )
        except (ConnectError, TimedOut):
            lease.used(_NOTHING)  # nobody saw it
            raise
        watch.connect = exchange.connect
        # A request that had to open a connection found none: those that were kept have gone.
        self._kept = max(0, self._kept - 1) if exchange.reused else 0
        if self._recorder is not None:
            self._recorder.follow(
                exchange, method="POST", url=post.url, headers=headers, body=post.body
            )
        return exchange

    def finish(self, exchange: Exchange) -> None:
        """Take over an exchange whose terminal event came: keep its connection if that is cheap."""
        if exchange.at_end:
            self._keep(exchange)
        else:
            self._draining += 1
            exchange.when_free(self._end_drain)
            drain = self.spawn(self._drain(exchange), "gateway_stream: drain")
            # Not in a `finally` of the drain: a task that is cancelled before it runs has none.
            drain.add_done_callback(lambda _: exchange.abort())

    def _keep(self, exchange: Exchange) -> None:
        exchange.release()
        self._kept += 1

    async def _drain(self, exchange: Exchange) -> None:
        size = 0
        try:
            with anyio.move_on_after(DRAIN_SECONDS):
                while size <= DRAIN_BYTES:
                    chunk = await exchange.read()
                    if not chunk:
                        return
                    size += len(chunk)
        except GatewayError:
            return

    def _end_drain(self, whole: bool) -> None:  # noqa: FBT001  as an exchange calls it
        self._draining -= 1
        self._kept += whole
        self._drained.set()
        self._drained = anyio.Event()

    def spawn(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        """Begin work that ends with this state at the latest."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def to_the_end(self, work: Coroutine[Any, Any, Result], name: str) -> Result:
        """Do what may not stop midway: it goes on though whoever waits for it is cancelled."""
        task = self.spawn(work, name)
        self._to_end.add(task)
        task.add_done_callback(self._to_end.discard)
        task.add_done_callback(seen)
        return await asyncio.shield(task)

    async def _close_with_the_loop(self) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            await self._close()
            raise

    async def aclose(self) -> None:
        """Close the pool and end the background tasks."""
        self._take_no_more()
        try:
            if self._to_end:
                await asyncio.wait(self._to_end.copy(), timeout=GRACE_SECONDS)
            await self._close()
        finally:  # where whoever closes is cancelled, the guard closes
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_no_more(self) -> None:
        self.closed = True
        self.admissions.close()
        self.watchdog.close()

    async def _close(self) -> None:
        self._take_no_more()
        await self.transport.aclose()


def seen(end: asyncio.Future[Any]) -> None:
    """However something ends that nobody waits for any more is no error to be reported."""
    if not end.cancelled():
        end.exception()
