"""The command line as its users run it: a process with arguments, streams and an exit status."""

from __future__ import annotations

import json
import os
import signal
import sys
import sysconfig
from pathlib import Path
from subprocess import PIPE, CompletedProcess
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import TextDelta, decode_event
from gateway_stream.testing import FakeGateway, Fault, Reply, ScriptedCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMAND = Path(sysconfig.get_path("scripts")) / "gateway-stream"
ANSWER = Reply.scripted(
    text="Because of the air.", reasoning="Hm.", tool_calls=[ScriptedCall("look", {"at": "it"})]
)
SSE = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=ANSWER) as gateway:
        yield gateway


def surroundings(**more: str) -> dict[str, str]:
    """An environment without settings of the machine's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": "/nonexistent", "NO_COLOR": "1", "COLUMNS": "100", **more}


async def run(*arguments: str, stdin: str = "", **environ: str) -> CompletedProcess[bytes]:
    """Run the command to its end."""
    with anyio.fail_after(30):
        return await anyio.run_process(
            [str(COMMAND), *arguments],
            input=stdin.encode(),
            check=False,
            env=surroundings(**environ),
        )


async def test_chat_prints_plain_prose_where_its_output_is_no_terminal(
    gateway: FakeGateway,
) -> None:
    done = await run("chat", "-m", "claude", "why?", "--base-url", gateway.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"Because of the air.\n"
    assert b"stop tool_use" in done.stderr


async def test_chat_prints_events_as_json_lines(gateway: FakeGateway) -> None:
    done = await run("chat", "-m", "gpt-5", "why?", "--json", DATABRICKS_HOST=gateway.url)
    assert done.returncode == 0, done.stderr
    events = [decode_event(line) for line in done.stdout.splitlines()]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == "Because of the air."
    assert type(events[0]).__name__ == "Start"
    assert type(events[-1]).__name__ == "Stop"


async def test_chat_sends_what_its_options_say(gateway: FakeGateway) -> None:
    done = await run(
        "chat", "-m", "main.llm.fast", "-", "--system", "Be brief.", "--max-tokens", "9", "--family", "anthropic",
        stdin="why?", DATABRICKS_HOST=gateway.url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (received,) = gateway.requests
    assert received.family == "anthropic"
    assert received.body["max_tokens"] == 9
    assert "Be brief." in json.dumps(received.body["system"])
    assert "why?" in json.dumps(received.body["messages"])


async def test_chat_shows_control_characters_to_no_terminal(gateway: FakeGateway) -> None:
    gateway.default = Reply.scripted(text=["a\x1b[2Jb", "\x07\x9bc"])
    done = await run("chat", "-m", "claude", "why?", "--base-url", gateway.url)
    assert done.stdout == b"a[2Jbc\n"


async def test_interrupting_chat_ends_its_request_quietly(gateway: FakeGateway) -> None:
    gateway.default = ANSWER.with_fault(Fault(stall_after=900))
    process = await anyio.open_process(
        [str(COMMAND), "chat", "-m", "claude", "why?"],
        env=surroundings(DATABRICKS_HOST=gateway.url), stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    async with process:
        await gateway.wait_for(lambda gateway: gateway.bytes_written >= 900, within=20)
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            assert process.stderr is not None
            errors = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 130
    assert b"Traceback" not in errors
    assert b"interrupted" in errors
    await gateway.wait_for(lambda gateway: gateway.in_flight == 0)
    assert gateway.disconnects == 1


@pytest.mark.parametrize(
    ("reply", "status", "text"),
    [
        (
            Reply.error(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid Token"}),
            4,
            "token",
        ),
        (Reply.error(429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow"}), 5, "slow"),
        (ANSWER.with_fault(Fault(cut_after=900)), 3, "Send the request again"),
    ],
    ids=["yours", "theirs", "not whole"],
)
async def test_an_error_is_one_line_and_a_status(
    gateway: FakeGateway, reply: Reply, status: int, text: str
) -> None:
    gateway.default = reply
    done = await run("chat", "-m", "claude", "why?", DATABRICKS_HOST=gateway.url)
    assert done.returncode == status
    (line,) = [
        line for line in done.stderr.decode().splitlines() if line.startswith("gateway-stream:")
    ]
    assert text in line
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["chat", "-m", "claude", "hi"], 4, "DATABRICKS_HOST"),
        (["chat", "hi"], 2, "--model"),
        (["chat", "-m", "claude", " "], 2, "prompt is empty"),
        (["decode", "nonsense", "x"], 2, "nonsense"),
        (["decode", "gemini", "/nonexistent"], 4, "cannot be read"),
        (["simulate", "--port", "70000"], 2, "--port"),
    ],
)
async def test_a_wrong_call_says_what_is_wrong(
    arguments: list[str], status: int, text: str
) -> None:
    done = await run(*arguments)
    assert done.returncode == status
    assert text in done.stderr.decode()
    assert b"Traceback" not in done.stderr


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


async def test_the_demo_streams_all_four_families(tmp_path: Path) -> None:
    done = await run("demo", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    for family in ("openai_chat", "openai_responses", "anthropic", "gemini"):
        assert f"speaks {family}" in shown
    assert shown.count("measure_sky(") == 4
    assert shown.count("stop tool_use") == 4
    assert shown.count("tokens in") == 4
    assert "A physicist would start" in shown


async def test_simulate_serves_until_it_is_interrupted() -> None:
    process = await anyio.open_process(
        [str(COMMAND), "simulate"], env=surroundings(PYTHONUNBUFFERED="1"), stdout=PIPE, stderr=PIPE
    )
    async with process:
        assert process.stdout is not None
        with anyio.fail_after(20):
            told = (await process.stdout.receive()).decode()
        url = told.split("listening on ")[1].split(";")[0]
        done = await run("chat", "-m", "claude", "why?", "--base-url", url)
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            assert await process.wait() == 130
    assert done.returncode == 0, done.stderr
    assert b"handful of seeds" in done.stdout


async def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    path = tmp_path / "a.sse"
    delta, rest = SSE.split(b"\n\n", 1)
    path.write_bytes((delta + b"\n\n") * 5000 + rest)
    script = f"{COMMAND} decode openai_chat {path} | head -n 1"
    with anyio.fail_after(30):
        done = await anyio.run_process(["sh", "-c", script], env=surroundings(), check=False)
    assert done.stderr == b""


async def test_without_the_extra_the_command_names_its_install_line(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no typer', name='typer')")
    code = "from gateway_stream.apps import run; run()"
    done = await anyio.run_process(
        [sys.executable, "-c", code], env=surroundings(PYTHONPATH=str(tmp_path)), check=False
    )
    assert done.returncode == 2
    assert b"pip install 'gateway-stream[cli]'" in done.stderr
    assert b"Traceback" not in done.stderr
