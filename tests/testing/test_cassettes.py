"""What a client exchanged is on a cassette read by read, and comes from it again in the same way."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream import Client, ConfigError, Failure, GatewayError, TextDelta, TimedOut
from gateway_stream.testing import Cassette, FakeGateway, Fault, Recorder, Reply
from gateway_stream.testing.cassettes import Read
from tests.support.clock import START, HandClock, settle
from tests.support.corpus import FAMILIES, corpus, needs_corpus, recordings
from tests.support.planting import guises

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from gateway_stream.events import Event

TOKEN = "dapi0123456789abcdef0123456789abcdef"
NO_FORM = "planted-0123456789-abcdef-0123456789"
HELLO = Reply.scripted(text="Hello, how are you? 🎈", tool_calls=())
CHAT = "/ai-gateway/mlflow/v1/chat/completions"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cassettes"


@pytest.fixture
def recorder(folder: Path) -> Recorder:
    return Recorder(folder)


async def ask(url: str, recorder: Recorder, family: str = "anthropic") -> list[Event]:
    """What a client is told, the last failure too."""
    events: list[Event] = []
    async with Client(host=url, token=TOKEN, recorder=recorder, retry="never") as client:
        try:
            async for batch in client.stream("claude", "hi", family=family).batches():
                events += batch.events
        except GatewayError as error:
            events.append(error.failure())
        await recorder.saved()
    return events


async def last(recorder: Recorder) -> Cassette:
    return Cassette.load((await recorder.saved())[-1])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def told(events: list[Event]) -> str:
    """Events, without the turn's number that a client puts before ids that it makes up."""
    return repr(events).replace("turn1_call", "call")


async def round_trip(
    gateway: FakeGateway, recorder: Recorder, family: str, reply: Reply
) -> Cassette:
    """A recording whose replay tells a client the same, and is recorded as the same."""
    gateway.add(reply)
    events = await ask(gateway.url, recorder, family)
    first = await last(recorder)
    gateway.add(first.reply(pace=0))
    assert told(await ask(gateway.url, recorder, family)) == told(events)
    second = await last(recorder)
    assert (second.status, second.how, second.reason) == (first.status, first.how, first.reason)
    assert second.read_sizes == first.read_sizes
    assert second.body == first.body
    assert told(first.events(family)) == told(events)  # type: ignore[arg-type]
    return first


# --- there and back --------------------------------------------------------------------------


@needs_corpus
@pytest.mark.parametrize("family", FAMILIES)
async def test_recorded_streams_come_back_from_cassettes(
    fake_gateway: FakeGateway, recorder: Recorder, family: str
) -> None:
    root = corpus()
    assert root is not None
    of_family = [each for each in recordings() if each.family == family and len(each.body) < 50_000]
    for seed, recording in enumerate(of_family[::8]):
        reply = Reply.from_recording(root / recording.name)
        await round_trip(fake_gateway, recorder, family, reply)
        chopped = reply.chopped(seed=seed)
        await round_trip(fake_gateway, recorder, family, chopped)
        cut = Fault(cut_after=len(recording.body) // 2, cut="close")
        cassette = await round_trip(fake_gateway, recorder, family, chopped.with_fault(cut))
        assert cassette.how == "cut", recording.name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("fault", "how"),
    [
        (Fault(), "clean"),
        (Fault(cut_after_text=2), "clean"),
        (Fault(cut_after_text=2, cut="close"), "cut"),
        (Fault(cut_after_text=2, cut="reset", delay_end=0.1), "reset"),
        (Fault(error_after=2), "left"),
    ],
    ids=["whole", "short", "cut", "reset", "an error"],
)
async def test_an_end_comes_back_as_it_was(
    fake_gateway: FakeGateway, recorder: Recorder, family: str, fault: Fault, how: str
) -> None:
    cassette = await round_trip(fake_gateway, recorder, family, HELLO.with_fault(fault))
    if how != "left":
        assert cassette.how == how
    assert (cassette.reason is None) == (how not in ("cut", "reset"))
    assert cassette.family == family


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_a_body_without_length_or_chunks_comes_back_without(
    fake_gateway: FakeGateway, recorder: Recorder, framing: Any
) -> None:
    reply = Reply(body=HELLO.body, framing=framing)
    cassette = await round_trip(fake_gateway, recorder, "openai_chat", reply)
    assert cassette.reply().framing == framing


