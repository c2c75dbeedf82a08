"""Bytes to frames by the WHATWG standard, however the bytes are cut."""

from __future__ import annotations

import base64
import functools
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.sse import EVENT_LIMIT, Frame, FrameDecoder, Stray, encode_frame
from tests.support.corpus import conformance, needs_corpus
from tests.support.growth import growth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = b"\xef\xbb\xbf"


def frames(reads: Iterable[bytes], *, limit: int = EVENT_LIMIT) -> tuple[list[Frame], str]:
    decoder = FrameDecoder(limit=limit)
    out = [frame for read in reads for frame in decoder.feed(read)]
    return out, decoder.last_event_id


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def cut_at(body: bytes, offsets: Iterable[int]) -> list[bytes]:
    bounds = [0, *offsets, len(body)]
    return [body[a:b] for a, b in pairwise(bounds)]


def every_cut(body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    for size in (1, 2, 3):
        yield pieces(body, size)
    for at in range(1, min(len(body), 300)):
        yield cut_at(body, [at])


RULES: list[tuple[str, bytes, list[Frame]]] = [
    ("a blank line dispatches", b"data: a\n\n", [Frame(b"a")]),
    ("nothing without a blank line", b"data: a\n", []),
    (
        "a blank line before an event is nothing",
        b"\ndata: a\n\n\ndata: b\n\n",
        [Frame(b"a"), Frame(b"b")],
    ),
    (
        "a name holds for one event",
        b"event: x\ndata: a\n\nevent: x\ndata: b\n\ndata: c\n\nevent: y\ndata: d\n\n",
        [Frame(b"a", "x"), Frame(b"b", "x"), Frame(b"c"), Frame(b"d", "y")],
    ),
    ("no blank after the colon", b"data:a\n\n", [Frame(b"a")]),
    ("one blank after the colon is no value", b"data:  a\n\n", [Frame(b" a")]),
    ("blanks at the end are value", b"data: a \n\n", [Frame(b"a ")]),
    ("and so they are without one at the beginning", b"data:a \n\n", [Frame(b"a ")]),
    ("a tab is value", b"data:\ta\n\n", [Frame(b"\ta")]),
    ("data lines are joined with LF", b"data: a\ndata: b\ndata\n\n", [Frame(b"a\nb\n")]),
    ("an empty data field is an event", b"data\n\n", [Frame(b"")]),
    ("CRLF ends a line", b"data: a\r\n\r\ndata: b\r\n\r\n", [Frame(b"a"), Frame(b"b")]),
    ("CR ends a line", b"data: a\r\rdata: b\r\r", [Frame(b"a"), Frame(b"b")]),
    ("CRLF is one end, not two", b"data: a\r\ndata: b\n\n", [Frame(b"a\nb")]),
    ("CR ends a line before LF does", b"data: a\rdata: b\n\n", [Frame(b"a\nb")]),
    ("LF CR is two ends", b"data: a\n\rdata: b\n\n", [Frame(b"a"), Frame(b"b")]),
    ("ends may be mixed", b"data: a\rdata: b\r\ndata: c\n\r\n", [Frame(b"a\nb\nc")]),
    (
        "no other character ends a line",
        "data: a\u2028b\u2029c\u0085d\x0b\x0c\x1c\x1d\x1ee\n\n".encode(),
        [Frame("a\u2028b\u2029c\u0085d\x0b\x0c\x1c\x1d\x1ee".encode())],
    ),
    ("a byte order mark at the start", MARK + b"data: a\n\n", [Frame(b"a")]),
    ("a second mark is part of the name", MARK + MARK + b"data: a\n\n", []),
    ("a mark further on is part of the name", b"\n" + MARK + b"data: a\n\n", []),
    ("a comment is nothing", b": hello\ndata: a\n:\n\n", [Frame(b"a")]),
    ("an event name", b"event: x\ndata: a\n\ndata: b\n\n", [Frame(b"a", "x"), Frame(b"b")]),
    ("an empty event name is message", b"event: x\nevent\ndata: a\n\n", [Frame(b"a")]),
    ("the last name holds", b"event: x\nevent: y\ndata: a\n\n", [Frame(b"a", "y")]),
    ("a name without data is forgotten", b"event: x\n\ndata: a\n\n", [Frame(b"a")]),
    ("an id stays", b"id: 7\ndata: a\n\ndata: b\n\n", [Frame(b"a", id="7"), Frame(b"b", id="7")]),
    ("an id of a block without data stays", b"id: 7\n\ndata: b\n\n", [Frame(b"b", id="7")]),
    (
        "an empty id clears",
        b"id: 7\ndata: a\n\nid\ndata: b\n\n",
        [Frame(b"a", id="7"), Frame(b"b")],
    ),
    ("an id with NUL is ignored", b"id: 7\nid: 8\0\ndata: a\n\n", [Frame(b"a", id="7")]),
    (
        "retry counts where it stands",
        b"retry: 12\ndata: a\n\ndata: b\n\n",
        [Frame(b"a", retry=12), Frame(b"b")],
    ),
    ("retry is digits only", b"retry: 1s\nretry: -1\nretry:\ndata: a\n\n", [Frame(b"a")]),
    (
        "retry of absurd length is ignored",
        b"retry: " + b"9" * 5000 + b"\ndata: a\n\n",
        [Frame(b"a")],
    ),
    ("names are whole words", b"data: a\ndatabase: b\nidentity: c\n\n", [Frame(b"a")]),
    ("names have no blanks", b" data: a\ndata : b\n\n", []),
    ("names have one case", b"Data: a\nDATA: b\n\n", []),
    ("a name's line ends in any way", b"event: x\r\ndata: a\n\n", [Frame(b"a", "x")]),
    ("a colon in the value", b"data: a: b\n\n", [Frame(b"a: b")]),
    ("data: in the value", b"data: data: a\n\n", [Frame(b"data: a")]),
    ("bytes that are no UTF-8 stay", b"data: \xff\xfe\n\n", [Frame(b"\xff\xfe")]),
    ("blank lines alone are nothing", b"\n\n\r\n\r\r", []),
]


@pytest.mark.parametrize(
    ("body", "expected"), [row[1:] for row in RULES], ids=[r[0] for r in RULES]
)
def test_a_rule_of_the_standard_holds_however_the_bytes_are_cut(
    body: bytes, expected: list[Frame]
) -> None:
    for reads in every_cut(body):
        assert frames(reads)[0] == expected, reads


@pytest.mark.parametrize(
    ("body", "expected"),
    [row[1:] for row in RULES if not row[1].startswith(MARK)],
    ids=[row[0] for row in RULES if not row[1].startswith(MARK)],
)
def test_a_rule_holds_after_an_event_that_came_alone(body: bytes, expected: list[Frame]) -> None:
    for first in (b"data: 0\n\n", b"event: x\ndata: 0\n\n", b"data: 0\r\n\r\n"):
        for reads in every_cut(body):
            assert frames([b"\n", first, *reads])[0][1:] == expected, (first, reads)


def test_half_a_byte_order_mark_is_part_of_a_name() -> None:
    assert frames([MARK[:1], b"data: a\n\n"])[0] == []


def test_a_heartbeat_after_an_id_is_not_an_event() -> None:
    out, last = frames([b"id: 3\ndata: a\n\nid: 4\n: ping\n\n"])
    assert out == [Frame(b"a", id="3")]
    assert last == "4"


def test_an_id_that_was_never_dispatched_is_not_the_last_event_id() -> None:
    assert frames([b"id: 3\ndata: a\n\nid: 4\ndata: b\n"])[1] == "3"


@functools.cache
def cases() -> tuple[dict[str, Any], ...]:
    folder = conformance()
    if folder is None:
        return ()
    rows: list[dict[str, Any]] = json.loads((folder / "sse_cases.json").read_text())["cases"]
    return tuple(rows)


def body_of(case: dict[str, Any]) -> bytes:
    if case["input_b64"] is not None:
        return base64.b64decode(case["input_b64"])
    return b"".join(base64.b64decode(text) * times for text, times in case["input_recipe"])


def data_of(recipe: Any) -> str:
    if isinstance(recipe, str):
        return recipe
    if "text" in recipe:
        return str(recipe["text"])
    return str(recipe["join"].join([recipe["item"]] * recipe["times"]) + recipe.get("suffix", ""))


def expected_of(case: dict[str, Any]) -> list[tuple[str, str, str, int | None]]:
    rows = case["expected"] if case["expected"] is not None else case["expected_recipe"]
    return [(row["event"], data_of(row["data"]), row["id"], row["retry"]) for row in rows]


def read_case(
    reads: Iterable[bytes], limit: int
) -> tuple[list[tuple[str, str, str, int | None]], str]:
    out, last = frames(reads, limit=limit)
    return [(f.event, f.data.decode("utf-8", "replace"), f.id, f.retry) for f in out], last


def cuts_of(case: dict[str, Any], body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    for offsets in case.get("chunkings", ()):
        yield cut_at(body, offsets)
    if len(body) > 100_000:
        yield pieces(body, 4093)
        return
    for size in (1, 2, 3):
        yield pieces(body, size)
    if len(body) <= 300:
        for at in range(1, len(body)):
            yield cut_at(body, [at])


@needs_corpus
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["id"]))
def test_a_conformance_case_gives_its_frames_however_it_is_cut(case: dict[str, Any]) -> None:
    body = body_of(case)
    expected = expected_of(case), case["final_last_event_id"]
    for reads in cuts_of(case, body):
        assert read_case(reads, limit=1 << 30) == expected, [len(read) for read in reads]
    if len(body) > EVENT_LIMIT:
        with pytest.raises(ProtocolError, match="larger than 16777216 bytes"):
            frames(pieces(body, 65_536))


