"""The reader of frames beside one that follows the standard step by step and is in no hurry.

The reader has short ways for events that are written as nearly all are. None may be seen from outside:
whatever the lines, their ends, the limit and the cuts, both give the same.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_stream.errors import ProtocolError
from gateway_stream.wire.sse import EVENT_LIMIT, Frame, FrameDecoder, Stray

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = b"\xef\xbb\xbf"


class Read(NamedTuple):
    """What a body gives: frames, lines that are no field, and what is known at its end."""

    items: list[Frame | bytes]
    last_event_id: str
    overflowed: bool


def by_the_standard(body: bytes, limit: int) -> Read:
    """A body read whole, line by line, by section 9.2.6 of the standard, with our limit."""
    *lines, rest = re.split(rb"\r\n|\r|\n", body.removeprefix(MARK))
    items: list[Frame | bytes] = []
    data: list[bytes] = []
    event = last_id = dispatched_id = ""
    retry: int | None = None
    size = 0
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            dispatched_id = last_id
            if data:
                items.append(Frame(b"\n".join(data), event or "message", last_id, retry))
            data, event, retry, size = [], "", None, 0
        elif size + len(line) > limit:
            return Read(items, dispatched_id, overflowed=True)
        elif name == b"data":
            data.append(value)
            size += len(line)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
        elif name == b"id":
            last_id = last_id if b"\0" in value else value.decode("utf-8", "replace")
        elif name == b"retry":
            retry = int(value) if re.fullmatch(rb"[0-9]+", value) else retry
        elif name:
            items.append(line)
    return Read(items, dispatched_id, overflowed=size + len(rest) > limit)


def by_us(reads: Iterable[bytes], limit: int) -> Read:
    decoder = FrameDecoder(limit=limit, strays=True)
    items: list[Frame | bytes] = []
    try:
        for read in (*reads, b""):
            for item in decoder.read(read):
                items += bytes(item.lines).split(b"\n") if isinstance(item, Stray) else [item]
    except ProtocolError:
        pass
    return Read(items, decoder.last_event_id, decoder.overflowed)


ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
PLAIN = st.sampled_from([b"", b"event: x", b"event: ", b"event: \xff"])
ODD = st.sampled_from(
    [
        *(
            b"data",
            b"data:",
            b"data:a",
            b"data: b",
            b"event:y",
            b"event",
            b"id: 1",
            b"id",
            b"id: 2\0",
        ),
        *(
            b"retry: 0",
            b"retry: 5",
            b"retry: \xb2",
            b"retry",
            b": c",
            b":",
            b"",
            b"",
            b"stray",
            MARK,
        ),
        *(MARK + b"data: a", b" data: a", b"\x0b", b"\x1c", b"\x85", b"data: longer than others"),
    ]
)


@st.composite
def plain_events(draw: st.DrawFn) -> bytes:
    """Some events as nearly all servers write them, of one sort, with one sort of line end."""
    name, end = draw(PLAIN), draw(ENDS)
    texts = draw(st.lists(st.text("ab :", max_size=5).map(str.encode), min_size=1, max_size=4))
    head = name + end if name else b""
    return b"".join(head + b"data: " + text + end + end for text in texts)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Runs of such events, and between them lines that are not as nearly all are."""
    odd = st.tuples(ODD, ENDS).map(b"".join)
    pieces = draw(st.lists(plain_events() | odd, max_size=9))
    return b"".join([draw(st.sampled_from([b"", MARK])), *pieces, draw(st.just(b"") | ODD)])


@settings(max_examples=400, deadline=None)
@given(
    bodies(),
    st.sampled_from([EVENT_LIMIT, EVENT_LIMIT, 12, 20]),
    st.sets(st.integers(0, 60), max_size=6),
)
@example(b"retry: 0\ndata: a\n\ndata: b\n\n", EVENT_LIMIT, {9})
@example(b"id: 1\ndata: a\n\ndata: b\n\n", EVENT_LIMIT, {6})
def test_no_short_way_can_be_seen(body: bytes, limit: int, cuts: set[int]) -> None:
    expected = by_the_standard(body, limit)
    drawn = [body[a:b] for a, b in pairwise([0, *sorted(cuts), max(60, len(body))])]
    for reads in ([body], [body[at : at + 1] for at in range(len(body))], drawn):
        read = by_us(reads, limit)
        if expected.overflowed:  # ids are those of the events that were still given
            assert (read.items, read.overflowed) == (expected.items, True), reads
        else:
            assert read == expected, reads
