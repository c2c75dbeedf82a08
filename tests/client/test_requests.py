"""What a client sends, to whom, and what it refuses to send."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

import gateway_stream
from gateway_stream import (
    AuthError,
    Client,
    ConfigError,
    GatewayError,
    Message,
    PartialTurn,
    ProtocolError,
    TextPart,
)
from gateway_stream.net.transport import ERROR_BODY_SECONDS
from gateway_stream.testing import FakeGateway, Fault, Reply

HELLO = Reply.scripted(text="hello")


@pytest.mark.parametrize(
    ("partner", "sent"),
    [
        (None, ""),
        ("my-agent/1.2", " my-agent/1.2"),
        ("bad\r\nX-Evil: 1", " badX-Evil 1"),
        ("ünïcode app", " ncode app"),
        ("a" * 500, " " + "a" * 128),
    ],
)
async def test_every_request_names_the_product_and_a_clean_partner(
    fake_gateway: FakeGateway, partner: str | None, sent: str
) -> None:
    fake_gateway.default = HELLO
    async with Client(host=fake_gateway.url, user_agent=partner) as client:
        await client.complete("claude", "hi")
    (received,) = fake_gateway.requests
    assert received.headers["user-agent"] == f"gateway_stream/{gateway_stream.__version__}{sent}"


async def test_a_token_of_the_environment_does_not_go_to_a_stranger(
    fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gateway.default = HELLO
    monkeypatch.setenv("DATABRICKS_HOST", fake_gateway.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-environment")
    async with Client() as client:
        await client.complete("claude", "hi")
    assert "authorization" not in fake_gateway.requests[0].headers


async def test_a_stranger_that_wants_a_token_is_answered_with_why_none_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeGateway(tokens={"good"}, default=HELLO) as gateway:
        monkeypatch.setenv("DATABRICKS_HOST", gateway.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-environment")
        async with Client() as client:
            with pytest.raises(AuthError, match="allow_host") as caught:
                await client.complete("claude", "hi")
    assert "dapi-of-the-environment" not in str(caught.value)


async def test_a_host_that_is_allowed_gets_the_environments_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeGateway(tokens={"good"}, default=HELLO) as gateway:
        monkeypatch.setenv("DATABRICKS_HOST", gateway.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "good")
        async with Client(allow_host=(gateway.url,)) as client:
            assert (await client.complete("claude", "hi")).text == "hello"


async def test_a_redirect_is_not_followed(fake_gateway: FakeGateway) -> None:
    async with (
        FakeGateway(default=HELLO) as elsewhere,
        Client(host=fake_gateway.url, token="t") as client,
    ):
        for status in (301, 302, 303, 307, 308):
            fake_gateway.default = Reply.error(status, headers={"Location": f"{elsewhere.url}/x"})
            with pytest.raises(GatewayError) as caught:
                await client.complete("claude", "hi")
            assert caught.value.status == status
        assert elsewhere.requests == []


async def test_profile_host_and_token_are_enough(fake_gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text(
        f"[DEFAULT]\nhost = {fake_gateway.url}\ntoken = of-the-file\n"
    )
    fake_gateway.default = HELLO
    fake_gateway.tokens = {"of-the-file"}
    async with Client(allow_host=(fake_gateway.url,)) as client:
        assert (await client.complete("claude", "hi")).text == "hello"


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("extra_body", "did you mean 'extra'"),
        ("extra_headers", "did you mean 'headers'"),
        ("max_completion_tokens", "did you mean 'max_tokens'"),
        ("temprature", "did you mean 'temperature'"),
        ("frequency_penalty", "vendor fields go into extra"),
    ],
)
async def test_an_unknown_option_is_refused_with_the_right_one(
    client: Client, option: str, advice: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(advice)):
        client.stream("claude", "hi", **{option: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"host": "x"},
        {"X-A": "a\r\nX-B: b"},
        {"X A": "a"},
        {"X-A": "a\0"},
    ],
)
async def test_a_header_that_would_forge_the_request_is_refused(
    client: Client, headers: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="header"):
        client.stream("claude", "hi", headers=headers)


async def test_headers_and_extra_go_out_as_given(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO
    await client.complete(
        "claude",
        "hi",
        headers={"Databricks-Ai-Gateway-Request-Tags": '{"team":"a"}'},
        extra={"top_k": 3},
    )
    (received,) = fake_gateway.requests
    assert received.headers["databricks-ai-gateway-request-tags"] == '{"team":"a"}'
    assert received.body["top_k"] == 3


async def test_what_is_no_json_is_refused_before_it_is_sent(
    client: Client, fake_gateway: FakeGateway
) -> None:
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        await client.complete("claude", "hi", extra={"when": object()})
    assert fake_gateway.requests == []


@pytest.mark.parametrize("messages", [[], [PartialTurn()], PartialTurn()])
async def test_a_conversation_that_cannot_be_sent_is_refused(
    client: Client, messages: object
) -> None:
    with pytest.raises(ConfigError):
        client.stream("claude", messages)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"messages": [{"role": "user"}]}, "not dict: write Message"),
        ({"messages": [TextPart("hi")]}, "not TextPart: a part goes into one"),
        ({"messages": [5]}, "not int"),
        ({"messages": "hi", "tools": ["weather"]}, "a tool is a Tool or a function"),
        ({}, "needs messages"),
    ],
)
async def test_an_argument_of_another_kind_is_a_type_error(
    client: Client, arguments: dict[str, Any], advice: str
) -> None:
    with pytest.raises(TypeError, match=advice):
        client.stream("claude", **arguments)


async def test_short_forms_mean_their_long_ones(client: Client, fake_gateway: FakeGateway) -> None:
    def add(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    fake_gateway.default = HELLO
    await client.complete(
        "llama",
        ["hi", Message("assistant", "hello"), "go on"],
        tools=[add],
        stop="END",
        tool_choice="required",
    )
    body = fake_gateway.requests[0].body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["tools"][0]["function"]["name"] == "add"
    assert body["tools"][0]["function"]["description"] == "Adds."
    assert body["stop"] == ["END"]
    assert body["tool_choice"] == "required"


def test_no_host_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="DATABRICKS_HOST"):
        Client()


def test_making_a_client_makes_no_tls_context_no_socket_and_needs_no_loop(tmp_path: Path) -> None:
    clients = [
        Client(host="https://adb-1.1.azuredatabricks.net", token="t", ssl=tmp_path / "not-read-yet")
        for _ in range(100)
    ]
    assert len(clients) == 100


class Noting:
    """A path that notes which thread asks for it."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def __fspath__(self) -> str:
        self.threads.add(threading.get_ident())
        return "/nonexistent"


