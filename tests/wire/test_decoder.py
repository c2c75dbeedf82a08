"""Bodies of every form to events, with a family made up for the purpose."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import (
    BlockStart,
    Event,
    Failure,
    Notice,
    Start,
    Stop,
    ToolCallDelta,
    Usage,
)
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.family import check_grammar
from gateway_stream.wire.sse import Frame
from tests.support.growth import growth
from tests.support.plain import (
    DONE,
    EVENTS,
    HELLO,
    PLAIN,
    by_byte,
    every_cut,
    failure_of,
    notices,
    plain,
    plain_reads,
    same_however_cut,
    sse,
    text_of,
)

MARK = b"\xef\xbb\xbf"

# The form of the body.

OBJECTS = [b'{"id":"1","text":"Hel"}', b'{"text":"lo"}', b'{"stop":"stop","tokens":2}']
FORMS = [
    pytest.param(HELLO, id="server-sent events"),
    pytest.param(MARK + HELLO, id="a byte order mark"),
    pytest.param(b"\n\r\n" + HELLO, id="blank lines first"),
    pytest.param(b": hello\n\n" + HELLO, id="a comment first"),
    pytest.param(HELLO + DONE, id="a sentinel"),
    pytest.param(HELLO.replace(b"\n", b"\r\n"), id="CRLF"),
    pytest.param(HELLO.replace(b"data: ", b"data:"), id="no blank after the colon"),
    pytest.param(b"[" + b",\r\n".join(OBJECTS) + b"]", id="an array"),
    pytest.param(MARK + b" \n[" + b",".join(OBJECTS) + b"]\n", id="an array after a mark"),
    pytest.param(b"\n".join(OBJECTS) + b"\n", id="a line each"),
    pytest.param(b"".join(OBJECTS), id="objects with nothing between"),
]


@pytest.mark.parametrize("body", FORMS)
def test_a_body_of_any_form_gives_the_same_events_however_it_is_cut(body: bytes) -> None:
    assert same_however_cut(body) == EVENTS


def test_one_object_is_a_whole_answer() -> None:
    events = same_however_cut(b' {"id":"1","text":"Hello","stop":"stop","tokens":2}\n')
    assert events[0] == Start("1")
    assert text_of(events) == "Hello"
    assert Usage(output=2) in events
    assert events[-1] == Stop("end_turn", "stop")


@pytest.mark.parametrize("head", [b"", MARK, b" \n"])
def test_a_page_is_a_failure_that_tells_of_it(head: bytes) -> None:
    events = same_however_cut(head + b"<!doctype html><title>Sign in</title>")
    assert [type(event) for event in events] == [Failure]


def test_a_page_without_end_is_not_held() -> None:
    decoder = Decoder(PLAIN)
    for _ in range(64):
        assert decoder.feed(b"<html>" * 10_000) == []
    assert isinstance(decoder.close()[-1], Failure)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"\n\n", "no_stop"),
        (b" ", "no_stop"),
        (MARK, "no_stop"),
        (MARK[:2], "no_stop"),
        (b": ping\n\n", "no_stop"),
    ],
)
def test_a_body_without_content_is_no_answer(body: bytes, code: str) -> None:
    failure = failure_of(same_however_cut(body))
    assert (failure.kind, failure.code, failure.retryable) == ("stream_truncated", code, True)


# The end of the body.


def test_a_stop_and_a_clean_end_are_evidence() -> None:
    assert same_however_cut(HELLO)[-1] == Stop("end_turn", "stop")


def test_a_stop_and_a_broken_connection_are_not() -> None:
    failure = failure_of(same_however_cut(HELLO, clean=False))
    assert (failure.kind, failure.code) == ("stream_truncated", "connection_lost")
    assert failure.delivered


def test_the_sentinel_is_evidence_even_when_the_connection_breaks() -> None:
    assert same_however_cut(HELLO + DONE, clean=False) == EVENTS


def test_a_clean_end_without_a_stop_is_a_cut_answer() -> None:
    failure = failure_of(same_however_cut(sse({"text": "Hel"})))
    assert (failure.kind, failure.code) == ("stream_truncated", "no_stop")


def test_the_last_event_counts_without_its_blank_line_if_it_is_whole() -> None:
    for ending in (b"", b"\n"):
        events = same_however_cut(HELLO.removesuffix(b"\n\n") + ending)
        assert notices(events) == ["unterminated"]
        assert [event for event in events if not isinstance(event, Notice)] == EVENTS


def test_a_sentinel_without_its_blank_line_counts() -> None:
    events = same_however_cut(sse({"text": "a"}) + b"data: [DONE]")
    assert events[-1] == Stop("unknown")
    assert "unterminated" in notices(events)


@pytest.mark.parametrize("tail", [b'data: {"tex', b"data: {", b"data: [DON", b"data:"])
def test_a_last_event_that_is_not_whole_proves_that_the_body_was_cut(tail: bytes) -> None:
    events = same_however_cut(HELLO + tail)
    assert (failure_of(events).kind, failure_of(events).code) == ("stream_truncated", "cut_event")
    assert text_of(events) == "Hello"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b",".join(OBJECTS), id="an array without its end"),
        pytest.param(b"[" + b",".join(OBJECTS) + b',{"te', id="an array cut in a value"),
        pytest.param(b"".join(OBJECTS) + b'{"te', id="objects cut in a value"),
        pytest.param(b'{"text":"a","stop":"stop"}{"te', id="a first object cut in the next"),
        pytest.param(b'{"text":"a","stop":"st', id="an object cut"),
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_a_json_body_that_is_not_whole_is_a_cut_answer(body: bytes, clean: bool) -> None:
    assert failure_of(same_however_cut(body, clean=clean)).kind == "stream_truncated"


@pytest.mark.parametrize(
    "body", [b'{"text":"a","stop":"stop"}', b"[" + b",".join(OBJECTS) + b"]", b"".join(OBJECTS)]
)
def test_a_json_body_before_a_broken_connection_is_a_cut_answer(body: bytes) -> None:
    events = same_however_cut(body, clean=False)
    assert failure_of(events).code == "connection_lost"
    assert text_of(events) in {"a", "Hello"}


def test_json_that_turns_into_something_else_is_no_answer() -> None:
    for body in (b'{"text":"a","stop":"stop"}rubbish', b"[" + OBJECTS[0] + b"]" + OBJECTS[2]):
        events = same_however_cut(body)
        assert failure_of(events).kind == "protocol"
        assert text_of(events) in {"a", "Hel"}


def test_closing_twice_gives_the_terminal_event_once() -> None:
    decoder = Decoder(PLAIN)
    decoder.feed(HELLO)
    assert isinstance(decoder.close()[-1], Stop)
    assert decoder.close() == []
    assert decoder.close(clean=False) == []
    assert decoder.feed(HELLO) == []


def test_what_comes_after_the_terminal_event_is_ignored() -> None:
    for tail in (
        sse({"text": "more"}),
        sse({"fault": "late"}),
        b'{"error":{"message":"late"}}\n',
        b"error: late\n\n",
        b"data: {not json\n\n",
        sse({"tokens": 99}),
    ):
        assert same_however_cut(HELLO + DONE + tail) == EVENTS


def test_a_failure_from_outside_ends_the_answer() -> None:
    decoder = Decoder(PLAIN, request_id="r")
    events = decoder.feed(HELLO)
    events += decoder.fail(Failure(kind="timed_out", message="silent", phase="silence"))
    events += decoder.close()
    check_grammar(events)
    failure = failure_of(events)
    assert (failure.kind, failure.phase, failure.request_id) == ("timed_out", "silence", "r")
    assert failure.delivered
    assert decoder.stop_seen == Stop("end_turn", "stop")


# Limits.


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HELLO + sse({"text": "x" * 90}) + HELLO, id="a frame"),
        pytest.param(b'[{"text":"Hello"},{"text":"' + b"x" * 90 + b'"}]', id="a value"),
        pytest.param(b'{"text":"Hello"}\n{"text":"' + b"x" * 90 + b'"}', id="a second object"),
        pytest.param(HELLO + b": " + b"x" * 90 + b"\n\n", id="a comment"),
    ],
)
def test_an_event_past_the_limit_is_a_failure_at_the_same_place(body: bytes) -> None:
    expected: list[Event] | None = None
    for reads in ([body], *every_cut(body)):
        decoder = Decoder(PLAIN, event_limit=80)
        events = [event for read in reads for event in decoder.feed(read)] + decoder.close()
        check_grammar(events)
        assert failure_of(events).code == "event_too_large"
        assert text_of(events) == "Hello"
        assert expected is None or events == expected
        expected = events


def blanks(size: int) -> None:
    decoder = Decoder(PLAIN)
    for _ in range(size // 64):
        assert decoder.feed(b" " * 63 + b"\n") == []
    decoder.feed(HELLO)
    assert decoder.close() == EVENTS[-2:]


def test_blanks_before_the_body_cost_what_their_bytes_cost() -> None:
    assert growth(blanks, 1 << 14, 1 << 19, enough=4) <= 4


def frames_of(count: int) -> None:
    decoder = Decoder(PLAIN)
    events = decoder.feed(sse({"text": "a"}) * count)
    assert len(events) == count + 2


def test_frames_cost_what_their_number_costs() -> None:
    assert growth(frames_of, 500, 16_000, enough=4) <= 4


# Facts given to the decoder.


def test_the_decoder_tells_who_asked() -> None:
    decoder = Decoder(PLAIN, request_id="r", attempt=2, call_id_prefix="t1-")
    events = decoder.feed(sse({"id": "i"}, {"call": "f"}, {"args": "{}"}, {"end": True}))
    assert decoder.done
    assert decoder.delivered
    check_grammar(events)
    assert events[:3] == [
        Start("i", request_id="r", attempt=2),
        BlockStart(0, "tool_call", "t1-call_0", "f"),
        ToolCallDelta(0, "{}"),
    ]


def test_frames_are_kept_only_on_request_and_given_once() -> None:
    body = b": c\n" + sse({"text": "a"}) + b"event: x\nid: 4\ndata: {}\n\n" + DONE
    decoder = Decoder(PLAIN)
    decoder.keep_frames()
    decoder.feed(body[:40])
    first = decoder.take_frames()
    decoder.feed(body[40:] + HELLO)
    assert first + decoder.take_frames() == [
        Frame(b'{"text": "a"}'),
        Frame(b"{}", "x", "4"),
        Frame(b"[DONE]", id="4"),
    ]
    assert decoder.take_frames() == []
    silent = Decoder(PLAIN)
    silent.feed(body)
    assert silent.take_frames() == []


@pytest.mark.parametrize("body", [b"[" + b",".join(OBJECTS) + b"]", b"\n".join(OBJECTS)])
def test_values_of_a_json_body_are_kept_as_frames(body: bytes) -> None:
    decoder = Decoder(PLAIN)
    decoder.keep_frames()
    decoder.feed(body)
    decoder.close()
    assert decoder.take_frames() == [Frame(value) for value in OBJECTS]


def test_one_object_is_kept_as_a_frame() -> None:
    decoder = Decoder(PLAIN)
    decoder.keep_frames()
    decoder.feed(b'{"text":"a","stop":"stop"}')
    decoder.close()
    assert decoder.take_frames() == [Frame(b'{"text":"a","stop":"stop"}')]


def test_the_last_frame_without_its_blank_line_is_kept() -> None:
    decoder = Decoder(PLAIN)
    decoder.keep_frames()
    decoder.feed(b"data: [DONE]")
    decoder.close()
    assert decoder.take_frames() == [Frame(b"[DONE]")]


# Anything.

PIECES = st.sampled_from(
    [
        *[HELLO, DONE, MARK, b"\n", b"\r\n", b"data: ", b"{", b"}", b"[", b"]", b",", b'"', b" "],
        *[b'{"text":"a"}', b'{"stop":"stop"}', b'{"end":true}', b'{"error":"x"}', b"error: x\n"],
        *[
            sse({"call": "f"}),
            sse({"args": "{"}),
            sse({"text": "a"}),
            sse({"fault": "x"}),
            b"<",
            b"event: e\n",
        ],
    ]
) | st.binary(max_size=4)


@given(st.lists(PIECES, max_size=14).map(b"".join), st.data(), st.booleans())
def test_any_bytes_give_the_same_events_however_they_are_cut(
    body: bytes, data: st.DataObject, clean: bool
) -> None:
    events = plain(body, clean=clean)
    check_grammar(events)
    offsets = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    bounds = [0, *offsets, len(body)]
    reads = [body[a:b] for a, b in pairwise(bounds)]
    assert plain_reads(reads, clean=clean) == events
    assert plain_reads(by_byte(body), clean=clean) == events
