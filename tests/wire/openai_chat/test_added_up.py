"""The vendor's SDK has a helper that adds the chunks of a stream up: it takes all that is written here."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Media,
    Opaque,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
)
from gateway_stream.testing.answers import make_answer
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import Encoder

if TYPE_CHECKING:
    from types import ModuleType

FAMILY = FAMILIES["openai_chat"]
SIGNED = Opaque("openai_chat", "google", '{"extra_content":{"google":{"thought_signature":"S"}}}')
CITED: list[Event] = [
    Start("chat_3", "gpt"),
    *(BlockStart(0, "text"), TextDelta(0, "a"), Source(0, "https://example.com/a")),
    *(TextDelta(0, "b"), Source(0, "https://example.com/b"), BlockEnd(0)),
    *(BlockStart(1, "media"), Media(1, "image/png", "aGk="), BlockEnd(1)),
    *(BlockStart(2, "media"), Media(2, "image/png", "aGk="), BlockEnd(2)),
    *(
        BlockStart(3, "tool_call", "call_1", "f"),
        ToolCallDelta(3, "{}"),
        BlockEnd(3, opaque=SIGNED),
    ),
    Stop("tool_use"),
]


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import openai

    return openai


def added_up(sdk: ModuleType, events: list[Event]) -> Any:
    """The completion that the SDK's helper for streams makes of an answer's chunks."""
    from openai.lib.streaming.chat import ChatCompletionStreamState

    state: Any = ChatCompletionStreamState(input_tools=sdk.omit, response_format=sdk.omit)
    encoder = Encoder(FAMILY)
    for frame in (frame for event in events for frame in encoder.encode(event)):
        if frame.data != b"[DONE]" and b'"error"' not in frame.data:
            state.handle_chunk(sdk.types.chat.ChatCompletionChunk.model_validate_json(frame.data))
    return state.current_completion_snapshot


def test_the_sdk_adds_up_citations_images_and_signed_calls(sdk: ModuleType) -> None:
    message = added_up(sdk, CITED).choices[0].message
    cited = [entry.url_citation.url for entry in message.annotations]
    assert cited == ["https://example.com/a", "https://example.com/b"]
    assert len(message.images) == 2
    assert message.tool_calls[0].function.arguments == "{}"
    assert message.tool_calls[0].extra_content == {"google": {"thought_signature": "S"}}


def test_the_sdk_adds_up_made_up_answers(sdk: ModuleType) -> None:
    random = Random(8)
    for _ in range(100):
        events = make_answer(random)
        answer = fold(events)
        if isinstance(answer, Turn):
            message = added_up(sdk, events).choices[0].message
            assert [call.function.name for call in message.tool_calls or ()] == [
                call.name for call in answer.tool_calls
            ]
