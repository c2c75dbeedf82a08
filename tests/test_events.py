"""Events are values: the same in JSON and back."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import events
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
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
    TextDelta,
    ToolCallDelta,
    Usage,
    decode_event,
)

ODD = 'a"\\\u2028\x00é\U0001f600 {"b": 1.0e+5}  '
FULL: list[tuple[Event, str]] = [
    (Start("i", "m", "r", 2, ODD), "start"),
    (BlockStart(3, "tool_call", "i", "f"), "block_start"),
    (TextDelta(0, ODD), "text_delta"),
    (ReasoningDelta(1, ODD), "reasoning_delta"),
    (RefusalDelta(2, ODD), "refusal_delta"),
    (ToolCallDelta(3, ODD), "tool_call_delta"),
    (Media(4, "image/png", "AAAA"), "media"),
    (Source(5, "u", "t", (1, 2)), "source"),
    (BlockEnd(6, "invalid", Opaque("f", "p", ODD), ODD), "block_end"),
    (Usage(1, 2, 3, 4, 5), "usage"),
    (Stop("max_tokens", "length", ODD), "stop"),
    (
        Failure(
            kind="rate_limited",
            message=ODD,
            code="c",
            status=429,
            request_id="r",
            phase="stream",
            retryable=True,
            retry_after=1.5,
            delivered=True,
            hint="h",
        ),
        "failure",
    ),
    (Reset("lost", 2), "reset"),
    (Notice("retry", ODD), "notice"),
]
BARE: list[Event] = [
    Start(),
    BlockStart(0, "text"),
    Media(0),
    Source(0),
    BlockEnd(0),
    Usage(),
    Stop("unknown"),
    Failure(kind="protocol", message=""),
    Notice("heartbeat"),
]


@pytest.mark.parametrize(
    "event", [*[row[0] for row in FULL], *BARE], ids=lambda e: type(e).__name__
)
def test_an_event_is_the_same_in_json_and_back(event: Event) -> None:
    text = msgspec.json.encode(event)
    assert decode_event(text) == event
    assert decode_event(text.decode()) == event
    assert type(decode_event(text)) is type(event)


@pytest.mark.parametrize(("event", "tag"), FULL, ids=[tag for _, tag in FULL])
def test_the_tags_are_part_of_the_format(event: Event, tag: str) -> None:
    assert msgspec.to_builtins(event)["type"] == tag


def test_every_event_is_in_the_table() -> None:
    assert {type(event) for event, _ in FULL} == set(get_args(Event))


def test_every_event_and_name_is_exported() -> None:
    assert {kind.__name__ for kind in get_args(Event)} <= set(events.__all__)
    assert all(hasattr(events, name) for name in events.__all__)


def test_nothing_said_is_nothing_written() -> None:
    assert msgspec.json.encode(Start()) == b'{"type":"start"}'
    assert msgspec.json.encode(Usage(input=0)) == b'{"type":"usage","input":0}'


def test_none_is_not_zero() -> None:
    assert Usage(input=0) != Usage()
    assert decode_event('{"type":"usage","input":0}') == Usage(input=0)


@pytest.mark.parametrize("event", [row[0] for row in FULL], ids=[row[1] for row in FULL])
def test_events_are_frozen(event: Any) -> None:
    with pytest.raises(AttributeError):
        setattr(event, event.__struct_fields__[0], None)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"new_thing","index":0}',
        '{"index":0,"type":"new_thing","more":{"a":[1]}}',
        '{"type":"notice","code":"a code of later"}',
        '{"type":"notice","code":7}',
    ],
)
def test_an_event_of_a_later_version_is_a_notice_with_its_text(text: str) -> None:
    expected = Notice("unknown_event", text)
    assert decode_event(text) == expected
    assert decode_event(text.encode()) == expected


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert decode_event('{"type":"text_delta","index":0,"text":"a","new":1}') == TextDelta(0, "a")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"type":7}',
        b'{"type":"text_delta","index":"0","text":"a"}',
        b'{"type":"text_delta"}',
        b'{"type":"block_start","index":0,"kind":"odd"}',
        b'{"type":"text_delta","index":0,"text":"\xff"}',
        b'{"type":"new","text":"\xff"}',
    ],
)
def test_what_is_no_event_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(TEXT, TEXT, TEXT)
def test_opaque_data_survives_json_byte_for_byte(family: str, provider: str, json: str) -> None:
    event = BlockEnd(0, opaque=Opaque(family, provider, json), vendor=json)
    assert decode_event(msgspec.json.encode(event)) == event
