"""Connections that clients make, and what goes wrong with them.

A reply goes wrong after its request was heard; a connection goes wrong without one. Servers and what
stands before them end connections that are kept alive at moments of their own choice, and a client that
sends its next request in that moment loses it; a machine that is switched off answers nothing and closes
nothing. A `ConnectionFault` says which, and when: after so many answers, so much later, or only when the
next request is on its way, which is the race that stale connections lose, lost every time.

A connection that has gone deaf still reads what comes, so that a client that leaves it is noticed.

The transport may hold no bytes back (under TLS its lower half still may, 64 KiB or so), so that what was
written is what the socket has taken.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import anyio
import anyio.lowlevel

__all__ = ["ClientLeft", "Connection", "ConnectionFault", "ConnectionFaults", "fault_of"]

_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class ConnectionFault:
    """What goes wrong with a connection, between its requests.

    Attributes:
        end: ``close`` ends it, ``reset`` resets it, ``silence`` leaves it open and says nothing more,
            whatever comes: half-open, as when a machine or a route went away.
        after: the responses that it brings first; with 0 it goes wrong when it is accepted.
        idle: seconds that it must be idle then, a request in between aside.
        in_head: it ends only when the next request comes, with the first bytes that are read of it.

    Raises:
        ValueError: a number is negative, or a silence is to begin in a request's head: it would be
            the same without.
    """

    end: Literal["close", "reset", "silence"] = "close"
    after: int = 0
    idle: float = 0.0
    in_head: bool = False

    def __post_init__(self) -> None:
        """Hold the fault to its rules."""
        if self.after < 0 or self.idle < 0:
            message = f"after is {self.after} and idle {self.idle}: neither can be negative"
            raise ValueError(message)
        if self.end == "silence" and self.in_head:
            message = "a silence is noticed by the next request in any case; leave in_head out"
            raise ValueError(message)


ConnectionFaults: TypeAlias = (
    Sequence[ConnectionFault | None] | Callable[[int], ConnectionFault | None]
)
"""What goes wrong with each connection: in their order, and nothing with those that come later; or by a
function of their number, which counts from 1."""


def fault_of(faults: ConnectionFaults, number: int) -> ConnectionFault | None:
    """What goes wrong with a connection.

    Raises:
        TypeError: what is given for it is no `ConnectionFault`.
    """
    if isinstance(faults, ConnectionFault):
        message = "connections takes one fault for each connection: put it into a list"
        raise TypeError(message)
    if callable(faults):
        fault = faults(number)
    else:
        fault = faults[number - 1] if number <= len(faults) else None
    if isinstance(fault, ConnectionFault | None):
        return fault
    message = f"what goes wrong with a connection is a ConnectionFault or None, not {fault!r}"
    raise TypeError(message)


class ClientLeft(Exception):
    """The connection ended before the reply did."""


class Connection:
    """A connection that a client made. ``number`` counts from 1; ``fault`` is what goes wrong with it."""

    def __init__(
        self, number: int, transport: asyncio.Transport, fault: ConnectionFault | None = None
    ) -> None:
        # TLS pauses writers at the limit and not above it, so 0 would pause them for ever.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self.number = number
        self.lost = anyio.Event()
        self._transport = transport
        self._fault = fault
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None
        if fault is not None and fault.after == 0:
            # In the loop's next turn at the earliest: aiohttp is still being told that it is there.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(fault.idle, self._fail, fault)

    def asked(self) -> None:
        """A request has come."""
        if self._timer is not None:
            self._timer.cancel()

    def answered(self) -> None:
        """A response has gone out, and the connection is idle."""
        self._answered += 1
        fault = self._fault
        if fault is None or self._answered < fault.after:
            return
        if fault.idle:
            self._timer = asyncio.get_running_loop().call_later(fault.idle, self._fail, fault)
        else:
            self._fail(fault)

    def _fail(self, fault: ConnectionFault) -> None:
        if self._transport.is_closing():
            return
        if fault.end == "silence" or fault.in_head:
            self._transport.set_protocol(_Deaf(self, self._transport.get_protocol(), fault))
        else:
            self.end(reset=fault.end == "reset")

    def abort(self) -> None:
        """End it now, whatever is unsent."""
        self._transport.abort()

    def end(self, *, reset: bool) -> None:
        """Close it in the middle of whatever it carries, or reset it."""
        if not reset:
            self._transport.close()
            return
        connected = self._transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    async def pause(self, seconds: float) -> None:
        """Wait, or with 0 seconds let what was written be read.

        Raises:
            ClientLeft: the connection ended meanwhile.
        """
        if seconds > 0:
            with anyio.move_on_after(seconds):
                await self.lost.wait()
        else:
            # A reader on the same loop runs after the turn in which the loop sees its bytes.
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
        if self.lost.is_set():
            raise ClientLeft


class _Deaf(asyncio.Protocol):
    """In the place of what reads a connection's requests: hears nothing, or ends it with the next."""

    def __init__(
        self, connection: Connection, hearing: asyncio.BaseProtocol, fault: ConnectionFault
    ) -> None:
        self._connection = connection
        self._hearing = hearing
        self._fault = fault

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  it hears nothing
        if self._fault.in_head:
            self._connection.end(reset=self._fault.end == "reset")

    def pause_writing(self) -> None:
        self._hearing.pause_writing()

    def resume_writing(self) -> None:
        self._hearing.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hearing.connection_lost(exc)
