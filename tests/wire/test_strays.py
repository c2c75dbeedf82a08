"""Lines of a stream that are no field of the standard: errors, remarks, cuts, and bodies of text."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import Notice, Stop
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.failures import is_cut, read_text
from gateway_stream.wire.family import check_grammar
from tests.support.growth import growth
from tests.support.plain import (
    DONE,
    EVENTS,
    HELLO,
    PLAIN,
    failure_of,
    notices,
    plain,
    same_however_cut,
    text_of,
)

# The end.


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b'{\n "error": {\n  "code": 50', id="an error without its text yet"),
        pytest.param(b"{\n", id="an object's first bracket"),
        pytest.param(b'[{"a":1},\n{"b', id="an array"),
        pytest.param(b'{"a":1}\n{"b"', id="the second of two"),
        pytest.param(b'{"a":"' + b"x" * 100_000, id="a long one"),
        pytest.param(b"eve", id="the name of a field"),
    ],
)
def test_json_that_the_end_cuts_proves_that_the_body_was_cut(tail: bytes) -> None:
    events = same_however_cut(HELLO + tail) if len(tail) < 100 else plain(HELLO + tail)
    assert (failure_of(events).kind, failure_of(events).code) == ("stream_truncated", "cut_event")
    assert text_of(events) == "Hello"


@pytest.mark.parametrize(
    "tail",
    [
        b"a remark",
        b"{see the log\n",
        b"[info] done",
        b'{"a":1}\n',
        b'{"a":"' + b"x" * 100_000 + b'"}',
        b'{"a":1} and more',
        b"[1,2]",
    ],
)
def test_a_whole_remark_at_the_end_proves_nothing(tail: bytes) -> None:
    events = plain(HELLO + tail)
    assert notices(events) == ["unknown_event"]
    assert isinstance(events[-1], Stop)


def test_cut_json_before_a_frame_is_a_remark() -> None:
    events = same_however_cut(b'a:\n{"error": {\n\n' + HELLO)
    assert [event for event in events if not isinstance(event, Notice)] == EVENTS


@pytest.mark.parametrize("tail", [b'error: {"mess', b"error: it br", b'{"error":{"message":"no'])
def test_an_error_that_the_end_cuts_is_one(tail: bytes) -> None:
    assert failure_of(same_however_cut(HELLO + tail)).kind == "stream_failed"


def test_the_sentinel_before_it_is_proof_enough() -> None:
    assert same_however_cut(HELLO + DONE + b'{"error": {') == EVENTS


@pytest.mark.parametrize(
    ("lines", "cut"),
    [
        (b"", False),
        (b"x {", False),
        (b"x\n {", True),
        (b'[{"', True),
        (b"[1", False),  # no error is in an array of numbers
        (b"[]", False),
        (b"[}", False),
        (b"{]", False),
        (b'{"a":nul', True),
        (b'{"a":nix', False),
        (b'{"a":"' + b"\\" * 3, True),
        (b"[" * 100_000, True),
    ],
)
def test_a_cut_is_json_that_could_go_on(lines: bytes, cut: bool) -> None:
    assert is_cut(lines) is cut


# Bodies of text.


@pytest.mark.parametrize("family", FAMILIES)
def test_a_body_of_text_is_shown(family: str) -> None:
    text = "upstream connect error or disconnect/reset before headers. reset reason: overflow"
    for body in (text.encode(), b": c\n\n" + text.encode() + b"\r\n\r\n"):
        decoder = Decoder(FAMILIES[family])
        events = decoder.feed(body) + decoder.close()
        check_grammar(events)
        (failure,) = events
        assert failure_of([failure]).kind == "gateway_unavailable"
        assert text in failure_of([failure]).message
        assert failure_of([failure]).retryable


def test_a_body_of_text_is_read_however_it_is_cut() -> None:
    failure = failure_of(same_however_cut(b"no healthy\nupstream\n"))
    assert failure.message == "text came where an answer was expected: no healthy upstream"


def test_a_text_that_names_its_kind_has_it() -> None:
    failure = failure_of(same_however_cut(b"Too many requests"))
    assert (failure.kind, failure.message) == ("rate_limited", "Too many requests")


def test_bytes_that_are_no_text_are_not_shown() -> None:
    failure = read_text(b"\x1f\x8b\x08\x00\x00\x01\x02\xff\xfe\xfd" * 9)
    assert failure.message == "bytes that are no text came where an answer was expected"


@pytest.mark.parametrize("body", [b"dat", b"e", b"retry", b"text\ndata: {"])
def test_the_beginning_of_an_event_is_no_text(body: bytes) -> None:
    assert failure_of(same_however_cut(body)).kind == "stream_truncated"


def test_text_beside_frames_is_a_remark() -> None:
    failure = failure_of(same_however_cut(b"data: {}\n\nupstream timeout\n"))
    assert failure.code == "no_stop"


# Cost, and bytes of any kind.


def strays(size: int) -> None:
    decoder = Decoder(PLAIN)
    body = b"x\n" * (size // 2)
    for at in range(0, size, 4096):
        decoder.feed(body[at : at + 4096])
    decoder.close()


def test_lines_of_a_byte_are_held_at_a_few_times_their_bytes() -> None:
    tracemalloc.start()
    try:
        strays(1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 6 << 20


def test_lines_of_a_byte_cost_what_their_bytes_cost() -> None:
    assert growth(strays, 1 << 15, 1 << 19, enough=4) <= 4


PIECES = st.sampled_from(
    [
        *[b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r", b" ", b"1", b"9" * 5000],
        *[b'"error"', b"error: ", b"event: error\n", b"data:", b"data: ", b"[DONE]", b"\xff"],
        *[b'{"error":{"message":"m"}}', b"x", b"[" * 300, b'{"a":' * 300, b"<", HELLO, DONE],
    ]
)


@given(st.lists(PIECES, max_size=16).map(b"".join), st.data(), st.booleans())
def test_no_stray_makes_the_close_raise(body: bytes, data: st.DataObject, clean: bool) -> None:
    for family in (PLAIN, *FAMILIES.values()):
        whole = Decoder(family, event_limit=20_000)
        events = whole.feed(body) + whole.close(clean=clean)
        check_grammar(events)
        offsets = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=4)))
        decoder = Decoder(family, event_limit=20_000)
        reads = [body[a:b] for a, b in pairwise([0, *offsets, len(body)])]
        cut = [event for read in reads for event in decoder.feed(read)]
        assert cut + decoder.close(clean=clean) == events