REFUSED = [
    Reply.error(429, {"error_code": "X", "message": "no"}, headers={"Retry-After": "7"}),
    Reply.error(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid Token"}),
    Reply.error(500, b"<html><title>oops</title>"),
    Reply.error(503),
]


@pytest.mark.parametrize("reply", REFUSED, ids=lambda reply: str(reply.status))
async def test_refusals_come_back(
    fake_gateway: FakeGateway, recorder: Recorder, reply: Reply
) -> None:
    cassette = await round_trip(fake_gateway, recorder, "anthropic", reply)
    (failure,) = cassette.events()
    assert isinstance(failure, Failure)
    assert failure.status == cassette.status == reply.status
    assert failure.retry_after == (7 if reply.status == 429 else None)


async def test_bytes_that_are_no_text_come_back(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xc3"}}]}\n\ndata: [DONE]\n\n'
    reply = Reply.recorded(body).chopped(every=3)
    cassette = await round_trip(fake_gateway, recorder, "openai_chat", reply)
    assert cassette.body == body


async def test_a_cassette_that_is_cut_elsewhere_gives_the_same_events(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    fake_gateway.add(HELLO)
    events = await ask(fake_gateway.url, recorder)
    reply = (await last(recorder)).reply(pace=0)
    fake_gateway.add(reply.chopped(every=7))
    assert await ask(fake_gateway.url, recorder) == events
    assert set((await last(recorder)).read_sizes[:-1]) == {7}


# --- what is on a cassette -------------------------------------------------------------------


async def test_a_cassette_holds_the_request(fake_gateway: FakeGateway, recorder: Recorder) -> None:
    fake_gateway.add(HELLO)
    await ask(fake_gateway.url, recorder, "gemini")
    cassette = await last(recorder)
    (received,) = fake_gateway.requests
    assert (cassette.method, cassette.path) == ("POST", received.path)
    assert cassette.query == "alt=sse"
    assert cassette.request_body == received.raw
    kept = cassette.request_headers
    assert kept == {name: received.headers[name] for name in kept}
    assert kept.keys() >= {"accept", "content-type", "user-agent"}


async def test_every_exchange_is_a_file_of_its_own_and_of_its_owner(
    fake_gateway: FakeGateway, recorder: Recorder, folder: Path
) -> None:
    fake_gateway.add(*REFUSED[:2], HELLO)
    for _ in range(3):
        await ask(fake_gateway.url, recorder)
    paths = await recorder.saved()
    assert {path.name for path in paths} == names(folder)
    assert [Cassette.load(path).status for path in paths] == [429, 401, 200]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE((await anyio.Path(folder).stat()).st_mode) == 0o700


async def test_two_recorders_share_a_folder(fake_gateway: FakeGateway, folder: Path) -> None:
    fake_gateway.default = HELLO
    clock = HandClock()
    for recorder in (Recorder(folder, clock=clock), Recorder(folder, clock=clock)):
        await ask(fake_gateway.url, recorder)
    assert len(names(folder)) == 2


async def test_a_stream_that_is_left_is_recorded_as_far_as_it_was_read(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    fake_gateway.add(Reply.long(size=10_000_000))
    async with (
        Client(host=fake_gateway.url, recorder=recorder) as client,
        client.stream("claude", "hi") as stream,
    ):
        async for event in stream:
            if isinstance(event, TextDelta):
                break
    cassette = await last(recorder)
    assert cassette.how == "left"
    assert 0 < len(cassette.body) < 10_000_000
    reply = cassette.reply()
    assert reply.fault.stall_after == len(cassette.body)
    assert any(isinstance(event, TextDelta) for event in cassette.events())


async def test_a_stream_that_is_left_is_not_clean_though_its_end_has_come(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    fake_gateway.add(HELLO)
    async with (
        Client(host=fake_gateway.url, recorder=recorder) as client,
        client.stream("claude", "hi", family="anthropic") as stream,
    ):
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        await fake_gateway.wait_for(lambda it: it.in_flight == 0)
        await settle()
    cassette = await last(recorder)
    assert cassette.how == "left"
    assert b"message_stop" not in cassette.body
    assert len(cassette.body) < fake_gateway.bytes_written


async def test_a_response_without_a_content_type_comes_back_without(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    reply = dataclasses.replace(HELLO, content_type="")
    cassette = await round_trip(fake_gateway, recorder, "anthropic", reply)
    assert cassette.reply().content_type == ""
    assert "content-type" not in {name.lower() for name, _ in (await last(recorder)).headers}


async def test_the_end_of_a_response_is_waited_for(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    fake_gateway.add(HELLO.with_fault(Fault(delay_end=0.1)))
    async with Client(host=fake_gateway.url, recorder=recorder) as client:
        await client.complete("claude", "hi")
        assert (await last(recorder)).how == "clean"


async def test_what_goes_on_is_not_waited_for_long(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    fake_gateway.add(HELLO.with_fault(Fault(stall_after=1)), HELLO)
    async with (
        Client(host=fake_gateway.url, recorder=recorder) as client,
        client.stream("claude", "hi"),
    ):
        await client.complete("claude", "hi")
        assert len(await recorder.saved()) == 1
    assert len(await recorder.saved()) == 2


async def test_a_folder_that_cannot_be_written_fails_no_request(
    fake_gateway: FakeGateway, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await anyio.Path(folder).write_text("a file")
    recorder = Recorder(folder)
    fake_gateway.add(HELLO)
    async with Client(host=fake_gateway.url, recorder=recorder) as client:
        assert (await client.complete("claude", "hi")).text
    with pytest.raises(OSError, match="cassettes"):
        await recorder.saved()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING


BEGINNING = """
import atexit, os, sys
from types import SimpleNamespace
import anyio
from gateway_stream.testing import Recorder

recorder = Recorder(sys.argv[1])

def follow():
    ends = []
    exchange = SimpleNamespace(
        receive=None, broken=(), status=200, headers={}, sent_at=0.0, headers_at=0.0,
        when_free=ends.append,
    )
    recorder.follow(exchange, method="POST", url="http://x/", headers={}, body=b"")
    return ends[0]

async def record():
    follow()(True)
    return await recorder.saved()
"""
FORKED = """
assert len(anyio.run(record)) == 1
child = os.fork()
if child:
    sys.exit(os.waitpid(child, 0)[1] != 0)
mine = anyio.run(record)
os._exit(len(mine) != 1 or len(os.listdir(sys.argv[1])) != 2)
"""
ENDING = """
end = follow()
atexit.register(lambda: end(True))
"""


async def run(program: str, folder: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", BEGINNING + program, str(folder)]
    with anyio.fail_after(20):
        done = await anyio.run_process(command, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_forked_child_records_what_is_its_own(folder: Path) -> None:
    await run(FORKED, folder)


@pytest.mark.parametrize("program", ["follow()(True)", ENDING], ids=["before", "meanwhile"])
async def test_what_ends_with_its_program_is_written(folder: Path, program: str) -> None:
    await run(program, folder)
    (name,) = names(folder)
    assert Cassette.load(folder / name).how == "clean"


# --- times -----------------------------------------------------------------------------------


class Exchange:
    """An exchange whose reads take time by a clock that is moved by hand."""

    broken = (OSError, GatewayError)
    status = 200

    def __init__(self, clock: HandClock, *chunks: bytes | Exception) -> None:
        self._clock = clock
        self._chunks: Iterator[bytes | Exception] = iter(chunks)
        self._free: list[Callable[[bool], object]] = []
        self.headers: Mapping[str, str] = {"Content-Type": "text/event-stream"}
        self.sent_at, self.headers_at = 100.0, 100.25
        self.receive: Callable[[], Awaitable[bytes]] = self.read

    async def read(self) -> bytes:
        await self._clock.advance(1)
        chunk = next(self._chunks)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def when_free(self, work: Callable[[bool], object]) -> None:
        self._free.append(work)

    def free(self, *, whole: bool) -> None:
        for work in self._free:
            work(whole)


async def recorded(folder: Path, *chunks: bytes | Exception, whole: bool = False) -> Cassette:
    clock = HandClock()
    recorder = Recorder(folder, clock=clock)
    exchange = Exchange(clock, *chunks)
    recorder.follow(exchange, method="POST", url="http://x" + CHAT, headers={}, body=b"{}")
    for chunk in chunks:
        if isinstance(chunk, Exception):
            with pytest.raises(type(chunk)):
                await exchange.receive()
        else:
            assert await exchange.receive() == chunk
    await clock.advance(1)
    exchange.free(whole=whole)
    return await last(recorder)


async def test_times_count_from_the_request(folder: Path) -> None:
    cassette = await recorded(folder, b"a", b"b", b"")
    assert cassette.recorded_at == START
    assert cassette.headers_at == 0.25
    assert cassette.reads == (Read(1.25, b"a"), Read(2.25, b"b"))
    assert (cassette.ended_at, cassette.how) == (3.25, "clean")


@pytest.mark.parametrize(
    ("chunks", "whole", "how", "ended_at"),
    [
        ([b"a", b""], False, "clean", 2.25),
        ([b"a"], True, "clean", 2.25),
        ([b"a"], False, "left", 2.25),
        ([b"a", ConnectionResetError("gone")], False, "reset", 2.25),
        ([b"a", OSError("gone")], False, "cut", 2.25),
        ([b"a", TimedOut("silence")], False, "left", 2.25),
    ],
)
async def test_an_end_is_told_once(
    folder: Path, chunks: list[bytes], whole: bool, how: str, ended_at: float
) -> None:
    cassette = await recorded(folder, *chunks, whole=whole)
    assert (cassette.how, cassette.ended_at) == (how, ended_at)


async def test_a_replay_is_due_as_it_came(folder: Path) -> None:
    cassette = await recorded(folder, b"abc", b"de", b"")
    reply = cassette.reply()
    assert reply.due == ((3, 1.0), (5, 2.0))
    assert (reply.fault.delay_headers, reply.fault.delay_end) == (0.25, 1.0)
    faster = cassette.reply(pace=0.5)
    assert faster.due == ((3, 0.5), (5, 1.0))
    assert (faster.fault.delay_headers, faster.fault.delay_end) == (0.125, 0.5)
    assert {seconds for _, seconds in cassette.reply(pace=False).due} == {0.0}


async def test_a_replay_is_reset_when_its_reader_has_had_time_to_read(folder: Path) -> None:
    cassette = await recorded(folder, b"abc", ConnectionResetError("gone"))
    assert cassette.reply(pace=0).fault.delay_end > 0


async def test_a_byte_is_due_when_its_read_was_wherever_it_is_cut(folder: Path) -> None:
    reply = (await recorded(folder, b"abc", b"de", b"")).reply().chopped(every=1)
    assert [reply.due_at(size) for size in range(1, 7)] == [1.0, 1.0, 1.0, 2.0, 2.0, 0.0]


async def test_a_replay_takes_its_time(fake_gateway: FakeGateway, recorder: Recorder) -> None:
    fake_gateway.add(Reply.scripted(text=["a", "b", "c"], pace=0.02))
    await ask(fake_gateway.url, recorder, "openai_chat")
    first = await last(recorder)
    fake_gateway.add(first.reply(pace=3))
    await ask(fake_gateway.url, recorder, "openai_chat")
    second = await last(recorder)
    assert second.read_sizes == first.read_sizes
    for once, again in zip(first.reads, second.reads, strict=True):
        assert (
            again.at >= 3 * once.at - 0.005
        )  # a request counts as sent once its bytes are on their way


# --- credentials -----------------------------------------------------------------------------


async def test_a_planted_token_is_nowhere_on_a_cassette(
    fake_gateway: FakeGateway, recorder: Recorder
) -> None:
    forms = [base64.b64encode(TOKEN.encode()).decode(), TOKEN.encode().hex(), f"Bearer {TOKEN}"]
    said = json.dumps({"choices": [{"index": 0, "delta": {"content": " ".join([TOKEN, *forms])}}]})
    stream = f"data: {said}\n\n: {TOKEN}\n\ndata: [DONE]\n\n".encode()
    headers = {"X-Request-Id": TOKEN, "Location": f"/?t={TOKEN}", "Set-Cookie": TOKEN}
    fake_gateway.add(
        Reply.error(401, {"message": f"{TOKEN} is wrong", "token": forms}, headers=headers),
        Reply.recorded(stream).chopped(every=5),
    )
    async with Client(
        host=fake_gateway.url, token=TOKEN, recorder=recorder, retry="never"
    ) as client:
        for _ in range(2):
            try:
                await client.complete(
                    "gpt",
                    f"my token is {TOKEN}",
                    family="openai_chat",
                    headers={"X-Other": TOKEN},
                    extra={"user": f"Bearer {TOKEN}", "mcp": {"authorization_token": "other-1"}},
                )
            except GatewayError as error:
                assert error.status == 401  # noqa: PT017  the first of the two
        paths = await recorder.saved()
    assert len(paths) == 2
    for path in paths:
        text = path.read_text()
        for line in text.splitlines():
            packed = json.loads(line).get("base64", "")
            text += base64.b64decode(packed).decode("latin-1")
        assert not [guise for guise in guises(TOKEN) if guise in text]
        assert "other-1" not in text
    cassette = Cassette.load(paths[1])
    assert len(cassette.body) == len(stream)
    assert cassette.masked >= 2 * len(TOKEN)
    assert "*" * len(TOKEN) in told(cassette.events())


async def test_a_planted_token_is_in_no_part_of_the_request_and_no_error(folder: Path) -> None:
    recorder = Recorder(folder)
    exchange = Exchange(HandClock(), OSError(f"{NO_FORM} is {'x' * 240} {NO_FORM}"))
    recorder.follow(
        exchange,
        method="POST",
        url=f"https://me:{NO_FORM}@{NO_FORM}.example/{NO_FORM}/ask?o={NO_FORM}&alt=sse&{NO_FORM}&t={NO_FORM}",
        headers={"Authorization": f"Bearer {NO_FORM}", "User-Agent": f"mine/{NO_FORM}"},
        body=NO_FORM.encode(),
    )
    with pytest.raises(OSError, match=NO_FORM):
        await exchange.receive()
    cassette = await last(recorder)
    masked = "*" * len(NO_FORM)
    assert (cassette.path, cassette.query) == (f"/{masked}/ask", f"o={masked}&alt=sse")
    assert cassette.request_headers == {"user-agent": f"mine/{masked}"}
    assert cassette.reason is not None
    assert cassette.reason.startswith(f"OSError: {masked} is xxx")
    assert NO_FORM[:4] not in cassette.reason
    assert NO_FORM.encode() not in cassette.lines()


async def test_what_is_not_masked_says_so(fake_gateway: FakeGateway, recorder: Recorder) -> None:
    fake_gateway.add(Reply.scripted(text="2 * 3 ** 4"))
    await ask(fake_gateway.url, recorder)
    assert (await last(recorder)).masked == 0


# --- the file --------------------------------------------------------------------------------

WORDS = st.text(max_size=20).filter(lambda text: text.isprintable())
TIMES = st.floats(0, 1000)
CASSETTES = st.builds(
    Cassette,
    recorded_at=TIMES,
    method=WORDS,
    path=WORDS,
    query=WORDS,
    request_headers=st.dictionaries(WORDS, WORDS, max_size=3),
    request_body=st.binary(max_size=20),
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple),
    headers_at=TIMES,
    reads=st.lists(st.builds(Read, TIMES, st.binary(max_size=9)), max_size=4).map(tuple),
    ended_at=TIMES,
    how=st.sampled_from(["clean", "cut", "reset", "left"]),
    reason=st.none() | WORDS,
    masked=st.integers(0, 9),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cassette") / "one.jsonl"


@given(cassette=CASSETTES)
def test_a_cassette_is_read_as_it_was_written(path: Path, cassette: Cassette) -> None:
    path.write_bytes(cassette.lines())
    assert Cassette.load(path) == cassette


ONE = Cassette(
    recorded_at=1.0, method="POST", path=CHAT, request_headers={}, status=200, headers_at=0.5,
    reads=(Read(0.75, b"data: "), Read(1.0, b"\xff")), ended_at=1.5, how="cut", reason="gone",
)  # fmt: skip


def test_a_moment_that_a_refusal_names_is_as_far_off_as_it_was() -> None:
    wait = ("Retry-After", "Thu, 01 Jan 1970 00:00:31 GMT")
    (failure,) = dataclasses.replace(ONE, status=429, headers=(wait,)).events()
    assert isinstance(failure, Failure)
    assert failure.retry_after == 30


def test_what_told_how_the_bytes_travelled_is_not_replayed() -> None:
    told = ("Content-Encoding", "Content-Length", "Connection", "Date", "Server", "Via")
    reply = dataclasses.replace(ONE, headers=tuple((name, "1") for name in told)).reply()
    assert reply.headers == (("Via", "1"),)


def test_a_cassette_that_breaks_off_holds_what_came_before(path: Path) -> None:
    lines = ONE.lines()
    needed = lines.index(b'{"type":"read"') - 1
    for size in range(len(lines) - 1):
        path.write_bytes(lines[:size])
        if size < needed:
            with pytest.raises(ConfigError, match="is no cassette"):
                Cassette.load(path)
        else:
            part = Cassette.load(path)
            whole = lines[:size].count(b"\n") - 3 + (lines[size : size + 1] == b"\n")
            assert part.reads == ONE.reads[:whole]
            assert (part.how, part.reason) == ("left", "the recording breaks off")


def test_the_format_is_as_documented() -> None:
    assert ONE.lines().decode().splitlines() == [
        '{"type":"cassette","format":1,"recorded_at":1.0}',
        '{"type":"request","method":"POST","path":"'
        + CHAT
        + '","query":"","headers":[],"text":""}',
        '{"type":"response","at":0.5,"status":200,"headers":[]}',
        '{"type":"read","at":0.75,"text":"data: "}',
        '{"type":"read","at":1.0,"base64":"/w=="}',
        '{"type":"end","at":1.5,"how":"cut","reason":"gone","masked":0}',
    ]


def test_what_is_not_known_is_skipped(path: Path) -> None:
    first, *rest = ONE.lines().splitlines()
    more = [
        b'{"type":"trailers","at":"never","headers":7}',
        b'{"type":"read","at":2,"text":"!","x":1}',
    ]
    path.write_bytes(b"\n".join([first, *more[:1], *rest[:-1], more[1], b"", rest[-1]]))
    cassette = Cassette.load(path)
    assert cassette.reads == (*ONE.reads, Read(2, b"!"))
    assert cassette.how == "cut"


@pytest.mark.parametrize(
    ("content", "told_of"),
    [
        (b"", "its first line does not say so"),
        (b'data: {"a": 1}\n\n', "JSON"),
        (b'{"type":"cassette","format":2}\n', "its format is 2, and only 1 is known here"),
        (b'{"type":"cassette","format":1}\n', "its request or its response is missing"),
        (ONE.lines().replace(b'"status":200', b'"status":"no"'), "status"),
        (ONE.lines().replace(b'"/w=="', b'"/!w=="'), "base64"),
        (ONE.lines().replace(b'"type":"read"', b'"type":7'), "type"),
    ],
)
def test_what_is_no_cassette_is_refused(path: Path, content: bytes, told_of: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told_of) as caught:
        Cassette.load(path)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Cassette.load(path / "nowhere")


def test_an_answer_on_a_path_of_no_family_needs_one_named() -> None:
    elsewhere = dataclasses.replace(ONE, path="/v2/ask")
    assert elsewhere.family is None
    with pytest.raises(ConfigError, match="no wire family"):
        elsewhere.events()
    assert elsewhere.events("openai_chat") == ONE.events()
