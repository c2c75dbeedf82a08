"""Cut anywhere: never a whole answer without proof, never a tool call with half its arguments."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway_stream.events import Event, Stop
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, hostile, of_recording, own, recordings
from tests.support.decoding import decode
from tests.support.evidence import Evidence, evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

STREAMS = pytest.mark.parametrize(
    "recording", [*own(), *recordings(), *hostile()], ids=of_recording
)


LATE = {"openai_chat/recordings/pieces_of_a_call_come_after_the_finish_reason.sse"}
"""Streams that name their stop before a call is whole: a clean end in between is proof, and wrong."""

EVERY = 16_384
"""Bytes of a body up to which every offset is tried; beyond, the work would be the square."""


class Whole:
    """What the uncut answer is: each cut one must be a beginning of it."""

    def __init__(self, recording: Recording) -> None:
        self.events = decode(recording.family, recording.body)
        answer = fold(self.events)
        self.texts = [(block.kind, block.text) for block in answer.blocks]
        self.late = recording.name in LATE
        self.arguments = {call.index: call.json for call in answer.tool_calls}

    def hold(self, events: list[Event], where: object) -> None:
        """Assert that ``events``, of a cut answer, claim no more than the whole one."""
        check_grammar(events)
        answer = fold(events)
        for block in answer.blocks:
            kind, text = self.texts[block.index]
            assert block.kind == kind, where
            # Half of a character that was cut is shown as U+FFFD; a call's text is no prose.
            begun = block.text.removesuffix("\ufffd")
            assert text.startswith((block.text, begun)) or kind == "tool_call", where
        for call in answer.tool_calls:
            if call.runnable:
                assert isinstance(answer, Turn), where
                assert call.json == self.arguments[call.index] or self.late, where


def hold_cut(recording: Recording, whole: Whole, proof: Evidence, offset: int) -> None:
    """Cut the body at ``offset``, ending clean and ending dirty."""
    body = recording.body[:offset]
    for clean in (True, False):
        decoder = Decoder(FAMILIES[recording.family])
        events = decoder.feed(body)
        if decoder.done and not clean:
            return  # how the body ends makes no difference any more
        proved = proof.proves(offset, clean=clean and not decoder.done)
        events += decoder.close(clean=clean)
        stopped = isinstance(events[-1], Stop)
        assert proved or not stopped, f"a stop at {offset}, clean={clean}"
        if stopped or clean:
            whole.hold(events, (offset, clean))


def hold_cuts(recording: Recording, offsets: Iterable[int]) -> None:
    """Cut the body at each of the offsets."""
    whole, proof = Whole(recording), evidence(recording.family, recording.body)
    for offset in offsets:
        hold_cut(recording, whole, proof, offset)


def drawn(recording: Recording, count: int, *, ends: int) -> list[int]:
    """Offsets at random, around the last whole events, and at the very end."""
    size, chance = len(recording.body), random.Random(recording.name)
    whole = evidence(recording.family, recording.body).ends[-ends:]
    near = [end + step for end in whole for step in (-2, -1, 0, 1)]
    last = [size - step for step in range(12)]
    anywhere = [chance.randrange(size + 1) for _ in range(count)]
    return sorted({offset for offset in near + last + anywhere if 0 <= offset <= size})


@STREAMS
def test_a_stream_cut_anywhere_is_whole_only_with_proof(recording: Recording) -> None:
    count = 200 if len(recording.body) <= 4 * EVERY else 50
    hold_cuts(recording, drawn(recording, count, ends=4))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@STREAMS
def test_a_stream_cut_at_every_offset_is_whole_only_with_proof(recording: Recording) -> None:
    size = len(recording.body)
    many = range(size + 1) if size <= EVERY else drawn(recording, 2000, ends=1000)
    hold_cuts(recording, many)


JUDGED = [
    ("openai_chat", b'data: {"choices":[{"finish_reason":null}]}\n\n', (False, False)),
    ("openai_chat", b'data: {"choices":[{"finish_reason":"stop"}]}\n\n', (True, False)),
    ("openai_chat", b'data: {"choices":[{"finish_reason":"stop"}]}', (True, False)),
    ("openai_chat", b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: {"a', (False, False)),
    ("openai_chat", b"data: [DONE]\n\n", (True, True)),
    ("openai_chat", b"data:[DONE]", (True, True)),
    ("openai_chat", b"data: [DON", (False, False)),
    ("openai_chat", b'data: {"choices":[{"finish_reason":"stop"}]}\ndata: {}', (True, False)),
    ("openai_chat", b'data: {"choices":[{"finish_reason":"stop"}]}\ndata: {', (False, False)),
    ("openai_chat", b"data: {}\ndata: [DONE]\ndata: {", (True, True)),
    ("anthropic", b"data: [DONE]\n\n", (False, False)),
    ("anthropic", b'data: {"stop_reason":"x"}\n\ndata: [DONE]\n\n', (True, True)),
    ("openai_chat", b'{"choices":[{"finish_reason":"stop"}]}', (True, False)),
    (
        "anthropic",
        b'data: {"type":"message_delta","delta":{"stop_reason":"x"}}\r\n\r',
        (True, False),
    ),
    ("anthropic", b'data: {"type":"message_stop"}\r\n\r\n', (True, True)),
    ("openai_responses", b'data: {"type":"response.output_item.done"}\n\n', (False, False)),
    ("openai_responses", b'data: {"type":"response.completed"}\n\n', (True, True)),
    ("gemini", b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n', (True, False)),
    ("gemini", b'[{"candidates":[{"finishReason":"STOP"}]}]', (True, False)),
    ("gemini", b'[{"candidates":[{"finishReason":"STOP"}]}', (False, False)),
    ("gemini", b'data: {"candidates":[{"finish_reason":"STOP"}]}\n\n', (True, False)),
    ("gemini", b'data: {"prompt_feedback":{"block_reason":"SAFETY"}}\n\n', (True, False)),
    ("gemini", b'[{"candidates":[{}]}]', (False, False)),
]


@pytest.mark.parametrize(("family", "body", "expected"), JUDGED)
def test_the_second_opinion_tells_proof_from_none(
    family: str, body: bytes, expected: tuple[bool, bool]
) -> None:
    proof = evidence(family, body)
    assert (proof.proves(len(body), clean=True), proof.proves(len(body), clean=False)) == expected
