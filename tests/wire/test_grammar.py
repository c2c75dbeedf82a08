"""The grammar of events: what it rejects, and that the writer cannot break it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Failure,
    Media,
    Notice,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Source,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.turn import PartialTurn, Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, needs_corpus, of_recording, recordings
from tests.support.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = Failure(kind="stream_failed", message="x")
STOP = Stop("end_turn")
TEXT = BlockStart(0, "text")
OK: list[tuple[str, list[Event]]] = [
    ("an empty answer", [Start(), STOP]),
    ("a failure alone", [FAILED]),
    ("notices before all", [Notice("queued"), Notice("retry"), FAILED]),
    ("a block of nothing", [Start(), TEXT, BlockEnd(0), STOP]),
    ("usage at the end", [Start(), TEXT, BlockEnd(0), Usage(1), STOP]),
    ("usage between deltas", [Start(), TEXT, Usage(1), TextDelta(0, "a"), BlockEnd(0), STOP]),
    (
        "blocks side by side",
        [
            Start(),
            BlockStart(0, "tool_call", "a", "f"),
            BlockStart(1, "tool_call", "b", "f"),
            ToolCallDelta(1, "{"),
            ToolCallDelta(0, "{}"),
            BlockEnd(1, "truncated"),
            BlockEnd(0),
            FAILED,
        ],
    ),
    (
        "a reset",
        [
            Start(),
            TEXT,
            TextDelta(0, "a"),
            Reset("lost", 2),
            Notice("retry"),
            Start(attempt=2),
            TEXT,
            TextDelta(0, "b"),
            BlockEnd(0),
            STOP,
        ],
    ),
    (
        "media and sources in their block",
        [Start(), BlockStart(0, "media"), Media(0, url="u"), Source(0), BlockEnd(0), STOP],
    ),
]
BROKEN: list[tuple[str, list[Event]]] = [
    ("nothing at all", []),
    ("no terminal event", [Start(), TEXT, BlockEnd(0)]),
    ("only a notice", [Notice("queued")]),
    ("a stop without a start", [STOP]),
    ("a block without a start", [TEXT, BlockEnd(0), STOP]),
    ("usage without a start", [Usage(1), FAILED]),
    ("two starts", [Start(), Start(), STOP]),
    ("two stops", [Start(), STOP, STOP]),
    ("a failure after a stop", [Start(), STOP, FAILED]),
    ("a notice after the end", [Start(), STOP, Notice("retry")]),
    ("usage after the end", [Start(), STOP, Usage(1)]),
    ("a reset after the end", [Start(), STOP, Reset("x", 2)]),
    ("a reset before the start", [Reset("x", 2), Start(), STOP]),
    ("no start after a reset", [Start(), Reset("x", 2), STOP]),
    ("numbers after a reset go on", [Start(), TEXT, Reset("x", 2), Start(), BlockStart(1, "text")]),
    ("a stop while a block is open", [Start(), TEXT, STOP]),
    ("a failure while a block is open", [Start(), TEXT, FAILED]),
    ("a first block that is not 0", [Start(), BlockStart(1, "text"), BlockEnd(1), STOP]),
    ("a number left out", [Start(), TEXT, BlockEnd(0), BlockStart(2, "text"), BlockEnd(2), STOP]),
    ("a number again", [Start(), TEXT, BlockEnd(0), TEXT, BlockEnd(0), STOP]),
    ("a delta without a block", [Start(), TextDelta(0, "a"), STOP]),
    ("a delta after its block", [Start(), TEXT, BlockEnd(0), TextDelta(0, "a"), STOP]),
    ("an end without a block", [Start(), BlockEnd(0), STOP]),
    ("two ends", [Start(), TEXT, BlockEnd(0), BlockEnd(0), STOP]),
    ("a source after its block", [Start(), TEXT, BlockEnd(0), Source(0), STOP]),
    ("media without a block", [Start(), Media(0, url="u"), STOP]),
    (
        "text in reasoning",
        [Start(), BlockStart(0, "reasoning"), TextDelta(0, "a"), BlockEnd(0), STOP],
    ),
    ("reasoning in text", [Start(), TEXT, ReasoningDelta(0, "a"), BlockEnd(0), STOP]),
    ("a refusal in text", [Start(), TEXT, RefusalDelta(0, "a"), BlockEnd(0), STOP]),
    ("arguments in text", [Start(), TEXT, ToolCallDelta(0, "a"), BlockEnd(0), STOP]),
    (
        "arguments in a server tool",
        [Start(), BlockStart(0, "server_tool"), ToolCallDelta(0, "a"), BlockEnd(0), STOP],
    ),
]


@pytest.mark.parametrize("events", [row[1] for row in OK], ids=[row[0] for row in OK])
def test_the_grammar_accepts(events: list[Event]) -> None:
    check_grammar(events)


@pytest.mark.parametrize("events", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_the_grammar_rejects(events: list[Event]) -> None:
    with pytest.raises(ValueError, match=r"event|terminal"):
        check_grammar(events)


def test_the_grammar_of_a_stream_that_goes_on_asks_for_no_end() -> None:
    check_grammar([Start(), TEXT], whole=False)
    with pytest.raises(ValueError, match="event 1"):
        check_grammar([Start(), BlockEnd(0)], whole=False)


@needs_corpus
@pytest.mark.parametrize("recording", recordings(), ids=of_recording)
def test_the_grammar_accepts_every_recording(recording: Recording) -> None:
    if recording.family in FAMILIES:
        check_grammar(decode(recording.family, recording.body))


class Writing(RuleBasedStateMachine):
    """Any order of calls on the writer, as a translator might make them.

    What a translator must see to itself, and no more: it writes to blocks that are open.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writer = AnswerWriter(call_id_prefix="p-")
        self.opened = 0

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(self.writable()))

    def writable(self) -> list[int]:
        """The blocks that may be written to: the open ones, and any once nothing is written."""
        done = self.writer.done
        return [index for index in range(self.opened) if done or self.writer.is_open(index)]

    @rule(id=st.none() | st.just("") | st.text(max_size=3), model=st.none() | st.text(max_size=3))
    def start(self, id: str | None, model: str | None) -> None:
        self.writer.start(id=id, model=model)

    @rule(kind=st.sampled_from(get_args(BlockKind)), id=st.none() | st.text(max_size=2))
    def open(self, kind: BlockKind, id: str | None) -> None:
        done = self.writer.done
        index = self.writer.open(kind, id=id)
        assert done or index == self.opened
        self.opened += not done

    @precondition(lambda self: self.writable())
    @rule(
        data=st.data(),
        text=st.text(st.characters(), max_size=4) | st.sampled_from(["{", "}", '"a":']),
    )
    def delta(self, data: st.DataObject, text: str) -> None:
        self.writer.delta(self.pick(data), text)

    @rule()
    def surrogates(self) -> None:
        self.writer.expect_surrogates()

    @precondition(lambda self: self.writable())
    @rule(data=st.data(), url=st.none() | st.text(max_size=3))
    def media_and_source(self, data: st.DataObject, url: str | None) -> None:
        self.writer.media(self.pick(data), url=url)
        self.writer.source(self.pick(data), url=url)

    @precondition(lambda self: self.writable())
    @rule(data=st.data(), status=st.none() | st.sampled_from(get_args(BlockStatus)))
    def end(self, data: st.DataObject, status: BlockStatus | None) -> None:
        self.writer.end(self.pick(data), status=status, opaque=Opaque("f", "p", "{}"))

    @rule(output=st.none() | st.integers(0, 5))
    def usage(self, output: int | None) -> None:
        self.writer.usage(output=output)

    @rule(detail=st.text(max_size=1))
    def notice(self, detail: str) -> None:
        self.writer.notice("heartbeat", detail)

    @rule(reason=st.sampled_from(get_args(StopReason)))
    def stop(self, reason: StopReason) -> None:
        self.writer.stop(reason, reason)

    @rule()
    def finish(self) -> None:
        self.writer.finish()

    @rule(call=st.sampled_from(["fail", "broken", "truncated"]))
    def fail(self, call: str) -> None:
        calls: dict[str, Callable[[], Any]] = {
            "fail": lambda: self.writer.fail(FAILED),
            "broken": lambda: self.writer.broken("x"),
            "truncated": lambda: self.writer.truncated("x"),
        }
        calls[call]()

    def teardown(self) -> None:
        check_grammar(self.writer.out, whole=False)
        if not self.writer.done:
            self.writer.truncated("x")
        check_grammar(self.writer.out)
        answer = fold(self.writer.out)
        assert isinstance(answer, Turn) is isinstance(self.writer.out[-1], Stop)
        if isinstance(answer, PartialTurn):
            assert not any(call.runnable for call in answer.tool_calls)


TestWriting = Writing.TestCase
TestWriting.settings = hypothesis.settings(max_examples=150, stateful_step_count=30, deadline=None)
