"""This package's own client with the fake gateway's OAuth server: found, asked, and asked again in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gateway_stream import Client
from gateway_stream.auth import M2M, Secret
from gateway_stream.errors import AuthError
from gateway_stream.testing import FakeGateway, Issuer, Reply

if TYPE_CHECKING:
    from gateway_stream.auth.discovery import SecretStyle

MODEL = "databricks-claude-sonnet-4-6"
SECRET = "s"
HELLO = Reply.scripted(text="Hello there.")


def principal(name: str, secret: str = SECRET, **settings: Any) -> M2M:
    return M2M(client_id=name, client_secret=Secret(secret), **settings)


@pytest.mark.parametrize(
    ("config", "metadata"),
    [
        ("workspace", True), ("workspace", False), ("unified", True), ("account", True),
        (None, True), (None, False),
    ],
)  # fmt: skip
async def test_a_principal_streams_wherever_the_server_is(config: Any, metadata: bool) -> None:
    issuer = Issuer(clients={"sp": "s"}, config=config, metadata=metadata)
    account_id = issuer.account_id if config == "account" else None
    source = principal("sp", account_id=account_id)
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=source) as client,
        client.stream(MODEL, "Hi") as stream,
    ):
        assert "".join([text async for text in stream.text()]) == "Hello there."
    assert gateway.requests[-1].identity == "sp"
    assert len(issuer.granted) == 1


@pytest.mark.parametrize("style", ["basic", "form"])
async def test_a_secret_is_sent_in_the_way_that_the_server_takes(style: SecretStyle) -> None:
    secret = "p%2Fq+r/s:t"
    issuer = Issuer(clients={"s:p": secret}, secret_styles=(style,))
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=principal("s:p", secret)) as client,
    ):
        await client.complete(MODEL, "Hi")
    assert [one.error for one in issuer.requests] == [None]


@pytest.mark.parametrize("refusal", [401, 403])
async def test_a_revoked_token_is_replaced_before_the_caller_knows(refusal: Any) -> None:
    issuer = Issuer(clients={"sp": "s"}, refusal=refusal)
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=principal("sp")) as client,
    ):
        for _ in range(3):
            assert (await client.complete(MODEL, "Hi")).text == "Hello there."
            issuer.revoke_all()
    assert len(issuer.granted) == 3


async def test_a_token_of_seconds_is_renewed_before_it_expires() -> None:
    issuer = Issuer(clients={"sp": "s"}, lifetime=1)
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=principal("sp")) as client,
    ):
        while len(issuer.granted) < 3:
            await client.complete(MODEL, "Hi")
    asked = [received for received in gateway.requests if received.family]
    assert {received.identity for received in asked} == {"sp"}


async def test_each_request_carries_the_token_of_who_asks() -> None:
    names = [f"sp-{number}" for number in range(20)]
    issuer = Issuer(clients=dict.fromkeys(names, "s"))
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url) as client,
        anyio.create_task_group() as group,
    ):

        async def ask(name: str) -> None:
            for _ in range(3):
                await client.complete(MODEL, name, auth=principal(name))
                given = [one.token for one in issuer.granted if one.identity == name]
                issuer.revoke(given[-1] or "")

        for name in names:
            group.start_soon(ask, name)
    asked = [received for received in gateway.requests if received.family]
    assert len(issuer.granted) == 60
    assert len(asked) == 60 + 40
    for received in asked:
        (part,) = received.body["messages"][0]["content"]
        assert part["text"] == received.identity


async def test_a_wrong_secret_is_an_error_that_does_not_tell_it() -> None:
    issuer = Issuer(clients={"sp": "right"})
    async with (
        FakeGateway(default=HELLO, issuer=issuer) as gateway,
        Client(host=gateway.url, auth=principal("sp", "wrong-one")) as client,
    ):
        with pytest.raises(AuthError) as caught:
            await client.complete(MODEL, "Hi")
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)
    assert "wrong-one" not in str(caught.value)
    assert not any(received.family for received in gateway.requests)
