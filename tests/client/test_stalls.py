"""Six ways to hang, each with its clock: hours pass on a clock that is moved by hand, bytes over real sockets."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gateway_stream import (
    Client,
    EventStream,
    GatewayError,
    Retry,
    StreamTruncated,
    TimedOut,
    Timeouts,
)
from gateway_stream.errors import ConfigError
from gateway_stream.testing import FakeGateway, Fault, Reply, ScriptedCall
from tests.support.clock import HandClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODELS = {
    "anthropic": "databricks-claude-sonnet-4-6",
    "openai_chat": "databricks-gpt-oss-20b",
    "openai_responses": "databricks-gpt-5",
    "gemini": "databricks-gemini-2-5-pro",
}
ANSWER = Reply.scripted(text="Rayleigh scattering, mostly.")
CALL = Reply.scripted(tool_calls=[ScriptedCall("look", {"place": "Paris, in the north of France"})])
FIVE_SECONDS = 5


class Waiting:
    """A reader that waits on a clock moved by hand."""

    def __init__(self, stream: EventStream, clock: HandClock) -> None:
        self.stream = stream
        self.clock = clock
        self.began = clock.now
        self.ended_after: float | None = None
        self.error: GatewayError | None = None

    async def read(self) -> None:
        try:
            await self.stream.turn()
        except GatewayError as error:
            self.error = error
        self.ended_after = self.clock.now - self.began

    async def pass_time(self, step: float, until: float) -> None:
        """Let time pass in steps, to the reader's end at the most; sockets get their turn after each."""
        while self.ended_after is None and self.clock.now - self.began < until:
            await self.clock.advance(step)
            await settle()


@asynccontextmanager
async def reading(
    gateway: FakeGateway,
    model: str,
    *,
    retry: Retry | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[Waiting]:
    clock = HandClock()
    never = Retry(retries=0)
    async with Client(
        host=gateway.url, token="dapi-x", clock=clock, retry=retry or never, timeouts=timeouts
    ) as client:
        waiting = Waiting(client.stream(model, "why?"), clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.read)
            with anyio.fail_after(30):
                yield waiting
            tasks.cancel_scope.cancel()
        stats = client.stats()
        assert stats.leased == stats.draining


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_an_answer_that_never_begins_ends_at_first_content_and_is_retried(
    fake_gateway: FakeGateway, model: str
) -> None:
    fake_gateway.add(ANSWER.with_fault(Fault(delay_headers=math.inf)))
    fake_gateway.default = ANSWER
    async with reading(fake_gateway, model, retry=Retry(retries=1, first_wait=0)) as waiting:
        await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
        await waiting.pass_time(599, until=599)
        assert waiting.ended_after is None
        assert len(fake_gateway.requests) == 1
        await waiting.clock.advance(1)
        await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 2)
        while waiting.ended_after is None:
            await anyio.lowlevel.checkpoint()
    assert waiting.error is None
    assert [notice.code for notice in waiting.stream.partial.notices] == ["retry"]
    assert "no content came within 600 s" in waiting.stream.partial.notices[0].detail


