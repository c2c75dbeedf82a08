"""Answers as the many speakers of the dialect give them, read and written again."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.testing.families import check_answer
from gateway_stream.wire import FAMILIES
from tests.support.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILY = FAMILIES["openai_chat"]
Tree = dict[str, Any]

_REASONING: dict[str, Callable[[str, Tree], Tree]] = {
    "plain": lambda said, _: {"reasoning": said, "reasoning_content": said},
    "details": lambda said, seal: {
        "reasoning": said,
        "reasoning_details": [{"type": "reasoning.text", "text": said, "index": 0, **seal}],
    },
    "blocks": lambda said, seal: {
        "thinking_blocks": [{"type": "thinking", "thinking": said, **seal}]
    },
    "summaries": lambda said, seal: {
        "content": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": said, **seal}]}
        ]
    },
    "lists": lambda said, _: {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": said}]}]
    },
}


def _delta(random: Random, style: str, number: int) -> Tree:
    said = random.choice(("a", "b ", "ab", "xyz"))
    seal = {"signature": f"S{number}"} if random.random() < 0.4 else {}
    function = {"name": "f", "arguments": random.choice(("{}", "", '{"a":1}', '{"a'))}
    named: Tree = {"index": number, "id": f"c{number}", "type": "function", "function": function}
    custom = {"index": number, "id": "k", "type": "custom", "custom": {"input": said}}
    cited = {"url": said, "title": "t", "start_index": 0, "end_index": number}
    choices: list[Tree] = [
        {"content": said},
        {"refusal": said},
        {"content": [{"type": "text", "text": said, "thoughtSignature": f"T{number}"}]},
        {"content": said, "extra_content": {"google": {"thought_signature": f"G{number}"}}},
        {"content": [{"type": "redacted_thinking", "data": f"D{number}"}]},
        {"content": [{"type": "web_search_tool_result", "id": number}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": f"E{number}"}]},
        {"images": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        {"audio": {"id": "audio_1", "data": "aGk="}},
        {"annotations": [{"type": "url_citation", "url_citation": cited}]},
        {"tool_calls": [named]},
        {"tool_calls": [{**named, "extra_content": {"google": number}}]},
        {"tool_calls": [custom]},
    ]
    return random.choice([*choices, *(4 * [_REASONING[style](said, seal)])])


@given(seed=st.integers(0, 2**32))
def test_what_speakers_of_the_dialect_say_is_written_again(seed: int) -> None:
    random = Random(seed)
    style = random.choice(list(_REASONING))
    said = [_delta(random, style, number) for number in range(random.randrange(1, 7))]
    trees: list[Tree] = [{"id": "a", "choices": [{"index": 0, "delta": delta}]} for delta in said]
    reason = random.choice(("stop", "length", "tool_calls", "content_filter"))
    ended = {"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    trees.append({"error": {"message": "bad"}} if random.random() < 0.2 else ended)
    body = b"".join(b"data: " + json.dumps(tree).encode() + b"\n\n" for tree in trees)
    check_answer(FAMILY, decode("openai_chat", body))
