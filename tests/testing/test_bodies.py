from __future__ import annotations

import itertools
import json

import pytest

from gateway_stream.events import Failure, Notice, Stop, StopReason, TextDelta, Usage
from gateway_stream.testing import FamilyName, Script, ScriptedCall
from gateway_stream.testing.bodies import (
    answer_body,
    error_event,
    long_stream,
    split_events,
    stream_events,
)
from gateway_stream.testing.script import split_text
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire.family import check_grammar
from tests.support.decoding import decode, decode_reads
from tests.testing.asking import FAMILIES

SCRIPT = Script(
    text=split_text("Tromsø is  cold,\n\U0001f9ca indeed."),
    reasoning=split_text("Think of ice."),
    tool_calls=(
        ScriptedCall("weather", {"place": "Tromsø", "days": [1, 2, 3]}),
        ScriptedCall("clock", {}, id="call_of_mine"),
    ),
    usage=Usage(input=30, output=20, cache_read=10, reasoning=5),
)


def _turn(family: FamilyName, *bodies: bytes) -> Turn:
    events = decode(family, *bodies)
    check_grammar(events)
    assert [event for event in events if isinstance(event, Notice)] == []
    answer = fold(events)
    assert isinstance(answer, Turn)
    return answer


@pytest.mark.parametrize(
    ("family", "form"), [*itertools.product(FAMILIES, ["stream", "whole"]), ("gemini", "array")]
)
def test_a_script_reads_back_as_it_was_written(family: FamilyName, form: str) -> None:
    if form == "whole":
        bodies = [answer_body(family, SCRIPT, model="m")]
    else:
        bodies = list(stream_events(family, SCRIPT, model="m", array=form == "array"))
    turn = _turn(family, *bodies)
    assert turn.model == "m"
    assert turn.text == "".join(SCRIPT.text)
    assert turn.reasoning == "".join(SCRIPT.reasoning)
    assert [(call.id, call.name, call.arguments) for call in turn.tool_calls] == [
        ("call_scripted_0", "weather", {"place": "Tromsø", "days": [1, 2, 3]}),
        ("call_of_mine", "clock", {}),
    ]
    assert turn.stop.reason == "tool_use"
    told = (turn.usage.input, turn.usage.output, turn.usage.cache_read)
    assert told == (30, 20, 10)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_piece_of_text_is_an_event(family: FamilyName) -> None:
    bodies = list(stream_events(family, SCRIPT, model="m"))
    events = decode(family, *bodies)
    assert [event.text for event in events if isinstance(event, TextDelta)] == list(SCRIPT.text)
    assert [split_events(body) for body in bodies] == [[body] for body in bodies]
    assert split_events(b"".join(bodies)) == bodies


@pytest.mark.parametrize("family", FAMILIES)
def test_reasoning_is_signed_where_the_family_signs(family: FamilyName) -> None:
    signed = Script(reasoning=("a",), tool_calls=(ScriptedCall("f"),), signature="U0lHTkVE")
    for bodies in (
        list(stream_events(family, signed, model="m")),
        [answer_body(family, signed, model="m")],
    ):
        kept = [block.opaque.json for block in _turn(family, *bodies).blocks if block.opaque]
        assert ("U0lHTkVE" in "".join(kept)) == (family != "openai_chat")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "content_filter", "refusal", "pause"])
def test_a_stop_reason_is_told_in_the_family_s_word_or_refused(
    family: FamilyName, reason: StopReason
) -> None:
    script = Script(text=("a",), stop=reason)
    own = {"refusal", "pause"} if family == "anthropic" else {"content_filter"}
    if reason not in {"end_turn", "max_tokens"} | own:
        with pytest.raises(ValueError, match="no word for the stop reason"):
            list(stream_events(family, script, model="m"))
        with pytest.raises(ValueError, match="no word for the stop reason"):
            answer_body(family, script, model="m")
        return
    for bodies in (
        list(stream_events(family, script, model="m")),
        [answer_body(family, script, model="m")],
    ):
        assert _turn(family, *bodies).stop.reason == reason


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("after", [0, 1, 6])
def test_the_error_event_makes_the_answer_fail(family: FamilyName, after: int) -> None:
    events = stream_events(family, SCRIPT, model="m")
    answer = fold(decode(family, *itertools.islice(events, after), error_event(family)))
    assert isinstance(answer, PartialTurn)
    assert answer.failure is not None
    assert answer.failure.message == "The scripted model failed midway."


@pytest.mark.parametrize("after", [0, 1, 3])
def test_the_error_ends_an_array_as_an_array(after: int) -> None:
    events = stream_events("gemini", SCRIPT, model="m", array=True)
    body = b"".join(itertools.islice(events, after)) + error_event("gemini", array_place=after)
    assert len(json.loads(body)) == after + 1
    assert isinstance(decode("gemini", body)[-1], Failure)


def test_only_gemini_streams_arrays() -> None:
    with pytest.raises(ValueError, match="streams no arrays"):
        stream_events("anthropic", SCRIPT, model="m", array=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_stream_has_its_size_and_is_whole(family: FamilyName) -> None:
    events = long_stream(family, size=100_000, piece=700, model="m")
    bodies = list(events)
    assert 100_000 <= sum(map(len, bodies)) < 102_000
    read = decode_reads(family, bodies)
    assert isinstance(read[-1], Stop)
    assert set("".join(event.text for event in read if isinstance(event, TextDelta))) == {"x"}


def test_a_long_stream_is_made_only_as_it_is_read() -> None:
    events = long_stream("openai_chat", size=10**12, piece=1000, model="m")
    assert sum(map(len, itertools.islice(events, 1000))) < 2_000_000
