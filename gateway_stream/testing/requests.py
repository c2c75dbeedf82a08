"""Requests made up at random, of what every family can say: text, images, tools, calls and results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gateway_stream.request import (
    ImagePart,
    Message,
    Part,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    parts_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["asked_in", "make_request"]

_TEXTS: Final = ("Why is the sky blue?", "data: x\n\n", "Tromsø 🎈", '{"a": 1}', "<b>\u2028</b>")
_TOOLS: Final = (
    Tool(name="look", description="Looks.", parameters={"type": "object", "properties": {}}),
    Tool(name="weather", parameters={"type": "object", "required": ["at"]}),
)
_CHOICES: Final = (None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("tool", "look"))
_PIXEL: Final = "iVBORw0KGgo="
_HALF: Final = 0.5


def make_request(random: Random) -> Request:
    """A request; equal for equal states of ``random``."""

    def maybe(value: Any) -> Any:
        return value if random.random() < _HALF else None

    tools = _TOOLS if random.random() < _HALF else ()
    messages = tuple(_conversation(random, called=bool(tools)))
    return Request(
        model="model-1",
        messages=messages,
        system=maybe("Be brief."),
        tools=tools,
        tool_choice=random.choice(_CHOICES) if tools else None,
        max_tokens=maybe(random.randrange(1, 9999)),
        temperature=maybe(0.5),
        top_p=maybe(0.25),
        stop=random.choice(((), ("END",), ("a", "b"))),
        stream=random.random() < _HALF,
    )


def _conversation(random: Random, *, called: bool) -> Iterator[Message]:
    for turn in range(random.randrange(3)):
        yield _asked(random)
        calls = [f"use_{turn}x{place}" for place in range(random.randrange(3 if called else 1))]
        yield Message("assistant", (TextPart(random.choice(_TEXTS)), *map(_call, calls)))
        if calls:
            results = (ToolResultPart(call_id=call, content="dark", name="look") for call in calls)
            yield Message("user", tuple(results))
            yield Message("assistant", "I see.")
    yield _asked(random)


def _asked(random: Random) -> Message:
    text = random.choice(_TEXTS)
    if random.random() < _HALF:
        return Message("user", text)
    return Message("user", (TextPart(text), ImagePart(media_type="image/png", data=_PIXEL)))


def _call(call_id: str) -> ToolCallPart:
    return ToolCallPart(id=call_id, name="look", arguments='{"at":"stars"}')


def asked_in(request: Request) -> dict[str, Any]:
    """What a request asks, in a form in which equal requests of any spelling are equal.

    A field that the request leaves open is not in it, since a family may have to fill it.
    """
    said: list[list[Any]] = []
    for message in request.messages:
        role = message.role if isinstance(message, Message) else "assistant"
        for part in parts_of(message):
            told = [role, *_told(part)]
            if said and told[1] == "text" and said[-1][:2] == told[:2]:
                said[-1][2] += told[2]
            else:
                said.append(told)
    system = request.system
    fields = {
        "model": request.model,
        "stream": request.stream,
        "said": said,
        "system": system if isinstance(system, str) else "".join(one.text for one in system or ()),
        "tools": [(tool.name, tool.description, tool.parameters) for tool in request.tools],
        "tool_choice": request.tool_choice,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop,
    }
    return {name: value for name, value in fields.items() if value not in (None, "", (), [])}


def _told(part: Part) -> tuple[Any, ...]:
    match part:
        case TextPart():
            return "text", part.text
        case ImagePart():
            return "image", part.media_type, part.data, part.url
        case ToolCallPart():
            return "call", part.id, part.name, json.loads(part.arguments or "{}")
        case ToolResultPart():
            content = part.content
            texts = [one.text for one in content if isinstance(one, TextPart)]
            return "result", part.call_id, content if isinstance(content, str) else "".join(texts)
        case _:
            return (type(part).__name__,)
