"""The parts of the benchmarks work. Nothing here is timed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import answers, child, fed, places, report, rows, server, targets
from benchmarks.peers import aiohttp_drain, bare_protocol, gateway_stream

FAMILIES = list(answers.ANSWERS)
WAYS: dict[str, Any] = {
    "events": gateway_stream,
    "batches": gateway_stream,
    "drain": aiohttp_drain,
    "bare": bare_protocol,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_token_events_of_a_family_have_one_size(family: str) -> None:
    assert len({len(token) for token in answers.ANSWERS[family].tokens}) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", FAMILIES)
async def test_the_server_plays_as_many_tokens_as_it_is_asked_for(family: str, way: str) -> None:
    async with await server.serve() as playing, AsyncExitStack() as closing:
        host, port = playing.sockets[0].getsockname()
        ask = await WAYS[way].connect(f"http://{host}:{port}", family, way, closing)
        for tokens, each in ((10, 10), (500, 32), (33, 1)):
            tally = child.Tally()
            await ask(f"play-{tokens}-{each}-0", tally)
            # What only drains counts the opening and the closing in parts of a token.
            assert (
                int(tally.tokens) == tokens
                if way in {"events", "batches"}
                else tally.tokens > tokens
            )


async def test_a_burst_larger_than_all_buffers_comes_whole() -> None:
    async with await server.serve() as playing, AsyncExitStack() as closing:
        host, port = playing.sockets[0].getsockname()
        ask = await bare_protocol.connect(f"http://{host}:{port}", "gemini", "", closing)
        tally = child.Tally()
        await ask("play-40000-1000-0", tally)
        assert tally.tokens > 40_000


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_answer_that_is_played_is_whole_and_without_oddities(family: str) -> None:
    from gateway_stream import Client

    async with await server.serve() as playing:
        host, port = playing.sockets[0].getsockname()
        async with Client(host=f"http://{host}:{port}/v1", token="x", family=family) as client:
            turn = await client.complete("play-40-8-1", "Why?")
    assert turn.notices == ()
    assert turn.text.split()[:3] == ["river", "stone", "light"]
    assert len(turn.text.split()) == 40


async def test_a_paced_window_counts_what_came_in_it() -> None:
    async with await server.serve() as playing, AsyncExitStack() as closing:
        host, port = playing.sockets[0].getsockname()
        address = f"http://{host}:{port}"
        ask = await aiohttp_drain.connect(address, "openai_chat", "", closing)
        found = await child.paced(ask, streams=3, window=0.3)
    assert found["cpu"] > 0
    assert 0 < found["kept_up"] < 2


async def test_a_request_for_nothing_that_can_be_played_is_refused() -> None:
    async with await server.serve() as playing:
        host, port = playing.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /v1/embeddings HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
        await writer.wait_closed()


def test_a_fed_answer_wakes_its_reader_for_every_piece() -> None:
    async def reads() -> int:
        from gateway_stream import Client

        async with Client(host="http://127.0.0.1:1/v1", token="x") as client:
            turn = await client.complete("play-50-1-0", "Why?")
            assert turn.timings is not None
            return turn.timings.reads

    class Unconnected(fed.Loop):
        async def sock_connect(self, sock: Any, address: Any) -> None:
            """No connection is wanted: the bytes are made here."""

    with asyncio.Runner(loop_factory=Unconnected) as runner:
        assert runner.run(reads()) == 50


def test_feeding_measures_every_reader_in_every_round() -> None:
    with asyncio.Runner(loop_factory=fed.Loop) as runner:
        found = runner.run(fed.measure("anthropic", rounds=2, each=1))
    assert {name: len(spent) for name, spent in found.items()} == {
        "drain": 2,
        "events": 2,
        "batches": 2,
    }
    assert all(seconds > 0 for spent in found.values() for seconds in spent)


def figure(mode: str, family: str, row: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "mode": mode,
        "family": family,
        "row": row,
        "min": seconds,
        "median": seconds,
        "max": 2 * seconds,
        "repetitions": [],
        **more,
    }


RESULT: dict[str, Any] = {
    "date": "2026-01-01 00:00 UTC",
    "minutes": 1.0,
    "quick": False,
    "machine": {"processor": "p", "cores": 2, "system": "s", "python": "3"},
    "load": {"before": 0.0, "after": 0.0},
    "versions": {"aiohttp": {"aiohttp": "3.14"}},
    "failures": {"litellm": "not installed: no"},
    "figures": [
        figure("fed", "gemini", "events", 2e-6, ratio=2.5),
        figure("burst", "openai_chat", rows.FLOOR, 2e-6),
        figure("burst", "openai_chat", rows.OURS, 4e-6),
        figure("burst", "anthropic", rows.FLOOR, 1e-6),
        figure("burst", "anthropic", rows.OURS, 3e-6),
        figure("burst", "anthropic", "anthropic, aiohttp", 15e-6),
        figure("import", "", rows.OURS, 0.06),
    ],
}


def test_the_worst_family_decides_a_target() -> None:
    judged = {each.target.name: each for each in targets.judge(RESULT)}
    burst = judged["burst, over plain aiohttp"]
    assert burst.by_family == {"Chat": pytest.approx(2), "Messages": pytest.approx(3)}
    assert "missed" in burst.verdict
    assert "missed" in judged["fed without a kernel, over the drain"].verdict
    assert judged["burst, less than anthropic over aiohttp"].verdict.startswith("must met")
    assert judged["import, ms of CPU over bare Python"].worst == pytest.approx(60)
    assert judged["burst, less than litellm"].verdict == "not measured"


def test_a_result_is_written_as_json_table_and_plot(tmp_path: Any) -> None:
    report.write(RESULT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "results.json",
        "results.svg",
    ]
    text = (tmp_path / "README.md").read_text()
    assert "| gateway_stream | 4 (4-8), 2x | 3 (3-6), 3x |" in text
    assert "not installed: no" in text
    circles = ET.fromstring((tmp_path / "results.svg").read_text()).findall(  # noqa: S314  our own
        ".//{http://www.w3.org/2000/svg}circle[@fill-opacity]"
    )
    assert len(circles) == 5


def test_what_a_table_is_rendered_from_is_known_to_the_rows() -> None:
    names = {row.name for row in rows.ROWS} | {targets.DRAIN, ""}
    assert {target.over for target in targets.TARGETS} <= names


def test_the_harness_needs_nothing_but_python() -> None:
    modules = ("run", "report", "targets", "rows", "environments", "server", "answers", "places")
    code = "import sys\n" + "\n".join(f"import benchmarks.{name}" for name in modules)
    code += "\nprint({'aiohttp', 'msgspec', 'gateway_stream'} & set(sys.modules))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=places.ROOT,
    )
    assert done.stdout.strip() == "set()"
