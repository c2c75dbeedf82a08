"""Each recording holds one rule, named by its file; beside it lie the events that it gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway_stream.events import Event, decode_event
from gateway_stream.wire.family import check_grammar
from tests.support.decoding import decode, decode_reads

FOLDER = Path(__file__).parent / "recordings"
BODIES = sorted([*FOLDER.glob("*.sse"), *FOLDER.glob("*.json")])


def expected(body: Path) -> list[Event]:
    return [decode_event(line) for line in body.with_suffix(".events").read_text().splitlines()]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_a_recording_gives_its_events(body: Path) -> None:
    events = decode("openai_responses", body.read_bytes())
    check_grammar(events)
    assert events == expected(body)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_a_recording_gives_its_events_however_it_is_cut(body: Path) -> None:
    data = body.read_bytes()
    events = expected(body)
    assert decode_reads("openai_responses", [data[i : i + 1] for i in range(len(data))]) == events
    draw = random.Random(body.stem)
    for _ in range(10):
        cuts = sorted(draw.sample(range(len(data)), 6))
        reads = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert decode_reads("openai_responses", reads) == events


def test_there_are_no_events_without_a_body() -> None:
    assert {body.stem for body in BODIES} == {path.stem for path in FOLDER.glob("*.events")}