async def test_a_stall_before_the_headers_is_told_when_no_try_is_left(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(delay_headers=math.inf))
    async with reading(fake_gateway, MODELS["anthropic"]) as waiting:
        await fake_gateway.wait_for(lambda gateway: len(gateway.requests) == 1)
        await waiting.pass_time(600, until=1000)
    assert waiting.ended_after == 600
    assert isinstance(waiting.error, TimedOut)
    assert (waiting.error.phase, waiting.error.retryable) == ("first_content", True)
    await fake_gateway.wait_for(lambda gateway: gateway.disconnects == 1)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize(
    ("timeouts", "after", "phase"),
    [
        (None, 120, "silence"),
        (Timeouts(first_content=50), 50, "first_content"),
        (Timeouts(silence=None), 600, "first_content"),
    ],
    ids=["silence", "first_content", "without silence"],
)
async def test_a_response_that_brings_no_byte_ends_at_the_earlier_of_two_clocks(
    fake_gateway: FakeGateway, model: str, timeouts: Timeouts | None, after: float, phase: str
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(stall_after=0))
    async with reading(fake_gateway, model, timeouts=timeouts) as waiting:
        while waiting.stream._incoming.opened is None:
            await anyio.lowlevel.checkpoint()
        await settle()
        await waiting.pass_time(after, until=1000)
    assert waiting.ended_after == after
    assert isinstance(waiting.error, TimedOut)
    assert (waiting.error.phase, waiting.error.delivered) == (phase, False)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_a_stall_after_the_first_text_ends_at_silence_with_what_came(
    fake_gateway: FakeGateway, model: str
) -> None:
    fake_gateway.default = ANSWER.with_fault(Fault(stall_after_text=2))
    async with reading(fake_gateway, model, retry=Retry()) as waiting:
        while waiting.stream.partial.text != "Rayleigh scattering, ":
            await anyio.lowlevel.checkpoint()
        await settle()
        await waiting.pass_time(119, until=119)
        assert waiting.ended_after is None
        await waiting.pass_time(1, until=1000)
    assert waiting.ended_after == 120
    assert isinstance(waiting.error, TimedOut)
    assert (waiting.error.phase, waiting.error.delivered) == ("silence", True)
    assert waiting.error.partial is not None
    assert waiting.error.partial.text == "Rayleigh scattering, "
    assert len(fake_gateway.requests) == 1  # content was seen: not a second time


@pytest.mark.parametrize("model", [model for family, model in MODELS.items() if family != "gemini"])
async def test_a_stall_inside_arguments_leaves_no_call_to_run(
    fake_gateway: FakeGateway, model: str
) -> None:
    fake_gateway.default = CALL.with_fault(Fault(stall_after_arguments=2))
    async with reading(fake_gateway, model) as waiting:
        while not any(call.json for call in waiting.stream.partial.tool_calls):
            await anyio.lowlevel.checkpoint()
        await settle()
        await waiting.pass_time(120, until=1000)
    assert isinstance(waiting.error, TimedOut)
    assert waiting.error.phase == "silence"
    assert waiting.error.partial is not None
    (call,) = waiting.error.partial.tool_calls
    assert (call.runnable, call.status) == (False, "truncated")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("begun", [False, True], ids=["from the start", "after a text"])
async def test_keep_alives_alone_end_at_progress_and_never_at_silence(
    fake_gateway: FakeGateway, model: str, *, begun: bool
) -> None:
    stall = Fault(stall_after_text=1 if begun else 0, keep_alive=0.002)
    fake_gateway.default = Reply.scripted(text=["Rayleigh", " scattering"]).with_fault(stall)
    async with reading(fake_gateway, model) as waiting:
        while bool(waiting.stream.partial.text) != begun or not waiting.stream.timings.reads:
            await anyio.lowlevel.checkpoint()
        while waiting.ended_after is None:
            reads = waiting.stream.timings.reads
            while waiting.stream.timings.reads == reads and waiting.ended_after is None:
                await anyio.lowlevel.checkpoint()
            await waiting.clock.advance(30)
    assert waiting.ended_after == 600
    assert isinstance(waiting.error, TimedOut)
    assert (waiting.error.phase, waiting.error.retryable) == ("progress", False)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_reasoning_for_longer_than_progress_lives(
    fake_gateway: FakeGateway, model: str
) -> None:
    fake_gateway.default = Reply.long(size=None, piece=16, of="reasoning", pace=0.002)
    async with reading(fake_gateway, model) as waiting:
        seen = 0
        while waiting.clock.now - waiting.began < 900:
            while len(waiting.stream.partial.reasoning) == seen:
                await anyio.lowlevel.checkpoint()
            seen = len(waiting.stream.partial.reasoning)
            await waiting.clock.advance(60)
            assert waiting.ended_after is None
        await waiting.stream.aclose()
    assert isinstance(waiting.error, StreamTruncated)