def read_one_line(size: int) -> None:
    out, _ = frames(pieces(b"data: " + b"x" * (size - 6) + b"\n\n", 1024))
    assert [len(frame.data) for frame in out] == [size - 6]


def test_a_line_of_16_mib_in_small_reads_costs_what_its_bytes_cost() -> None:
    assert growth(read_one_line, 1 << 20, EVENT_LIMIT, enough=4) <= 4


LIMIT = 40
TOO_LARGE = [
    pytest.param(b"data: " + b"x" * (LIMIT - 5) + b"\n\n", 0, id="one line"),
    pytest.param(b"data: a\n\n" + b"data: " + b"x" * LIMIT + b"\n\n", 1, id="after a frame"),
    pytest.param(b"data: 0123456789\n" * 3 + b"\n", 0, id="many lines"),
    pytest.param(b"data: 0123456789\r\n" * 3 + b"\r\n", 0, id="many lines with CRLF"),
    pytest.param(b": " + b"x" * LIMIT + b"\ndata: a\n\n", 0, id="a comment"),
    pytest.param(b"data: a\n\ndata: " + b"x" * LIMIT, 1, id="a line without an end"),
]


@pytest.mark.parametrize(("body", "before"), TOO_LARGE)
def test_an_event_past_the_limit_fails_at_the_same_place_however_it_is_cut(
    body: bytes, before: int
) -> None:
    for reads in every_cut(body):
        decoder = FrameDecoder(limit=LIMIT)
        out: list[Frame] = []
        with pytest.raises(ProtocolError) as caught:  # noqa: PT012  frames before it count too
            for read in (*reads, b""):
                out += decoder.feed(read)
        assert caught.value.code == "event_too_large"
        assert len(out) == before, reads
        assert decoder.overflowed
        assert decoder.close() is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * (LIMIT - 6) + b"\n\n", id="one line"),
        pytest.param(b"data: " + b"x" * (LIMIT - 6) + b"\r\n\r\n", id="one line with CRLF"),
        pytest.param(b"data: 01234567890123\n" * 2 + b"\n", id="two lines"),
        pytest.param((b"data: " + b"x" * 30 + b"\n\n") * 9, id="many events"),
        pytest.param((b": " + b"x" * 30 + b"\n") * 9 + b"data: a\n\n", id="many comments"),
    ],
)
def test_an_event_at_the_limit_is_given_however_it_is_cut(body: bytes) -> None:
    whole, _ = frames([body], limit=LIMIT)
    assert whole
    for reads in every_cut(body):
        assert frames(reads, limit=LIMIT)[0] == whole


