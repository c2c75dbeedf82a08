"""The parts of the benchmarks work. Nothing here is timed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import (
    answers,
    child,
    crowd,
    fed,
    pacing,
    places,
    playing,
    report,
    rows,
    run,
    server,
    soak,
    stamps,
    targets,
)
from benchmarks.peers import aiohttp_drain, bare_protocol, gateway_stream
from gateway_stream import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    async with await server.serve() as serving, AsyncExitStack() as closing:
        host, port = serving.sockets[0].getsockname()
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
    async with await server.serve() as serving, AsyncExitStack() as closing:
        host, port = serving.sockets[0].getsockname()
        ask = await bare_protocol.connect(f"http://{host}:{port}", "gemini", "", closing)
        tally = child.Tally()
        await ask("play-40000-1000-0", tally)
        assert tally.tokens > 40_000


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_answer_that_is_played_is_whole_and_without_oddities(family: str) -> None:
    from gateway_stream import Client

    async with await server.serve() as serving:
        host, port = serving.sockets[0].getsockname()
        async with Client(host=f"http://{host}:{port}/v1", token="x", family=family) as client:
            turn = await client.complete("play-40-8-1", "Why?")
    assert turn.notices == ()
    assert turn.text.split()[:3] == ["river", "stone", "light"]
    assert len(turn.text.split()) == 40


async def test_a_paced_window_counts_what_came_in_it() -> None:
    async with await server.serve() as serving, AsyncExitStack() as closing:
        host, port = serving.sockets[0].getsockname()
        address = f"http://{host}:{port}"
        ask = await aiohttp_drain.connect(address, "openai_chat", "", closing)
        found = await crowd.paced(ask, streams=3, interval=50, window=0.3)
    assert found["cpu"] > 0
    assert 0 < found["kept_up"] < 2


async def test_streams_that_do_not_open_are_an_error_and_no_endless_wait() -> None:
    async with await server.serve() as serving, AsyncExitStack() as closing:
        host, port = serving.sockets[0].getsockname()
        ask = await gateway_stream.connect(
            f"http://{host}:{port}", "openai_chat", "events", closing
        )

        async def refused(model: str, tally: crowd.Tally) -> None:
            await ask("nothing" if model.startswith("play") else model, tally)

        with pytest.raises(GatewayError):
            await crowd.paced(refused, streams=2, interval=50, window=0.1)


@pytest.mark.parametrize("client", [aiohttp_drain, gateway_stream])
async def test_every_stamped_token_tells_how_long_it_was_under_way(client: Any) -> None:
    async with await server.serve() as serving, AsyncExitStack() as closing:
        host, port = serving.sockets[0].getsockname()
        ask = await client.connect(f"http://{host}:{port}", "openai_chat", "stamped", closing)
        tally = crowd.Tally()
        await ask("stamp-20-1-2.5", tally)
    assert tally.tokens == len(tally.delays) == 20
    assert all(0 <= delay < 60 for delay in tally.delays)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stamp_stands_in_the_place_of_a_word(family: str) -> None:
    before, after = stamps.unstamped(family)
    filled = before + stamps.stamp() + after
    whole = answers.ANSWERS[family].tokens[0]
    assert len(filled) - len(answers.chunked(whole)) in {3, 4}  # a digit more in the chunk's size
    assert len(stamps.STAMP.findall(filled)) == 1
    assert not stamps.STAMP.findall(whole)
    begins, ends = whole.split(answers.ANSWERS[family].word)
    assert before.endswith(begins)
    assert after.startswith(ends)


async def test_an_answer_with_tls_is_trusted_by_its_certificate(tmp_path: Path) -> None:
    from gateway_stream import Client

    made = playing.certificate(tmp_path)
    if made is None:
        pytest.skip("no openssl here")
    async with await server.serve(str(made)) as serving:
        host, port = serving.sockets[0].getsockname()
        client = Client(host=f"https://{host}:{port}/v1", token="x", ssl=made, family="anthropic")
        async with client:
            turn = await client.complete("play-40-8-1", "Why?")
    assert len(turn.text.split()) == 40


class Written(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(data)


async def test_a_paced_stream_whose_client_takes_nothing_waits_and_goes_on_at_its_pace() -> None:
    pacer, written = pacing.Pacer(asyncio.get_running_loop()), Written()
    player = server.Player(iter(range(1)), pacer)
    player.connection_made(written)
    player.data_received(b"POST /v1/messages HTTP/1.1\r\n\r\nplay-1000-1-3600000")
    assert len(written.writes) == 1
    player.pause_writing()
    assert player.speak()
    assert len(written.writes) == 1
    player.resume_writing()
    assert len(written.writes) == 1
    assert player.speak()
    assert len(written.writes) == 2
    player.connection_lost(None)


class Speaker:
    """Notes when it spoke, until it has spoken three times."""

    def __init__(self, due: float, by: float, clock: Callable[[], float]) -> None:
        self.due, self.by, self.clock = due, by, clock
        self.spoke: list[tuple[float, float]] = []
        self.done = asyncio.Event()

    def speak(self) -> bool:
        self.spoke.append((self.due, self.clock()))
        self.due += self.by
        if len(self.spoke) == 3:
            self.done.set()
        return not self.done.is_set()


async def test_paced_streams_speak_in_their_order_and_never_early() -> None:
    pacer = pacing.Pacer(asyncio.get_running_loop())
    began = pacer.now()
    speakers = [Speaker(began + first, by, pacer.now) for first, by in ((2, 3.5), (9, 1), (1, 20))]
    for speaker in speakers:
        pacer.add(speaker)
    for speaker in speakers:
        await speaker.done.wait()
    for speaker in speakers:
        times = [due for due, _ in speaker.spoke]
        assert times == [pytest.approx(times[0] + speaker.by * n) for n in range(3)]
        assert all(int(due) <= when for due, when in speaker.spoke)


async def test_a_stream_that_ended_is_not_spoken_for() -> None:
    pacer = pacing.Pacer(asyncio.get_running_loop())
    now = pacer.now()
    gone, kept = Speaker(now + 1, 1, pacer.now), Speaker(now + 2, 1, pacer.now)
    pacer.add(gone)
    pacer.add(kept)
    pacer.remove(gone)
    await kept.done.wait()
    assert not gone.spoke


async def climbed(
    late_from: float, server_to: float = 1e9, fluke: float = 0
) -> tuple[crowd.Step, bool]:
    """How far the pace goes of a client that is late from one rate on, and once at another."""
    flukes = [fluke]

    async def step(rate: float) -> crowd.Step:
        played = min(rate, server_to)
        late = played >= late_from or rate in flukes
        if rate in flukes:
            flukes.remove(rate)
        return crowd.Step(played, 0.1 if late else 0.001, 0.5, played / rate)

    return await crowd.highest(step)


async def test_the_pace_is_raised_until_tokens_are_late() -> None:
    for late_from, expected in ((47_000, 45_000), (53_000, 50_000), (6_000, 5_000)):
        best, server_full = await climbed(late_from)
        assert (best.rate, server_full) == (expected, False)


async def test_a_step_that_fails_once_is_no_limit() -> None:
    best, _ = await climbed(47_000, fluke=45_000)
    assert best.rate == 45_000


async def test_where_the_server_is_the_limit_it_is_said() -> None:
    best, server_full = await climbed(1e9, server_to=52_000)
    assert (best.rate, server_full) == (50_000, True)
    assert (await climbed(1e9))[1]


async def test_a_client_that_is_always_late_has_no_rate() -> None:
    with pytest.raises(RuntimeError, match="late at every pace"):
        await climbed(1_000)


async def test_a_soak_has_every_kind_of_end_and_keeps_count() -> None:
    async with await server.serve() as serving:
        host, port = serving.sockets[0].getsockname()
        soaked = await soak.soak(f"http://{host}:{port}", streams=400, seconds=50)
    assert soaked.ends == {"whole": 388, "left": 4, "cancelled": 4, "refused": 4}
    assert [sample.streams for sample in soaked.samples] == list(range(40, 401, 4))
    told = soak.report(soaked)
    assert told.startswith("400 streams in ")
    assert "for each 1,000 streams" in told


def test_a_soak_of_which_memory_grows_shows_the_slope() -> None:
    samples = [soak.Sample(1000 * n, 1024 * (500 + 3 * n), 70 + 2 * n) for n in range(1, 5)]
    told = soak.report(soak.Soaked(Counter(whole=4000), samples, Counter({"a.B": 7}), 60))
    assert "resident memory, KiB: 503 after 1,000, 512 after 4,000; +3.0000 for each" in told
    assert "+2.0000 for each" in told
    assert "+7 a.B" in told


async def test_a_request_for_nothing_that_can_be_played_is_refused() -> None:
    async with await server.serve() as serving:
        host, port = serving.sockets[0].getsockname()
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


def figure(mode: str, column: str, row: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "mode": mode,
        "column": column,
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
        figure("burst", "anthropic", "anthropic, aiohttp", 24e-6),
        figure("import", "", rows.OURS, 0.06),
        figure("streams", "10", rows.OURS, 20e-6),
        figure("streams", "5000", rows.OURS, 30e-6),
        figure("memory", "bytes", rows.OURS, 20_480),
        figure("saturation", "rate", rows.OURS, 35_000)
        | {"repetitions": [{"rate": 35_000, "server_full": 1.0}]},
    ],
}


def test_the_worst_family_decides_a_target() -> None:
    judged = {each.target.name: each for each in targets.judge(RESULT)}
    burst = judged["burst, over plain aiohttp"]
    assert burst.by_column == {"Chat": pytest.approx(2), "Messages": pytest.approx(3)}
    assert "missed" in burst.verdict
    assert "missed" in judged["fed without a kernel, over the drain"].verdict
    assert judged["burst, less than anthropic over aiohttp"].verdict.startswith("must met")
    assert judged["import, ms of CPU over bare Python"].worst == pytest.approx(60)
    assert judged["burst, less than litellm"].verdict == "not measured"


def test_a_target_may_compare_columns_or_nothing() -> None:
    judged = {each.target.name: each for each in targets.judge(RESULT)}
    assert judged["5,000 streams over 10, for each token"].worst == pytest.approx(1.5)
    assert judged["KiB for each open stream"].worst == pytest.approx(20)
    rate = judged["tokens a second on one core, 99 of 100 within 5 ms"]
    assert rate.by_column == {"tokens a second": 35_000}
    assert rate.verdict == "must met; 17% from the must"


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
    assert (
        "| client | 10 streams | 5,000 streams |\n| --- | --- | --- |\n| gateway_stream | 20 (20-40) | 30"
        in text
    )
    assert "| client | KiB |\n| --- | --- |\n| gateway_stream | 20 (20-40) |" in text
    assert "35,000 (35,000-70,000), all that the server plays" in text
    circles = ET.fromstring((tmp_path / "results.svg").read_text()).findall(  # noqa: S314  our own
        ".//{http://www.w3.org/2000/svg}circle[@fill-opacity]"
    )
    assert len(circles) == 5


def test_a_measurement_of_several_figures_is_kept_as_so_many() -> None:
    bench = run.Bench(run.options(["--quick", "--modes", "delay,paced"]))
    assert {mode for row in bench.rows for mode in row.modes} >= {"delay", "paced"}
    assert not bench.imports
    for p99 in (0.003, 0.001, 0.002):
        bench.note("delay", "", rows.OURS, {"p50": 0.001, "p99": p99})
    bench.note("paced", "gemini", rows.OURS, {"cpu": 2e-5, "kept_up": 0.5})
    result = RESULT | {"figures": run.figures(bench)}
    medians = [(each["mode"], each["column"], each["median"]) for each in result["figures"]]
    assert medians == [("delay", "p50", 0.001), ("delay", "p99", 0.002), ("paced", "gemini", 2e-5)]
    assert "| gateway_stream | 20, fell behind (50%) |" in report.table(result)


def test_what_a_table_is_rendered_from_is_known_to_the_rows() -> None:
    names = {row.name for row in rows.ROWS} | {targets.DRAIN, ""}
    assert {target.over for target in targets.TARGETS} <= names


def test_every_target_leans_on_rows_that_are_measured_there() -> None:
    by_name = {row.name: row for row in rows.ROWS}
    for target in targets.TARGETS:
        if target.mode in {"fed", "import"}:
            continue
        known = rows.MODES[target.mode].columns
        assert set(target.columns) <= set(known)
        for name in filter(None, (target.ours, target.over)):
            row = by_name[name]
            assert target.mode in row.modes
            assert known != rows.FAMILIES or set(target.columns) <= set(row.families)


def test_the_harness_needs_nothing_but_python() -> None:
    modules = (
        "run",
        "report",
        "targets",
        "rows",
        "environments",
        "server",
        "answers",
        "places",
        "playing",
    )
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
