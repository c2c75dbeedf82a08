"""Every answer, recorded or made up, written in every family and read back."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.testing import check_family
from gateway_stream.testing.answers import make_answer
from gateway_stream.testing.families import check_answer
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import encode_stream
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.support.decoding import decode

RECORDED = pytest.mark.parametrize("recording", recordings(), ids=of_recording)
EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)


@EVERY_FAMILY
def test_a_family_keeps_the_rules(name: str) -> None:
    check_family(FAMILIES[name])


@EVERY_FAMILY
@given(seed=st.integers(0, 2**32))
def test_any_answer_is_read_back_as_its_canonical_form(name: str, seed: int) -> None:
    check_answer(FAMILIES[name], make_answer(Random(seed)))


@needs_corpus
@RECORDED
def test_a_recorded_answer_is_read_back_as_its_canonical_form(recording: Recording) -> None:
    events = decode(recording.family, recording.body)
    for family in FAMILIES.values():
        check_answer(family, events)


def said(answer: Turn | PartialTurn) -> list[tuple[str, object]]:
    """What every family can say, in order: text (a refusal is text to some), and whole calls."""
    told: list[tuple[str, object]] = []
    for block in answer.blocks:
        if block.kind in ("text", "refusal"):
            before = told.pop()[1] if told and told[-1][0] == "text" else ""
            told.append(("text", f"{before}{block.text}"))
    calls = {call.index: call for call in answer.tool_calls if call.runnable}
    told += [("call", (call.id, call.name, call.arguments)) for call in calls.values()]
    return [one for one in told if one != ("text", "")]


@needs_corpus
@RECORDED
def test_through_another_family_and_back_text_calls_and_reason_survive(
    recording: Recording,
) -> None:
    own = FAMILIES[recording.family]
    events = decode(recording.family, recording.body)
    before = fold(events)
    for name, other in FAMILIES.items():
        there = decode(name, encode_stream(other, events))
        back = fold(decode(recording.family, encode_stream(own, there)))
        assert (name, said(back)) == (name, said(before))
        assert isinstance(back, Turn) == isinstance(before, Turn)
        if isinstance(before, Turn) and isinstance(back, Turn):
            reason = before.stop.reason
            if other.streamed.reasons[reason] == own.streamed.reasons[reason] == reason:
                assert (name, back.stop.reason) == (name, reason)