def test_a_decoder_that_overflowed_says_so_again_and_holds_nothing() -> None:
    decoder = FrameDecoder(limit=8)
    for _ in range(3):
        with pytest.raises(ProtocolError):
            decoder.feed(b"data: 0123456789")
    with pytest.raises(ProtocolError):
        decoder.feed(b"\n\ndata: a\n\n")


def test_the_last_event_without_its_blank_line_is_given_at_the_close() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"data: a\n\nevent: x\nid: 1\ndata: b") == [Frame(b"a")]
    assert decoder.close() == Frame(b"b", "x", "1")
    assert FrameDecoder().close() is None


def test_strays_come_in_their_place_and_only_where_they_were_asked_for() -> None:
    body = b'data: a\n\n{"error":1}\nerror: x\nnonsense\n : \n\ndata: b\n\n'
    for reads in every_cut(body):
        decoder = FrameDecoder(strays=True)
        first, *strays, last = [item for read in reads for item in decoder.read(read)]
        assert (first, last) == (Frame(b"a"), Frame(b"b"))
        lines = b"\n".join(item.lines for item in strays if isinstance(item, Stray))
        assert lines == b'{"error":1}\nerror: x\nnonsense\n : '
        assert frames(reads)[0] == [Frame(b"a"), Frame(b"b")]


