"""Decoding is linear in the number of items too, in whatever order and form they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.wire.openai_responses import OPENAI_RESPONSES
from tests.support.decoding import decode
from tests.support.growth import growth
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
    from collections.abc import Callable

FAMILY = OPENAI_RESPONSES.name


def whole_calls(count: int) -> list[Json]:
    return [done(at, call(f"c{at}", "f", "{}")) for at in range(count)]


def whole_calls_without_an_index(count: int) -> list[Json]:
    return [done(None, call(f"c{at}", "f", "{}")) for at in range(count)]


def calls_under_one_call_id(count: int) -> list[Json]:
    return [done(None, call("c", "f", f'{{"x":{at}}}')) for at in range(count)]


def answered_calls(count: int) -> list[Json]:
    outputs = [
        done(None, {"type": "function_call_output", "call_id": f"c{at}", "output": ""})
        for at in range(count)
    ]
    return whole_calls_without_an_index(count) + outputs[::-1]


def streamed_and_answered_calls(count: int) -> list[Json]:
    items = [call(f"c{at}", "f", "") for at in range(count)]
    return [added(at, item) for at, item in enumerate(items)] + answered_calls(count)


def whole_calls_amid_deltas(count: int) -> list[Json]:
    delta = {"type": "response.function_call_arguments.delta", "delta": "1"}
    return [frame for told in whole_calls(count) for frame in (told, delta)]


def deltas_without_an_index(count: int) -> list[Json]:
    items = [added(at, message(f"m{at}")) for at in range(count)]
    frames = [done(at, message(f"m{at}")) for at in range(count - 1, 0, -1)]
    delta = {"type": "response.output_text.delta", "delta": "a"}
    return items + [frame for told in frames for frame in (told, delta)]


def messages_listed_under_the_same_ids(count: int) -> list[Json]:
    items = [message(f"m{at}", "a") for at in range(count)]
    return [*(done(at, item) for at, item in enumerate(items)), response("completed", *items)]


def messages_listed_in_another_order(count: int) -> list[Json]:
    items = [message(f"m{at}", "a") for at in range(count)]
    told = [done(at, item) for at, item in enumerate(items)]
    return [*told, response("completed", *reversed(items))]


def messages_listed_under_other_ids(count: int) -> list[Json]:
    items = [message(f"other{at}", "a") for at in range(count)]
    told = [done(at, message(f"m{at}", "a")) for at in range(count)]
    return [*told, response("completed", *items)]


def calls_under_one_item_id_listed_under_other_call_ids(count: int) -> list[Json]:
    items = [call(f"other{at}", "f", "{}", id="fc") for at in range(count)]
    told = [done(at, call(f"c{at}", "f", "{}", id="fc")) for at in range(count)]
    return [*told, response("completed", *items)]


def open_messages(count: int) -> list[Json]:
    return [text_delta(at, "a") for at in range(count)]


def parts_of_one_message(count: int) -> list[Json]:
    return [done(0, message("m", *("a" for _ in range(count))))]


def parts_of_a_message_with_much_beside_them(count: int) -> list[Json]:
    return [done(0, message("m", *("a" for _ in range(count)), vendor_data="x" * 20 * count))]


def whole_texts_told_again_and_again(count: int) -> list[Json]:
    whole = {"type": "response.output_text.done", "output_index": 0, "content_index": 0}
    return [*[text_delta(0, "é" * 20)] * (8 * count), *[whole | {"text": "other"}] * count]


def whole_arguments_told_again_and_again(count: int) -> list[Json]:
    whole = {"type": "response.function_call_arguments.done", "output_index": 0}
    started = [added(0, call("c", "f", "")), arguments_delta(0, f'{{"x":"{"a" * 100 * count}"}}')]
    return [*started, *[whole | {"arguments": '{"y":1}'}] * count]


SHAPES: list[Callable[[int], list[Json]]] = [
    whole_calls,
    whole_calls_without_an_index,
    calls_under_one_call_id,
    answered_calls,
    streamed_and_answered_calls,
    whole_calls_amid_deltas,
    deltas_without_an_index,
    messages_listed_under_the_same_ids,
    messages_listed_in_another_order,
    messages_listed_under_other_ids,
    calls_under_one_item_id_listed_under_other_call_ids,
    open_messages,
    parts_of_one_message,
    parts_of_a_message_with_much_beside_them,
    whole_texts_told_again_and_again,
    whole_arguments_told_again_and_again,
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_twice_the_items_cost_twice_as_much(shape: Callable[[int], list[Json]]) -> None:
    small, large = 250, 4_000
    bodies = {count: body(*shape(count), response("completed")) for count in (small, large)}
    assert growth(lambda count: decode(FAMILY, bodies[count]), small, large, enough=4) <= 4
