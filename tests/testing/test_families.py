"""The rules for families catch a family that breaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Notice,
    Opaque,
    ReasoningDelta,
    Start,
    Stop,
    TextDelta,
    Usage,
)
from gateway_stream.testing import check_answer, check_family
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.anthropic.encode import Composer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway_stream.request import Request
    from gateway_stream.wire.family import Family, WireRequest
    from gateway_stream.wire.sse import Frame

SOUND = FAMILIES["anthropic"]
HELLO: list[Event] = [
    *(Start("answer", "model"), BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo.")),
    *(BlockEnd(0), Usage(input=1, output=2), Stop("end_turn")),
]


class Mute(Composer):
    """Forgets what was said."""

    def delta(self, text: str) -> Iterator[Frame]:
        yield from super().delta(text.replace("lo", ""))


class Slow(Composer):
    """Keeps text back until the block ends."""

    def __init__(self) -> None:
        super().__init__()
        self._held = ""

    def delta(self, text: str) -> Iterator[Frame]:
        self._held += text
        return iter(())

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        held, self._held = self._held, ""
        yield from super().delta(held)
        yield from super().close(end)


class Late(Composer):
    """Keeps text back that no made-up answer says."""

    def delta(self, text: str) -> Iterator[Frame]:
        return iter(()) if text == "lo." else super().delta(text)


class Hasty(Composer):
    """Proves the end before it is there."""

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        yield from super().close(end)
        yield from super().stop(Stop("end_turn"), Usage(input=1, output=2))

    def stop(self, stop: Stop, usage: Usage) -> Iterator[Frame]:
        yield from super().stop(stop, usage)


class Cheerful(Composer):
    """Ends a failed answer as a whole one."""

    def fail(self, failure: Failure, usage: Usage) -> Iterator[Frame]:
        del failure
        return super().stop(Stop("end_turn"), usage)


OPTIONS = ("system", "tool_choice", "max_tokens", "temperature", "top_p", "stop")


class Careless(Composer):
    """Takes everybody's opaque data for its own."""

    def close(self, end: BlockEnd) -> Iterator[Frame]:
        opaque = replace(end.opaque, family="anthropic") if end.opaque else None
        yield from super().close(replace(end, opaque=opaque))


def broken(**members: Any) -> Family:
    return SOUND._replace(**members)


def rule(family: Family, events: Iterable[Event] = HELLO) -> str:
    """The rule that the family is told to break."""
    with pytest.raises(AssertionError) as caught:
        check_answer(family, list(events))
    return str(caught.value).partition(":")[0]


def test_a_sound_family_passes() -> None:
    check_answer(SOUND, HELLO)


@pytest.mark.parametrize(
    ("composer", "words"),
    [
        (Mute, "both ways, streamed"),
        (Slow, "in time"),
        (Hasty, "no false end"),
    ],
)
def test_a_stream_written_wrong_is_told_by_its_rule(composer: Any, words: str) -> None:
    assert rule(broken(composer=composer)) == words


def test_a_failure_written_as_an_end_is_told() -> None:
    failed = [*HELLO[:-1], Failure(kind="overloaded", message="Too many.")]
    assert rule(broken(composer=Cheerful), failed) == "both ways, streamed"


def test_a_whole_answer_written_wrong_is_told() -> None:
    def mute(answer: Any) -> bytes:
        return SOUND.compose_answer(answer).replace(b"lo.", b"")

    assert rule(broken(compose_answer=mute)) == "both ways, whole"


def test_a_table_that_loses_text_is_told() -> None:
    silent = replace(SOUND.streamed, blocks={"reasoning": "reasoning"})
    assert rule(broken(streamed=silent)) == "text is never lost"


def test_a_table_that_promises_too_much_is_told() -> None:
    boastful = replace(
        SOUND.streamed, sources=True, media=True, blocks={**SOUND.streamed.blocks, "media": "media"}
    )
    with pytest.raises(AssertionError, match="both ways"):
        check_family(broken(streamed=boastful))


def test_opaque_data_of_others_that_gets_out_is_told() -> None:
    thinking: list[Event] = [BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm.")]
    sealed = Opaque("openai_responses", "openai", '{"signature":"c2VhbGVkLWJ5LWFub3RoZXI="}')
    events = [HELLO[0], *thinking, BlockEnd(0, opaque=sealed), Stop("end_turn")]
    assert rule(broken(composer=Careless), events) == "nobody else's"


def test_what_differs_first_is_named() -> None:
    tired = replace(SOUND.streamed, reasons={**SOUND.streamed.reasons, "end_turn": "pause"})
    with pytest.raises(
        AssertionError,
        match=r"\n  at 5, found Stop\(reason='end_turn'.* expected Stop\(reason='pause'",
    ):
        check_answer(broken(streamed=tired), HELLO)


def test_a_family_that_knows_no_options_is_held_to_the_conversation() -> None:
    def forgetful(request: Request, provider: str | None) -> WireRequest:
        shorter = replace(request, messages=request.messages[-1:])
        written = SOUND.encode_request(shorter, provider)
        if any(getattr(request, option) for option in OPTIONS) or "ImagePart" in repr(request):
            written = replace(written, notices=(Notice("dropped_part", "options"),))
        return written

    with pytest.raises(AssertionError, match="asked both ways:"):
        check_family(broken(encode_request=forgetful))


def test_recorded_bodies_and_answers_are_held_to_the_rules_too() -> None:
    said = b'data: {"type":"message_start","message":{"id":"m","content":[]}}\n\n'
    check_family(SOUND, bodies=[said], answers=[HELLO])
    with pytest.raises(AssertionError, match="both ways"):
        check_family(broken(composer=Late), answers=[HELLO])
