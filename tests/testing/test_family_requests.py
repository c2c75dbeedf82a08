"""The rule for requests catches a family that loses, invents or changes what is asked."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from gateway_stream.request import ImagePart, Message, TextPart, ToolCallPart, ToolResultPart
from gateway_stream.request import parts_of as parts
from gateway_stream.testing.families import check_request
from gateway_stream.testing.requests import make_request
from gateway_stream.wire import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.request import Part, Request
    from gateway_stream.wire.family import Family, WireRequest

MADE_UP = [make_request(Random(seed)) for seed in range(60)]
EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)


def without(request: Request, kind: type[Part]) -> Request:
    """The request without parts of a kind."""
    messages = [
        Message(message.role, tuple(part for part in parts(message) if not isinstance(part, kind)))
        for message in request.messages
        if isinstance(message, Message)
    ]
    return replace(request, messages=tuple(message for message in messages if parts(message)))


def shouted(request: Request) -> Request:
    """The request, its first words in capitals."""
    first = request.messages[0]
    assert isinstance(first, Message)
    texts = [
        TextPart(part.text.upper() + "!") for part in parts(first) if isinstance(part, TextPart)
    ]
    return replace(request, messages=(Message("user", tuple(texts)), *request.messages[1:]))


CHANGES: dict[str, Callable[[Request], Request]] = {
    "a system prompt": lambda request: replace(request, system=None),
    "tools": lambda request: replace(request, tools=()),
    "a choice": lambda request: replace(request, tool_choice=None),
    "a limit": lambda request: replace(request, max_tokens=None),
    "a temperature": lambda request: replace(request, temperature=None),
    "top_p": lambda request: replace(request, top_p=None),
    "stop sequences": lambda request: replace(request, stop=()),
    "streaming": lambda request: replace(request, stream=not request.stream),
    "a message": lambda request: replace(
        request, messages=request.messages[1:] or request.messages
    ),
    "images": lambda request: without(request, ImagePart),
    "calls": lambda request: without(request, ToolCallPart),
    "results": lambda request: without(request, ToolResultPart),
    "the words": shouted,
}


def told(family: Family) -> set[str]:
    """The rules that the family is told to break by made-up requests."""
    rules = set()
    for request in MADE_UP:
        try:
            check_request(family, request)
        except AssertionError as error:
            rules.add(str(error).partition(":")[0])
    return rules


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (name, change)
        for name in FAMILIES
        for change in CHANGES
        if (name, change) != ("openai_responses", "stop sequences")  # it has none to forget
    ],
)
def test_a_request_that_is_read_back_changed_is_told(name: str, change: str) -> None:
    sound = FAMILIES[name]

    def forgetful(body: dict[str, Any], **path: Any) -> Request:
        return CHANGES[change](sound.decode_request(body, **path))

    assert told(sound._replace(decode_request=forgetful))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_request_that_is_written_changed_is_told(change: Callable[[Request], Request]) -> None:
    sound = FAMILIES["anthropic"]

    def careless(request: Request, provider: str | None) -> WireRequest:
        return sound.encode_request(change(request), provider)

    assert told(sound._replace(encode_request=careless))


def test_what_is_written_otherwise_the_second_time_is_told() -> None:
    sound = FAMILIES["openai_chat"]

    def hoarding(body: dict[str, Any], **path: Any) -> Request:
        request = sound.decode_request(body, **path)
        return replace(request, extra={"seen": True})

    assert told(sound._replace(decode_request=hoarding)) == {"asked both ways, written again"}


@EVERY_FAMILY
def test_a_sound_family_is_told_nothing(name: str) -> None:
    assert told(FAMILIES[name]) == set()


def test_made_up_requests_ask_for_all_that_every_family_knows() -> None:
    fields = (
        "system",
        "tools",
        "tool_choice",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "stream",
    )
    for field in fields:
        assert {bool(getattr(request, field)) for request in MADE_UP} == {True, False}, field
    said = [part for request in MADE_UP for message in request.messages for part in parts(message)]
    for kind in (TextPart, ImagePart, ToolCallPart, ToolResultPart):
        assert any(isinstance(part, kind) for part in said), kind
    assert make_request(Random(7)) == make_request(Random(7))
