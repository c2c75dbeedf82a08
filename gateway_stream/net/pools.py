"""What every pool of a client is made with, on whichever event loop it comes to be.

Making one takes two steps. What takes time and needs no loop (importing aiohttp, reading certificates) is
prepared in a thread; what is tied to the loop is made on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable

    from gateway_stream.net.clocks import Timer
    from gateway_stream.net.loops import LoopState
    from gateway_stream.net.minutes import Limits
    from gateway_stream.net.recording import Follower
    from gateway_stream.net.surroundings import Proxy

__all__ = ["PoolPlan"]


class PoolPlan(NamedTuple):
    """How pools are made.

    Attributes:
        ssl: the TLS context, or the certificates, that were given.
        certificates: the variable that names others, and the path that it names.
        proxy: the way out.
        connect: seconds that a connection may take; ``None`` is for ever.
        pool_size: requests in flight at once.
        queue_size: requests that may wait for one place.
        limits: what to keep to at every place.
        timer: what tells the time and rings.
        recorder: what is shown every exchange.
    """

    ssl: ssl.SSLContext | str | os.PathLike[str] | None
    certificates: tuple[str, str] | None
    proxy: Proxy | None
    connect: float | None
    pool_size: int
    queue_size: int
    limits: Limits
    timer: Timer
    recorder: Follower | None

    def prepare(self) -> Callable[[], LoopState]:
        """Give what makes a pool. Takes time: to be called in a thread."""
        from gateway_stream.net.admission import Admissions  # noqa: PLC0415
        from gateway_stream.net.loops import LoopState  # noqa: PLC0415
        from gateway_stream.net.surroundings import tls_context  # noqa: PLC0415
        from gateway_stream.net.transport import Transport  # noqa: PLC0415

        context = tls_context(self.ssl, self.certificates)

        def make() -> LoopState:
            transport = Transport(
                context, self.proxy, connect_timeout=self.connect, clock=self.timer
            )
            admissions = Admissions(
                self.pool_size,
                queue_size=self.queue_size,
                limits=self.limits,
                clock=self.timer,
            )
            return LoopState(transport, admissions, timer=self.timer, recorder=self.recorder)

        return make
