"""Every recorded stream: the events expected, and the same however it is cut."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, hostile, needs_corpus, of_recording, recordings
from tests.support.decoding import decode, decode_reads
from tests.support.holding import hold_to_expectation
from tests.wire.deviations import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = pytest.mark.parametrize("recording", recordings(), ids=of_recording)


def choppings(body: bytes, seed: str, count: int) -> Iterator[list[bytes]]:
    """The body in few and in many reads of uneven size, the same ones on every run."""
    chance = random.Random(seed)
    for _ in range(count):
        cuts = chance.randrange(1, 1 + min(len(body), chance.choice((3, 30, 300))))
        offsets = sorted(chance.choices(range(len(body) + 1), k=cuts))
        yield [body[a:b] for a, b in zip([0, *offsets], [*offsets, len(body)], strict=True)]


@needs_corpus
def test_there_are_recordings_of_every_family() -> None:
    assert {recording.family for recording in recordings()} == set(FAMILIES)


@needs_corpus
@STREAMS
def test_a_recording_folds_to_what_is_expected_of_it(recording: Recording) -> None:
    hold_to_expectation(recording)


@needs_corpus
@STREAMS
def test_a_recording_gives_the_same_events_however_it_is_cut(recording: Recording) -> None:
    events = decode(recording.family, recording.body)
    check_grammar(events)
    family, body = recording.family, recording.body
    assert decode_reads(family, recording.reads()) == events
    assert decode_reads(family, [body[at : at + 1] for at in range(len(body))]) == events
    for reads in choppings(body, recording.name, 20):
        assert decode_reads(family, reads) == events


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
@STREAMS
def test_a_recording_gives_the_same_events_at_a_thousand_choppings(recording: Recording) -> None:
    events = decode(recording.family, recording.body)
    for reads in choppings(recording.body, "slow " + recording.name, 1000):
        assert decode_reads(recording.family, reads) == events


@needs_corpus
@STREAMS
def test_a_tool_call_of_a_recording_is_runnable_only_with_a_json_object(
    recording: Recording,
) -> None:
    answer = fold(decode(recording.family, recording.body))
    assert isinstance(answer, Turn | PartialTurn)
    for call in answer.tool_calls:
        if call.runnable:
            assert isinstance(answer, Turn)
            assert isinstance(call.arguments, dict)
        assert call.id


@needs_corpus
def test_every_deviation_is_of_a_stream_that_exists_and_has_a_reason() -> None:
    known = {stream.name for stream in (*recordings(), *hostile())}
    assert [row.file for row in ROWS if row.file not in known] == []
    assert [row.file for row in ROWS if len(row.reason) < 20] == []
    assert len({(row.file, row.field) for row in ROWS}) == len(ROWS)
