"""``gateway-stream decode``: recorded bodies to events and answers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.apps.commands import SSE, run, told

if TYPE_CHECKING:
    from pathlib import Path


async def test_decode_prints_events_and_its_status_tells_whether_all_are_whole(
    tmp_path: Path,
) -> None:
    whole, cut = tmp_path / "whole.sse", tmp_path / "cut.sse"
    whole.write_bytes(SSE)
    cut.write_bytes(SSE[:90])
    done = await run("decode", "openai_chat", str(whole))
    assert done.returncode == 0
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert kinds == ["start", "block_start", "text_delta", "block_end", "stop"]
    assert (
        await run("decode", "openai_chat", str(whole), "--read-size", "3")
    ).stdout == done.stdout
    assert (await run("decode", "openai_chat", str(whole), str(cut))).returncode == 3


async def test_decode_folds_each_file_to_one_line(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.sse", tmp_path / "cut.sse"
    whole.write_bytes(SSE)
    cut.write_bytes(SSE[:90])
    done = await run("decode", "openai_chat", "--turn", str(whole), str(cut))
    assert done.returncode == 3
    first, second = map(json.loads, done.stdout.splitlines())
    nothing = dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning"))
    assert first == {
        "file": str(whole), "complete": True, "text": "hello", "reasoning": "", "tool_calls": [],
        "usage": nothing, "stop": {"reason": "end_turn", "raw": "stop"}, "error": None,
    }  # fmt: skip
    assert (second["complete"], second["text"]) == (False, "hello")
    assert second["error"]["kind"] == "stream_truncated"
    assert second["error"]["hint"]


async def test_decode_names_what_is_lost_and_why(tmp_path: Path) -> None:
    path = tmp_path / "a.sse"
    path.write_bytes(SSE.replace(b'"index":0', b'"index":0,"made_up_field":1', 1))
    done = await run("decode", "openai_chat", "--loss", str(path))
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert all(row[0] == str(path) for row in rows)
    assert all(len(row) == 4 for row in rows)


async def test_events_come_file_after_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sse", tmp_path / "two.sse"
    one.write_bytes(SSE)
    two.write_bytes(SSE.replace(b"c1", b"c2"))
    done = await run("decode", "openai_chat", str(one), str(two))
    ids = [line["id"] for line in map(json.loads, done.stdout.splitlines()) if "id" in line]
    assert ids == ["c1", "c2"]


async def test_a_dash_is_standard_input() -> None:
    done = await run("decode", "openai_chat", "--turn", "-", stdin=SSE)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["file"], answer["text"]) == ("-", "hello")


@pytest.mark.parametrize("options", [[], ["--turn"], ["--loss"]])
async def test_a_body_of_another_family_is_said_to_be_one(options: list[str]) -> None:
    done = await run("decode", "anthropic", "-", *options, stdin=SSE)
    assert told(done) == ["gateway-stream: - holds no event of anthropic; is it another family?"]


async def test_a_refused_or_cut_body_of_the_family_is_not_said_to_be_another() -> None:
    refused = b'{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow"}'
    for body in (refused, SSE[:90]):
        done = await run("decode", "openai_chat", "-", stdin=body)
        assert done.returncode == 3
        assert done.stderr == b""


async def test_a_call_that_was_cut_before_its_arguments_has_none() -> None:
    call = b'{"index":0,"id":"a","function":{"name":"look","arguments":""}}'
    opened = SSE.replace(b'"content":"hello"', b'"tool_calls":[' + call + b"]")
    whole = await run("decode", "openai_chat", "--turn", "-", stdin=opened)
    cut = await run(
        "decode", "openai_chat", "--turn", "-", stdin=opened.split(b"\n\n")[0] + b"\n\n"
    )
    (call_of_whole,) = json.loads(whole.stdout)["tool_calls"]
    (call_of_cut,) = json.loads(cut.stdout)["tool_calls"]
    assert (call_of_whole["status"], call_of_whole["arguments"]) == ("complete", {})
    assert (call_of_cut["status"], call_of_cut["arguments"]) == ("truncated", "")


async def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.sse")
    path.write_bytes(SSE)
    done = await run("decode", "openai_chat", "--turn", str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"] == f"{tmp_path}/\\xff.sse"
    (line,) = told(await run("decode", "openai_chat", str(path) + "x"))
    assert "\\xff.ssex cannot be read" in line


async def test_a_lost_field_that_no_list_names_is_to_be_reported() -> None:
    start = b'{"type":"message_start","message":{"id":"m"}}'
    block = b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi","odd":1}}'
    end = b'{"type":"message_stop"}'
    body = b"".join(b"data: " + data + b"\n\n" for data in (start, block, delta, end))
    done = await run("decode", "anthropic", "--loss", "-", stdin=body)
    assert b"-\tdelta.odd\t1\tnot listed: report it\n" in done.stdout
