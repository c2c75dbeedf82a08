"""What a client makes of an answer, whoever gave it: the scenes that every server has to play.

A scene is one promise of the client, held against words of ``answers.json``. It knows neither the
server nor the family; `Place` says both. So the same scenes judge a server and a gateway in front
of it, and a class that has these methods says with its own where its server plays otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Unpack

import pytest

from gateway_stream import (
    Client,
    Event,
    EventStream,
    GatewayError,
    Message,
    Overloaded,
    PartialTurn,
    ProtocolError,
    RateLimited,
    TextDelta,
    ToolResultPart,
    Turn,
)
from gateway_stream.wire.family import check_grammar

if TYPE_CHECKING:
    from gateway_stream.options import Conversation, RequestOptions

__all__ = ["STREAMED_OR_NOT", "Place", "Scenes", "ask", "fail", "measure"]

LONG = "This is told in many small pieces, and before the last of them is told, the line is cut."
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "unary"])


class Place(NamedTuple):
    """Where a scene is played: a client, and the family and model that it asks for."""

    client: Client
    family: str
    model: str


def measure(
    place: str, depths: list[float] | None = None, how: dict[str, int] | None = None
) -> str:
    """Measure the temperature at a place."""
    return f"It is minus 4.5 degrees at {place}: {depths}, {how}."


async def ask(
    place: Place, said: Conversation, **options: Unpack[RequestOptions]
) -> tuple[list[Event], Turn]:
    """A whole answer, as its events, which keep the grammar, and as its turn."""
    options.setdefault("max_tokens", 1000)
    async with place.client.stream(place.model, said, family=place.family, **options) as stream:
        events = [event async for event in stream]
        turn = await stream.turn()
    check_grammar(events)
    return events, turn


async def fail(
    place: Place, said: Conversation, **options: Unpack[RequestOptions]
) -> tuple[list[Event], GatewayError]:
    """An answer that must not be whole: the events before its error, and the error."""
    events: list[Event] = []
    options.setdefault("max_tokens", 1000)
    stream = place.client.stream(place.model, said, family=place.family, **options)
    with pytest.raises(GatewayError) as caught:
        await _read(stream, events)
    with pytest.raises(GatewayError):
        await stream.turn()
    return events, caught.value


async def _read(stream: EventStream, events: list[Event]) -> None:
    async with stream:
        async for event in stream:
            events.append(event)  # noqa: PERF401  what comes before an error is wanted


def words_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


class Scenes:
    """The scenes; a module has a fixture ``place``, in every family that its server speaks."""

    wait: ClassVar[float | None] = 7.0
    """What is left of the seconds to wait that come with a rate limit."""

    @STREAMED_OR_NOT
    async def test_text_comes_whole_with_usage_and_stop(self, place: Place, stream: bool) -> None:
        events, turn = await ask(place, "Please greet us.", stream=stream)
        assert turn.text == 'Good morning, "world": \\o/ Ω 日本.\nBye.'
        assert words_of(events) == turn.text
        assert (turn.usage.input, turn.usage.output) == (12, 7)
        assert turn.stop.reason == "end_turn"
        assert not turn.tool_calls

    async def test_text_comes_in_the_pieces_that_the_server_sent(self, place: Place) -> None:
        events, _ = await ask(place, "Please greet us.")
        assert sum(isinstance(event, TextDelta) for event in events) > 3

    @STREAMED_OR_NOT
    async def test_reasoning_is_not_prose(self, place: Place, stream: bool) -> None:
        _, turn = await ask(place, "Please ponder this.", stream=stream)
        assert turn.text == "It is four."
        assert turn.reasoning == "Two and two, said twice."
        assert (turn.usage.input, turn.usage.output) == (9, 8)

    async def test_what_the_system_says_reaches_the_model(self, place: Place) -> None:
        _, turn = await ask(place, "Whom do you obey?", system="Speak as a pirate.")
        assert turn.text == "Aye, captain."

    @STREAMED_OR_NOT
    async def test_a_tool_loop_runs_to_its_last_answer(self, place: Place, stream: bool) -> None:
        said: list[str | Message | Turn] = ["Please measure Tromsø."]
        _, turn = await ask(place, said, tools=[measure], stream=stream)
        assert (turn.text, turn.stop.reason) == ("Let me look.", "tool_use")
        (call,) = turn.tool_calls
        assert call.runnable
        assert call.arguments == {
            "place": "Tromsø",
            "depths": [1, 2.5],
            "how": {"often": 2, "kind": None},
        }
        assert (turn.usage.input, turn.usage.output) == (31, 15)
        result = ToolResultPart(call_id=call.id, content=measure(**call.arguments))
        said += [turn, Message("user", (result,))]
        _, turn = await ask(place, said, tools=[measure], stream=stream)
        assert (turn.text, turn.stop.reason) == ("Take a coat to Tromsø.", "end_turn")

    @STREAMED_OR_NOT
    async def test_two_calls_of_one_answer_are_two(self, place: Place, stream: bool) -> None:
        _, turn = await ask(place, "Please compare them.", tools=[measure], stream=stream)
        assert [call.arguments for call in turn.tool_calls] == [
            {"place": "Oslo"},
            {"place": "Bergen"},
        ]
        assert len({call.id for call in turn.tool_calls}) == 2
        assert turn.stop.reason == "tool_use"

    @STREAMED_OR_NOT
    async def test_an_answer_cut_at_its_token_limit_is_whole_and_says_so(
        self, place: Place, stream: bool
    ) -> None:
        _, turn = await ask(place, "Please ramble.", stream=stream)
        assert turn.text == "And so on and"
        # In Responses aimock says that the answer is incomplete, and not why.
        told = place.family != "openai_responses"
        assert turn.stop.reason == ("max_tokens" if told else "unknown")

    @STREAMED_OR_NOT
    async def test_a_rate_limit_is_one_and_says_how_long_to_wait(
        self, place: Place, stream: bool
    ) -> None:
        events, error = await fail(place, "Please crowd in.", stream=stream)
        assert type(error) is RateLimited
        assert (error.status, error.retryable, error.delivered) == (429, True, False)
        assert error.message == "Too many at once"
        assert error.retry_after == self.wait
        assert not events

    @STREAMED_OR_NOT
    async def test_a_server_out_of_order_is_worth_another_try(
        self, place: Place, stream: bool
    ) -> None:
        _, error = await fail(place, "Please stumble.", stream=stream)
        assert type(error) is Overloaded
        assert (error.status, error.retryable) == (503, True)

    async def test_a_cut_answer_is_partial_and_never_a_turn(self, place: Place) -> None:
        events, error = await fail(place, "Please vanish.")
        assert isinstance(error.partial, PartialTurn)
        told = error.partial.text
        assert LONG.startswith(told)
        assert 0 < len(told) < len(LONG)
        assert words_of(events) == told
        assert error.delivered
        assert error.retryable
        self.tells_the_cut(error)

    async def test_a_cut_before_the_first_word_is_no_empty_answer(self, place: Place) -> None:
        _, error = await fail(place, "Please vanish at once.")
        assert error.retryable
        assert not error.delivered

    async def test_a_call_in_a_cut_answer_is_never_run(self, place: Place) -> None:
        _, error = await fail(place, "Please drop the tool.", tools=[measure])
        assert error.partial is not None
        (call,) = error.partial.tool_calls
        assert call.preview() == {"place": "Oslo"}
        assert error.partial.text
        assert not call.runnable
        with pytest.raises(ProtocolError, match="cannot be run"):
            _ = call.arguments
        self.tells_the_cut(error)

    def tells_the_cut(self, error: GatewayError) -> None:
        """How a server of this kind tells that its answer was cut."""
        raise NotImplementedError