def test_a_stray_without_a_line_end_is_met_by_the_close() -> None:
    decoder = FrameDecoder(strays=True)
    assert decoder.read(b"data: a\n\nrubbish") == [Frame(b"a")]
    assert decoder.close() is None
    assert decoder.strays() == [Stray(bytearray(b"rubbish"))]


def test_strays_of_one_read_come_as_one() -> None:
    assert FrameDecoder(strays=True).read(b"a\nb\n\nc\n") == [Stray(bytearray(b"a\nb\nc"))]


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=40).filter(lambda data: b"\r" not in data),
            st.from_regex(r"[a-z_.]{0,9}", fullmatch=True),
        ),
        max_size=6,
    ),
    st.integers(1, 9),
)
def test_what_is_encoded_is_read_back(events: list[tuple[bytes, str]], size: int) -> None:
    body = b"".join(encode_frame(data, event) for data, event in events)
    out, _ = frames(pieces(body, size))
    assert out == [Frame(data, event or "message") for data, event in events]


LINES = st.lists(
    st.sampled_from(
        [b"data: a", b"data:", b"id: 1", b"event: e", b": c", b"", b"retry: 5", b"x", MARK, b"\0"]
    )
    | st.binary(max_size=5),
    max_size=12,
)


@given(LINES, st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=12), st.data())
def test_any_bytes_give_the_same_however_they_are_cut(
    lines: list[bytes], ends: list[bytes], data: st.DataObject
) -> None:
    body = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    offsets = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    assert frames(cut_at(body, offsets)) == frames([body])
    alone = [b"data: 0\n\n", b"data: 1\n\n"]
    assert frames([*alone, *cut_at(body, offsets)]) == frames([b"".join(alone) + body])
