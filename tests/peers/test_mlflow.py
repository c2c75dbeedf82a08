"""Through MLflow's AI gateway, with an aimock behind it: neither was written by this project.

Every dialect that the gateway passes through, and its unified chat in front of each of them. What it
does otherwise than a model's own host:

- the unified chat ends without ``[DONE]``, and has no place for reasoning: it is left out, or told
  as text;
- a stream begins with 200 before the upstream has answered, so the upstream's errors are frames, and
  its wait is lost; in the same way a cut upstream is told in a frame, and the body ends clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream import Client, GatewayError, StreamFailed
from tests.peers import mlflow_gateway
from tests.peers.scenes import STREAMED_OR_NOT, Place, Scenes, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]  # the server is slow to start

NATIVE = [("openai_responses", "openai"), ("anthropic", "anthropic"), ("gemini", "gemini")]
UNIFIED = [("openai_chat", endpoint) for endpoint in mlflow_gateway.ENDPOINTS]
PLACES = NATIVE + UNIFIED
SYSTEM_REACHES = [place for place in PLACES if place != ("openai_chat", "gemini")]
"""MLflow writes it to Gemini in snake case, which Google reads and aimock does not."""


@pytest.fixture(scope="module")
def mlflow(aimock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of an MLflow server with an endpoint for each of aimock's dialects."""
    python = mlflow_gateway.interpreter()
    with mlflow_gateway.serving(python, aimock, tmp_path_factory.mktemp("mlflow")) as origin:
        yield origin


@pytest.fixture(params=PLACES, ids="-".join)
async def place(request: pytest.FixtureRequest, mlflow: str) -> AsyncIterator[Place]:
    family, endpoint = request.param
    async with Client(host=f"{mlflow}/gateway") as client:
        yield Place(client, family, endpoint)


class TestThroughMLflow(Scenes):
    wait = None

    @STREAMED_OR_NOT
    @pytest.mark.parametrize("place", NATIVE, ids="-".join, indirect=True)
    async def test_reasoning_is_not_prose(self, place: Place, stream: bool) -> None:
        await super().test_reasoning_is_not_prose(place, stream)

    @pytest.mark.parametrize("place", UNIFIED, ids="-".join, indirect=True)
    async def test_the_unified_chat_tells_what_follows_the_reasoning(self, place: Place) -> None:
        _, turn = await ask(place, "Please ponder this.")
        assert turn.text.endswith("It is four.")

    @pytest.mark.parametrize("place", SYSTEM_REACHES, ids="-".join, indirect=True)
    async def test_what_the_system_says_reaches_the_model(self, place: Place) -> None:
        await super().test_what_the_system_says_reaches_the_model(place)

    async def test_the_unified_chat_proves_its_end_without_a_mark(self, mlflow: str) -> None:
        async with (
            Client(host=f"{mlflow}/gateway") as client,
            client.stream("openai", "Please greet us.") as stream,
        ):
            frames = [
                frame async for batch in stream.batches(frames=True) for frame in batch.frames
            ]
            turn = await stream.turn()
        assert frames
        assert all(b"[DONE]" not in frame.data for frame in frames)
        assert turn.stop.reason == "end_turn"

    def tells_the_cut(self, error: GatewayError) -> None:
        assert type(error) is StreamFailed
        assert error.code == "ClientPayloadError"
