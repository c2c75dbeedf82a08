"""Many users on one client: one pool, as many token services, and nobody's token for anybody else."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import AuthError, Client, GatewayError
from gateway_stream.auth import PAT, Secret, Token
from gateway_stream.net.clocks import SYSTEM
from gateway_stream.testing import FakeGateway, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from gateway_stream.auth.authority import Desk
    from gateway_stream.testing import Received

MODEL = "databricks-claude-sonnet-4-6"
NAME = re.compile(r"I am (user\d+)\.")


class User:
    """A source that takes its time, and whose tokens bear its name."""

    method: ClassVar[str] = "user"
    renewable: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.fetched = 0

    @property
    def identity(self) -> Hashable:
        return self.name

    async def fetch(self, desk: Desk, *, instead_of: Token | None) -> Token:  # noqa: ARG002
        assert instead_of is None or owner(instead_of.value.reveal()) == self.name
        for _ in range(len(self.name) % 4):
            await anyio.lowlevel.checkpoint()
        self.fetched += 1
        now = SYSTEM.time()
        value = Secret(f"{self.name}-{self.fetched}")
        return Token(value=value, expires_at=now + 3600, obtained_at=now)


def owner(token: str) -> str:
    return token.removeprefix("Bearer ").partition("-")[0]


def asked_by(received: Received) -> str:
    """Who the request says that it is from, in what it asks."""
    found = NAME.search(received.raw.decode())
    assert found
    return found.group(1)


class Moody:
    """A gateway that answers each user by name, refuses at random, and keeps an eye on who is who."""

    def __init__(self, seed: int, *, refuses: float = 0.0, redirects: str = "") -> None:
        self.chance = random.Random(seed)
        self.refuses = refuses
        self.redirects = redirects
        self.refused = self.redirected = 0

    async def answer(self, received: Received) -> Reply:
        name = asked_by(received)
        assert owner(received.headers["authorization"]) == name
        if self.redirects and self.chance.random() < 0.1:
            self.redirected += 1
            place = self.redirects + received.path
            return Reply.error(
                self.chance.choice([302, 303, 307, 308]), headers={"Location": place}
            )
        if self.chance.random() < self.refuses:
            self.refused += 1
            return Reply.error(401, {"error_code": 401, "message": "Invalid Token"})
        return Reply.scripted(text=f"Hello {name}.")


async def ask(client: Client, user: User) -> str:
    return (await client.complete(MODEL, f"I am {user.name}.", auth=User(user.name))).text


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(keep_credentials=True) as gateway:
        yield gateway
    for received in gateway.requests:
        assert owner(received.headers["authorization"]) == asked_by(received)


async def test_a_thousand_users_share_one_pool_and_no_token(gateway: FakeGateway) -> None:
    gateway.default = Moody(1).answer
    users = [User(f"user{number}") for number in range(1000)]
    answers: dict[str, str] = {}
    async with Client(host=gateway.url, pool_size=50) as client:

        async def visit(user: User) -> None:
            session = client.session(auth=user)
            for _ in range(2):
                answers[user.name] = (await session.complete(MODEL, f"I am {user.name}.")).text

        async with anyio.create_task_group() as tasks:
            for user in users:
                tasks.start_soon(visit, user)
        assert len(client._services) == 1000
        assert len(client._loops._states) == 1
    assert answers == {user.name: f"Hello {user.name}." for user in users}
    assert {user.fetched for user in users} == {1}
    assert gateway.connections_made <= 60


@pytest.mark.parametrize("seed", range(3))
async def test_refusals_redirects_and_cancellations_mix_nobody_up(
    gateway: FakeGateway, seed: int
) -> None:
    chance = random.Random(seed)
    async with FakeGateway() as elsewhere, Client(host=gateway.url, pool_size=20) as client:
        moody = Moody(seed, refuses=0.2, redirects=elsewhere.url)
        gateway.default = moody.answer
        users = [User(f"user{number}") for number in range(40)]
        answered = cancelled = 0
        failed: list[int | None] = []

        async def visit(user: User, scope: anyio.CancelScope) -> None:
            nonlocal answered, cancelled
            with scope:
                try:
                    text = (await client.complete(MODEL, f"I am {user.name}.", auth=user)).text
                except GatewayError as error:
                    failed.append(error.status)
                else:
                    assert text == f"Hello {user.name}."
                    answered += 1
            cancelled += scope.cancelled_caught

        async def cancel(scope: anyio.CancelScope) -> None:
            for _ in range(chance.randrange(400)):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        for _ in range(6):
            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    scope = anyio.CancelScope()
                    tasks.start_soon(visit, users[number % len(users)], scope)
                    if chance.random() < 0.4:
                        tasks.start_soon(cancel, scope)
        assert elsewhere.requests == []
    assert answered > 100
    assert set(failed) == {302, 303, 307, 308, 401}
    assert min(cancelled, moody.refused, moody.redirected) > 10


async def test_sources_that_are_made_anew_for_each_request_share_a_service(
    gateway: FakeGateway,
) -> None:
    gateway.default = Moody(1).answer
    async with Client(host=gateway.url) as client:
        for _ in range(5):
            for number in range(3):
                assert await ask(client, User(f"user{number}")) == f"Hello user{number}."
        assert len(client._services) == 3
    assert {received.headers["authorization"] for received in gateway.requests} == {
        "Bearer user0-1",
        "Bearer user1-1",
        "Bearer user2-1",
    }


async def test_who_asks_may_be_said_for_a_stream_a_session_or_the_client(
    gateway: FakeGateway,
) -> None:
    gateway.default = Moody(1).answer
    async with Client(host=gateway.url, auth=PAT(Secret("user1-client"))) as client:
        session = client.session(auth=PAT(Secret("user2-session")))
        assert (await client.complete(MODEL, "I am user1.")).text == "Hello user1."
        assert (await session.complete(MODEL, "I am user2.")).text == "Hello user2."
        async with session.stream(MODEL, "I am user2.") as stream:
            assert (await stream.turn()).text == "Hello user2."
        assert await ask(client, User("user3")) == "Hello user3."
        assert (await client.complete(MODEL, "I am user1.")).text == "Hello user1."


async def test_one_users_refusal_is_not_mended_with_another_users_token(
    gateway: FakeGateway,
) -> None:
    async def answer(received: Received) -> Reply:
        name = asked_by(received)
        return Reply.error(401) if name == "user1" else Reply.scripted(text=f"Hello {name}.")

    gateway.default = answer
    async with Client(host=gateway.url) as client:
        assert await ask(client, User("user0"))
        with pytest.raises(AuthError):
            await ask(client, User("user1"))
        assert await ask(client, User("user2"))
    assert [received.headers["authorization"] for received in gateway.requests] == [
        "Bearer user0-1",
        "Bearer user1-1",
        "Bearer user1-2",
        "Bearer user2-1",
    ]
