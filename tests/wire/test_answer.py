"""What the writer sees to for every family."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Failure,
    Notice,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway_stream.wire.answer import AnswerWriter
from gateway_stream.wire.arguments import arguments_status

FAILED = Failure(kind="overloaded", message="busy", retryable=True, retry_after=2.0)


def statuses(events: list[Event]) -> list[BlockStatus]:
    return [event.status for event in events if isinstance(event, BlockEnd)]


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


def notices(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Notice)]


# The start.


def test_the_start_waits_for_the_id_and_the_first_of_each_field_holds() -> None:
    writer = AnswerWriter(request_id="r", attempt=3)
    writer.start(id="", model="m")
    assert writer.out == []
    writer.start(id="i", model="n", vendor='{"a":1}')
    writer.start(id="j", model="o", vendor='{"a":2}')
    assert writer.out == [Start("i", "m", "r", 3, '{"a":1}')]


def test_the_start_comes_before_the_first_block_even_without_an_id() -> None:
    writer = AnswerWriter()
    writer.start(model="m")
    writer.open("text")
    writer.start(id="late")
    assert writer.out == [Start(model="m"), BlockStart(0, "text")]


@pytest.mark.parametrize("call", ["usage", "finish"])
def test_the_start_comes_before_usage_and_stop(call: str) -> None:
    writer = AnswerWriter()
    writer.usage(input=1) if call == "usage" else writer.finish()
    assert isinstance([event for event in writer.out if not isinstance(event, Notice)][0], Start)  # noqa: RUF015


# Blocks.


def test_blocks_of_all_kinds_share_one_count() -> None:
    writer = AnswerWriter()
    assert [writer.open(kind) for kind in ("text", "tool_call", "reasoning", "text")] == [
        0,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("prefix", "id_", "expected"),
    [("", None, "call_1"), ("t7-", None, "t7-call_1"), ("t7-", "", "t7-call_1"), ("t7-", "x", "x")],
)
def test_a_tool_call_without_an_id_gets_one(prefix: str, id_: str | None, expected: str) -> None:
    writer = AnswerWriter(call_id_prefix=prefix)
    writer.open("text")
    writer.open("tool_call", id=id_, name="f")
    assert writer.out[-1] == BlockStart(1, "tool_call", expected, "f")


def test_other_blocks_get_no_id() -> None:
    writer = AnswerWriter(call_id_prefix="p")
    writer.open("server_tool", name="search")
    assert writer.out[-1] == BlockStart(0, "server_tool", None, "search")


def test_an_empty_delta_is_no_event_and_no_delivery() -> None:
    writer = AnswerWriter()
    writer.delta(writer.open("text"), "")
    assert not writer.delivered
    assert texts(writer.out) == []


def test_a_kind_without_text_swallows_deltas() -> None:
    writer = AnswerWriter()
    writer.delta(writer.open("server_tool"), "x")
    assert len(writer.out) == 2


ARGUMENTS: list[tuple[str, BlockStatus]] = [
    ("", "complete"),
    ("{}", "complete"),
    (' {"a": 1} ', "complete"),
    ('{"a":"}"}', "complete"),
    ("{", "truncated"),
    ('{"a', "truncated"),
    ('{"a":1', "truncated"),
    ('{"a":1,', "truncated"),
    ('{"a":"\\u00', "truncated"),
    ("[", "truncated"),
    ("[]", "invalid"),
    ('"a"', "invalid"),
    ("7 ", "invalid"),
    ("null ", "invalid"),
    ("{}{}", "invalid"),
    ('{"a":1}}', "invalid"),
    ("{'a':1}", "invalid"),
    ('{"a":1,}', "invalid"),
    ("nonsense", "invalid"),
    ('{"a":NaN}', "invalid"),
    ('{"a":1e999}', "invalid"),
    ('{"a":"\ud83d"}', "invalid"),
    ('{"a":"\\ud83d"}', "invalid"),
    ('{"a":"\n"}', "invalid"),
    ('{"a":' * 20_000, "truncated"),
    ('{"a":' * 20_000 + "1" + "}" * 20_000, "invalid"),
]


@pytest.mark.parametrize(
    ("text", "status"), ARGUMENTS, ids=[repr(row[0][:14]) for row in ARGUMENTS]
)
def test_a_closed_tool_call_is_judged_by_its_text(text: str, status: BlockStatus) -> None:
    assert arguments_status(text) == status
    writer = AnswerWriter()
    index = writer.open("tool_call")
    for at in range(0, len(text), max(1, len(text) // 7)):
        writer.delta(index, text[at : at + max(1, len(text) // 7)])
    writer.end(index)
    assert statuses(writer.out) == [status]


@given(st.text(max_size=20))
def test_only_a_json_object_or_nothing_is_complete(text: str) -> None:
    assert (arguments_status(text) == "complete") is (text == "") or text.strip().startswith("{")


# Surrogate pairs.


def test_halves_of_a_pair_in_two_deltas_are_joined() -> None:
    writer = AnswerWriter()
    index = writer.open("text")
    writer.expect_surrogates()
    for text in ("a\ud83d", "\ude80b", "\ud83d", "\ude80"):
        writer.delta(index, text)
    writer.end(index)
    assert "".join(texts(writer.out)) == "a\U0001f680b\U0001f680"
    assert notices(writer.out) == []


def test_halves_that_wait_in_two_blocks_do_not_meet() -> None:
    writer = AnswerWriter()
    first, second = writer.open("text"), writer.open("text")
    writer.expect_surrogates()
    writer.delta(first, "\ud83d")
    writer.delta(second, "\ude80")
    writer.delta(first, "\ude81")
    writer.finish()
    assert [event for event in writer.out if isinstance(event, TextDelta)] == [
        TextDelta(second, "\ufffd"),
        TextDelta(first, "\U0001f681"),
    ]


@pytest.mark.parametrize(
    ("deltas", "joined"),
    [
        (["a\ud83d"], "a\ufffd"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude80"], "\ufffd"),
        (["\ud83d", "\ud83d", "\ude80"], "\ufffd\U0001f680"),
        (["é\ude80é"], "é\ufffdé"),
    ],
)
@pytest.mark.parametrize("ending", ["end", "finish", "fail"])
def test_a_half_that_stays_alone_is_replaced_with_a_notice(
    deltas: list[str], joined: str, ending: str
) -> None:
    writer = AnswerWriter()
    index = writer.open("text")
    writer.expect_surrogates()
    for text in deltas:
        writer.delta(index, text)
    if ending == "end":
        writer.end(index)
    elif ending == "finish":
        writer.finish()
    else:
        writer.fail(FAILED)
    assert "".join(texts(writer.out)) == joined
    assert notices(writer.out).count("replaced_bytes") == 1
    "".join(texts(writer.out)).encode()


@given(
    st.lists(st.text(st.characters(exclude_categories=()), max_size=3), max_size=6), st.booleans()
)
def test_whatever_the_halves_the_text_can_be_encoded(deltas: list[str], finish: bool) -> None:
    writer = AnswerWriter()
    index = writer.open("text")
    writer.expect_surrogates()
    for text in deltas:
        writer.delta(index, text)
    writer.finish() if finish else writer.truncated("x")
    joined = "".join(deltas)
    expected = joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert "".join(texts(writer.out)) == expected


# Usage.


def test_usage_is_a_snapshot_that_keeps_what_it_knows() -> None:
    writer = AnswerWriter()
    writer.usage()
    assert writer.out == []
    writer.usage(input=5, cache_read=0)
    writer.usage(output=1)
    writer.usage(output=1, input=None)
    writer.usage(output=2, reasoning=1, cache_write=3)
    assert [event for event in writer.out if isinstance(event, Usage)] == [Usage(5, None, 0)]
    writer.finish()
    assert writer.out[-2:] == [Usage(5, 2, 0, 3, 1), Stop("unknown")]


def test_usage_that_has_not_changed_is_told_once() -> None:
    writer = AnswerWriter()
    writer.usage(input=5, output=1)
    writer.usage(input=5, output=1)
    writer.stop("end_turn", None)
    writer.finish()
    assert sum(isinstance(event, Usage) for event in writer.out) == 1


def test_an_answer_that_fails_tells_what_it_has_cost() -> None:
    writer = AnswerWriter()
    writer.usage(input=5)
    writer.usage(output=7)
    writer.truncated("cut")
    assert writer.out[-2] == Usage(5, 7)


def test_counts_that_come_in_every_frame_are_asked_for_at_the_end() -> None:
    writer = AnswerWriter()
    writer.usage(input=5)
    writer.counting = lambda: writer.usage(output=7)
    writer.truncated("cut")
    assert writer.out[-2] == Usage(5, 7)


# The end.


def test_a_stop_is_held_until_the_end_is_proved() -> None:
    writer = AnswerWriter()
    index = writer.open("text")
    writer.stop("end_turn", "stop")
    writer.delta(index, "late")
    writer.usage(output=1)
    assert not writer.done
    assert writer.stop_seen == Stop("end_turn", "stop")
    writer.finish()
    assert writer.out[-3:] == [Usage(None, 1), BlockEnd(0), Stop("end_turn", "stop")]


def test_the_last_stop_holds_and_keeps_the_vendor_fields_of_one_before() -> None:
    writer = AnswerWriter()
    writer.stop("end_turn", "stop", '{"a":1}')
    writer.stop("tool_use", "tool_calls")
    writer.finish()
    assert writer.out[-1] == Stop("tool_use", "tool_calls", '{"a":1}')


def test_what_a_stop_carries_is_made_when_it_is_wanted() -> None:
    writer = AnswerWriter()
    made: list[str] = []

    def vendor() -> str | None:
        made.append("x")
        return f'{{"a":{len(made)}}}'

    writer.stop("end_turn", "stop", '{"early":1}')
    for _ in range(3):
        writer.stop("end_turn", "stop", vendor)
    assert made == []
    assert writer.stop_seen == Stop("end_turn", "stop", '{"a":1}')
    writer.finish()
    assert writer.out[-1] == Stop("end_turn", "stop", '{"a":2}')


def test_a_maker_that_gives_nothing_leaves_what_was_told_before() -> None:
    writer = AnswerWriter()
    writer.stop("end_turn", "stop", '{"a":1}')
    writer.stop("end_turn", "stop", lambda: None)
    assert writer.stop_seen == Stop("end_turn", "stop", '{"a":1}')
    writer.stop("end_turn", "stop", lambda: '{"b":1}')
    writer.stop("end_turn", "stop", '{"c":1}')
    assert writer.stop_seen == Stop("end_turn", "stop", '{"c":1}')


def test_an_end_without_a_reason_is_unknown_and_said() -> None:
    writer = AnswerWriter()
    writer.finish()
    assert notices(writer.out) == ["missing_reason"]
    assert writer.out[-1] == Stop("unknown")


def test_a_failure_wins_over_a_held_stop_and_ends_open_blocks_as_cut() -> None:
    writer = AnswerWriter(request_id="r")
    writer.delta(writer.open("text"), "a")
    writer.delta(writer.open("tool_call", name="f"), "{}")
    writer.stop("tool_use", "tool_calls")
    writer.fail(FAILED)
    assert statuses(writer.out) == ["truncated", "truncated"]
    failure = writer.out[-1]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.delivered, failure.request_id) == ("overloaded", True, "r")
    assert (failure.phase, failure.retryable, failure.retry_after) == ("stream", True, 2.0)


def test_a_failure_keeps_what_it_tells_itself() -> None:
    writer = AnswerWriter(request_id="r")
    writer.fail(Failure(kind="timed_out", message="m", request_id="own", phase="silence"))
    assert writer.out == [Failure(kind="timed_out", message="m", request_id="own", phase="silence")]


def test_nothing_is_written_after_the_end() -> None:
    for end in ("finish", "fail"):
        writer = AnswerWriter()
        writer.finish() if end == "finish" else writer.fail(FAILED)
        before = list(writer.out)
        writer.start(id="x")
        writer.usage(output=9)
        writer.notice("heartbeat")
        writer.stop("end_turn", "x")
        writer.finish()
        writer.fail(FAILED)
        writer.broken("x")
        writer.truncated("x")
        assert writer.out == before, end


@pytest.mark.parametrize(
    ("reason", "text", "status"),
    [
        ("max_tokens", "{}", "truncated"),
        ("content_filter", "{}", "truncated"),
        ("refusal", "{}", "truncated"),
        ("tool_use", "{}", "complete"),
        ("unknown", "{}", "complete"),
        ("max_tokens", "", "truncated"),
    ],
)
def test_the_last_call_is_cut_if_it_was_open_as_the_model_was_stopped(
    reason: StopReason, text: str, status: BlockStatus
) -> None:
    writer = AnswerWriter()
    writer.delta(writer.open("tool_call", name="f"), "{}")
    writer.delta(writer.open("tool_call", name="g"), text)
    writer.stop(reason, reason)
    writer.finish()
    assert sorted(event.index for event in writer.out if isinstance(event, BlockEnd)) == [0, 1]
    by_index = {event.index: event.status for event in writer.out if isinstance(event, BlockEnd)}
    assert by_index == {0: "complete", 1: status}


def test_a_call_that_had_closed_is_whole_though_the_model_was_stopped_later() -> None:
    kinds: list[BlockKind] = ["tool_call", "text"]
    writer = AnswerWriter()
    for kind in kinds:
        writer.delta(writer.open(kind), "{}")
    writer.stop("max_tokens", "length")
    writer.finish()
    assert statuses(writer.out) == ["complete", "complete"]


def test_broken_bytes_are_shown_in_part() -> None:
    writer = AnswerWriter()
    writer.broken("a frame is not JSON", b"\xff" + b"x" * 100_000)
    (failure,) = writer.out
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.retryable, failure.delivered) == ("protocol", True, False)
    assert "\ufffdxxx" in failure.message
    assert len(failure.message) < 2048


def test_broken_bytes_after_content_are_not_to_be_tried_again_unasked() -> None:
    writer = AnswerWriter()
    writer.delta(writer.open("tool_call"), "{")
    assert isinstance(writer.out[-1], ToolCallDelta)
    writer.broken("x")
    failure = writer.out[-1]
    assert isinstance(failure, Failure)
    assert (failure.retryable, failure.delivered) == (False, True)


def test_the_same_notice_is_written_once() -> None:
    writer = AnswerWriter()
    for detail in ("a", "b", "a"):
        writer.notice("unknown_event", detail)
    assert writer.out == [Notice("unknown_event", "a"), Notice("unknown_event", "b")]