@pytest.mark.parametrize("policy", ["before_first_content", "never", "reset"])
async def test_a_deadline_ends_everything_at_its_moment_whatever_the_retries(
    fake_gateway: FakeGateway, policy: str
) -> None:
    fake_gateway.default = Reply.error(503, {"error_code": "TEMPORARILY_UNAVAILABLE"})
    clock = HandClock()
    retry = Retry(retries=100, first_wait=1, policy=policy)  # type: ignore[arg-type]
    timeouts = Timeouts(deadline=30)
    async with Client(host=fake_gateway.url, token="dapi-x", clock=clock) as client:
        ended: list[float] = []

        async def ask() -> None:
            with pytest.raises(GatewayError):
                await client.complete("claude", "why?", retry=retry, timeouts=timeouts)
            ended.append(clock.now - began)

        began = clock.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            with anyio.fail_after(30):
                while not ended:
                    requests = len(fake_gateway.requests)
                    await anyio.sleep(0.002)
                    if len(fake_gateway.requests) == requests and not fake_gateway.in_flight:
                        await clock.advance(0.25)
    assert ended[0] <= 30
    assert len(fake_gateway.requests) < 101


async def test_a_deadline_ends_an_answer_that_comes_and_comes(fake_gateway: FakeGateway) -> None:
    fake_gateway.default = Reply.long(size=None, piece=16, pace=0.002)
    timeouts = Timeouts(deadline=30)
    async with reading(fake_gateway, MODELS["openai_chat"], timeouts=timeouts) as waiting:
        while waiting.ended_after is None:
            reads = waiting.stream.timings.reads
            while waiting.stream.timings.reads == reads and waiting.ended_after is None:
                await anyio.lowlevel.checkpoint()
            await waiting.clock.advance(5)
    assert waiting.ended_after == 30
    assert isinstance(waiting.error, TimedOut)
    assert waiting.error.phase == "deadline"
    assert waiting.error.partial is not None
    assert waiting.error.partial.text


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun(
    fake_gateway: FakeGateway,
) -> None:
    fake_gateway.default = Reply.error(429, b"", headers={"Retry-After": "31"})
    async with Client(host=fake_gateway.url, token="dapi-x", clock=HandClock()) as client:
        with anyio.fail_after(FIVE_SECONDS), pytest.raises(GatewayError) as caught:
            await client.complete("claude", "why?", timeouts=Timeouts(deadline=30))
    assert caught.value.retry_after == 31
    assert len(fake_gateway.requests) == 1


async def test_time_in_which_nobody_reads_is_not_the_servers(fake_gateway: FakeGateway) -> None:
    clock = HandClock()
    fake_gateway.default = ANSWER.with_fault(Fault(stall_after_text=1))
    async with (
        Client(host=fake_gateway.url, token="dapi-x", clock=clock) as client,
        client.stream("claude", "why?") as stream,
    ):
        pieces = stream.text()
        assert await anext(pieces)
        await clock.advance(10_000)  # the reader does something else
        ended: list[float] = []

        async def go_on() -> None:
            with pytest.raises(TimedOut) as caught:
                await anext(pieces)
            assert caught.value.phase == "silence"
            ended.append(clock.now - began)

        began = clock.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            await settle()
            await clock.advance(119)
            assert not ended
            await clock.advance(1)
            with anyio.fail_after(FIVE_SECONDS):
                while not ended:
                    await anyio.lowlevel.checkpoint()
    assert ended == [120]


async def test_who_waits_too_long_for_a_place_is_told_so(fake_gateway: FakeGateway) -> None:
    clock = HandClock()
    fake_gateway.default = ANSWER.with_fault(Fault(stall_after_text=1))
    async with (
        Client(host=fake_gateway.url, token="dapi-x", clock=clock, pool_size=1) as client,
        client.stream("claude", "why?") as first,
    ):
        await anext(first.text())
        ended: list[TimedOut] = []

        async def ask() -> None:
            with pytest.raises(TimedOut) as caught:
                await client.complete("claude", "why?", timeouts=Timeouts(queue=60))
            ended.append(caught.value)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while not client.stats().queued:
                await anyio.lowlevel.checkpoint()
            await clock.advance(59)
            assert not ended
            await clock.advance(1)
            with anyio.fail_after(FIVE_SECONDS):
                while not ended:
                    await anyio.lowlevel.checkpoint()
    assert ended[0].phase == "queue"
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize("name", Timeouts.__struct_fields__)
@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_clock_that_would_end_everything_at_once_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Timeouts(**{name: seconds})


def test_the_defaults_are_what_the_table_says() -> None:
    assert Timeouts() == Timeouts(
        queue=None, connect=10, first_content=600, progress=600, silence=120, deadline=None
    )
