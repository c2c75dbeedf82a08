"""An answer goes back to its vendor as it came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway_stream.request import Message, Request
from gateway_stream.turn import Turn, fold
from gateway_stream.wire.anthropic.request import encode_request
from tests.support.corpus import Recording, needs_corpus, recordings
from tests.support.decoding import decode
from tests.wire.anthropic.frames import END, block, delta, start, stop, stream

RECORDINGS = Path(__file__).parent / "recordings"
HELLO = Message("user", "hello")


def there_and_back(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The content that an answer has in the next request, after a night in a file."""
    turn = fold(decode("anthropic", body))
    assert isinstance(turn, Turn)
    kept = msgspec.json.decode(msgspec.json.encode(turn), type=Turn)
    request = encode_request(Request(model="m", messages=(HELLO, kept, HELLO)), "anthropic")
    content: list[dict[str, Any]] = request.body["messages"][1]["content"]
    return content, [notice.detail for notice in request.notices]


def test_thinking_and_tools_go_back_as_they_came() -> None:
    body = (RECORDINGS / "a_body_without_stream_gives_the_same_events.json").read_bytes()
    assert there_and_back(body) == (json.loads(body)["content"], [])


@pytest.mark.parametrize(
    "name", ["blocks_of_unknown_kinds_go_back_whole", "citations_are_sources_and_go_back"]
)
def test_whole_blocks_and_citations_go_back_as_they_came(name: str) -> None:
    body = (RECORDINGS / f"{name}.sse").read_bytes()
    assert there_and_back(body) == (content_of(body), [])


def content_of(body: bytes) -> list[dict[str, Any]]:
    """The content array that the vendor's rules make of a well-formed stream."""
    content: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for line in body.splitlines():
        frame = json.loads(line[5:]) if line.startswith(b"data:") else {}
        if frame.get("type") == "content_block_start":
            content.append(frame["content_block"])
        elif frame.get("type") == "content_block_delta":
            grow(content[frame["index"]], frame["delta"], inputs, frame["index"])
        elif frame.get("type") == "message_start":
            content += frame["message"]["content"]
    for index, text in inputs.items():
        if text:
            content[index]["input"] = json.loads(text)
    return [
        {key: value for key, value in each.items() if value not in (None, [])} for each in content
    ]


def grow(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    for key, value in delta.items():
        if key == "partial_json":
            inputs[index] = inputs.get(index, "") + value
        elif key == "citation":
            block["citations"] = [*(block.get("citations") or []), value]
        elif key != "type":
            block[key] = value if block.get(key) is None else block[key] + value


@needs_corpus
@pytest.mark.parametrize(
    "recorded",
    [
        each
        for each in recordings()
        if each.family == "anthropic"
        and each.expected["error"] is None
        and each.expected["stop_reason"] != "max_tokens"
        and "multi_message_start" not in each.meta["features"]
    ],
    ids=lambda each: each.name,
)
def test_a_recorded_answer_goes_back_as_it_came(recorded: Recording) -> None:
    expected = [
        block
        for block in content_of(recorded.body)
        if (block["type"] != "thinking" or block.get("signature"))
        and (block["type"] != "text" or block["text"].strip())
    ]
    if expected:
        content, _ = there_and_back(recorded.body)
        assert content == expected


@pytest.mark.parametrize(
    ("arguments", "word"), [('{"x":', "truncated"), ('{"x":1', "truncated"), ("[1]", "invalid")]
)
def test_a_call_that_is_not_whole_goes_back_without_arguments_and_is_told(
    arguments: str, word: str
) -> None:
    frames = (
        start(),
        block(0, type="tool_use", id="a", name="f", input={}),
        delta(0, "input_json_delta", partial_json=arguments),
        stop("tool_use"),
        END,
    )
    content, notices = there_and_back(stream(*frames))
    assert content[0]["input"] == {}
    assert notices == [f"the arguments of tool call 'a': they are {word}"]