async def test_certificates_are_read_off_the_loop() -> None:
    path = Noting()
    async with Client(host="https://127.0.0.1:1", ssl=path) as client:
        with pytest.raises(ConfigError, match="ssl= names certificates"):
            await client.complete("claude", "hi")
    assert path.threads
    assert threading.get_ident() not in path.threads


@pytest.mark.parametrize("setting", ["pool_size", "event_limit"])
def test_a_limit_of_nothing_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} is 0"):
        Client(host="http://127.0.0.1:1", **{setting: 0})  # type: ignore[arg-type]


def test_tls_is_not_switched_off() -> None:
    with pytest.raises(ConfigError, match="ssl= takes"):
        Client(host="https://127.0.0.1:1", ssl=False)  # type: ignore[arg-type]


def test_a_user_without_a_home_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    assert not Client(host="https://127.0.0.1:1", token="t").anonymous


async def test_a_cookie_is_not_kept(client: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.default = dataclasses.replace(HELLO, headers=(("Set-Cookie", "a=b"),))
    await client.complete("claude", "hi")
    await client.complete("claude", "hi")
    assert all("cookie" not in received.headers for received in fake_gateway.requests)


async def test_an_event_beyond_the_limit_is_refused(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = Reply.scripted(text=["x" * 5000])
    async with Client(host=fake_gateway.url, event_limit=2000) as client:
        with pytest.raises(ProtocolError, match="larger than 2000 bytes"):
            await client.complete("claude", "hi")


async def test_calls_without_an_id_get_one_that_is_unique_in_the_conversation(
    client: Client, fake_gateway: FakeGateway
) -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    frame = {"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}
    fake_gateway.default = Reply.recorded(b"data: " + json.dumps(frame).encode() + b"\n\n")
    first = await client.complete("gemini", "hi")
    second = await client.complete("gemini", ["hi", first, "go on"])
    ids = [turn.tool_calls[0].id for turn in (first, second)]
    assert ids == ["turn1_call_0", "turn3_call_0"]


async def test_an_error_body_is_read_up_to_a_limit(
    client: Client, fake_gateway: FakeGateway
) -> None:
    page = Reply.long(size=100_000_000)
    fake_gateway.default = dataclasses.replace(page, status=500, family="anthropic")
    with pytest.raises(GatewayError):
        await client.complete("claude", "hi")
    await fake_gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert fake_gateway.bytes_written < 50_000_000


async def test_an_error_body_that_stalls_is_not_waited_for(
    client: Client, fake_gateway: FakeGateway
) -> None:
    body = {"error_code": "INTERNAL_ERROR", "message": "it failed"}
    fake_gateway.default = Reply.error(500, body).with_fault(Fault(stall_after=10))
    with anyio.fail_after(5 * ERROR_BODY_SECONDS), pytest.raises(GatewayError) as caught:
        await client.complete("claude", "hi")
    assert caught.value.status == 500


async def test_the_classic_surface_has_paths_of_its_own(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = HELLO
    async with Client(host=f"{fake_gateway.url}/serving-endpoints") as classic:
        await classic.complete("claude", "hi")
    assert fake_gateway.requests[0].surface == "classic"
