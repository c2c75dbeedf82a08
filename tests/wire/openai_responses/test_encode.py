"""What a stream and a whole response of this family look like, as a strict client expects them."""

from __future__ import annotations

import json

import pytest

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    FailureKind,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.testing import check_answer
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.carries import TOLD_AS
from gateway_stream.wire.encoder import Encoder, encode_answer, encode_stream
from tests.support.decoding import decode
from tests.wire.openai_responses.bodies import own
from tests.wire.openai_responses.frames import (
    call,
)
from tests.wire.openai_responses.written import FAMILY, SEALED, Tree, content, frames, whole

USAGE = Usage(input=10, output=5, cache_read=4, cache_write=1, reasoning=2)
TEXT: list[Event] = [BlockStart(0, "text"), TextDelta(0, "Blue"), TextDelta(0, "."), BlockEnd(0)]


def test_a_text_is_a_message_with_one_part() -> None:
    item = {
        "id": "msg_resp_1_0",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "annotations": [], "text": "Blue."}],
    }
    begun = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
    empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    place = {"item_id": "msg_resp_1_0", "output_index": 0, "content_index": 0}
    answered: Tree = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    ended = {**answered, "status": "completed", "output": [item], "usage": usage}
    delta = {"type": "response.output_text.delta", **place, "logprobs": []}
    events = (Start("resp_1", "gpt"), *TEXT, USAGE, Stop("end_turn"))
    assert frames(*events) == [
        {"type": "response.created", "response": answered},
        {"type": "response.in_progress", "response": answered},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"id": "msg_resp_1_0", **begun},
        },
        {"type": "response.content_part.added", **place, "part": empty},
        {**delta, "delta": "Blue"},
        {**delta, "delta": "."},
        {"type": "response.output_text.done", **place, "logprobs": [], "text": "Blue."},
        {"type": "response.content_part.done", **place, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": ended},
    ]
    answer = fold(events)
    assert isinstance(answer, Turn)
    assert json.loads(encode_answer(FAMILY, answer)) == ended


def test_a_refusal_is_a_part_of_its_own_kind() -> None:
    events = (BlockStart(0, "refusal"), RefusalDelta(0, "No."), BlockEnd(0))
    written = content(*events)
    assert written[2]["type"] == "response.refusal.delta"
    assert written[-1]["item"]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_reasoning_is_a_summary_of_one_part() -> None:
    written = content(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockEnd(0))
    assert [tree["type"].removeprefix("response.") for tree in written] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert written[2]["summary_index"] == 0
    assert written[-1]["item"] == {
        "id": "rs_resp_1_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "status": "completed",
    }


def test_a_call_streams_its_arguments_as_they_come() -> None:
    encoder = Encoder(FAMILY)
    encoder.encode(Start("resp_1"))
    encoder.encode(BlockStart(0, "tool_call", "c1", "look"))
    (frame,) = encoder.encode(ToolCallDelta(0, '{"at"'))
    assert json.loads(frame.data)["delta"] == '{"at"'


def test_a_call_without_arguments_has_an_empty_object() -> None:
    begun, told, ended = content(BlockStart(0, "tool_call", "c1", "look"), BlockEnd(0))
    assert begun["item"]["arguments"] == ""
    assert told["arguments"] == "{}"
    item = call("c1", "look", "{}", status="completed", id="fc_resp_1_0")
    assert ended["item"] == item


def test_a_cut_call_is_never_done_and_is_told_as_incomplete() -> None:
    events = (
        BlockStart(0, "tool_call", "c1", "look"),
        *(ToolCallDelta(0, "{}"), BlockEnd(0, "truncated"), Stop("max_tokens")),
    )
    *_, delta, ended = frames(Start("resp_1"), *events)
    assert delta["type"] == "response.function_call_arguments.delta"
    assert ended["type"] == "response.incomplete"
    assert ended["response"]["output"][0]["status"] == "incomplete"


