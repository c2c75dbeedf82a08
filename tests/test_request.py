"""What is asked: parts, tools and schemas, neutral to families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway_stream.errors import ConfigError
from gateway_stream.events import (
    BlockEnd,
    BlockKind,
    BlockStart,
    BlockStatus,
    Event,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
)
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    OutputSchema,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    parts_of,
)
from gateway_stream.turn import Turn, fold

if TYPE_CHECKING:
    from collections.abc import Callable

SEAL = Opaque("anthropic", "anthropic", '{ "signature":"a\\/b==" }')


# Parts.


@pytest.mark.parametrize("kind", [ImagePart, DocumentPart])
@pytest.mark.parametrize("given", [{}, {"data": "AAAA", "url": "u"}], ids=["neither", "both"])
def test_an_image_or_document_is_data_or_a_url(kind: Any, given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="exactly one of data and url"):
        kind(**given)


@pytest.mark.parametrize("kind", [ImagePart, DocumentPart])
@pytest.mark.parametrize("given", [{"data": "AAAA"}, {"url": "u"}, {"data": ""}])
def test_one_of_them_is_enough(kind: Any, given: dict[str, str]) -> None:
    part = kind(**given)
    assert msgspec.json.decode(msgspec.json.encode(part), type=kind) == part


def turn_of(*blocks: tuple[BlockKind, str, BlockEnd]) -> Turn:
    deltas: dict[BlockKind, Any] = {
        "text": TextDelta,
        "reasoning": ReasoningDelta,
        "refusal": RefusalDelta,
        "tool_call": ToolCallDelta,
    }
    events: list[Event] = [Start()]
    for kind, text, end in blocks:
        events.append(BlockStart(end.index, kind, "c", "f"))
        events += [deltas[kind](end.index, text)] if text else []
        events.append(end)
    answer = fold([*events, Stop("tool_use")])
    assert isinstance(answer, Turn)
    return answer


@pytest.mark.parametrize(
    ("kind", "text", "opaque", "expected"),
    [
        ("text", "Hi", None, (TextPart("Hi"),)),
        ("text", "Hi", SEAL, (TextPart("Hi", opaque=SEAL),)),
        ("text", "", SEAL, (TextPart("", opaque=SEAL),)),
        ("text", "", None, ()),
        ("refusal", "No", None, (TextPart("No"),)),
        ("reasoning", "Hm", SEAL, (ReasoningPart(text="Hm", opaque=SEAL),)),
        ("reasoning", "Hm", None, (ReasoningPart(text="Hm"),)),
        ("reasoning", "", SEAL, (ReasoningPart(opaque=SEAL),)),
        ("reasoning", "", None, ()),
        (
            "tool_call",
            '{"a":1}',
            SEAL,
            (ToolCallPart(id="c", name="f", arguments='{"a":1}', opaque=SEAL),),
        ),
        ("tool_call", "", None, (ToolCallPart(id="c", name="f", arguments="{}"),)),
        ("server_tool", "", SEAL, (OpaquePart(opaque=SEAL),)),
        ("server_result", "", SEAL, (OpaquePart(opaque=SEAL),)),
        ("other", "", SEAL, (OpaquePart(opaque=SEAL),)),
        ("other", "", None, ()),
        ("media", "", None, ()),
    ],
)
def test_a_block_goes_back_as_its_part(
    kind: BlockKind, text: str, opaque: Opaque | None, expected: tuple[Part, ...]
) -> None:
    assert parts_of(turn_of((kind, text, BlockEnd(0, opaque=opaque)))) == expected


@pytest.mark.parametrize("status", ["truncated", "invalid"])
def test_a_call_that_is_not_whole_goes_back_without_its_arguments(status: BlockStatus) -> None:
    (part,) = parts_of(turn_of(("tool_call", '{"a":', BlockEnd(0, status))))
    assert part == ToolCallPart(id="c", name="f", arguments="{}")


def test_blocks_go_back_in_order() -> None:
    turn = turn_of(
        ("reasoning", "Hm", BlockEnd(0, opaque=SEAL)),
        ("text", "Hi", BlockEnd(1)),
        ("tool_call", "{}", BlockEnd(2)),
    )
    assert [type(part) for part in parts_of(turn)] == [ReasoningPart, TextPart, ToolCallPart]


def test_a_message_of_prose_is_one_part() -> None:
    assert parts_of(Message("user", "Hi")) == (TextPart("Hi"),)
    parts = (TextPart("Hi", cache="5m"), ToolResultPart(call_id="c", content="7"))
    assert parts_of(Message("user", parts)) == parts


def test_a_conversation_survives_json_with_its_opaque_data_byte_for_byte() -> None:
    request = Request(
        model="m",
        system=(TextPart("Be brief.", cache="1h"),),
        messages=(
            Message("user", (TextPart("Hi"), ImagePart(url="u"), DocumentPart(data="AAAA"))),
            turn_of(
                ("reasoning", "Hm", BlockEnd(0, opaque=SEAL)), ("tool_call", "{}", BlockEnd(1))
            ),
            Message(
                "user", (ToolResultPart(call_id="c", content=(TextPart("7"),), is_error=True),)
            ),
            Message("assistant", (OpaquePart(opaque=SEAL), ReasoningPart(text="x"))),
        ),
        tools=(Tool(name="f", parameters={"type": "object"}),),
        output=OutputSchema(schema={"type": "object"}),
        extra={"a": [1, None]},
    )
    again = msgspec.json.decode(msgspec.json.encode(request), type=Request)
    assert again == request
    turn = again.messages[1]
    assert isinstance(turn, Turn)
    assert turn.blocks[0].opaque == SEAL


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: Request(model=" ", messages=(Message("user", "hi"),)), "names no model"),
        (lambda: Request(model="m", messages=()), "at least one message"),
        (
            lambda: Request(model="m", messages=(Message("user", "hi"),), max_tokens=0),
            "max_tokens is 0",
        ),
        (lambda: Message("system", "hi"), "system="),  # type: ignore[arg-type]
        (lambda: Message("user", {"a": 1}), "not dict"),  # type: ignore[arg-type]
        (lambda: ToolResultPart(call_id="c", content={"a": 1}), "json.dumps"),  # type: ignore[arg-type]
        (lambda: ToolResultPart(call_id="c", content=5), "json.dumps"),  # type: ignore[arg-type]
        (lambda: ToolResultPart(call_id="c", content=("a",)), "not text"),  # type: ignore[arg-type]
    ],
)
def test_what_no_vendor_takes_is_refused_where_it_is_written(
    make: Callable[[], object], advice: str
) -> None:
    with pytest.raises(ConfigError, match=advice):
        make()


@pytest.mark.parametrize("part", [ImagePart, DocumentPart])
def test_a_data_url_is_data(part: type[ImagePart | DocumentPart]) -> None:
    made = part(url="data:image/gif;charset=x;base64,R0lGOD==")
    assert (made.media_type, made.data, made.url) == ("image/gif", "R0lGOD==", None)
    assert part(url="https://a.example/b.png").url == "https://a.example/b.png"
