"""What holds for a frame of any family: blank data, the sentinel, errors by name, missing blank lines."""

from __future__ import annotations

import json

import pytest

from gateway_stream.events import Failure, Notice, Stop
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.failures import named_error, read_stream_failure
from tests.support.decoding import decode
from tests.support.plain import (
    DONE,
    EVENTS,
    HELLO,
    failure_of,
    notices,
    plain,
    same_however_cut,
    sse,
    text_of,
)

NAMES = list(FAMILIES)

# Blank data.


@pytest.mark.parametrize("data", [b"", b" ", b"   \t", b" " * 1000, b"\ndata:\ndata:"])
@pytest.mark.parametrize("name", [b"", b"event: ping\n", b"event: error\n"])
def test_a_frame_of_blank_data_says_nothing_whatever_its_name(data: bytes, name: bytes) -> None:
    blank = name + b"data:" + data + b"\n\n"
    first = sse({"id": "1", "text": "Hel"})
    assert plain(blank + first + blank + HELLO[len(first) :] + blank) == EVENTS


@pytest.mark.parametrize("family", NAMES)
def test_a_frame_of_blank_data_says_nothing_in_any_family(family: str) -> None:
    (failure,) = decode(family, b"event: ping\ndata:\n\ndata:  \n\n")
    assert isinstance(failure, Failure)
    assert failure.code == "no_stop"


# The sentinel.


@pytest.mark.parametrize("data", [b"[DONE] ", b" [DONE]", b"[DONE]\t", b"[DONE]\ndata:"])
def test_the_sentinel_may_have_blanks_around_it(data: bytes) -> None:
    assert same_however_cut(HELLO + b"data: " + data + b"\n\n", clean=False) == EVENTS


def test_the_sentinel_with_a_blank_counts_without_its_blank_line() -> None:
    events = same_however_cut(HELLO + b"data: [DONE] ", clean=True)
    assert events[-1] == Stop("end_turn", "stop")


# Errors by name.

NAMED = [
    pytest.param(
        b'{"message":"long","type":"invalid_request_error"}', "long", "bad_request", id="a type"
    ),
    pytest.param(b'{"error":{"message":"busy","code":503}}', "busy", "overloaded", id="an error"),
    pytest.param(b'{"message":"no"}', "no", "stream_failed", id="a message alone"),
    pytest.param(b"it broke", "it broke", "stream_failed", id="plain text"),
    pytest.param(b'"it broke"', "it broke", "stream_failed", id="a string"),
    pytest.param(b'{"error":{"message":"no","co', "no", "stream_failed", id="cut JSON"),
    pytest.param(b"Rate limit exceeded", "Rate limit exceeded", "rate_limited", id="a text's kind"),
    pytest.param(b"{}", "{}", "stream_failed", id="nothing in it"),
    pytest.param(b'{"a":1}', '{"a":1}', "stream_failed", id="nothing that speaks"),
    pytest.param(b"[]", "[]", "stream_failed", id="an array"),
    pytest.param(b"7", "7", "stream_failed", id="a number"),
]


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize(("data", "message", "kind"), NAMED)
@pytest.mark.parametrize("ending", [b"\n\n", b""])
def test_a_frame_named_error_is_one_whatever_its_shape(
    family: str, data: bytes, message: str, kind: str, ending: bytes
) -> None:
    failure = decode(family, b"event: error\ndata: " + data + ending)[-1]
    assert isinstance(failure, Failure)
    assert (failure.message, failure.kind) == (message, kind)


def test_a_translator_that_lets_a_named_error_pass_does_not_save_the_answer() -> None:
    events = same_however_cut(HELLO + b"event: error\ndata: it broke\n\n" + DONE)
    assert failure_of(events).message == "it broke"
    assert text_of(events) == "Hello"


@pytest.mark.parametrize("family", NAMES)
def test_an_error_without_a_name_needs_the_shape_of_one(family: str) -> None:
    bare = decode(family, b'data: {"code":"InvalidParameter","message":"bad"}\n\n')[-1]
    assert isinstance(bare, Failure)
    assert (bare.kind, bare.message, bare.code) == ("bad_request", "bad", "InvalidParameter")
    none = decode(family, b'data: {"message":"long","type":"invalid_request_error"}\n\n')[-1]
    assert isinstance(none, Failure)
    assert none.kind == "stream_truncated"


def test_what_is_an_error_already_is_read_as_it_is() -> None:
    data = b'{ "type":"error", "error":{"message":"m"}, "request_id":"r" }'
    assert named_error(data) == data
    assert read_stream_failure(data) == read_stream_failure(named_error(data))


@pytest.mark.parametrize("data", [b"\xff\xfe", b'"\\ud83d"', b"[" * 300, b"{" * 100_000, b"\x00"])
def test_any_data_of_a_named_error_becomes_one(data: bytes) -> None:
    named = named_error(data)
    json.loads(named)
    assert read_stream_failure(named) is not None


# Missing blank lines.

LINES = HELLO.replace(b"\n\n", b"\n")


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n", b"data: [DONE] \n", b"data: \n"])
def test_lines_that_are_json_each_are_frames_each(end: bytes) -> None:
    assert same_however_cut(LINES + end + b"\n") == EVENTS


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n", b"data: [DONE]"])
def test_so_are_those_of_a_body_without_a_single_blank_line(end: bytes) -> None:
    events = same_however_cut(LINES + end)
    assert notices(events) == ["unterminated"]
    assert [event for event in events if not isinstance(event, Notice)] == EVENTS


@pytest.mark.parametrize("tail", [b'data: {"te', b"data:", b"data: {"])
def test_of_a_last_event_the_whole_lines_count_and_the_cut_one_proves_the_cut(tail: bytes) -> None:
    events = same_however_cut(LINES + tail)
    assert failure_of(events).code == "cut_event"
    assert text_of(events) == "Hello"


def test_lines_that_are_one_json_text_together_are_one_frame() -> None:
    body = b'data: {"text":\ndata: "Hello",\ndata: "stop":"stop"}\n\n'
    assert text_of(same_however_cut(body)) == "Hello"
    assert isinstance(plain(body)[-1], Stop)


def test_lines_of_which_one_is_no_json_cannot_be_read() -> None:
    events = same_however_cut(b'data: {"text":"a"}\ndata: {"te\n\n' + HELLO)
    assert failure_of(events).kind == "protocol"


def test_nothing_is_read_after_a_line_that_ends_the_answer() -> None:
    events = plain(LINES + b'data: [DONE]\ndata: {"text":"late"}\n\n')
    assert events == EVENTS
