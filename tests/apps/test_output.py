"""What is written where, and what happens when it cannot be."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import anyio
import pytest
from rich.console import Console

from gateway_stream import BlockEnd, BlockStart, TextDelta, ToolCallDelta
from gateway_stream.apps.render import Renderer
from gateway_stream.testing import FakeGateway, Reply
from tests.apps.commands import SSE, run, shell, surroundings, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROSE = "a\tb\n\n  c:smile: [bold]d[/] " + "long " * 60 + "Tromsø\t\u200b."


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=Reply.scripted(text=["Tromsø "] * 20_000)) as gateway:
        yield gateway


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.sse"
    delta, rest = SSE.split(b"\n\n", 1)
    path.write_bytes((delta + b"\n\n") * 5000 + rest)
    return path


COMMANDS = [
    "decode openai_chat $RECORDING",
    "decode openai_chat --turn $RECORDING $RECORDING",
    "chat -m claude why?",
    "chat -m claude why? --json",
    "--help",
    "--version",
    "simulate",
    "simulate --list",
    "simulate --score",
]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_reader_that_has_gone_ends_the_command_well_and_quietly(
    gateway: FakeGateway, recording: Path, command: str
) -> None:
    script = f"$COMMAND {command} 2>&3 | true; exit ${{PIPESTATUS[0]}}"
    known = {"DATABRICKS_HOST": gateway.url, "RECORDING": str(recording)}
    done = await shell(f"exec 3>&2; sleep 0.2; {script}", **known)
    assert done.stderr == b""
    assert done.returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_full_disk_is_one_line(gateway: FakeGateway, recording: Path, command: str) -> None:
    known = {"DATABRICKS_HOST": gateway.url, "RECORDING": str(recording)}
    done = await shell(f"$COMMAND {command} > /dev/full", **known)
    assert told(done) == ["gateway-stream: the output cannot be written: No space left on device"]
    assert done.returncode == 4


async def test_what_cannot_be_said_on_the_side_is_dropped(gateway: FakeGateway) -> None:
    gateway.default = Reply.scripted(text="Hello.")
    script = "$COMMAND chat -m claude why? 2> /dev/full"
    done = await shell(script, DATABRICKS_HOST=gateway.url)
    assert (done.returncode, done.stdout) == (0, b"Hello.\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
async def test_a_closed_stream_is_no_fault(gateway: FakeGateway, closed: str) -> None:
    gateway.default = Reply.scripted(text="Hello.")
    done = await shell(f"$COMMAND chat -m claude why? {closed}", DATABRICKS_HOST=gateway.url)
    assert done.returncode == 0, done.stderr
    assert told(done) == []


async def test_piped_prose_is_what_the_model_wrote(gateway: FakeGateway) -> None:
    gateway.default = Reply.scripted(text=[PROSE[:9], PROSE[9:]])
    done = await run("chat", "-m", "claude", "why?", DATABRICKS_HOST=gateway.url)
    assert done.stdout.decode() == PROSE + "\n"


async def test_no_terminal_lacks_a_character(gateway: FakeGateway, recording: Path) -> None:
    gateway.default = Reply.scripted(text="Tromsø", reasoning="ø")
    known = {"DATABRICKS_HOST": gateway.url, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    chat = await run("chat", "-m", "claude", "ø?", **known)
    assert (chat.returncode, chat.stdout) == (0, b"Troms\\xf8\n"), chat.stderr
    events = await run("chat", "-m", "claude", "-", "--json", stdin="ø?", **known)
    assert events.returncode == 0, events.stderr
    assert "Tromsø" in "".join(
        json.loads(line).get("text", "") for line in events.stdout.splitlines()
    )
    decoded = await run("decode", "openai_chat", str(recording), **known)
    assert decoded.returncode == 0, decoded.stderr
    demo = await run("demo", **known)
    assert demo.returncode == 0, demo.stderr
    assert b"Troms" in demo.stdout


@pytest.mark.parametrize(
    ("prose_only", "shown"), [(True, "one sentence"), (False, "one sentence\nlook({})\n")]
)
def test_a_sentence_in_several_blocks_stays_one(prose_only: bool, shown: str) -> None:
    file = io.StringIO()
    out = Console(file=file, highlight=False)
    renderer = Renderer(out, out, prose_only=prose_only)
    for event in (
        BlockStart(0, "text"), TextDelta(0, "one "), BlockEnd(0),
        BlockStart(1, "text"), TextDelta(1, "sentence"), BlockEnd(1),
        BlockStart(2, "tool_call", name="look"), ToolCallDelta(2, "{}"), BlockEnd(2),
    ):  # fmt: skip
        renderer.show(event)
    assert file.getvalue() == shown


async def test_a_fault_of_the_program_is_one_line_and_status_1() -> None:
    code = """
import sys
from gateway_stream.apps.cli import app, main

@app.command()
def broken() -> None:
    raise ValueError("odd")

sys.argv = ["gateway-stream", "broken"]
main()
"""
    done = await anyio.run_process([sys.executable, "-c", code], check=False, env=surroundings())
    (line,) = told(done)
    assert "ValueError: odd at <string>:7" in line
    assert done.returncode == 1
