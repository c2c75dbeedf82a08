"""What each command does, and what its exit status says."""

from __future__ import annotations

import json
import signal
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream import Failure, TextDelta, decode_event
from gateway_stream.testing import FakeGateway, Fault, Reply, ScriptedCall
from tests.apps.commands import COMMAND, run, surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ANSWER = Reply.scripted(
    text="Because of the air.", reasoning="Hm.", tool_calls=[ScriptedCall("look", {"at": "it"})]
)


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=ANSWER) as gateway:
        yield gateway


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
        (["chat", "-m", "", "hi"], 2, "model is empty"),
        (["chat", "-m", "claude", "\udcff"], 2, "prompt is not UTF-8"),
        (["nonsense"], 2, "nonsense"),
        (["decode", "gemini", "x", "--turn", "--loss"], 2, "give one of them"),
        (["decode", "nonsense", "x"], 2, ": 'nonsense' is not one of"),
        (["decode", "gemini", "/nonexistent"], 4, "cannot be read"),
        (["simulate", "--port", "70000"], 2, "--port"),
    ],
)
async def test_a_wrong_call_says_what_is_wrong(
    arguments: list[str], status: int, text: str
) -> None:
    done = await run(*arguments)
    assert done.returncode == status
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("gateway-stream: ")
    assert text in line


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
    for path in (
        "/mlflow/v1/chat/completions",
        "/openai/v1/responses",
        "/anthropic/v1/messages",
        "/gemini/v1beta/models/MODEL:streamGenerateContent",
    ):
        assert f"POST {url}/ai-gateway{path}" in told


async def test_without_the_extra_the_command_names_its_install_line(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no typer', name='typer')")
    code = "from gateway_stream.apps import run; run()"
    done = await anyio.run_process(
        [sys.executable, "-c", code], env=surroundings(PYTHONPATH=str(tmp_path)), check=False
    )
    assert done.returncode == 2
    assert b"pip install 'gateway-stream[cli]'" in done.stderr
    assert b"Traceback" not in done.stderr


async def test_without_a_command_the_help_names_every_exit_status() -> None:
    done = await run()
    assert done.returncode == 2
    shown = " ".join(done.stdout.decode().split())
    for status in (
        "0 done",
        "1 a fault",
        "2 wrong",
        "3 an answer",
        "4 settings",
        "5 the network",
        "130 interrupted",
    ):
        assert status in shown


@pytest.mark.parametrize(
    "reply",
    [Reply.error(429, {"error_code": "X", "message": "slow"}), None],
    ids=["429", "no host"],
)
async def test_as_json_an_error_before_the_answer_began_is_a_failure_event(
    gateway: FakeGateway, reply: Reply | None
) -> None:
    gateway.default = reply
    host = {"DATABRICKS_HOST": gateway.url} if reply else {}
    done = await run("chat", "-m", "claude", "why?", "--json", **host)
    (line,) = done.stdout.splitlines()
    event = decode_event(line)
    assert isinstance(event, Failure)
    assert (event.kind, done.returncode) == (("rate_limited", 5) if reply else ("config", 4))
    assert done.stderr.decode().count("gateway-stream:") == 1


async def test_as_json_an_error_inside_the_answer_is_one_failure_event(
    gateway: FakeGateway,
) -> None:
    gateway.default = ANSWER.with_fault(Fault(cut_after=900))
    done = await run("chat", "-m", "claude", "why?", "--json", DATABRICKS_HOST=gateway.url)
    events = [decode_event(line) for line in done.stdout.splitlines()]
    assert [type(event) for event in events].count(Failure) == 1
    assert done.returncode == 3


async def test_at_a_terminal_a_prompt_is_asked_for() -> None:
    script = f"import pty, sys; sys.exit(pty.spawn(['{COMMAND}', 'chat', '-m', 'claude']) >> 8)"
    done = await anyio.run_process(
        [sys.executable, "-c", script], check=False, env=surroundings(COLUMNS="200")
    )
    assert done.returncode == 2
    assert b"give a prompt, or - to read one from standard input" in done.stdout


async def test_a_host_and_plain_http_can_be_allowed() -> None:
    asked = ("chat", "-m", "claude", "hi", "--base-url", "http://gateway.invalid")
    refused = await run(*asked)
    assert refused.returncode == 4
    assert b"pass --allow-http" in refused.stderr
    allowed = await run(*asked, "--allow-http", "--allow-host", "gateway.invalid")
    assert allowed.returncode == 5


async def test_an_allowed_host_gets_the_token_of_the_environment(gateway: FakeGateway) -> None:
    gateway.tokens = {"good"}
    host = gateway.url.removeprefix("http://")
    known = {"DATABRICKS_HOST": gateway.url, "DATABRICKS_TOKEN": "good"}
    refused = await run("chat", "-m", "claude", "hi", **known)
    assert refused.returncode == 4
    assert b"--allow-host" in refused.stderr
    assert (await run("chat", "-m", "claude", "hi", "--allow-host", host, **known)).returncode == 0
