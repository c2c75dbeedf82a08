"""The token service: one fetch for all who wait, ahead of time, and none when it must not be."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import logging
import random
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import (
    AuthError,
    ConfigError,
    ConnectionLost,
    GatewayError,
    GatewayUnavailable,
    TimedOut,
)
from gateway_stream.auth import M2M, PAT, Secret, Token
from gateway_stream.auth.service import IDLE, RECALL, SETTLING, Credentials, TokenService
from gateway_stream.auth.sources.function import Function
from gateway_stream.auth.token import UNKNOWN_LIFE, expiry_of
from gateway_stream.testing import FakeGateway, Issuer, Reply
from tests.support.clock import HandClock, settle
from tests.support.mint import Mint, a_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway_stream.auth.authority import Desk
    from gateway_stream.net.loops import LoopState

HOUR = 3600.0
DOWN = GatewayUnavailable("the token endpoint is down", status=503, phase="token", retryable=True)


@pytest.fixture
async def state() -> AsyncIterator[LoopState]:
    async with a_state() as state:
        yield state


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def mint(clock: HandClock) -> Mint:
    return Mint(clock)


@pytest.fixture
def service(mint: Mint, clock: HandClock) -> TokenService:
    return TokenService(mint, clock=clock, draw=lambda: 0.5)


async def look_up(service: TokenService, state: LoopState) -> Credentials:
    """What a request does."""
    return service.ready() or await service.credentials(state)


def value_of(credentials: Credentials | None) -> str:
    assert credentials is not None
    return credentials.token.value.reveal()


# Ahead of time.


async def test_for_three_hours_500_streams_have_a_good_token_without_waiting(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    chance = random.Random(1)
    end = clock.now + 3 * HOUR
    mint.takes = 0.3
    looked_up = waited = 0

    async def stream(first: float) -> None:
        nonlocal looked_up, waited
        await clock.sleep(first)
        while clock.now < end:
            asked_at = clock.now
            credentials = await look_up(service, state)
            looked_up += 1
            waited += clock.now > asked_at
            assert (credentials.token.expires_at or 0) > clock.now + 40
            await clock.sleep(10.0 * chance.randrange(1, 60))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream, 0.0)
        for _ in range(499):
            tasks.start_soon(stream, 10.0 * chance.randrange(1, 60))
        await clock.advance(3 * HOUR + 600)
    assert looked_up > 15_000
    assert waited == 1, "only the first look-up waits"
    assert mint.minted <= 5


@given(
    life=st.floats(1.0, 10_000),
    steps=st.lists(st.floats(0.0, 2000), min_size=1, max_size=12),
    takes=st.sampled_from([0.0, 0.2, 5.0]),
)
def test_no_look_up_gives_a_token_that_has_expired(
    life: float, steps: list[float], takes: float
) -> None:
    async def live() -> None:
        clock = HandClock()
        mint = Mint(clock, life=life)
        mint.takes = takes
        async with a_state() as state, anyio.create_task_group() as tasks:
            service = TokenService(mint, clock=clock)

            async def ask() -> None:
                credentials = await look_up(service, state)
                assert (credentials.token.expires_at or 0) > clock.now

            for step in steps:
                tasks.start_soon(ask)
                await clock.advance(step)
            mint.takes = 0.0
            await clock.advance(10)

    anyio.run(live)


async def test_the_old_token_serves_while_the_next_is_fetched(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    first = await look_up(service, state)
    await clock.advance(30 * 60)
    await look_up(service, state)
    mint.gate = anyio.Event()
    await clock.advance(10 * 60)
    assert mint.asked == [None, first.token]
    assert value_of(await look_up(service, state)) == "token-1"
    mint.gate.set()
    await settle()
    assert value_of(service.ready()) == "token-2"
    assert len(mint.asked) == 2


async def test_a_token_that_was_wanted_once_is_left_to_expire(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    await look_up(service, state)
    await clock.advance(2 * HOUR)
    assert mint.minted == 1
    assert len(state._tasks) == 1, "nothing waits for it any more"


async def test_a_token_that_nobody_wants_any_more_is_renewed_no_longer(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    await look_up(service, state)
    await clock.advance(40 * 60 - IDLE - 1)
    await look_up(service, state)
    await clock.advance(2 * HOUR)
    assert mint.minted == 1
    await look_up(service, state)
    assert mint.minted == 2


async def test_a_look_up_that_finds_a_stale_token_starts_the_fetch_and_does_not_wait(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    await look_up(service, state)
    clock.now += 50 * 60  # the machine slept, and its sleepers with it
    mint.gate = anyio.Event()
    for _ in range(10):
        assert value_of(await look_up(service, state)) == "token-1"
    await settle()
    assert len(mint.asked) == 2
    mint.gate.set()
    await settle()
    assert value_of(service.ready()) == "token-2"


@pytest.mark.parametrize("life", [-100.0, 0.0, 0.5])
async def test_a_source_of_dead_tokens_is_not_asked_with_every_request(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock, life: float
) -> None:
    mint.life = life
    for _ in range(100):
        assert value_of(await look_up(service, state)) == "token-1"
    await clock.advance(1.0)
    await look_up(service, state)
    assert mint.minted == 2


async def test_a_token_that_comes_stale_is_renewed_halfway_through_what_is_left(
    state: LoopState, clock: HandClock
) -> None:
    asked: list[float] = []
    expires_at = clock.now + 640

    async def cached() -> Token:
        asked.append(clock.now)
        return Token(value=Secret("cached"), expires_at=expires_at)  # it does not say since when

    service = TokenService(Function(cached), clock=clock)
    for _ in range(64):
        await look_up(service, state)
        await clock.advance(10)
    assert [at - asked[0] for at in asked[:3]] == [0, 300, 450]
    assert len(asked) < 12


async def test_a_thousand_renewals_leave_one_task_and_one_token(
    state: LoopState, service: TokenService, clock: HandClock, mint: Mint
) -> None:
    for _ in range(1000):
        await look_up(service, state)
        await clock.advance(40 * 60 - 1)
        await look_up(service, state)
        await clock.advance(1)
    assert mint.minted >= 1000
    assert {task.get_name() for task in state._tasks} == {
        "gateway_stream: pool",
        "gateway_stream: renewal",
    }
    assert len(state._tasks) == 2


@pytest.mark.parametrize("life", [None, "soon", "nan", "inf", 0, -5, [1]])
async def test_an_answer_that_does_not_say_how_long_its_token_lives_is_not_kept_for_ever(
    state: LoopState, clock: HandClock, life: object
) -> None:
    async with FakeGateway() as gateway:
        told = {"access_token": "opaque", "expires_in": life}
        gateway.add(Reply.error(200, told), path="/oidc/v1/token")
        robot = M2M(client_id="robot", client_secret=Secret("secret"), host=gateway.url)
        got = await TokenService(robot, clock=clock).credentials(state)
    assert got.token.expires_at == clock.now + UNKNOWN_LIFE


def test_a_token_that_looks_like_a_jwt_may_hold_anything() -> None:
    for claims in (b"[" * 9999, b"\xff", b'{"exp": "soon"}', b'{"exp": true}', b"7", b""):
        middle = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        assert expiry_of(f"head.{middle}.tail") is None


# One flight.


async def test_1000_tasks_meet_an_expired_token_and_one_request_is_made_for_them(
    state: LoopState, clock: HandClock
) -> None:
    issuer = Issuer(clients={"robot": "secret"}, clock=clock)
    async with FakeGateway(issuer=issuer) as gateway:
        robot = M2M(client_id="robot", client_secret=Secret("secret"), host=gateway.url)
        service = TokenService(robot, clock=clock)
        first = await look_up(service, state)
        clock.now += 2 * HOUR
        issuer.delay = 0.2
        got: list[Credentials] = []
        scopes = [anyio.CancelScope() for _ in range(1000)]

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                got.append(await look_up(service, state))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for scope in scopes:
                    tasks.start_soon(ask, scope)
                await gateway.wait_for(lambda gateway: gateway.in_flight == 1)
                for scope in random.Random(1).sample(scopes, 300):
                    scope.cancel()
    assert len(got) == 700
    assert len(set(map(id, got))) == 1
    assert got[0] is not first
    assert len(issuer.requests) == 2


async def test_a_fetch_goes_on_when_all_who_waited_for_it_are_cancelled(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    mint.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(service.credentials, state)
        await settle()
        tasks.cancel_scope.cancel()
    mint.gate.set()
    await settle()
    assert value_of(service.ready()) == "token-1"
    assert len(mint.asked) == 1


async def test_a_source_that_hangs_is_given_up_after_a_while(
    state: LoopState, mint: Mint, clock: HandClock
) -> None:
    service = TokenService(mint, clock=clock, patience=0.05)
    mint.gate = anyio.Event()
    with anyio.fail_after(5), pytest.raises(TimedOut, match="gave none in") as caught:
        await service.credentials(state)
    assert caught.value.phase == "token"
    mint.gate = None
    clock.now += 60
    assert value_of(await service.credentials(state)) == "token-1"


async def test_a_source_that_is_cancelled_inside_fails_and_is_not_asked_again_and_again(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    mint.failing = asyncio.CancelledError()
    with anyio.fail_after(5), pytest.raises(AuthError, match="CancelledError"):
        await service.credentials(state)
    assert len(mint.asked) == 1


async def test_what_a_source_of_somebody_else_raises_is_the_cause_and_not_told(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    mint.failing = RuntimeError("dapi-secret is not good")
    errors = []
    for _ in range(3):
        with pytest.raises(AuthError) as caught:
            await service.credentials(state)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is mint.failing
        errors.append(caught.value)
    assert len(set(map(id, errors))) == 3, "an error that is raised twice grows"
    assert len(mint.asked) == 1


@pytest.mark.parametrize("given", [None, "dapi-secret", Token(value=cast("Secret", "dapi-secret"))])
async def test_a_source_that_gives_no_token_is_told_so_and_not_asked_again_and_again(
    state: LoopState, clock: HandClock, given: Any
) -> None:
    class Wrong(Mint):
        async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:
            await super().fetch(desk, instead_of=instead_of)
            return cast("Token", given)

    service = TokenService(wrong := Wrong(clock), clock=clock)
    with anyio.fail_after(5):
        for _ in range(3):
            with pytest.raises(ConfigError, match=r"\(mint\) gave a") as caught:
                await service.credentials(state)
            assert "secret" not in caught.value.message
    assert len(wrong.asked) == 1


async def test_an_error_that_many_wait_for_is_one_each(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    mint.failing = DOWN
    errors: list[GatewayError] = []

    async def ask() -> None:
        try:
            await service.credentials(state)
        except GatewayUnavailable as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(ask)
    assert len(set(map(id, errors))) == 100
    assert {str(error) for error in errors} == {str(DOWN)}
    assert len(mint.asked) == 1


async def test_who_waits_when_the_client_is_closed_is_told(
    service: TokenService, mint: Mint
) -> None:
    mint.gate = anyio.Event()
    ends: list[str | None] = []

    async def ask(state: LoopState) -> None:
        try:
            await service.credentials(state)
        except ConnectionLost as error:
            ends.append(error.code)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, a_state() as state:
            tasks.start_soon(ask, state)
            tasks.start_soon(ask, state)
            await settle()
    assert ends == ["closed", "closed"]
    assert len(mint.asked) == 1
    async with a_state() as state:
        mint.gate.set()
        assert value_of(await service.credentials(state)) == "token-1"


async def test_a_fetch_knows_nothing_of_the_request_that_started_it(state: LoopState) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    user.set("alice")

    async def token_of_the_current_user() -> str:
        return f"token-of-{user.get('nobody')}"

    service = TokenService(Function(token_of_the_current_user))
    assert value_of(await service.credentials(state)) == "token-of-nobody"


# Failure.


async def test_while_the_old_token_lives_an_endpoint_that_is_down_costs_a_notice(
    state: LoopState,
    service: TokenService,
    mint: Mint,
    clock: HandClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "gateway_stream.auth")
    await look_up(service, state)
    mint.failing = DOWN
    stale_at = clock.now + 40 * 60
    for _ in range(42):
        await clock.advance(60)
        assert value_of(await look_up(service, state)) == "token-1"
    assert service.trouble == str(DOWN)
    assert "the old one still serves: the token endpoint is down" in caplog.text
    gaps = [later - at for at, later in zip(mint.asked_at[1:], mint.asked_at[2:], strict=False)]
    assert mint.asked_at[1] == stale_at
    assert gaps == [1, 2, 4, 8, 16, 30, 30]
    mint.failing = None
    await clock.advance(60)
    assert service.trouble is None
    told, asked = len(caplog.records), len(mint.asked)
    await clock.advance(30 * 60)
    assert value_of(service.ready()) == "token-2"
    assert (len(caplog.records), len(mint.asked)) == (told, asked)
    mint.failing = DOWN
    await clock.advance(10 * 60)
    again = [
        later - at
        for at, later in zip(mint.asked_at[asked:], mint.asked_at[asked + 1 :], strict=False)
    ]
    assert again[:3] == [1, 2, 4], "the next trouble is a new one"


async def test_retries_of_many_processes_are_spread_by_chance(state: LoopState) -> None:
    spread = set()
    for seed in range(20):
        clock = HandClock()
        mint = Mint(clock)
        service = TokenService(mint, clock=clock, draw=random.Random(seed).random)
        await look_up(service, state)
        mint.failing = DOWN
        await clock.advance(2300)
        await look_up(service, state)
        await clock.advance(150)
        gaps = [later - at for at, later in zip(mint.asked_at[1:], mint.asked_at[2:], strict=False)]
        assert all(1 <= gap <= min(60, 2 ** (n + 1)) for n, gap in enumerate(gaps))
        spread.add(round(mint.asked_at[-1], 3))
    assert len(spread) == 20


async def test_a_server_that_says_when_to_come_back_is_not_asked_before(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    await look_up(service, state)
    await clock.advance(39 * 60)
    await look_up(service, state)
    mint.failing = GatewayUnavailable("busy", retry_after=300.0, retryable=True)
    await clock.advance(60)
    for _ in range(29):
        await clock.advance(10)
        await look_up(service, state)
    assert len(mint.asked) == 2
    await clock.advance(10)
    assert len(mint.asked) == 3


async def test_without_a_living_token_a_failure_is_remembered_for_a_moment(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    mint.failing = GatewayUnavailable("busy", retry_after=300.0, retryable=True)
    for _ in range(50):
        with pytest.raises(GatewayUnavailable, match="busy"):
            await look_up(service, state)
    assert len(mint.asked) == 1
    assert service.trouble is None
    clock.now += RECALL
    mint.failing = None
    assert value_of(await look_up(service, state)) == "token-1"


async def test_a_failure_is_not_remembered_by_a_clock_that_was_put_back(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    mint.failing = DOWN
    with pytest.raises(GatewayUnavailable):
        await look_up(service, state)
    clock.now -= 24 * HOUR
    mint.failing = None
    assert value_of(await look_up(service, state)) == "token-1"


# Refusal.


async def test_many_requests_refused_with_one_token_share_one_fetch(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    refused = await look_up(service, state)
    got: list[Credentials | None] = []

    async def ask() -> None:
        got.append(await service.replace(refused, state))

    async with anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(ask)
    got.append(await service.replace(refused, state))
    assert {value_of(credentials) for credentials in got} == {"token-2"}
    assert mint.asked == [None, refused.token]


async def test_requests_refused_while_the_endpoint_is_down_ask_it_once(
    state: LoopState, service: TokenService, mint: Mint
) -> None:
    refused = await look_up(service, state)
    mint.failing = DOWN
    for _ in range(20):
        with pytest.raises(GatewayUnavailable):
            await service.replace(refused, state)
    assert len(mint.asked) == 2


async def test_a_token_that_is_refused_in_place_of_another_is_not_replaced_at_once(
    state: LoopState, service: TokenService, mint: Mint, clock: HandClock
) -> None:
    first = await look_up(service, state)
    second = await service.replace(first, state)
    assert second is not None
    for _ in range(10):
        assert await service.replace(second, state) is None
    assert mint.minted == 2
    clock.now += SETTLING
    assert value_of(await service.replace(second, state)) == "token-3"


async def test_a_request_that_is_refused_with_the_next_token_too_costs_no_third_for_a_while(
    state: LoopState, service: TokenService, clock: HandClock
) -> None:
    other = await service.replace(await look_up(service, state), state)
    assert other is not None
    other.accepted = True  # for another request
    service.in_vain()
    assert await service.replace(other, state) is None
    clock.now += SETTLING
    assert value_of(await service.replace(other, state)) == "token-3"


async def test_a_token_that_was_accepted_and_then_refused_is_replaced_at_once(
    state: LoopState, service: TokenService
) -> None:
    credentials = await look_up(service, state)
    for number in range(2, 6):
        other = await service.replace(credentials, state)
        assert value_of(other) == f"token-{number}"
        assert other is not None
        other.accepted = True
        credentials = other


async def test_a_refused_token_is_not_replaced_by_one_that_is_over(
    state: LoopState, service: TokenService, clock: HandClock
) -> None:
    first = await look_up(service, state)
    clock.now += 50 * 60
    await look_up(service, state)
    await settle()
    clock.now += 2 * HOUR
    assert value_of(await service.replace(first, state)) == "token-3"


async def test_a_source_that_gives_the_refused_token_again_has_no_other(state: LoopState) -> None:
    async def always() -> str:
        return "always"

    service = TokenService(Function(always))
    assert await service.replace(await look_up(service, state), state) is None


async def test_a_given_token_has_no_other(state: LoopState) -> None:
    service = TokenService(PAT(Secret("dapi-given")))
    assert await service.replace(await look_up(service, state), state) is None
    assert len(state._tasks) == 1


async def test_a_source_that_cannot_renew_is_not_asked_to(
    state: LoopState, clock: HandClock
) -> None:
    class Given(Mint):
        renewable = False

    service = TokenService(given := Given(clock), clock=clock)
    assert await service.replace(await look_up(service, state), state) is None
    await clock.advance(45 * 60)
    assert len(given.asked) == 1
