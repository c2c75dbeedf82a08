"""Hand-written streams that break naive readers."""

from __future__ import annotations

import pytest

from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, hostile, needs_corpus, of_recording
from tests.support.decoding import decode, decode_reads
from tests.support.holding import hold_to_expectation

STREAMS = pytest.mark.parametrize("recording", hostile(), ids=of_recording)


@needs_corpus
@STREAMS
def test_a_hostile_stream_folds_to_what_is_expected_of_it(recording: Recording) -> None:
    hold_to_expectation(recording)


@needs_corpus
@STREAMS
def test_a_hostile_stream_gives_the_same_events_however_it_is_cut(recording: Recording) -> None:
    body, family = recording.body, recording.family
    for clean in (True, False):
        events = decode(family, body, clean=clean)
        check_grammar(events)
        for size in (1, 2, 3, 7):
            reads = [body[at : at + size] for at in range(0, len(body), size)]
            assert decode_reads(family, reads, clean=clean) == events
        steps = range(1, len(body), 1 if clean and len(body) < 3000 else 17)
        for at in steps:
            assert decode_reads(family, [body[:at], body[at:]], clean=clean) == events
