"""A source of tokens that does what a test says, and a loop's state to ask it with."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import anyio.lowlevel

from gateway_stream.auth.secret import Secret
from gateway_stream.auth.token import Token
from gateway_stream.net.admission import Admissions
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.net.loops import LoopState
from gateway_stream.net.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.net.clocks import Clock


class Mint:
    """Gives ``token-1``, ``token-2`` and so on, each for ``life`` seconds.

    ``takes`` are the seconds that it takes by the clock; with a ``gate`` it waits for that instead.
    ``failing`` is raised instead of giving a token. ``asked`` holds what it was asked for instead of.
    """

    method: ClassVar[str] = "mint"
    renewable: ClassVar[bool] = True

    def __init__(self, clock: Clock, *, life: float = 3600.0, name: str = "token") -> None:
        self.clock = clock
        self.life = life
        self.name = name
        self.identity: Hashable = name
        self.takes = 0.0
        self.gate: anyio.Event | None = None
        self.failing: BaseException | None = None
        self.asked: list[Token | None] = []
        self.asked_at: list[float] = []
        self.minted = 0

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002
        self.asked.append(instead_of)
        self.asked_at.append(self.clock.time())
        if self.gate is not None:
            await self.gate.wait()
        elif self.takes:
            await self.clock.sleep(self.takes)
        else:
            await anyio.lowlevel.checkpoint()
        if self.failing is not None:
            raise self.failing
        self.minted += 1
        now = self.clock.time()
        value = Secret(f"{self.name}-{self.minted}")
        return Token(value=value, expires_at=now + self.life, obtained_at=now)


@asynccontextmanager
async def a_state() -> AsyncIterator[LoopState]:
    """A state of the running loop, as a client has one."""
    transport = Transport(ssl.create_default_context(), None, connect_timeout=5.0)
    state = LoopState(transport, Admissions(10), timer=SYSTEM)
    try:
        yield state
    finally:
        await state.aclose()
