"""Items of this family go out as they came, however their answer travelled."""

from __future__ import annotations

import json

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Start,
    TextDelta,
)
from gateway_stream.testing import check_answer
from gateway_stream.wire.encoder import Encoder
from tests.support.corpus import Recording, hostile, of_recording
from tests.support.corpus import own as recorded
from tests.support.decoding import decode
from tests.wire.openai_responses.bodies import own
from tests.wire.openai_responses.frames import (
    added,
    arguments_delta,
    body,
    call,
    done,
    message,
    response,
)
from tests.wire.openai_responses.written import (
    FAMILY,
    SEALED,
    SEARCH,
    Tree,
    frames,
    read_again,
    whole,
)

PATCH: Tree = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "c1",
    "name": "apply_patch",
    "input": '{"this": "is no JSON"',
}


def test_a_call_told_in_two_ways_is_written_such_that_nobody_runs_it() -> None:
    asked = call("c1", "f", '{"a":1}')
    told = [added(0, asked | {"arguments": ""}), arguments_delta(0, '{"a":2}'), done(0, asked)]
    events = decode("openai_responses", body(*told, response("completed")))
    check_answer(FAMILY, events)
    for item in (frames(*events)[-1]["response"]["output"][0], whole(*events[1:])["output"][0]):
        with pytest.raises(ValueError, match="Extra data"):
            json.loads(item["arguments"])


@pytest.mark.parametrize(
    "item",
    [
        SEALED,
        {**SEALED, "summary": [{"type": "summary_text", "text": "Hm."}, {"text": "So."}]},
        {**SEALED, "content": [{"type": "reasoning_text", "text": "Raw."}]},
        PATCH,
        {**PATCH, "input": '{"this": "is JSON"}'},
        SEARCH,
        {**SEARCH, "type": "brand_new_thing"},
        call("c1", "look", '{"at": 1.0}', status="completed", namespace="sky"),
        message("msg_1", "One.", status="completed", phase="commentary"),
        message("msg_1", "One.", "Two.", status="completed"),
        message("msg_1", status="completed"),
        message("msg_1", status="completed")
        | {
            "content": [
                {"type": "output_audio", "data": "AAA="},
                {"type": "refusal", "refusal": "N"},
            ]
        },
    ],
    ids=lambda item: item["type"],
)
def test_an_item_of_this_family_goes_out_as_it_came(item: Tree) -> None:
    events = read_again(item)
    ended = frames(*events)
    (told,) = [tree["item"] for tree in ended if tree["type"] == "response.output_item.done"]
    (begun,) = [tree["item"] for tree in ended if tree["type"] == "response.output_item.added"]
    assert told == item
    assert (begun["id"], begun["type"]) == (item["id"], item["type"])
    assert ended[-1]["response"]["output"] == [item]
    assert whole(*events[1:])["output"] == [item]
    check_answer(FAMILY, events)


def test_messages_that_follow_each_other_stay_apart() -> None:
    items = [message("m1", "One.", status="completed"), message("m2", "Two.", status="completed")]
    assert frames(*read_again(*items))[-1]["response"]["output"] == items


def test_a_message_that_may_go_on_ends_with_what_follows_it() -> None:
    first, second = (own(json.dumps(message("m1") | {"content": [{}]})) for _ in range(2))
    encoder = Encoder(FAMILY)
    begun: list[Event] = [Start("resp_1"), BlockStart(0, "text", item="m1"), TextDelta(0, "One.")]
    for event in begun:
        encoder.encode(event)
    assert [frame.event for frame in encoder.encode(BlockEnd(0, opaque=first))] == [
        "response.output_text.done",
        "response.content_part.done",
    ]
    assert encoder.encode(BlockStart(1, "text", item="m1")) == []
    encoder.encode(BlockEnd(1, opaque=second))
    assert [frame.event for frame in encoder.encode(BlockStart(2, "text", item="m2"))] == [
        "response.output_item.done"
    ]


def test_a_call_that_the_answer_answers_is_told_as_done_only() -> None:
    asked = call("c1", "f", "{}", status="completed")
    output = {"type": "function_call_output", "call_id": "c1", "output": "1"}
    agent = body(done(0, asked), done(1, output), response("completed"))
    events = decode("openai_responses", agent)
    written = frames(*events)
    assert [tree["item"] for tree in written if "added" in tree["type"]] == []
    assert [tree["item"] for tree in written if "item.done" in tree["type"]] == [asked, output]
    check_answer(FAMILY, events)


def test_so_does_a_call_between_a_call_and_its_output() -> None:
    calls = [call("c1", "f", "{}", status="completed"), call("c2", "g", '{"a":1}')]
    output = {"type": "function_call_output", "call_id": "c1", "output": "1"}
    told = [done(at, item) for at, item in enumerate((*calls, output))]
    events = decode("openai_responses", body(*told, response("completed")))
    written = [tree["type"].rpartition(".")[2] for tree in frames(*events)[2:-1]]
    assert written == ["done"] * 3
    check_answer(FAMILY, events)


def test_an_item_without_an_id_begins_without_one() -> None:
    item = message("", "One.", status="completed")
    del item["id"]
    begun, *_, ended = frames(*read_again(item))[2:-1]
    assert (begun["item"].get("id"), ended["item"]) == (None, item)


@pytest.mark.parametrize("item", [message("m", "One."), call("c1", "f", "{}")])
def test_an_item_that_has_no_status_gets_one(item: Tree) -> None:
    events = read_again(item)
    assert frames(*events)[-1]["response"]["output"] == [{**item, "status": "completed"}]
    check_answer(FAMILY, events)


def test_an_item_that_changed_its_names_has_those_of_its_last_form() -> None:
    begun, ended = ({**SEARCH, "call_id": id_} for id_ in ("c1", "c2"))
    events = decode(
        "openai_responses", body(added(0, begun), done(0, ended), response("completed"))
    )
    check_answer(FAMILY, events)


@pytest.mark.parametrize("recording", [*recorded(), *hostile()], ids=of_recording)
def test_every_oddity_of_every_family_is_read_back_as_its_canonical_form(
    recording: Recording,
) -> None:
    check_answer(FAMILY, decode(recording.family, recording.body))
