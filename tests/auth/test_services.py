"""Token services: one for each identity, found again, and dropped when nobody asks for them."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import ConfigError
from gateway_stream.auth import M2M, PAT, Secret
from gateway_stream.auth.service import IDLE
from gateway_stream.auth.services import NAMES, TokenServices, as_source
from gateway_stream.auth.sources.function import Function
from tests.support.clock import HandClock, settle
from tests.support.mint import Mint, a_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.token import Token
    from gateway_stream.net.loops import LoopState


@pytest.fixture
async def state() -> AsyncIterator[LoopState]:
    async with a_state() as state:
        yield state


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def services(clock: HandClock) -> TokenServices:
    return TokenServices(workspace=None, clock=clock)


def robot(secret: str) -> M2M:
    return M2M(client_id="robot", client_secret=Secret(secret))


async def token() -> str:
    return "token-of-a-function"


class Provider:
    async def token(self) -> str:
        return "token-of-a-method"

    async def __call__(self) -> str:
        return "token-of-an-object"


@dataclass
class Unhashable:
    async def __call__(self) -> str:
        return "token-of-an-object"


def test_equal_sources_share_a_service_and_others_do_not(services: TokenServices) -> None:
    provider = Provider()
    same: list[tuple[Any, Any]] = [
        (robot("one"), robot("one")),
        (PAT(Secret("one")), PAT(Secret("one"))),
        (as_source(token), as_source(token)),
        (as_source(provider.token), as_source(provider.token)),
        (as_source(provider), as_source(provider)),
    ]
    found = [(services.of(one), services.of(other)) for one, other in same]
    assert all(one is other for one, other in found)
    assert len({id(one) for one, _ in found}) == len(same)
    assert services.of(robot("two")) is not found[0][0]
    assert services.of(as_source(Provider())) is not found[4][0]


def test_kinds_of_sources_with_equal_identities_share_nothing(services: TokenServices) -> None:
    class Other(Mint):
        pass

    clock = HandClock()
    assert services.of(Mint(clock)) is not services.of(Other(clock))


@pytest.mark.parametrize(
    "given", [token, lambda: Provider().token(), functools.partial(token), Provider()]
)
def test_whatever_is_called_without_arguments_and_awaited_is_a_source(given: Any) -> None:
    assert isinstance(as_source(given), Function)


async def test_an_object_that_cannot_be_hashed_is_a_source(
    state: LoopState, services: TokenServices
) -> None:
    given = Unhashable()
    service = services.of(as_source(given))
    assert service is services.of(as_source(given))
    assert service is not services.of(as_source(Unhashable()))
    got = await service.credentials(state)
    assert got.token.value.reveal() == "token-of-an-object"


@pytest.mark.parametrize("given", ["dapi-secret", Secret("dapi-secret"), 7, object(), Provider])
def test_what_gives_no_tokens_is_refused_in_one_line(given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        as_source(given)
    assert "gives no tokens" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_services_that_nobody_asks_for_are_dropped(
    services: TokenServices, clock: HandClock
) -> None:
    for number in range(1000):
        services.of(robot(f"secret-{number}"))
    assert len(services) == 1000
    clock.now += IDLE + 60
    services.of(robot("another"))
    assert len(services) == 1


async def test_a_service_whose_token_is_looked_up_is_never_dropped(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    mint = Mint(clock, life=10 * 3600)
    service = services.of(mint)
    await service.credentials(state)
    for number in range(100):
        await clock.advance(100)
        assert services.of(mint) is service
        assert service.ready()
        services.of(robot(f"visitor-{number}"))
    assert mint.minted == 1
    assert len(services) < 20


async def test_a_service_that_waits_for_its_token_is_not_dropped(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    mint = Mint(clock)
    mint.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        service = services.of(mint)
        tasks.start_soon(service.credentials, state)
        await settle()
        clock.now += 2 * IDLE
        services.of(robot("another"))
        assert services.of(mint) is service
        mint.gate.set()


class Rotating(Mint):
    """A login: its identity is its refresh token, which each fetch replaces."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.identity = "refresh-0"
        self.storing: anyio.Event | None = None

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
        got = await super().fetch(desk, instead_of=instead_of)
        self.identity = f"refresh-{self.minted}"
        if self.storing is not None:
            await self.storing.wait()
        return got


def stored(clock: HandClock, refresh_token: str) -> Rotating:
    """What a web back end makes of what it stored, for one request."""
    login = Rotating(clock)
    login.identity = refresh_token
    return login


async def test_a_login_whose_refresh_token_was_rotated_is_found_by_the_old_and_the_new_one(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    service = services.of(stored(clock, "refresh-0"))
    await service.credentials(state)
    assert services.of(stored(clock, "refresh-0")) is service
    assert services.of(stored(clock, "refresh-1")) is service
    assert services.of(stored(clock, "refresh-2")) is not service


async def test_a_rotated_login_is_found_while_its_fetch_is_still_storing_it(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    login = stored(clock, "refresh-0")
    login.storing = anyio.Event()
    service = services.of(login)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.credentials, state)
        await settle()
        assert services.of(stored(clock, "refresh-1")) is service
        login.storing.set()


async def test_a_login_keeps_few_of_its_former_names(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    service = services.of(stored(clock, "refresh-0"))
    for _ in range(100):
        await service.credentials(state)
        clock.now += 3600
    assert len(services._services) == NAMES
    assert services.of(stored(clock, "refresh-100")) is service


async def test_a_thousand_users_at_once_get_their_own_tokens(
    state: LoopState, services: TokenServices, clock: HandClock
) -> None:
    chance = random.Random(1)
    mints = [Mint(clock, name=f"user{number}") for number in range(1000)]

    async def ask(mint: Mint) -> None:
        service = services.of(mint)
        for _ in range(5):
            await clock.sleep(chance.randrange(3000))
            got = service.ready() or await service.credentials(state)
            assert got.token.value.reveal().startswith(f"{mint.name}-")
            if chance.random() < 0.3:
                other = await service.replace(got, state)
                assert other is None or other.token.value.reveal().startswith(f"{mint.name}-")

    async with anyio.create_task_group() as tasks:
        for mint in mints:
            tasks.start_soon(ask, mint)
        await clock.advance(5 * 3000)
    assert all(mint.minted for mint in mints)