def test_a_call_that_must_not_be_run_has_arguments_that_nobody_can_parse() -> None:
    events = (BlockStart(0, "tool_call", "c1", "f"), ToolCallDelta(0, "{}"), BlockEnd(0, "invalid"))
    for item in (content(*events)[-1]["item"], whole(*events, Stop("end_turn"))["output"][0]):
        with pytest.raises(ValueError, match="Extra data"):
            json.loads(item["arguments"])


def test_opaque_data_of_other_families_is_left_out() -> None:
    signed = Opaque("anthropic", "anthropic", '{"type":"thinking","signature":"c2ln"}')
    hidden = Opaque("anthropic", "anthropic", '{"type":"redacted_thinking","data":"aGlk"}')
    told = whole(
        *(BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockEnd(0, opaque=signed)),
        *(BlockStart(1, "reasoning"), BlockEnd(1, opaque=hidden)),
        *(BlockStart(2, "server_tool", "s", "search"), BlockEnd(2, opaque=hidden)),
        Stop("end_turn"),
    )
    assert [item["type"] for item in told["output"]] == ["reasoning"]
    assert "c2ln" not in json.dumps(told)


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("end_turn", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_use", "completed", None),
        ("max_tokens", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("refusal", "incomplete", {"reason": "content_filter"}),
        ("pause", "incomplete", None),
        ("unknown", "incomplete", None),
    ],
)
def test_the_reason_is_the_status_and_its_details(
    reason: StopReason, status: str, details: Tree | None
) -> None:
    ended = frames(Start("resp_1"), Stop(reason, raw="not to be looked at"))[-1]
    assert ended["type"] == f"response.{status}"
    for told in (ended["response"], whole(Stop(reason))):
        assert (told["status"], told["incomplete_details"]) == (status, details)


def test_counts_that_are_not_known_are_none_at_all_or_zero() -> None:
    assert whole(Stop("end_turn"))["usage"] is None
    usage = whole(Usage(input=3), Stop("end_turn"))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3, 0, 3)
    check_answer(FAMILY, [Start("resp_1"), *TEXT, Usage(input=3), Stop("end_turn")])


def test_a_failure_is_told_with_its_counts_and_then_as_an_error() -> None:
    events = (Start("resp_1"), *TEXT, USAGE, Failure(kind="rate_limited", message="Slowly."))
    *_, failed, error = frames(*events)
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["usage"]["total_tokens"] == 15
    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"
    assert [item["type"] for item in failed["response"]["output"]] == ["message"]
    flat = {"code": "rate_limit_exceeded", "message": "Slowly.", "param": None}
    assert error == {"type": "error", **flat, "error": {"type": "rate_limit_error", **flat}}


@pytest.mark.parametrize("kind", sorted(set(TOLD_AS.values())))
@pytest.mark.parametrize("begun", [True, False])
def test_a_failure_is_read_back_as_what_it_was(kind: FailureKind, begun: bool) -> None:
    failure = Failure(kind=kind, message="It came to nothing.")
    events: list[Event] = [Start("resp_1"), *TEXT, failure] if begun else [failure]
    *_, read = decode("openai_responses", encode_stream(FAMILY, events))
    assert isinstance(read, Failure)
    assert (read.kind, read.message) == (kind, failure.message)


@pytest.mark.parametrize("answer", ["resp_1", "a" * 99, "chatcmpl:1/é", None])
def test_ids_that_are_made_look_like_the_vendors(answer: str | None) -> None:
    ended = frames(Start(answer), *TEXT, Stop("end_turn"))[-1]
    (item,) = ended["response"]["output"]
    assert item["id"].startswith("msg_")
    assert len(item["id"]) <= 64
    assert item["id"].isascii()
    assert item["id"].replace("_", "").replace("-", "").isalnum()


def test_a_signature_survives_from_stream_to_stream() -> None:
    events: list[Event] = [
        Start("resp_1"),
        *(BlockStart(0, "reasoning", item="rs_1"), ReasoningDelta(0, "Hm.")),
        BlockEnd(0, opaque=own(json.dumps(SEALED, separators=(",", ":")))),
        Stop("end_turn"),
    ]
    assert json.dumps(SEALED, separators=(",", ":")).encode() in encode_stream(FAMILY, events)
