"""Entries that come after what they belong to: signatures, whole texts again, names, positions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway_stream.turn import Turn, fold
from tests.support.decoding import decode

Tree = dict[str, Any]


def turn_of(*deltas: Tree) -> Turn:
    ended = {"index": 0, "delta": {}, "finish_reason": "stop"}
    trees = [
        *({"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in deltas),
        {"id": "a", "model": "m", "choices": [ended]},
    ]
    frames = [b"data: " + msgspec.json.encode(tree) + b"\n\n" for tree in trees]
    turn = fold(decode("openai_chat", b"".join(frames)))
    assert isinstance(turn, Turn)
    return turn


def whole(message: Tree) -> Turn:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    turn = fold(decode("openai_chat", msgspec.json.encode({"id": "a", "choices": [choice]})))
    assert isinstance(turn, Turn)
    return turn


def told(turn: Turn) -> list[tuple[str, str, Any]]:
    return [
        (block.kind, block.text, block.opaque and msgspec.json.decode(block.opaque.json))
        for block in turn.blocks
    ]


PLAIN: tuple[Tree, ...] = ({"reasoning_content": "Hm, "}, {"reasoning_content": "stars."})
LATE: list[tuple[Tree, Tree]] = [
    (
        {"reasoning_details": [{"type": "reasoning.text", "text": "TEXT", "signature": "S"}]},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "S"}]},
    ),
    (
        {"thinking_blocks": [{"type": "thinking", "thinking": "TEXT", "signature": "S"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S"}]},
    ),
    (
        {"content": [{"type": "thinking", "thinking": "TEXT", "signature": "S"}]},
        {"type": "thinking", "thinking": "", "signature": "S"},
    ),
    (
        {
            "content": [
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "TEXT", "signature": "S"}],
                }
            ]
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "", "signature": "S"}],
        },
    ),
]


def with_text(tree: Tree, text: str) -> Tree:
    filled: Tree = msgspec.json.decode(msgspec.json.encode(tree).replace(b"TEXT", text.encode()))
    return filled


@pytest.mark.parametrize("text", ["Hm, stars.", ""])
@pytest.mark.parametrize(("late", "opaque"), LATE, ids=range(len(LATE)))
def test_a_late_entry_that_tells_plain_reasoning_again_seals_it(
    late: Tree, opaque: Tree, text: str
) -> None:
    turn = turn_of(*PLAIN, with_text(late, text), {"reasoning_content": "More."}, {"content": "a"})
    assert told(turn) == [
        ("reasoning", "Hm, stars.", opaque),
        ("reasoning", "More.", {"reasoning_content": ""}),
        ("text", "a", None),
    ]


@pytest.mark.parametrize(("late", "opaque"), LATE, ids=range(len(LATE)))
def test_an_entry_with_another_text_is_not_taken_for_a_copy(late: Tree, opaque: Tree) -> None:
    turn = turn_of(*PLAIN, with_text(late, "stars."))
    assert turn.reasoning == "Hm, stars.stars."
    assert told(turn)[-1][2] == opaque


def test_equal_pieces_that_come_both_ways_in_one_chunk_are_pieces() -> None:
    piece = {
        "reasoning": "ha",
        "reasoning_details": [{"type": "reasoning.text", "text": "ha", "index": 0}],
    }
    assert turn_of(piece, piece, piece).reasoning == "hahaha"


def test_in_a_whole_message_each_entry_of_a_list_is_one_of_its_own() -> None:
    entry: Tree = {"type": "reasoning.text", "index": 0}
    details = [{**entry, "text": "a"}, {**entry, "text": "b"}]
    assert [text for _, text, _ in told(whole({"reasoning_details": details}))] == ["a", "b"]
    thoughts = [{"type": "thinking", "thinking": text} for text in "ab"]
    assert [text for _, text, _ in told(whole({"thinking_blocks": thoughts}))] == ["a", "b"]


def test_in_a_whole_message_sources_and_signature_belong_to_the_text_before_the_calls() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn = whole(
        {
            "content": "Blue.",
            "annotations": [cited],
            "tool_calls": [call],
            "extra_content": {"google": {"thought_signature": "S"}},
        }
    )
    text, called = turn.blocks
    assert (text.text, text.sources[0].url, called.kind) == ("Blue.", "u", "tool_call")
    assert text.opaque is not None
    assert (text.opaque.provider, msgspec.json.decode(text.opaque.json)) == (
        "google",
        {"extra_content": {"google": {"thought_signature": "S"}}},
    )


def test_a_source_may_have_no_url_and_name_a_point_of_the_text() -> None:
    cited = {"url": "", "title": "sky.pdf", "start_index": 5, "end_index": 5}
    annotation = {"type": "url_citation", "url_citation": cited}
    (source,) = turn_of({"content": "Blue."}, {"annotations": [annotation]}).blocks[0].sources
    assert (source.url, source.title, source.span) == (None, "sky.pdf", (5, 5))


def test_a_name_that_comes_after_the_arguments_makes_no_call_runnable() -> None:
    turn = turn_of(
        {"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "1}"}}]},
    )
    (call,) = turn.tool_calls
    assert (call.name, call.json, call.runnable) == ("", '{"a":1}', False)


def test_a_call_of_no_function_is_kept_without_its_position() -> None:
    entry = b'{"type":"custom", "id":"k","index": 3,"custom":{"name":"sql","input":"\\u0061"}}'
    body = b'data: {"id":"a","choices":[{"delta":{"tool_calls":[' + entry
    body += b']},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    turn = fold(decode("openai_chat", body))
    assert turn.blocks[0].opaque is not None
    assert turn.blocks[0].opaque.json == (
        '{"tool_calls":[{"type":"custom","id":"k","custom":{"name":"sql","input":"\\u0061"}}]}'
    )
