"""Bodies that go wrong, and what of the answer survives."""

from __future__ import annotations

import pytest

from gateway_stream.events import Event, Notice, Stop
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.family import check_grammar
from gateway_stream.wire.json_text import DEPTH_LIMIT
from tests.support.plain import (
    DONE,
    EVENTS,
    HELLO,
    PLAIN,
    by_byte,
    failure_of,
    notices,
    plain,
    plain_reads,
    same_however_cut,
    sse,
    text_of,
)

# Errors in the body.


def test_an_error_before_the_stop_is_released_wins_over_it() -> None:
    events = same_however_cut(HELLO + sse({"fault": "late"}) + DONE)
    assert failure_of(events).message == "late"


@pytest.mark.parametrize(
    "tail",
    [
        b'{"error":{"message":"busy"}}\n',
        b'{"error":{"message":"busy"}}',
        b'{"error":\n {"message":\n"busy"}}\n\n',
        b'{\n  "error": {\n    "message": "busy"\n  }\n}\n',
        b'error: {"message":"busy"}\n\n',
        b'error: {"error":{"message":"busy"}}\n\n',
    ],
)
def test_an_error_that_is_no_event_fails_the_answer(tail: bytes) -> None:
    for body in (HELLO + tail, HELLO + tail + b"\n" + DONE):
        assert "busy" in failure_of(same_however_cut(body)).message


def test_a_line_that_is_no_field_and_no_error_is_a_notice() -> None:
    events = same_however_cut(b"hello\n" + HELLO)
    assert Notice("unknown_event", "hello") in events
    assert [event for event in events if not isinstance(event, Notice)] == EVENTS


def test_lines_that_are_no_field_are_not_held_without_bound() -> None:
    decoder = Decoder(PLAIN, event_limit=1 << 16)
    line = b"x" * 100 + b"\n"
    events: list[Event] = []
    for _ in range(100):
        events += decoder.feed(line * 100)
    assert failure_of(events).code == "event_too_large"


def test_one_object_that_is_an_error_is_a_failure() -> None:
    events = same_however_cut(b'{"error":{"message":"busy"}}')
    assert "busy" in failure_of(events).message


@pytest.mark.parametrize(
    "data", [b"{not json", b'{"text":"a"', b'"open', b'{"a":' * 100_000, b"[" * 100_000]
)
def test_a_frame_that_is_no_json_is_a_typed_failure(data: bytes) -> None:
    events = plain(sse({"text": "a"}) + b"data: " + data + b"\n\n" + HELLO)
    check_grammar(events)
    assert failure_of(events).kind == "protocol"
    assert text_of(events) == "a"


@pytest.mark.parametrize("form", ["frame", "object", "array", "lines"])
def test_a_frame_that_is_nested_too_deeply_is_a_typed_failure(form: str) -> None:
    for depth, good in ((DEPTH_LIMIT - 1, True), (DEPTH_LIMIT, False)):
        deep = b'{"text":"a","stop":"stop","x":' + b"[" * depth + b"]" * depth + b"}"
        body = {
            "frame": b"data: " + deep + b"\n\n",
            "object": deep,
            "array": b"[" + deep + b"]",
            "lines": deep + b"\n" + deep,
        }[form]
        events = plain(body)
        assert plain_reads(by_byte(body)) == events
        assert isinstance(events[-1], Stop) is good
        assert good or failure_of(events).kind == "protocol"


def test_a_frame_that_is_no_object_costs_nothing() -> None:
    for data in (b"[]", b"7", b"null", b'"ping"'):
        events = same_however_cut(b"data: " + data + b"\n\n" + HELLO)
        assert notices(events) == ["unknown_event"]
        assert [event for event in events if not isinstance(event, Notice)] == EVENTS


def test_a_field_of_the_wrong_type_does_not_cost_the_text_beside_it() -> None:
    events = same_however_cut(sse({"text": "a", "tokens": {"x": 1}, "stop": "stop"}) + DONE)
    assert notices(events) == ["invalid_field"]
    assert text_of(events) == "a"


def test_halves_of_a_pair_in_two_frames_are_joined() -> None:
    body = b'data: {"text":"a\\ud83d"}\n\ndata: {"text":"\\ude80"}\n\n' + DONE
    assert text_of(same_however_cut(body)) == "a\U0001f680"


def test_bytes_that_are_not_utf_8_cost_a_notice() -> None:
    events = same_however_cut(b'data: {"text":"a\xff"}\n\n' + DONE)
    assert text_of(events) == "a\ufffd"
    assert "replaced_bytes" in notices(events)


def test_a_character_cut_by_a_read_is_whole() -> None:
    events = same_however_cut(sse({"text": "\U0001f680é"}).decode().encode() + DONE)
    assert text_of(events) == "\U0001f680é"
    raw = 'data: {"text":"\U0001f680é"}\n\n'.encode() + DONE
    assert text_of(same_however_cut(raw)) == "\U0001f680é"
