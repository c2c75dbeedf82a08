"""The types of the vendor's SDK, held strictly: the SDK itself lets everything pass."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Start,
    Stop,
)
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    OutputSchema,
    Reasoning,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.testing.answers import make_answer
from gateway_stream.wire.encoder import Encoder
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.support.decoding import decode
from tests.support.parameter_types import misfits
from tests.wire.openai_responses.bodies import own
from tests.wire.openai_responses.frames import message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


from tests.wire.openai_responses.written import FAMILY, OWN, PATCH, SEALED, SEARCH


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import openai

    return openai


def strictly(sdk: ModuleType, events: Iterable[Event]) -> list[str]:
    """What the SDK's types say against the frames of a stream, and its accumulator."""
    from openai.lib.streaming.responses._responses import ResponseStreamState
    from pydantic import TypeAdapter, ValidationError

    known = {
        kind.model_fields["type"].annotation.__args__[0]: TypeAdapter(kind)
        for kind in sdk.types.responses.ResponseStreamEvent.__args__[0].__args__
    }
    state: Any = ResponseStreamState(input_tools=sdk.omit, text_format=sdk.omit)
    encoder = Encoder(FAMILY)
    found = []
    for frame in (frame for event in events for frame in encoder.encode(event)):
        tree = json.loads(frame.data)
        try:
            told = known[tree["type"]].validate_python(tree)
            if frame.event != "error":
                state.handle_event(told)
        except (ValidationError, RuntimeError, AssertionError) as error:
            found.append(f"{frame.event}: {error}")
    return found


def test_every_frame_of_a_made_up_answer_has_all_that_its_types_ask_for(sdk: ModuleType) -> None:
    random = Random(8)
    for _ in range(60):
        assert strictly(sdk, make_answer(random)) == []


def test_items_of_its_own_have_all_that_its_types_ask_for(sdk: ModuleType) -> None:
    assert strictly(sdk, OWN) == []


def test_a_type_that_is_broken_is_found(sdk: ModuleType) -> None:
    broken = own('{"type":"message","id":"msg_1","status":"completed","content":[]}')
    text = (BlockStart(0, "text", item="msg_1"), BlockEnd(0, opaque=broken))
    found = strictly(sdk, [Start("r"), *text, Stop("end_turn")])
    assert "item.ResponseOutputMessage.role" in found[0]


FOREIGN = [r for r in recordings() if r.family != "openai_responses" and len(r.body) < 6000]


@needs_corpus
@pytest.mark.parametrize("recording", FOREIGN[::6], ids=of_recording)
def test_recorded_answers_of_other_families_have_all_that_its_types_ask_for(
    sdk: ModuleType, recording: Recording
) -> None:
    assert strictly(sdk, decode(recording.family, recording.body)) == []


LOOK = Tool(name="look", description="Looks.", parameters={"properties": {"at": {}}}, strict=True)
ASKED = [
    Request(model="gpt", messages=(Message("user", "hello"),)),
    Request(
        model="gpt",
        system=(TextPart("Be brief."),),
        messages=(
            Message(
                "user",
                (
                    TextPart("What is it?"),
                    ImagePart(media_type="image/png", data="aGk="),
                    ImagePart(url="https://example.com/sky.png"),
                    DocumentPart(data="aGk=", name="sky.pdf"),
                    DocumentPart(url="https://example.com/sky.pdf"),
                    OpaquePart(opaque=own('{"type":"input_file","file_id":"file-1"}')),
                ),
            ),
            Message(
                "assistant",
                (
                    ReasoningPart(text="Hm.", opaque=own(json.dumps(SEALED))),
                    TextPart("I look."),
                    TextPart("One.", opaque=own(json.dumps(message("msg_1", "")))),
                    OpaquePart(opaque=own(json.dumps(SEARCH))),
                    ToolCallPart(id="c1", name="look", arguments='{"at":"stars"}'),
                    ToolCallPart(id="c3", name="patch", opaque=own(json.dumps(PATCH))),
                ),
            ),
            Message(
                "user",
                (
                    ToolResultPart(
                        call_id="c1",
                        content=(TextPart("Dark."), ImagePart(media_type="image/png", data="aGk=")),
                        is_error=True,
                    ),
                    ToolResultPart(call_id="c3", content="Done."),
                ),
            ),
        ),
        tools=(LOOK, Tool(name="rest")),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
        max_tokens=5000,
        temperature=0.5,
        top_p=0.9,
        reasoning=Reasoning(effort="high"),
        output=OutputSchema(schema={"type": "object"}),
        metadata={"user_id": "u"},
        stream=False,
    ),
    Request(
        model="gpt",
        messages=(Message("user", "hello"),),
        tools=(LOOK,),
        tool_choice=ToolChoice("tool", "look"),
        reasoning=Reasoning(effort="none"),
        extra={"store": False},
    ),
]


@pytest.mark.parametrize("request_", ASKED, ids=range(len(ASKED)))
def test_its_parameter_types_take_what_is_asked(sdk: ModuleType, request_: Request) -> None:
    body = FAMILY.encode_request(request_, "openai").body
    assert misfits(body, sdk.types.responses.response_create_params.ResponseCreateParams) == []


def test_its_parameter_types_refuse_what_is_wrong(sdk: ModuleType) -> None:
    body = FAMILY.encode_request(ASKED[1], "openai").body
    body["max_output_token"] = 7
    body["tools"][0]["strictly"] = True
    found = misfits(body, sdk.types.responses.response_create_params.ResponseCreateParams)
    assert sorted(found) == [
        "$.tools[0]: strictly is unknown",
        "$: max_output_token is unknown",
    ]


@pytest.mark.parametrize("request_", ASKED, ids=range(len(ASKED)))
def test_what_is_asked_is_read_back_and_written_the_same(request_: Request) -> None:
    body = FAMILY.encode_request(request_, "openai").body
    assert FAMILY.encode_request(FAMILY.decode_request(body), "openai").body == body
