"""Deltas that go straight to the text that spoke last, without asking which one they mean.

The measure is the longer way, which deltas take that have an error in which nothing stands.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import Failure
from tests.support.decoding import decode
from tests.wire.openai_responses.answers import FAMILY, turn_of
from tests.wire.openai_responses.frames import (
    Json,
    added,
    arguments_delta,
    body,
    call,
    done,
    message,
    response,
    text_delta,
)

if TYPE_CHECKING:
    from gateway_stream.events import Event

_TEXTS = {
    "message": ("response.output_text", "response.refusal"),
    "reasoning": ("response.reasoning_text", "response.reasoning_summary_text"),
    "function_call": ("response.function_call_arguments",),
    "custom_tool_call": ("response.custom_tool_call_input",),
}
_OTHER_ITEMS = ("web_search_call", "function_call_output", "compaction")


def _unplaced(frame: Json) -> Json:
    return {name: member for name, member in frame.items() if not name.endswith("_index")}


def test_a_second_call_under_one_index_has_its_own_arguments_though_the_first_is_not_done() -> None:
    turn = turn_of(
        added(0, call("a", "f", "")),
        arguments_delta(0, '{"x":'),
        arguments_delta(0, "1}"),
        added(0, call("b", "g", "")),
        arguments_delta(0, '{"y":'),
        arguments_delta(0, "2}"),
        response("completed"),
    )
    assert [(c.id, c.arguments) for c in turn.tool_calls] == [("a", {"x": 1}), ("b", {"y": 2})]


def test_deltas_without_an_index_mean_the_message_that_began_last() -> None:
    frames = [
        added(0, message("m1")),
        text_delta(0, "He"),
        text_delta(0, "llo"),
        added(1, message("m2")),
        text_delta(1, "wor"),
        text_delta(1, "ld"),
        done(1, message("m2", "world")),
        done(0, message("m1", "Hello")),
    ]
    turn = turn_of(*map(_unplaced, frames), response("completed"))
    assert [block.text for block in turn.blocks] == ["Hello", "world"]


def test_a_delta_with_an_error_code_is_an_error() -> None:
    refused = text_delta(0, "c") | {"error_code": "INTERNAL_ERROR", "message": "no"}
    frames = (text_delta(0, "a"), text_delta(0, "b"), refused, response("completed"))
    assert isinstance(decode(FAMILY, body(*frames))[-1], Failure)


@given(seed=st.integers(0, 2**32))
def test_the_shorter_way_gives_what_the_longer_gives(seed: int) -> None:
    random = Random(seed)
    type_ = random.choice(list(_TEXTS))
    frames = [_frame(random, type_) for _ in range(random.randrange(4, 40))]
    measure = [{"error": {}} | frame if "delta" in frame else frame for frame in frames]
    assert _events(frames) == _events(measure)


def _events(frames: list[Json]) -> list[Event]:
    return decode(FAMILY, body(*frames, "[DONE]"))


def _frame(random: Random, type_: str) -> Json:
    place = {"output_index": random.choice((0, 0, 0, 1))} if random.random() < 0.8 else {}
    if random.random() < 0.5:
        place["content_index"] = random.choice((0, 0, 1))
    text = random.choice(_TEXTS[type_])
    match random.randrange(10):
        case 0 | 1:
            return {"type": "response.output_item.added", **place, "item": _item(random, type_)}
        case 2:
            return {"type": "response.output_item.done", **place, "item": _item(random, type_)}
        case 3:
            whole = dict.fromkeys(("text", "refusal", "arguments", "input"), "ab")
            return {"type": f"{text}.done", **place, **whole}
        case 4 if random.random() < 0.3:
            return response(random.choice(("created", "in_progress")))
        case 5 if random.random() < 0.3:
            return {"type": f"{text}.delta", **place, "delta": "a", "error_code": "no"}
        case _:
            said = random.choice(("a", "b", "", "\ud83d", "\ude00"))
            return {"type": f"{text}.delta", **place, "delta": said}


def _item(random: Random, type_: str) -> Json:
    if random.random() < 0.2:
        type_ = random.choice(_OTHER_ITEMS)
    item: Json = {"type": type_, "id": random.choice(("i1", "i2", None))}
    if "_call" in type_:
        item |= {"call_id": random.choice(("c1", "c2")), "name": "f"}
    if random.random() < 0.5:
        item |= {
            "arguments": "{}",
            "input": "ab",
            "content": [{"type": "output_text", "text": "a"}],
        }
    return item
