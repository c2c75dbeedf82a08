"""Through aimock: all four families, from a server that nobody of this project wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import (
    AuthError,
    Client,
    ConnectionLost,
    GatewayError,
    GatewayUnavailable,
    RateLimited,
    StreamTruncated,
)
from tests.peers.aimock import KEY
from tests.peers.scenes import STREAMED_OR_NOT, Place, Scenes, ask, fail, measure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(150)  # the first test may have to wait for an installation

MODELS = {
    "openai_chat": "deepseek-r1",
    "openai_responses": "gpt-5.4",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-3-flash",
}
FAULTS = {
    "drop": GatewayUnavailable,
    "malformed": StreamTruncated,
    "disconnect": ConnectionLost,
    "ratelimit": RateLimited,
}


@pytest.fixture(params=MODELS)
async def place(request: pytest.FixtureRequest, aimock: str) -> AsyncIterator[Place]:
    async with Client(host=f"{aimock}/v1", token=KEY) as client:
        yield Place(client, request.param, MODELS[request.param])


class TestThroughAimock(Scenes):
    @STREAMED_OR_NOT
    async def test_characters_cut_in_halves_are_whole(self, place: Place, stream: bool) -> None:
        _, turn = await ask(place, "Please paint it.", stream=stream)
        assert turn.text == "a🌋b🌋🌋cc🌋ddd🌋"
        assert not turn.notices

    @pytest.mark.parametrize(
        "place", ["openai_chat", "openai_responses", "anthropic"], indirect=True
    )
    async def test_a_call_cut_inside_its_arguments_shows_what_came(self, place: Place) -> None:
        _, error = await fail(place, "Please break the tool.", tools=[measure])
        assert error.partial is not None
        (call,) = error.partial.tool_calls
        assert (call.status, call.runnable) == ("truncated", False)
        assert call.preview()["place"].startswith("a place")
        self.tells_the_cut(error)

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_of_the_server_is_an_error_worth_another_try(
        self, place: Place, fault: str
    ) -> None:
        asked = {f"x-aimock-chaos-{fault}": "1"}
        events, error = await fail(place, "Please greet us.", headers=asked)
        assert type(error) is FAULTS[fault]
        assert error.retryable
        assert not events

    async def test_a_wrong_key_is_an_error_of_credentials(self, place: Place, aimock: str) -> None:
        async with Client(host=f"{aimock}/v1", token="another-key") as client:
            _, error = await fail(place._replace(client=client), "Please greet us.")
        assert type(error) is AuthError
        assert (error.status, error.retryable) == (401, False)
        assert "another-key" not in str(error)

    async def test_cut_and_whole_answers_at_once_do_not_mix(self, place: Place) -> None:
        whole, cut = 0, 0

        async def play(number: int) -> None:
            nonlocal whole, cut
            if number % 3:
                _, turn = await ask(place, "Please greet us.")
                whole += turn.text.endswith("Bye.")
            else:
                _, error = await fail(place, "Please vanish.")
                cut += isinstance(error, StreamTruncated)

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(play, number)
        assert (whole, cut) == (20, 10)

    def tells_the_cut(self, error: GatewayError) -> None:
        assert type(error) is StreamTruncated
        assert error.code == "connection_lost"
